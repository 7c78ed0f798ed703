"""Robustness as a table on the terminal, and as one for a CSV file."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ecg_tl.robustness.evaluation import CLEAN, ConditionResult, Robustness
from ecg_tl.statistics.intervals import Interval
from ecg_tl.terminal import SIMPLE_HEAD, Table, Text

METRIC_TITLES = {
    "auroc_macro": "macro AUROC",
    "auprc_macro": "macro AUPRC",
    "f1_macro_tuned": "macro F1",
    "f1_weighted_tuned": "weighted F1",
}
"""By the names of `METRICS`."""


def as_table(result: Robustness) -> pd.DataFrame:
    """Give a row a checkpoint and condition, with what the scores were computed on, for a CSV file.

    `low` and `high` are the ends of the 95 % interval of `metric` over patients; `change` is its difference
    from the same checkpoint's clean score, `difference` that from the first checkpoint under the same
    condition, both paired by patient.
    """
    scales = {kind.name: (kind.title, kind.scale) for kind in result.kinds}
    paths = {subject.name: str(subject.path) for subject in result.subjects}
    rows = []
    for one in result.outcomes:
        title, scale = scales.get(one.kind, (CLEAN, ""))
        scores = {name: value for name, value in one.scores.items() if "/" not in name}
        by_class = {name: value for name, value in one.scores.items() if "/" in name}
        rows.append(
            {
                "checkpoint": one.subject,
                "path": paths[one.subject],
                "kind": one.kind,
                "title": title,
                "condition": one.label,
                "level": one.level,
                "scale": scale,
                "snr_db_median": one.snr_db,
                "dataset": result.dataset,
                "split": result.split,
                "records": result.records,
                "patients": result.patients,
                "classes": len(result.class_names),
                "classes_scored": result.classes_scored(one),
                "metric": result.metric,
                "score": one.scores[result.metric],
                **_ends("", one.interval),
                **_estimate("change", one.change),
                **_estimate("difference", one.difference),
                **scores,
                **by_class,
            }
        )
    return pd.DataFrame(rows)


def render(result: Robustness) -> Table:
    """Lay the outcomes out, a row a condition: each checkpoint's score, and how far it is from another.

    Of one checkpoint that other is its own clean score, of several the first checkpoint's.
    """
    names = [subject.name for subject in result.subjects]
    metric = METRIC_TITLES[result.metric]
    with_intervals = any(one.interval is not None for one in result.outcomes)
    table = Table(
        title=f"{metric} on {result.records} test records of {result.dataset} ({result.patients} patients, "
        f"{result.split})" + ("; in brackets 95 % intervals over patients" if with_intervals else ""),
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
    )
    table.add_column("disturbance", no_wrap=True)
    table.add_column("SNR\ndB", justify="right", no_wrap=True)
    for name in names:
        table.add_column(Text(f"{name}\n{metric}"), justify="right", no_wrap=True)
    for name in names[1:] or ["change"]:
        heading = f"{name}\nless {names[0]}" if names[1:] else "change\nfrom clean"
        table.add_column(Text(heading), justify="right", no_wrap=True)
    table.add_column("classes\nscored", justify="right", no_wrap=True)
    table.add_column("records", justify="right", no_wrap=True)

    titles = {kind.name: f"{kind.title} ({kind.scale})" for kind in result.kinds} | {CLEAN: CLEAN}
    last = CLEAN
    for start in range(0, len(result.outcomes), len(names)):
        row = result.outcomes[start : start + len(names)]
        first = row[0]
        if first.kind != last:
            table.add_section()
            table.add_row(Text(titles[first.kind], style="bold"))
        last = first.kind
        compared = [_difference(one.difference) for one in row[1:]] or [_difference(first.change)]
        table.add_row(
            CLEAN if first.kind == CLEAN else Text(f"  {first.label}"),
            "" if first.snr_db is None else f"{first.snr_db:.0f}",
            *(_score(one, result.metric) for one in row),
            *compared,
            f"{result.classes_scored(first)}/{len(result.class_names)}",
            str(result.records),
        )
    return table


def _score(outcome: ConditionResult, metric: str) -> str:
    return f"{outcome.scores[metric]:.3f}{_brackets(outcome.interval, '.3f')}"


def _difference(interval: Interval | None) -> str:
    if interval is None or interval.estimate is None:
        return ""
    return f"{interval.estimate:+.3f}{_brackets(interval, '+.3f')}"


def _brackets(interval: Interval | None, digits: str) -> str:
    if interval is None or interval.low is None or interval.high is None:
        return ""
    return f" [{interval.low:{digits}}, {interval.high:{digits}}]"


def _estimate(name: str, interval: Interval | None) -> dict[str, Any]:
    return {name: None if interval is None else interval.estimate, **_ends(f"{name}_", interval)}


def _ends(prefix: str, interval: Interval | None) -> dict[str, Any]:
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    return {f"{prefix}low": low, f"{prefix}high": high}
