"""Absolute scores of every configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np

from ecg_tl.statistics.intervals import Interval, score_interval
from ecg_tl.study.findings.columns import row_of
from ecg_tl.study.findings.compared import finite
from ecg_tl.study.findings.grid import SECOND_OPINION, Cell, Grid
from ecg_tl.study.findings.tables import (
    Line,
    Table,
    axis_words,
    make_table,
    score_cell,
)
from ecg_tl.study.findings.topic import Topic, register_topic
from ecg_tl.study.findings.values import Axes
from ecg_tl.study.findings.wording import count, duration, number
from ecg_tl.study.run.results import RunResult


@dataclass(frozen=True)
class ModelScore:
    """One configuration's own scores, upstream trainings included: the absolute numbers.

    Attributes:
        kind: `upstream`, `scratch`, `fine-tuned` or `control`.
        dataset: That it is trained and tested on.
        upstream: That it starts from, or None.
        network: As the study names it.
        arm: As the study names it; `upstream` for an upstream.
        size: Training records asked for; None for all.
        train_records: That there were.
        axes: Value of each axis.
        validation: What a choice may use: best value of `monitor`, mean over the seeds.
        monitor: Name of the validation score.
        auroc_macro: On the test set.
        auprc_macro: On the test set, mean over the seeds.
        f1_weighted: At thresholds tuned on validation data, mean over the seeds.
        f1_macro: At thresholds tuned on validation data, mean over the seeds.
        classes_scored: In the mean of the AUROC.
        parameters: Of the network.
        trainable_parameters: That were trained.
        seconds: Of training, mean over the seeds.
        epochs: Mean over the seeds.
        epochs_to_best: Mean over the seeds.
    """

    kind: str
    dataset: str
    upstream: str | None
    network: str
    arm: str
    size: int | None
    train_records: int
    axes: Axes
    validation: float | None
    monitor: str
    auroc_macro: Interval
    auprc_macro: float | None
    f1_weighted: float | None
    f1_macro: float | None
    classes_scored: int
    parameters: int | None
    trainable_parameters: int | None
    seconds: float
    epochs: float
    epochs_to_best: float
    single_choice: bool = False


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
        single_choice=first.single_choice,
    )


def models_table(found: Sequence[ModelScore], default: Axes) -> Table | None:
    """Absolute scores of every configuration, upstreams included."""

    def row(one: ModelScore) -> Line:
        return {
            "Dataset": one.dataset,
            "Network": one.network,
            "Arm": f"{one.arm} from {one.upstream}" if one.upstream else one.arm,
            "Other setting": axis_words(one.axes, default),
            "#Training records": count(one.train_records),
            "#Macro AUROC (95 % interval)": score_cell(one.auroc_macro),
            "#Macro AUPRC": number(one.auprc_macro),
            "#Weighted F1": number(one.f1_weighted),
            "#Macro F1": number(one.f1_macro),
            "#Validation score": number(one.validation),
            "#Classes scored": f"{one.classes_scored}",
            "#Seeds": f"{one.auroc_macro.seeds}",
            "#Parameters": count(one.parameters),
            "#Trained": count(one.trainable_parameters),
            "#Epochs to best": number(one.epochs_to_best, 1),
            "#Training time": duration(one.seconds),
        }

    of_choices = {one.dataset for one in found if one.single_choice}
    others = any(not one.single_choice for one in found)
    f1 = ["F1 at thresholds tuned on validation data."] if others or not found else []
    f1 += [f"F1 of the most probable class: {', '.join(sorted(of_choices))}."] if of_choices else []
    return make_table(
        "Absolute scores on the test set",
        [row(one) for one in found],
        " ".join(["Means over the seeds.", *f1]),
    )


register_topic(
    Topic(
        "models",
        lambda study: model_scores(study.grid),
        lambda found: {"models": (row_of(one, without=("single_choice",)) for one in found)},
        lambda found, default: {"models": models_table(found, default)},
    )
)
