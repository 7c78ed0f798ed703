"""A study's results, read from the files that its runs left, and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tl.errors import StoreError
from ecg_tl.study.findings import Missing
from ecg_tl.study.folder import RunFolder, StudyFolder
from ecg_tl.temperature import is_at_range_end

FORMAT = 1
"""Of `result.json`, the newest that is understood."""

_RUN_KEYS = ("id", "kind", "dataset", "upstream", "network", "arm", "size", "seed", "axes", "protocol")
_RESULT_KEYS = (
    "run",
    "family",
    "head",
    "scores",
    "best_scores",
    "monitor",
    "epochs",
    "epochs_to_best",
    "data",
)
_REMEDY = "Remove the run's folder and run the study again: it does only what is missing."


@dataclass(frozen=True, eq=False)
class RunResult:
    """One finished run.

    Attributes:
        run: `Run.describe()`.
        result: The content of `result.json`.
        record_ids: `(records,)`, of the test records, sorted.
        patient_ids: `(records,)`; a record whose patient is not known has one of its own.
        unknown_patients: How many records that are.
        targets: `bool (records, classes)`.
        probabilities: `(records, classes)`, before temperature scaling.
        class_names: One a column.
        history: `metrics.csv`: a row an epoch, validation scores and seconds.
        test_by_epoch: Test scores by epoch, for the second opinion alone; None if the run has none.
    """

    run: Mapping[str, Any]
    result: Mapping[str, Any]
    record_ids: NDArray[np.str_]
    patient_ids: NDArray[np.str_]
    unknown_patients: int
    targets: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    class_names: tuple[str, ...]
    history: pd.DataFrame
    test_by_epoch: pd.DataFrame | None

    @property
    def id(self) -> str:
        """Of the run."""
        return str(self.run["id"])

    @property
    def seed(self) -> int:
        """Of the training."""
        return int(self.run["seed"])

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """Chosen on validation data, `(classes,)`; 0.5 where none were."""
        calibration = self.result.get("calibration") or {}
        given = calibration.get("thresholds") or []
        if len(given) != len(self.class_names):
            return np.full(len(self.class_names), 0.5)
        return np.asarray(given, dtype=np.float64)

    @property
    def temperature(self) -> float | None:
        """Chosen on validation data; None if none was, or only an end of its range."""
        value = (self.result.get("calibration") or {}).get("temperature")
        return None if value is None or is_at_range_end(value) else float(value)

    @property
    def train_records(self) -> int:
        """Records that it was trained on."""
        return int(self.result["data"].get("records", {}).get("train", 0))


@dataclass(frozen=True, eq=False)
class StudyResults:
    """What there is of a study.

    Attributes:
        runs: Finished ones.
        missing: Those of the plan that are not.
    """

    runs: tuple[RunResult, ...]
    missing: tuple[Missing, ...]


def load_results(folder: Path, run_ids: Sequence[str] | None = None) -> StudyResults:
    """Read the results of a study.

    Args:
        folder: Of the study.
        run_ids: Those of its plan: others, of a config as it once was, are left out, and those that are not
            finished are listed. Every run that has a folder if None.

    Raises:
        StoreError: If a finished run's file is missing or damaged; it is named.
    """
    study = StudyFolder(Path(folder))
    ids = run_ids if run_ids is not None else sorted(p.name for p in (study.path / "runs").glob("*/"))
    runs: list[RunResult] = []
    missing: list[Missing] = []
    for run_id in ids:
        place = study.run(run_id)
        if not place.finished:
            error = place.failure()
            missing.append(Missing(run_id, "not finished" if error is None else "failed", error or ""))
            continue
        run = read_run(place)
        diverged = int((~np.isfinite(run.probabilities)).sum())
        if diverged:
            text = f"{diverged} of {run.probabilities.size} test probabilities are not numbers: it diverged"
            missing.append(Missing(run_id, "failed", text))
        else:
            runs.append(run)
    return StudyResults(tuple(runs), tuple(missing))


def read_run(place: RunFolder) -> RunResult:
    """Read a finished run.

    Raises:
        StoreError: If a file is missing or damaged.
    """
    result = _read_result(place.result)
    predictions = _read_table(place.test / "predictions.csv", ids=True)
    names = tuple(str(c)[len("target/") :] for c in predictions.columns if str(c).startswith("target/"))
    absent = [f"probability/{n}" for n in names if f"probability/{n}" not in predictions]
    if "record_id" not in predictions or not names or absent or predictions.empty:
        raise StoreError(
            place.test / "predictions.csv",
            f"{len(predictions)} rows, columns {', '.join(map(str, predictions.columns[:4]))} ...",
            "rows with record_id, and target/NAME and probability/NAME for each class",
            _REMEDY,
        )
    record_ids = predictions["record_id"].to_numpy(dtype=str)
    order = np.argsort(record_ids, kind="stable")
    patients, unknown = _patients(predictions)
    targets = predictions[[f"target/{n}" for n in names]].to_numpy(dtype=np.float64)
    if not np.isin(targets, (0.0, 1.0)).all():
        raise StoreError(
            place.test / "predictions.csv", "targets that are neither 0 nor 1", "zeros and ones", _REMEDY
        )
    probabilities = predictions[[f"probability/{n}" for n in names]].to_numpy(dtype=np.float64)
    by_epoch = place.test_by_epoch
    return RunResult(
        run=result["run"],
        result=result,
        record_ids=record_ids[order],
        patient_ids=patients[order],
        unknown_patients=unknown,
        targets=targets[order] == 1,
        probabilities=probabilities[order],
        class_names=names,
        history=_read_table(place.metrics),
        test_by_epoch=_read_table(by_epoch) if by_epoch.is_file() else None,
    )


def _read_result(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(path, " ".join(str(error).split()), "what a run has written", _REMEDY) from error
    described = content.get("run") if isinstance(content, dict) else None
    if not isinstance(described, dict) or not isinstance(content.get("data"), dict):
        raise StoreError(path, "no description of a run and its data", "what a run has written", _REMEDY)
    absent = [key for key in _RESULT_KEYS if key not in content]
    absent += [f"run.{key}" for key in _RUN_KEYS if key not in described]
    if absent or content.get("format") != FORMAT:
        found = f"format {content.get('format')}" + (f" without {', '.join(absent)}" if absent else "")
        raise StoreError(path, found, f"format {FORMAT} with all its fields", _REMEDY)
    return dict(content)


def _read_table(path: Path, *, ids: bool = False) -> pd.DataFrame:
    try:
        if not ids:
            return pd.read_csv(path)
        # Ids are text: "001" is not "1", and "NA" may be somebody's name for a record.
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        found = " ".join(str(error).split())
        raise StoreError(path, found, "a table that a run has written", _REMEDY) from error
    for column in table.columns:
        if "/" in str(column):
            table[column] = pd.to_numeric(table[column], errors="coerce")
    return table


def _patients(predictions: pd.DataFrame) -> tuple[NDArray[np.str_], int]:
    """Return each record's patient, and how many are not known."""
    records = predictions["record_id"]
    if "patient_id" not in predictions:
        return ("record " + records).to_numpy(dtype=str), len(predictions)
    known = predictions["patient_id"] != ""
    patients = ("patient " + predictions["patient_id"]).where(known, "record " + records)
    return patients.to_numpy(dtype=str), int((~known).sum())
