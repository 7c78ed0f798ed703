"""Finished runs by configuration, and their test scores under the same resamples of the same patients."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ecg_tl.statistics.resampling import PatientResamples, resample_patients
from ecg_tl.statistics.scoring import (
    PRIMARY,
    RunScores,
    Sample,
    class_sample,
    sample_of,
    score_run,
    spread_ratio,
)
from ecg_tl.statistics.seed_spread import SeedPrior, estimate_prior
from ecg_tl.study.design.plan import default_axes, primary_arm, scratch_arm
from ecg_tl.study.design.settings import StudySettings
from ecg_tl.study.findings.values import Axes
from ecg_tl.study.run.results import RunResult

SECOND_OPINION = "second_opinion"


UPSTREAM = "upstream"


@dataclass(frozen=True)
class Cell:
    """A configuration: all that a run is but its seed.

    Attributes:
        kind: `upstream`, `scratch`, `fine-tuned` or `control`.
        dataset: That it trains on.
        upstream: That it starts from, or None.
        network: As the study names it.
        arm: As the study names it.
        size: Training records asked for; None for all.
        axes: Value of each axis.
        protocol: As `Run.protocol`.
    """

    kind: str
    dataset: str
    upstream: str | None
    network: str
    arm: str
    size: int | None
    axes: Axes
    protocol: str


class Grid:
    """The runs of a study, scored.

    Args:
        runs: Finished ones.
        settings: Of the study.
        resamples: Of each test set.
        on_progress: Called with the number of runs that are scored, and of all, after each.
    """

    def __init__(
        self,
        runs: Sequence[RunResult],
        settings: StudySettings,
        resamples: int,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.settings = settings
        self.default_axes: Axes = tuple(default_axes(settings).items())
        self.primary_arm = primary_arm(settings)
        self.scratch_arm = scratch_arm(settings)
        self.arms = tuple(settings.arms)
        self.cells: dict[Cell, dict[int, RunResult]] = {}
        for run in runs:
            self.cells.setdefault(self._cell_of(run), {})[run.seed] = run
        self._scores: dict[str, RunScores] = {}
        self._test_sets: dict[bytes, PatientResamples] = {}
        scored = [run for run in runs if run.run["protocol"] != SECOND_OPINION]
        for number, run in enumerate(scored, start=1):
            draws = self._resamples_of(run, resamples)
            self._scores[run.id] = score_run(run.probabilities, run.thresholds, draws)
            if on_progress is not None:
                on_progress(number, len(scored))

    @cached_property
    def seed_prior(self) -> SeedPrior | None:
        """What the configurations say together of the spread of macro AUROC between seeds."""
        samples = [sample_of(self.scores(cell)) for cell in self._repeated()]
        degrees = [len(sample.seeds) - 1.0 for sample in samples]
        return estimate_prior([spread_ratio(sample) for sample in samples], degrees, len(samples))

    @cached_property
    def class_prior(self) -> SeedPrior | None:
        """As `seed_prior`, of the AUROC of single classes."""
        samples = [
            class_sample(scores, int(k))
            for scores in map(self.scores, self._repeated())
            for k in np.flatnonzero(next(iter(scores.values())).resamples.scored)
        ]
        degrees = [len(sample.seeds) - 1.0 for sample in samples]
        ratios = [spread_ratio(sample) for sample in samples]
        return estimate_prior(ratios, degrees, len(self._repeated()))

    def _repeated(self) -> list[Cell]:
        """List the configurations with two seeds or more."""
        return [cell for cell in self.downstream() if len(self.scores(cell)) > 1]

    @property
    def resamples(self) -> int:
        """Of each test set, as drawn; 0 without runs."""
        return max((draws.resamples for draws in self._test_sets.values()), default=0)

    def _cell_of(self, run: RunResult) -> Cell:
        described, axes = run.run, run.run["axes"]
        return Cell(
            described["kind"],
            described["dataset"],
            described["upstream"],
            described["network"],
            described["arm"],
            described["size"],
            tuple((axis, axes.get(axis, value)) for axis, value in self.default_axes),
            described["protocol"],
        )

    def _resamples_of(self, run: RunResult, resamples: int) -> PatientResamples:
        content = hashlib.sha256()
        names = "\n".join(run.class_names)
        for part in (run.record_ids, run.patient_ids, run.targets, run.answered, names):
            content.update(part.encode() if isinstance(part, str) else part.tobytes())
            content.update(b"|")
        key = content.digest()
        if key not in self._test_sets:
            self._test_sets[key] = resample_patients(run.answers, run.patient_ids, resamples)
        return self._test_sets[key]

    # Configurations -------------------------------------------------------------------------------------

    def downstream(self) -> Iterator[Cell]:
        """Yield all configurations of downstream runs but those of the second opinion."""
        return (c for c in self.cells if c.kind != UPSTREAM and c.protocol != SECOND_OPINION)

    def scratch_of(self, cell: Cell) -> Cell:
        """Give the scratch configuration that one is compared with, whether it was run or not."""
        return replace(cell, kind="scratch", upstream=None, arm=self.scratch_arm)

    def is_default(self, cell: Cell) -> bool:
        """Whether all axes have their default value."""
        return cell.axes == self.default_axes

    def is_primary(self, cell: Cell) -> bool:
        """Whether claims are tested on it."""
        return cell.arm == self.primary_arm and cell.kind == "fine-tuned" and self.is_default(cell)

    def first(self, cell: Cell) -> RunResult:
        """Give the run of the lowest seed."""
        runs = self.cells[cell]
        return runs[min(runs)]

    def train_records(self, cell: Cell) -> int:
        """Records that it was trained on."""
        return self.first(cell).train_records

    # Scores ---------------------------------------------------------------------------------------------

    def scores(self, cell: Cell) -> dict[int, RunScores]:
        """Give the runs' scores by seed, of those that are tested on the same records as the first."""
        runs = self.cells[cell]
        test_set = self._scores[self.first(cell).id].resamples
        return {
            seed: self._scores[runs[seed].id]
            for seed in sorted(runs)
            if self._scores[runs[seed].id].resamples is test_set
        }

    def sample(self, cell: Cell, metric: str = PRIMARY, seeds: Iterable[int] | None = None) -> Sample:
        """Give a configuration's average over classes, on some of its seeds."""
        return sample_of(self.paired(cell, seeds), metric, self.seed_prior if metric == PRIMARY else None)

    def paired(self, cell: Cell, seeds: Iterable[int] | None = None) -> Mapping[int, RunScores]:
        """Give the scores of some seeds."""
        scores = self.scores(cell)
        return scores if seeds is None else {s: scores[s] for s in seeds}

    def comparable(self, *cells: Cell) -> tuple[int, ...]:
        """Give the seeds that all configurations have on the same test records; none if these differ."""
        if any(cell not in self.cells for cell in cells):
            return ()
        scores = [self.scores(cell) for cell in cells]
        test_sets = {id(next(iter(of_cell.values())).resamples) for of_cell in scores}
        common = set.intersection(*(set(of_cell) for of_cell in scores))
        return tuple(sorted(common)) if len(test_sets) == 1 else ()

    # Words ----------------------------------------------------------------------------------------------

    def label(self, cell: Cell) -> str:
        """Say what a configuration is."""
        pair = cell.dataset if cell.upstream is None else f"{cell.upstream} → {cell.dataset}"
        words = [pair, cell.network, cell.arm]
        words += [] if cell.size is None else [f"{cell.size:,} records"]
        return ", ".join([*words, *self.axis_words(cell.axes)])

    def axis_words(self, axes: Axes) -> list[str]:
        """Name the values that are not the default."""
        return [
            f"{axis} {value}"
            for (axis, value), default in zip(axes, self.default_axes, strict=True)
            if value != default[1]
        ]
