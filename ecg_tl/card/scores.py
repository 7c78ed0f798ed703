"""A checkpoint's test, from the files that `ecg-tl test` left in its run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tl.calibration import default_threshold
from ecg_tl.csv_text import read_csv_texts
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.files import read_json
from ecg_tl.inference.model import ModelDescription
from ecg_tl.metrics import multilabel_scores, sensitivity_and_specificity
from ecg_tl.statistics.calibration import temper
from ecg_tl.statistics.intervals import Interval, score_intervals
from ecg_tl.temperature import is_at_range_end

TEST_FOLDER = "test"
PREDICTIONS_FILE = "predictions.csv"
SCORES_FILE = "scores.json"

_AGREE = ("class_names", "split_hash", "fingerprint")
"""What a test's data must share with those of the checkpoint."""

_EDGE = 1e-12  # a probability of 0 or 1 has no logit


@dataclass(frozen=True)
class ClassRow:
    """One class's scores.

    Attributes:
        support: Test records that have it.
        answers: Test records that it is known of.
        auroc: With its interval over patients.
        auprc: As `auroc`.
        f1: At the threshold; None without answers.
        sensitivity: At the threshold; None without positives.
        specificity: At the threshold; None without negatives.
    """

    support: int
    answers: int
    auroc: Interval
    auprc: Interval
    f1: float | None
    sensitivity: float | None
    specificity: float | None


@dataclass(frozen=True)
class Evaluation:
    """One test.

    Attributes:
        title: Of the dataset.
        records: How many were tested.
        patients: How many patients they are of; None if the table does not name them all.
        classes: By class.
        averages: `auroc_macro`, `auprc_macro`, `f1_macro` and `f1_weighted`, the latter two at the
            thresholds, or of the choice, with intervals over patients.
        plain: `f1_macro` and `f1_weighted` at 0.5; of a choice, `accuracy`.
        calibration: `brier` and `ece`, before and after calibration; after is None without a temperature.
        overlap: What the test said of records that the weights were trained on.
    """

    title: str
    records: int
    patients: int | None
    classes: dict[str, ClassRow]
    averages: dict[str, Interval]
    plain: dict[str, float]
    calibration: dict[str, tuple[float, float | None]]
    overlap: Mapping[str, Any] | None


def read_test(
    folder: Path | None, description: ModelDescription, data: Mapping[str, Any]
) -> tuple[Evaluation | None, str]:
    """Read a run's test, and score it anew.

    Args:
        folder: Of the run; None if there is none.
        description: Of the checkpoint.
        data: What the checkpoint says of its data.

    Returns:
        The result, or None and a sentence that says why there is none.

    Raises:
        CheckpointError: If a file of the test is damaged.
    """
    if folder is None:
        return None, "The checkpoint does not lie in the folder of a run, where its test would be."
    predictions, scores = folder / TEST_FOLDER / PREDICTIONS_FILE, folder / TEST_FOLDER / SCORES_FILE
    if not predictions.is_file() or not scores.is_file():
        return None, "It was not tested (`ecg-tl test`), or the test's files are not at hand."
    said = _read_scores(scores)
    tested_on = said.get("data")
    tested_on = tested_on if isinstance(tested_on, Mapping) else {}
    other = [name for name in _AGREE if tested_on.get(name) != data.get(name)]
    if other or not _same_calibration(said.get("calibration"), description):
        what = f"with another {other[0]}" if other else "of another checkpoint of the run"
        return None, f"The test in the run's folder is one {what}: test this one."
    table, probabilities, targets = _read_predictions(predictions, description)
    overlap = said.get("overlap")
    return _score(
        table,
        probabilities,
        targets,
        description,
        title=str(tested_on.get("title")),
        overlap=overlap if isinstance(overlap, Mapping) else None,
    ), ""


def _score(
    table: pd.DataFrame,
    probabilities: NDArray[np.float64],
    targets: NDArray[np.float64],
    description: ModelDescription,
    title: str,
    overlap: Mapping[str, Any] | None,
) -> Evaluation:
    names, chooses = description.class_names, description.single_choice
    thresholds = None if chooses else np.array(description.thresholds)
    patients = table["patient_id"].tolist() if "patient_id" in table else [None] * len(table)
    known = [patient for patient in patients if patient]
    # A record whose patient is not known is taken for a patient of its own.
    whose = [p or f"record {row}" for row, p in enumerate(patients)]
    intervals = score_intervals(targets, probabilities, whose, names, thresholds, single_choice=chooses)
    tuned = multilabel_scores(probabilities, targets, names, thresholds)
    plain = multilabel_scores(probabilities, targets, names, default_threshold(chooses))
    cooled = None
    if description.calibrated:
        p = probabilities.clip(_EDGE, 1 - _EDGE)
        if chooses:
            cooled_p = temper(p, description.temperature, single_choice=True)
        else:
            logits = np.log(p) - np.log1p(-p)
            cooled_p = 1 / (1 + np.exp(-logits / description.temperature))
        cooled = multilabel_scores(cooled_p, targets, names)
    sensitivity, specificity = sensitivity_and_specificity(probabilities, targets, names, thresholds)
    return Evaluation(
        title=title,
        records=len(table),
        patients=len(set(known)) if len(known) == len(table) else None,
        classes={
            name: ClassRow(
                support=tuned.support[name],
                answers=len(table) - tuned.unanswered.get(name, 0),
                auroc=intervals[f"auroc/{name}"],
                auprc=intervals[f"auprc/{name}"],
                f1=tuned.f1.get(name),
                sensitivity=sensitivity.get(name),
                specificity=specificity.get(name),
            )
            for name in names
        },
        averages={
            name: intervals[name] for name in ("auroc_macro", "auprc_macro", "f1_macro", "f1_weighted")
        },
        plain={"f1_macro": plain.f1_macro, "f1_weighted": plain.f1_weighted}
        if plain.accuracy is None
        else {"accuracy": plain.accuracy},
        calibration={
            "brier": (plain.brier, None if cooled is None else cooled.brier),
            "ece": (plain.ece, None if cooled is None else cooled.ece),
        },
        overlap=overlap,
    )


def _read_scores(path: Path) -> Mapping[str, Any]:
    try:
        content = read_json(path)
    except (ValueError, OSError) as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(content, Mapping):
        raise _damaged(path, f"a {type(content).__name__}")
    return content


def _read_predictions(
    path: Path, description: ModelDescription
) -> tuple[pd.DataFrame, NDArray[np.float64], NDArray[np.float64]]:
    names = description.class_names
    try:
        table = read_csv_texts(path)
        probabilities = table[[f"probability/{name}" for name in names]].to_numpy(dtype=np.float64)
        cells = table[[f"target/{name}" for name in names]]
        targets = cells.where(cells != "", "nan").to_numpy(dtype=np.float64)  # empty without an answer
        multilabel_scores(probabilities, targets, names)
    except KeyError as error:
        raise _damaged(path, f"no column for each of {', '.join(names)} ({error.args[0]})") from None
    except SettingError as error:
        raise _damaged(path, error.found) from None
    except (ValueError, OSError) as error:  # pandas' errors of parsing are of the former kind
        raise _damaged(path, str(error)) from None
    return table, probabilities, targets


def _same_calibration(calibration: object, description: ModelDescription) -> bool:
    """Tell by thresholds and temperature whether a test was of these very weights."""
    if not isinstance(calibration, Mapping):
        return calibration is None and not description.validated
    temperature = calibration.get("temperature")
    if isinstance(temperature, float) and is_at_range_end(temperature):  # as earlier versions wrote it
        temperature = None
    return list(calibration.get("thresholds") or []) == list(description.thresholds) and temperature == (
        description.temperature if description.calibrated else None
    )


def _damaged(path: Path, found: str) -> CheckpointError:
    return CheckpointError(
        path, " ".join(found.split())[:200], "a file that `ecg-tl test` wrote", "Test the checkpoint again."
    )
