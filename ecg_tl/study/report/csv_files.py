"""Everything that the report shows, as CSV files beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from ecg_tl.csv_text import text_cell
from ecg_tl.statistics.intervals import Interval
from ecg_tl.study.findings import Findings

Record = dict[str, object]


def csv_tables(findings: Findings) -> dict[str, list[Record]]:
    """Give the rows of every file, by its name. Nothing is rounded."""
    rows: dict[str, Iterable[Record]] = {
        "answers": (_flat(one, without=("candidates",)) for one in findings.answers),
        "candidates": _nested(findings.answers, ("downstream",), "candidates"),
        "claims": (_flat(one) for one in findings.claims),
        "comparisons": (
            _flat(one, without=("metrics", "per_class", "matches", "scratch_scores", "arm_scores"))
            for one in findings.comparisons
        ),
        "seeds": (
            {"comparison": one.key, "label": one.label, "seed": seed, "scratch": scratch, "arm": arm}
            for one in findings.comparisons
            for seed, scratch, arm in zip(one.seeds, one.scratch_scores, one.arm_scores, strict=True)
        ),
        "metrics": _nested(findings.comparisons, ("key", "label"), "metrics"),
        "per_class": _nested(findings.comparisons, ("key", "label"), "per_class"),
        "convergence_by_seed": _nested(findings.comparisons, ("key", "label"), "matches"),
        "models": (_flat(one) for one in findings.models),
        "curves": _nested(findings.curves, ("downstream", "network", "arm", "upstream", "axes"), "points"),
        "gains": _nested(findings.trends, ("downstream", "network", "arm", "upstream", "axes"), "points"),
        "trends": (_flat(one, without=("points",)) for one in findings.trends),
        "label_efficiency": (_flat(one) for one in findings.label_efficiency),
        "convergence": (_flat(one) for one in findings.convergence),
        "families": (_flat(one, without=("by_pair",)) for one in findings.families),
        "families_by_pair": (
            {"head": one.head, "upstream": up, "downstream": down, "cnn_gain": cnn, "rnn_gain": rnn}
            for one in findings.families
            for up, down, cnn, rnn in one.by_pair
        ),
        "break_even": (_flat(one) for one in findings.break_even),
        "transferability": (_flat(one, without=("points",)) for one in findings.transferability),
        "transferability_points": (
            {"score": one.score, "outcome": one.outcome, "comparison": key, "x": x, "y": y}
            for one in findings.transferability
            for key, x, y in one.points
        ),
        "calibration": (_flat(one) for one in findings.calibration),
        "axis_effects": (_flat(one) for one in findings.axis_effects),
        "second_opinions": (_flat(one) for one in findings.second_opinions),
        "data": (_flat(one, without=("classes",)) for one in findings.data),
        "classes": _nested(findings.data, ("name", "axes"), "classes", prefix="dataset_"),
        "costs": (_flat(one) for one in findings.costs),
        "missing": (_flat(one) for one in findings.missing),
    }
    return {name: list(found) for name, found in rows.items()}


def _nested(owners: Sequence[Any], keys: Sequence[str], name: str, prefix: str = "") -> Iterator[Record]:
    """Give the parts of each owner, each beside what says whose it is."""
    for owner in owners:
        whose: Record = {}
        for key in keys:
            whose |= {f"{prefix}{own}": value for own, value in _column(key, getattr(owner, key)).items()}
        for part in getattr(owner, name):
            yield whose | _flat(part)


def _flat(record: Any, without: Sequence[str] = ()) -> Record:
    """Lay a record out in columns: an interval in three, axes in one each, a list in one."""
    found: Record = {}
    for field in fields(record):
        if field.name not in without:
            found |= _column(field.name, getattr(record, field.name))
    return found


def _column(name: str, value: Any) -> Record:
    if isinstance(value, Interval):
        ends = {name: value.estimate, f"{name}_low": value.low, f"{name}_high": value.high}
        about = {"p": value.p, "seeds": value.seeds, "patients": value.patients, "reason": value.reason}
        return ends | {f"{name}_{key}": found for key, found in about.items()}
    if name == "axes":
        return {f"axis_{axis}": found for axis, found in value}
    if isinstance(value, tuple):
        assert not any(is_dataclass(part) for part in value), name
        return {name: "; ".join(str(part) for part in value)}
    return {name: value}


def write_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Write rows as CSV; a row without a column leaves it empty."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writerow({column: text_cell(column) for column in columns})
    for row in rows:
        writer.writerow({key: "" if value is None else text_cell(value) for key, value in row.items()})
    return text.getvalue()
