"""A study's results, read from the files that its runs left, and from nothing else."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecg_tl.csv_text import read_csv_texts
from ecg_tl.errors import StoreError
from ecg_tl.files import read_json, read_regular, sha256_of
from ecg_tl.paths import is_file_name
from ecg_tl.published.declared import declared_overlaps
from ecg_tl.statistics.replication import number_of
from ecg_tl.study.design.folder import NOT_ITS_OWN, RESULT_FILE, RunFolder, StudyFolder, unreadable
from ecg_tl.study.run.result_schema import check_result
from ecg_tl.temperature import is_at_range_end

if TYPE_CHECKING:  # a study is planned without a table
    import pandas as pd


@dataclass(frozen=True)
class Missing:
    """A run of the plan without a result.

    Attributes:
        id: Of the run.
        state: `failed` or `not finished`.
        error: One line; empty if it did not fail.
    """

    id: str
    state: Literal["failed", "not finished"]
    error: str


PREDICTIONS_FILE = "predictions.csv"


@dataclass(frozen=True, eq=False)
class RunResult:
    """One finished run.

    Attributes:
        run: `Run.describe()`.
        result: The content of `result.json`.
        record_ids: `(records,)`, of the test records, sorted.
        patient_ids: `(records,)`; a record whose patient is not known has one of its own.
        unknown_patients: How many records that are.
        targets: `bool (records, classes)`; False where there is no answer.
        answered: `bool (records, classes)`: where there is one.
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
    answered: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    class_names: tuple[str, ...]
    history: pd.DataFrame
    test_by_epoch: pd.DataFrame | None

    @property
    def answers(self) -> NDArray[np.float64]:
        """`(records, classes)` of zeros, ones, and NaN for no answer."""
        return np.where(self.answered, self.targets, np.nan)

    @property
    def overlap(self) -> list[str]:
        """Say in lines which records of its downstream its upstream was trained on, declared or found."""
        transfer = self.result.get("transfer") or {}
        overlap = transfer.get("overlap") or {}
        lines = declared_overlaps(overlap)
        if overlap.get("records"):
            lines.append(
                f"{overlap['records']} records of {self.run['dataset']} are among its training records"
            )
        return lines

    @property
    def id(self) -> str:
        """Of the run."""
        return str(self.run["id"])

    @property
    def seed(self) -> int:
        """Of the training."""
        return int(self.run["seed"])

    @property
    def training(self) -> int:
        """Number of split and seed; see `ecg_tl.statistics.replication`."""
        return number_of(int(self.run.get("split") or 0), self.seed)

    @property
    def upstream_training(self) -> int | None:
        """Seed of the training of the upstream that it starts from; None of one alone, or of none."""
        seed = self.run.get("upstream_seed")
        return None if seed is None else int(seed)

    @property
    def single_choice(self) -> bool:
        """Whether one of the classes is chosen."""
        return bool(self.result["data"].get("single_choice"))

    @property
    def thresholds(self) -> NDArray[np.float64] | None:
        """Chosen on validation data, `(classes,)`; 0.5 where none were; None where a class is chosen."""
        if self.single_choice:
            return None
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
        run_folder = study.run(run_id)
        if not run_folder.finished:
            error = run_folder.failure()
            missing.append(Missing(run_id, "not finished" if error is None else "failed", error or ""))
            continue
        run = read_run(run_folder)
        diverged = int((~np.isfinite(run.probabilities)).sum())
        if diverged:
            text = f"{diverged} of {run.probabilities.size} test probabilities are not numbers: it diverged"
            missing.append(Missing(run_id, "failed", text))
        else:
            runs.append(run)
    return StudyResults(tuple(runs), tuple(missing))


def read_run(run_folder: RunFolder) -> RunResult:
    """Read a finished run.

    Each file is the one that the run left: its digest is in the result, and compared while the file is read.
    A result of an earlier version has no digests, and its files are taken as they are.

    Raises:
        StoreError: If a file is missing, damaged or not the run's own.
    """
    result = read_result(run_folder.result)
    read = _Reader(run_folder, result.get("digests") or {})
    path = run_folder.test / PREDICTIONS_FILE
    predictions = read.texts(path)
    names = tuple(c[len("target/") :] for c in predictions.columns if c.startswith("target/"))
    absent = [f"probability/{n}" for n in names if f"probability/{n}" not in predictions]
    if "record_id" not in predictions or not names or absent or predictions.empty:
        raise StoreError(
            path,
            f"{len(predictions)} rows, columns {', '.join(map(str, predictions.columns[:4]))} ...",
            "rows with record_id, and target/NAME and probability/NAME for each class",
            NOT_ITS_OWN,
        )
    record_ids = predictions["record_id"].to_numpy(dtype=str)
    order = np.argsort(record_ids, kind="stable")
    patients, unknown = _patients(predictions)
    numbers = _numbers(predictions, [f"{part}/{n}" for part in ("target", "probability") for n in names])
    targets, probabilities = numbers[:, : len(names)], numbers[:, len(names) :]
    unanswered = (predictions[[f"target/{n}" for n in names]] == "").to_numpy()
    if not (np.isin(targets, (0.0, 1.0)) | unanswered).all() or unanswered.all():
        raise StoreError(path, "targets that are neither 0 nor 1", "zeros and ones", NOT_ITS_OWN)
    stated = result["data"].get("class_names")
    if stated is not None and tuple(stated) != names:
        raise StoreError(path, f"the classes {', '.join(names)}", ", ".join(stated), NOT_ITS_OWN)
    by_epoch = run_folder.test_by_epoch
    return RunResult(
        run=result["run"],
        result=result,
        record_ids=record_ids[order],
        patient_ids=patients[order],
        unknown_patients=unknown,
        targets=targets[order] == 1,
        answered=~unanswered[order],
        probabilities=probabilities[order],
        class_names=names,
        history=read.numbers(run_folder.metrics),
        test_by_epoch=read.numbers(by_epoch) if read.expects(by_epoch) else None,
    )


def read_result(path: Path) -> dict[str, Any]:
    """Read a run's `result.json`.

    Raises:
        StoreError: If it cannot be read, or is not what that run has written.
    """
    try:
        content = read_json(path)
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise StoreError(path, " ".join(str(error).split()), "what a run has written", NOT_ITS_OWN) from error
    return check_result(content, path)


@dataclass(frozen=True)
class _Reader:
    """Reads a run's files, each once, and compares it with what the run said of it.

    Attributes:
        run_folder: The run's folder.
        digests: SHA-256 by the path in that folder; empty for a run of an earlier version.
    """

    run_folder: RunFolder
    digests: Mapping[str, str]

    def expects(self, path: Path) -> bool:
        """Whether the run left this file."""
        return self._name(path) in self.digests if self.digests else path.is_file()

    def texts(self, path: Path) -> pd.DataFrame:
        """Read a table of texts: "001" is not "1", and "NA" may be somebody's name for a record."""
        return self._parsed(path, read_csv_texts)

    def numbers(self, path: Path) -> pd.DataFrame:
        """Read a table of numbers."""
        import pandas as pd

        table = self._parsed(path, pd.read_csv)
        text = [str(name) for name, kind in table.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
        if text:
            raise StoreError(path, f"text in the column {text[0]}", "numbers", NOT_ITS_OWN)
        return table

    def _parsed(self, path: Path, parse: Callable[[IO[bytes]], pd.DataFrame]) -> pd.DataFrame:
        try:
            content = read_regular(path)
        except OSError as error:
            raise unreadable(path, error) from error
        expected = self.digests.get(self._name(path))
        if expected is not None:
            check_digest(path, hashlib.sha256(content).hexdigest(), expected)
        try:
            return parse(io.BytesIO(content))
        except ValueError as error:
            found = " ".join(str(error).split())
            raise StoreError(path, found, "a table that a run has written", NOT_ITS_OWN) from error

    def _name(self, path: Path) -> str:
        return path.relative_to(self.run_folder.path).as_posix()


def check_digest(path: Path, found: str, expected: str) -> None:
    """Compare a file's SHA-256 with the one that its run has noted.

    Raises:
        StoreError: If they differ: the file was changed, damaged or put there since.
    """
    if found != expected:
        raise StoreError(
            path,
            f"other content than its run left (SHA-256 {found[:12]})",
            f"what {RESULT_FILE} says of it ({expected[:12]})",
            NOT_ITS_OWN,
        )


def verify_run(run_folder: RunFolder) -> list[StoreError]:
    """Read everything that a finished run has noted a digest of, and return what is wrong."""
    try:
        result = read_result(run_folder.result)
    except StoreError as error:
        return [error]
    wrong: list[StoreError] = []
    for name, expected in (result.get("digests") or {}).items():
        path = run_folder.path / name
        if not all(map(is_file_name, name.split("/"))):
            wrong.append(
                StoreError(run_folder.result, f"a digest of {name!r}", "files of the run", NOT_ITS_OWN)
            )
            continue
        try:
            check_digest(path, sha256_of(path), expected)
        except OSError as error:
            wrong.append(unreadable(path, error))
        except StoreError as error:
            wrong.append(error)
    try:
        read_run(run_folder)
    except StoreError as error:
        if str(error) not in map(str, wrong):
            wrong.append(error)
    return wrong


def _patients(predictions: pd.DataFrame) -> tuple[NDArray[np.str_], int]:
    """Return each record's patient, and how many are not known."""
    records = predictions["record_id"].tolist()
    patients = predictions["patient_id"].tolist() if "patient_id" in predictions else [""] * len(records)
    named = [
        f"patient {patient}" if patient else f"record {record}"
        for patient, record in zip(patients, records, strict=True)
    ]
    return np.array(named, dtype=str), patients.count("")


def _numbers(predictions: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.float64]:
    """Parse columns of texts, `(records, columns)`, all at once: a call a column takes six times as long."""
    import pandas as pd

    texts = predictions[list(columns)].to_numpy(dtype=object)
    numbers = pd.to_numeric(texts.ravel(), errors="coerce")
    return np.asarray(numbers, dtype=np.float64).reshape(texts.shape)
