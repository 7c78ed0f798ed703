"""The datasets as the study used them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ecg_tl.preprocessing.chain import steps_in_words
from ecg_tl.study.findings.columns import CsvRow, row_of, rows_of_parts
from ecg_tl.study.findings.curves import by_size
from ecg_tl.study.findings.grid import SECOND_OPINION, UPSTREAM, Cell, Grid
from ecg_tl.study.findings.tables import Line, Table, TableCell, axis_words, make_table
from ecg_tl.study.findings.topic import Topic, register_topic
from ecg_tl.study.findings.values import Axes
from ecg_tl.study.findings.wording import (
    NOTHING,
    count,
    significant,
)
from ecg_tl.study.run.results import RunResult


@dataclass(frozen=True)
class ClassSupport:
    """Positives of one class in each part.

    Attributes:
        name: Of the class.
        train: Positives.
        validation: Positives.
        test: Positives.
    """

    name: str
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class DataRow:
    """One dataset as the study used it, at all its training records.

    Attributes:
        name: As the study names it.
        role: `upstream`, `downstream` or `both`.
        dataset: Name of the dataset.
        title: Its full name.
        licence: Of the dataset.
        citation: Whom to cite.
        split: `official`, `patient` or `record`.
        split_hash: Of the split.
        train: Records.
        validation: Records.
        test: Records.
        patients: In the test set.
        left_out: Records that could not be used.
        unlabelled: Records without any class of the task.
        unlabelled_dropped: Whether these were left out.
        query: Filter on the record table; empty if none.
        sampling_rate: In Hz.
        num_samples: A lead.
        normalization: In words.
        selects_on_test: Whether the epoch is chosen on test records.
        classes: Support of each.
        warnings: Sentences.
        axes: The axis values that this row holds for.
        filtered: Records that `query` left out.
    """

    name: str
    role: Literal["upstream", "downstream", "both"]
    dataset: str
    title: str
    licence: str
    citation: str
    split: str
    split_hash: str
    train: int
    validation: int
    test: int
    patients: int
    left_out: int
    unlabelled: int
    unlabelled_dropped: bool
    query: str
    sampling_rate: float | None
    num_samples: int | None
    normalization: str
    selects_on_test: bool
    classes: tuple[ClassSupport, ...]
    warnings: tuple[str, ...]
    axes: Axes
    filtered: int = 0


FEW_POSITIVES = 5
PART_WORDS = {"train": "the training set", "validation": "the validation set", "test": "the test set"}
_WITHOUT = {
    "train": "never trained",
    "validation": "without a threshold of its own",
    "test": "not scored",
}
"""What becomes of a class that no record of a part has an answer to."""


def data_rows(grid: Grid) -> tuple[DataRow, ...]:
    """Describe each dataset as it was used, once for each way in which it was."""
    uses: dict[tuple[str, str], list[Cell]] = {}
    for cells in by_size([c for c in grid.cells if c.protocol != SECOND_OPINION], grid).values():
        cell = cells[-1]
        data = grid.first(cell).result["data"]
        same = {
            k: v
            for k, v in data.items()
            if k not in ("records", "support", "answered", "leaks_removed", "store")
        }
        uses.setdefault((cell.dataset, json.dumps(same, sort_keys=True, default=str)), []).append(cell)
    several = {name for name, _ in uses if sum(other == name for other, _ in uses) > 1}
    rows = []
    for (name, _), cells in uses.items():
        largest = max(cells, key=grid.train_records)
        roles = {"upstream" if cell.kind == UPSTREAM else "downstream" for cell in cells}
        role: Literal["upstream", "downstream", "both"] = (
            "both" if len(roles) == 2 else "upstream" if UPSTREAM in roles else "downstream"
        )
        shared = [pair for k, pair in enumerate(largest.axes) if len({c.axes[k] for c in cells}) == 1]
        rows.append(_data_row(name, role, grid.first(largest), tuple(shared) if name in several else ()))
    return tuple(rows)


def _data_row(
    name: str, role: Literal["upstream", "downstream", "both"], run: RunResult, axes: Axes
) -> DataRow:
    data = run.result["data"]
    records = data.get("records", {})
    support: dict[str, dict[str, int]] = data.get("support", {})
    classes = tuple(
        ClassSupport(
            label,
            *(int(support.get(part, {}).get(label, 0)) for part in ("train", "validation", "test")),
        )
        for label in run.class_names
    )
    return DataRow(
        name=name,
        role=role,
        dataset=str(data.get("dataset", name)),
        title=str(data.get("title", "")),
        licence=str(data.get("licence", "")),
        citation=str(data.get("citation", "")),
        split=str(data.get("split", "")),
        split_hash=str(data.get("split_hash", "")),
        train=int(records.get("train", 0)),
        validation=int(records.get("validation", 0)),
        test=len(run.record_ids),
        patients=len(set(run.patient_ids.tolist())),
        left_out=int(data.get("records_left_out") or 0),
        unlabelled=int(data.get("unlabelled") or 0),
        unlabelled_dropped=bool(data.get("unlabelled_dropped")),
        query=str(data.get("query") or ""),
        sampling_rate=data.get("sampling_rate"),
        num_samples=data.get("num_samples"),
        normalization=_normalization(data.get("normalization")),
        selects_on_test=bool(data.get("selects_on_test")),
        classes=classes,
        warnings=tuple(_data_warnings(run, data, classes)),
        axes=axes,
        filtered=int(data.get("filtered") or 0),
    )


def _normalization(described: Any) -> str:
    if not isinstance(described, dict):
        return str(described or "")
    if described.get("steps"):
        return steps_in_words(described["steps"])
    settings = ", ".join(f"{k} {v}" for k, v in described.items() if k != "name" and v is not None)
    return f"{described.get('name', '')}" + (f" ({settings})" if settings else "")


def _data_warnings(run: RunResult, data: dict[str, Any], classes: Sequence[ClassSupport]) -> list[str]:
    warnings = []
    if data.get("selects_on_test"):
        warnings.append("The epoch is chosen on the test records: test scores are too high.")
    if data.get("split") in ("record", "paper"):
        warnings.append("The split is by record: a patient may be in training and in test.")
    if run.unknown_patients:
        warnings.append(
            f"{run.unknown_patients} of {len(run.record_ids)} test records name no patient: each counts as a "
            "patient of its own, and intervals are too narrow if some are of one patient."
        )
    rare = [f"{c.name} ({c.test})" for c in classes if 0 < c.test < FEW_POSITIVES]
    if rare:
        warnings.append(f"Fewer than {FEW_POSITIVES} positives in the test set: {', '.join(rare)}.")
    answered = data.get("answered") or {}
    for part in ("train", "validation", "test"):
        counts = answered.get(part) or {}
        without = [name for name in run.class_names if counts.get(name) == 0]
        if without:
            warnings.append(f"No answer in {PART_WORDS[part]}, so {_WITHOUT[part]}: {', '.join(without)}.")
        total = int((data.get("records") or {}).get(part, 0))
        partly = [f"{name} ({counts[name]:,})" for name in run.class_names if 0 < counts.get(name, 0) < total]
        if partly:
            warnings.append(
                f"Not all of the {total:,} records in {PART_WORDS[part]} have an answer: {', '.join(partly)}."
            )
    if data.get("unanswered"):
        lack = "none of the classes, or no answer," if run.single_choice else "no answer to any class"
        warnings.append(f"{data['unanswered']:,} records have {lack} and are in no part.")
    if run.single_choice:
        warnings.append(
            "One of the classes is chosen in each record: F1 is that of the most probable class, in place of "
            "F1 at thresholds, and AUROC that of each class against all others."
        )
    unscored = [name for name in run.class_names if (answered.get("test") or {}).get(name) == 0]
    absent = [c.name for c in classes if c.test == 0 and c.name not in unscored]
    if absent:
        warnings.append(f"No positives in the test set, so not scored: {', '.join(absent)}.")
    leaks = sum(int(v) for v in (data.get("leaks_removed") or {}).values())
    if leaks:
        warnings.append(
            f"{leaks} records were removed from training and validation: a later part holds the same "
            "recordings, under other ids."
        )
    return warnings


def data_table(found: Sequence[DataRow], default: Axes) -> Table | None:
    """The datasets as used."""
    splits = {"official": "official folds", "patient": "by patient", "record": "by record"}

    def row(one: DataRow) -> Line:
        return {
            "Name": TableCell(one.name, axis_words(one.axes, default)),
            "Role": "up- and downstream" if one.role == "both" else one.role,
            "Dataset": TableCell(one.title or one.dataset, one.query),
            "#Training": count(one.train),
            "#Validation": count(one.validation),
            "#Test": TableCell(count(one.test), f"{count(one.patients)} patients"),
            "Split": splits.get(one.split, one.split),
            "#Unusable": count(one.left_out),
            "#Without a label": TableCell(
                count(one.unlabelled), "left out" if one.unlabelled_dropped and one.unlabelled else ""
            ),
            "Signal": f"{significant(one.sampling_rate, 3)} Hz × {count(one.num_samples)}"
            if one.sampling_rate
            else NOTHING,
            "Normalisation": one.normalization,
            "Epoch chosen on test": TableCell("yes", tone="loss") if one.selects_on_test else "no",
            "Licence": one.licence,
        }

    return make_table(
        "Datasets as this study used them",
        [row(one) for one in found],
    )


def support_table(row: DataRow) -> Table | None:
    """Positives of each class in each part of a dataset."""
    rows: list[Line] = [
        {
            "Class": one.name,
            "#Training": count(one.train),
            "#Validation": count(one.validation),
            "#Test": count(one.test),
        }
        for one in row.classes
    ]
    return make_table(f"{row.name}: positives of each class", rows)


def _files(found: Sequence[DataRow]) -> dict[str, Iterable[CsvRow]]:
    return {
        "data": (row_of(one, without=("classes",)) for one in found),
        "classes": rows_of_parts(found, ("name", "axes"), "classes", prefix="dataset_"),
    }


register_topic(
    Topic(
        "data",
        lambda study: data_rows(study.grid),
        _files,
        lambda found, default: {"data": data_table(found, default)},
    )
)
