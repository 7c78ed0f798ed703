"""Choosing among a study's configurations by validation scores, and how uncertain that choice is.

The choice is made anew under redrawn noise of the validation scores: that of trainings is the spread between
seeds, pooled over all candidates; that of validation patients is what the candidates' scores do together when
the test patients are resampled, scaled from the number of test patients to that of validation records. The
latter needs the choice to be by macro AUROC, the score that the test set is judged by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ecg_tl.statistics.choice import draw_choices, training_noise
from ecg_tl.statistics.resampling import Floats
from ecg_tl.study.findings.grid import Cell, Grid
from ecg_tl.study.findings.matches import lower_is_better
from ecg_tl.study.findings.models import validation_score

SEED = 0


@dataclass(frozen=True)
class Option:
    """A configuration that can be chosen.

    Attributes:
        cell: It.
        validation: Mean over the seeds of the score that its epochs were chosen by.
        monitor: Name of that score.
        by_seed: The scores that `validation` is the mean of.
    """

    cell: Cell
    validation: float
    monitor: str
    by_seed: tuple[float, ...]

    @property
    def rank(self) -> float:
        """Higher is better."""
        return -self.validation if lower_is_better(self.monitor) else self.validation


def options_of(grid: Grid, downstream: str) -> list[Option]:
    """List what could be recommended, best first: at the default of all axes, with all training records."""
    cells = [
        cell
        for cell in grid.downstream()
        if cell.dataset == downstream
        and grid.is_default(cell)
        and (cell.kind == "fine-tuned" or cell.arm == grid.scratch_arm)
    ]
    most = max((grid.train_records(cell) for cell in cells), default=0)
    return ranked_options(grid, [cell for cell in cells if grid.train_records(cell) == most])


def ranked_options(grid: Grid, cells: Iterable[Cell]) -> list[Option]:
    """Rank configurations by validation score, best first; those without one are left out."""
    options = []
    for cell in cells:
        runs = list(grid.cells[cell].values())
        value = validation_score(runs)
        if value is not None:
            monitor = str(grid.first(cell).result["monitor"])
            own = tuple(float(run.result["best_scores"][run.result["monitor"]]) for run in runs)
            options.append(Option(cell, value, monitor, own))
    return sorted(options, key=lambda option: -option.rank)


@dataclass(frozen=True)
class Choosing:
    """Some options of one downstream under redrawn validation scores.

    Attributes:
        grid: The runs.
        options: As `options_of` gives them.
    """

    grid: Grid
    options: Sequence[Option]

    @cached_property
    def noise(self) -> Floats:
        """Of the validation scores, `(options, draws)`."""
        draws = self.grid.resamples
        rng = np.random.default_rng(SEED)
        trainings = training_noise([option.by_seed for option in self.options])
        scale = np.array([math.sqrt(trainings / len(option.by_seed)) for option in self.options])
        noise: Floats = rng.normal(size=(len(self.options), draws)) * scale[:, None]
        return noise + self._of_patients()[:, rng.permutation(draws)]

    def _of_patients(self) -> Floats:
        """Give what other validation patients would do to the scores."""
        nothing = np.zeros((len(self.options), self.grid.resamples))
        samples = [self.grid.sample(option.cell) for option in self.options]
        if any(not option.monitor.endswith("auroc_macro") for option in self.options) or (
            len({id(sample.resamples) for sample in samples}) > 1
        ):
            return nothing
        first = self.grid.first(self.options[0].cell)
        validation = float(first.result["data"].get("records", {}).get("validation") or 0)
        if not validation:
            return nothing
        moved = np.stack([sample.resampled.mean(axis=0) - sample.mean for sample in samples])
        return np.asarray(np.nan_to_num(moved) * math.sqrt(len(first.record_ids) / validation))

    def shares(self, of: Callable[[Option], bool]) -> dict[Cell, float]:
        """Give how often each of some options is the best of them."""
        kept = [k for k, option in enumerate(self.options) if of(option)]
        if not kept:
            return {}
        ranks = np.array([self.options[k].rank for k in kept])
        chosen = draw_choices(ranks, self.noise[kept])
        return {self.options[k].cell: float(p) for k, p in zip(kept, chosen.shares, strict=True)}

    def pairs(
        self, one: Callable[[Option], bool], other: Callable[[Option], bool]
    ) -> dict[tuple[Cell, Cell], float]:
        """Give how often the best of some options and the best of others are which two."""
        best = []
        for of in (one, other):
            kept = [k for k, option in enumerate(self.options) if of(option)]
            ranks = np.array([self.options[k].rank for k in kept])
            best.append([kept[k] for k in draw_choices(ranks, self.noise[kept]).best])
        counted: dict[tuple[Cell, Cell], float] = {}
        for first, second in zip(*best, strict=True):
            key = (self.options[first].cell, self.options[second].cell)
            counted[key] = counted.get(key, 0.0) + 1 / len(best[0])
        return counted
