"""Absolute scores, calibration, data and cost: what was run, rather than what it means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import mean
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecg_tl.statistics.intervals import score_interval
from ecg_tl.study.analysis.comparisons import finite
from ecg_tl.study.analysis.curves import by_size
from ecg_tl.study.analysis.grid import SECOND_OPINION, UPSTREAM, Cell, Grid
from ecg_tl.study.findings import Axes, CalibrationRow, ClassSupport, CostRow, DataRow, ModelScore
from ecg_tl.study.run.results import RunResult

ECE_BINS = 15
"""As `ecg_tl.metrics`."""

FEW_POSITIVES = 5


def model_scores(grid: Grid) -> tuple[ModelScore, ...]:
    """Give the absolute scores of every configuration but those of the second opinion."""
    return tuple(_model(grid, cell) for cell in grid.cells if cell.protocol != SECOND_OPINION)


def validation_score(runs: Sequence[RunResult]) -> float | None:
    """Give the score that the epoch was chosen by, mean over trainings; None where one has none."""
    values = [run.result["best_scores"].get(run.result["monitor"]) for run in runs]
    if any(value is None or not np.isfinite(value) for value in values):
        return None
    return mean(float(value) for value in values)


def _model(grid: Grid, cell: Cell) -> ModelScore:
    runs = list(grid.cells[cell].values())
    first = grid.first(cell)
    sample = grid.sample(cell)

    def average(key: str) -> float:
        return mean(float(run.result.get(key) or 0.0) for run in runs)

    def other(metric: str) -> float | None:
        return finite(grid.sample(cell, metric).mean)

    def count(key: str) -> int | None:
        value = first.result.get(key)
        return None if value is None else int(value)

    return ModelScore(
        kind=cell.kind,
        dataset=cell.dataset,
        upstream=cell.upstream,
        network=cell.network,
        arm=cell.arm,
        size=cell.size,
        train_records=first.train_records,
        axes=cell.axes,
        validation=validation_score(runs),
        monitor=str(first.result["monitor"]),
        auroc_macro=score_interval(sample),
        auprc_macro=other("auprc_macro"),
        f1_weighted=other("f1_weighted_tuned"),
        f1_macro=other("f1_macro_tuned"),
        classes_scored=int(sample.resamples.scored.sum()),
        parameters=count("parameters"),
        trainable_parameters=count("trainable_parameters"),
        seconds=average("seconds"),
        epochs=average("epochs"),
        epochs_to_best=average("epochs_to_best"),
    )


# Calibration --------------------------------------------------------------------------------------------


def calibration_rows(grid: Grid) -> tuple[CalibrationRow, ...]:
    """Give calibration before and after temperature scaling, of each configuration's largest size."""
    rows = []
    for cells in by_size(list(grid.downstream()), grid).values():
        cell = cells[-1]
        runs = list(grid.cells[cell].values())
        before = [(run.probabilities, run.targets) for run in runs]
        temperatures = [run.temperature for run in runs]
        known = [t for t in temperatures if t is not None]
        after = [
            (temper(run.probabilities, t), run.targets)
            for run, t in zip(runs, temperatures, strict=True)
            if t is not None
        ]
        complete = len(known) == len(runs)
        rows.append(
            CalibrationRow(
                downstream=cell.dataset,
                network=cell.network,
                arm=cell.arm,
                upstream=cell.upstream,
                axes=cell.axes,
                size=cell.size,
                ece=mean(calibration_error(p, y) for p, y in before),
                ece_calibrated=mean(calibration_error(p, y) for p, y in after) if complete else None,
                brier=mean(brier_score(p, y) for p, y in before),
                brier_calibrated=mean(brier_score(p, y) for p, y in after) if complete else None,
                temperature=mean(known) if complete else None,
                seeds=len(runs),
            )
        )
    return tuple(rows)


def calibration_error(probabilities: NDArray[np.float64], targets: NDArray[np.bool_]) -> float:
    """Expected calibration error, mean over classes, as `ecg_tl.metrics` defines it."""
    bins = np.minimum((probabilities * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    classes = probabilities.shape[1]
    cells = bins * classes + np.arange(classes)
    excess = np.bincount(
        cells.ravel(), weights=(probabilities - targets).ravel(), minlength=ECE_BINS * classes
    )
    by_class = np.abs(excess.reshape(ECE_BINS, classes)).sum(axis=0) / len(probabilities)
    return float(by_class.mean())


def brier_score(probabilities: NDArray[np.float64], targets: NDArray[np.bool_]) -> float:
    """Mean squared difference of probability and target."""
    return float(((probabilities - targets) ** 2).mean())


def temper(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Divide the logits behind probabilities by a temperature; 0 and 1 stay what they are."""
    inside = np.clip(probabilities, 1e-300, 1 - 1e-16)
    scaled = (np.log(inside) - np.log1p(-inside)) / temperature
    tempered = np.exp(-np.logaddexp(0.0, -scaled))
    return np.where((probabilities > 0) & (probabilities < 1), tempered, probabilities)


# Data ---------------------------------------------------------------------------------------------------


def data_rows(grid: Grid) -> tuple[DataRow, ...]:
    """Describe each dataset as it was used, once for each way in which it was."""
    uses: dict[tuple[str, str], list[Cell]] = {}
    for cells in by_size([c for c in grid.cells if c.protocol != SECOND_OPINION], grid).values():
        cell = cells[-1]
        data = grid.first(cell).result["data"]
        same = {k: v for k, v in data.items() if k not in ("records", "support", "leaks_removed", "store")}
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
    absent = [c.name for c in classes if c.test == 0]
    if absent:
        warnings.append(f"No positives in the test set, so not scored: {', '.join(absent)}.")
    leaks = sum(int(v) for v in (data.get("leaks_removed") or {}).values())
    if leaks:
        warnings.append(
            f"{leaks} records were removed from training and validation: a later part holds the same "
            "recordings, under other ids."
        )
    return warnings


# Cost ---------------------------------------------------------------------------------------------------


def cost_rows(grid: Grid) -> tuple[CostRow, ...]:
    """Sum up what runs cost, by kind and network; the last row is of all."""
    groups: dict[tuple[str, str], list[RunResult]] = {}
    for cell, runs in grid.cells.items():
        kind = "second opinion" if cell.protocol == SECOND_OPINION else cell.kind
        groups.setdefault((kind, cell.network), []).extend(runs.values())
    kinds = ("upstream", "scratch", "fine-tuned", "control", "second opinion")
    order = sorted(groups, key=lambda g: (kinds.index(g[0]) if g[0] in kinds else len(kinds), g[1]))
    rows = [_cost(kind, network, groups[kind, network]) for kind, network in order]
    every = [run for runs in groups.values() for run in runs]
    return (*rows, _cost("all", "", every)) if every else ()


def _cost(kind: str, network: str, runs: Sequence[RunResult]) -> CostRow:
    def values(key: str) -> list[float]:
        return [float(run.result[key]) for run in runs if run.result.get(key) is not None]

    memory, device_memory = values("peak_memory_bytes"), values("peak_device_memory_bytes")
    return CostRow(
        kind=kind,
        network=network,
        runs=len(runs),
        wall_seconds=sum(values("wall_seconds")),
        device_seconds=sum(values("device_seconds")),
        mean_seconds=mean(values("seconds") or [0.0]),
        mean_epochs=mean(values("epochs") or [0.0]),
        peak_memory_bytes=int(max(memory)) if memory else None,
        peak_device_memory_bytes=int(max(device_memory)) if device_memory else None,
    )
