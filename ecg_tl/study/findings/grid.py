"""Finished runs by configuration, and their test scores under the same resamples of the same patients."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecg_tl.statistics.replication import split_of
from ecg_tl.statistics.resampling import PatientResamples, resample_patients
from ecg_tl.statistics.scoring import (
    PRIMARY,
    RunScores,
    Sample,
    class_sample,
    sample_of,
    score_run,
    spread_ratio,
    units_of,
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


class TestSets:
    """Resamples of the patients of each test set, one object for all runs that were tested on it.

    Test sets of several splits of one dataset are resampled together.

    Args:
        runs: All.
        resamples: Of each.
    """

    __test__ = False  # pytest takes what is called so for tests

    def __init__(self, runs: Sequence[RunResult], resamples: int) -> None:
        self._resamples = resamples
        self._single: dict[bytes, PatientResamples] = {}
        self._members: dict[tuple[object, ...], list[RunResult]] = {}
        for run in runs:
            self._members.setdefault(self._key(run), []).append(run)
        self._known: dict[tuple[object, ...], tuple[dict[str, int], PatientResamples]] = {}
        self._parts: dict[tuple[object, ...], PatientResamples] = {}

    def of(self, run: RunResult) -> PatientResamples:
        """Give a run's test set."""
        key = self._key(run)
        members = self._members[key]
        if len({split_of(one.training) for one in members}) < 2:
            digest = digest_of_test_set(run)
            if digest not in self._single:
                self._single[digest] = resample_patients(run.answers, run.patient_ids, self._resamples)
            return self._single[digest]
        if key not in self._known:
            self._known[key] = self._together(members)
        positions, whole = self._known[key]
        part = (*key, run.record_ids.tobytes(), run.targets.tobytes())
        if part not in self._parts:
            patient_of = np.array([positions[str(patient)] for patient in run.patient_ids], dtype=np.int64)
            self._parts[part] = whole.part(run.targets, patient_of)
        return self._parts[part]

    def _together(self, members: Sequence[RunResult]) -> tuple[dict[str, int], PatientResamples]:
        records: dict[str, tuple[str, NDArray[np.bool_]]] = {}
        for run in members:
            rows = zip(run.record_ids, run.patient_ids, run.targets, strict=True)
            records |= {str(record): (str(patient), target) for record, patient, target in rows}
        patients = np.array([patient for patient, _ in records.values()])
        targets = np.stack([target for _, target in records.values()])
        positions = {str(patient): k for k, patient in enumerate(np.unique(patients))}
        return positions, resample_patients(targets, patients, self._resamples)

    def _key(self, run: RunResult) -> tuple[object, ...]:
        described = run.run
        return (described["dataset"], described["kind"] == UPSTREAM, described["protocol"], run.class_names)


def digest_of_test_set(run: RunResult) -> bytes:
    """Digest the records that a run was tested on: ids, patients, labels and the names of the classes."""
    content = hashlib.sha256()
    names = "\n".join(run.class_names)
    for part in (run.record_ids, run.patient_ids, run.targets, run.answered, names):
        content.update(part.encode() if isinstance(part, str) else part.tobytes())
        content.update(b"|")
    return content.digest()


def _unit_degrees(sample: Sample) -> float:
    units = units_of(sample)
    return 0.0 if units is None else units.degrees


class Grid:
    """The runs of a study, scored.

    Args:
        runs: Finished ones.
        settings: Of the study.
        resamples: Of each test set.
        on_progress: Called with the number of runs that are scored, and of all, after each.
        price: Of the look at the study; see `ecg_tl.statistics.looks`.
    """

    def __init__(
        self,
        runs: Sequence[RunResult],
        settings: StudySettings,
        resamples: int,
        on_progress: Callable[[int, int], None] | None = None,
        price: float = 1.0,
    ) -> None:
        self.settings = settings
        self.price = price
        self.default_axes: Axes = tuple(default_axes(settings).items())
        self.primary_arm = primary_arm(settings)
        self.scratch_arm = scratch_arm(settings)
        self.arms = tuple(settings.arms)
        self.cells: dict[Cell, dict[int, RunResult]] = {}
        for run in runs:
            self.cells.setdefault(self._cell_of(run), {})[run.training] = run
        self._scores: dict[str, RunScores] = {}
        test_sets = TestSets(runs, resamples)
        scored = [run for run in runs if run.run["protocol"] != SECOND_OPINION]
        for number, run in enumerate(scored, start=1):
            self._scores[run.id] = score_run(run.probabilities, run.thresholds, test_sets.of(run))
            if on_progress is not None:
                on_progress(number, len(scored))

    @cached_property
    def seed_prior(self) -> SeedPrior | None:
        """What the configurations say together of the spread of macro AUROC between seeds."""
        samples = [sample_of(self.scores(cell)) for cell in self._repeated()]
        degrees = [_unit_degrees(sample) for sample in samples]
        return estimate_prior([spread_ratio(sample) for sample in samples], degrees, len(samples))

    @cached_property
    def class_prior(self) -> SeedPrior | None:
        """As `seed_prior`, of the AUROC of single classes."""
        samples = [
            class_sample(scores, int(k))
            for scores in map(self.scores, self._repeated())
            for k in np.flatnonzero(next(iter(scores.values())).resamples.scored)
        ]
        degrees = [_unit_degrees(sample) for sample in samples]
        ratios = [spread_ratio(sample) for sample in samples]
        return estimate_prior(ratios, degrees, len(self._repeated()))

    def _repeated(self) -> list[Cell]:
        """List the configurations with two seeds or more."""
        return [cell for cell in self.downstream() if len(self.scores(cell)) > 1]

    @property
    def resamples(self) -> int:
        """Of each test set, as drawn; 0 without runs."""
        return max((scores.resamples.resamples for scores in self._scores.values()), default=0)

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

    def patients(self, cell: Cell) -> int:
        """Patients that it was tested on, on all splits together."""
        return len({patient for run in self.cells[cell].values() for patient in run.patient_ids.tolist()})

    def train_records(self, cell: Cell) -> int:
        """Records that it was trained on."""
        return self.first(cell).train_records

    # Scores ---------------------------------------------------------------------------------------------

    def scores(self, cell: Cell) -> dict[int, RunScores]:
        """Give the runs' scores by seed, of those that are tested on the same records as the first."""
        runs = self.cells[cell]
        test_set = self._scores[self.first(cell).id].resamples.together
        return {
            seed: self._scores[runs[seed].id]
            for seed in sorted(runs)
            if self._scores[runs[seed].id].resamples.together is test_set
        }

    def sample(self, cell: Cell, metric: str = PRIMARY, seeds: Iterable[int] | None = None) -> Sample:
        """Give a configuration's average over classes, on some of its seeds."""
        scores = self.paired(cell, seeds)
        sample = sample_of(scores, metric, self.seed_prior if metric == PRIMARY else None)
        sample = replace(sample, price=self.price)
        upstreams = [self.cells[cell][seed].upstream_training for seed in sample.seeds]
        known = tuple(seed for seed in upstreams if seed is not None)
        return replace(sample, upstreams=known) if len(known) == len(upstreams) else sample

    def paired(self, cell: Cell, seeds: Iterable[int] | None = None) -> Mapping[int, RunScores]:
        """Give the scores of some seeds."""
        scores = self.scores(cell)
        return scores if seeds is None else {s: scores[s] for s in seeds}

    def comparable(self, *cells: Cell) -> tuple[int, ...]:
        """Give the seeds that all configurations have on the same test records; none if these differ."""
        if any(cell not in self.cells for cell in cells):
            return ()
        scores = [self.scores(cell) for cell in cells]
        test_sets = {id(next(iter(of_cell.values())).resamples.together) for of_cell in scores}
        common = set.intersection(*(set(of_cell) for of_cell in scores))
        alike = (s for s in common if len({id(of_cell[s].resamples) for of_cell in scores}) == 1)
        return tuple(sorted(alike)) if len(test_sets) == 1 else ()

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
