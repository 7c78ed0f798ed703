"""How often intervals over splits, seeds and patients hold the truth, and what of a gain's variance is found.

    python benchmarks/repeated_splits.py --studies 100

A pool of patients is divided anew for each split, a fifth to test; of folds, each patient is tested once. A
training's AUROC is that of its arm, and something of its split, its seed and the training of the upstream
that it starts from. With one split the truth is that split's, since the interval says so; with several it is
the mean over all splits. The components of the variance table are compared with those that went in.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from ecg_tl.statistics.components import Components, components_of
from ecg_tl.statistics.intervals import mean_interval
from ecg_tl.statistics.replication import number_of
from ecg_tl.statistics.resampling import Floats, PatientResamples, resample_patients
from ecg_tl.statistics.scoring import RunScores, Sample, sample_of, score_run, subtract

HARD, HARD_FOR_ARM, NOISE = 0.8, 0.4, 0.6
DEVIATION = math.sqrt(2 * (HARD**2 + HARD_FOR_ARM**2 + NOISE**2))
SCRATCH, GAIN = 0.8, 0.04
RESAMPLES = 256


@dataclass(frozen=True)
class Regime:
    """A kind of study.

    Attributes:
        patients: In the test set of one split; the pool has five times as many, or is divided into folds.
        positives: Expected of them with the class.
        records: Of each patient.
        splits: Divisions.
        folds: Whether they are the folds of one division, whose test sets have no patient in common.
        seeds: Trainings of each arm on each split.
        upstreams: Trainings of the upstream, which take turns.
        of_split: Standard deviation of the gain between splits.
        of_seed: Of an arm's AUROC between seeds.
        of_upstream: Of the gain between trainings of the upstream.
    """

    patients: int
    positives: int
    records: int = 1
    splits: int = 1
    folds: bool = False
    seeds: int = 3
    upstreams: int = 1
    of_split: float = 0.02
    of_seed: float = 0.015
    of_upstream: float = 0.0


def simulate(regime: Regime, rng: np.random.Generator) -> tuple[Sample, float]:
    """Make up the gain of an arm over scratch, and the truth that its interval is about."""
    pool = (regime.splits if regime.folds else 5) * regime.patients
    prevalence = regime.positives / regime.patients
    classes = 2
    owner = np.repeat(np.arange(pool), regime.records)
    targets = (rng.random((pool, classes)) < prevalence)[owner]
    hard = rng.normal(size=(pool, classes))[owner] * HARD
    for_arm = [rng.normal(size=(pool, classes))[owner] * HARD_FOR_ARM for _ in range(2)]
    if regime.folds:
        tests = np.sort(rng.permutation(pool).reshape(regime.splits, regime.patients), axis=1).tolist()
    else:
        tests = [np.sort(rng.permutation(pool)[: regime.patients]) for _ in range(regime.splits)]
    rows = [np.flatnonzero(np.isin(owner, test)) for test in tests]
    every = np.unique(np.concatenate(rows))
    tested, position = np.unique(owner[every], return_inverse=True)
    whole = resample_patients(targets[every], position, RESAMPLES, int(rng.integers(2**31)))
    runs: list[dict[int, RunScores]] = [{}, {}]
    upstreams = []
    effects = rng.normal(size=regime.splits) * regime.of_split
    from_upstream = rng.normal(size=regime.upstreams) * regime.of_upstream
    for split, own in enumerate(rows):
        part = _part(whole, regime, targets[own], np.searchsorted(tested, owner[own]))
        for seed in range(regime.seeds):
            turn = (split + seed) % regime.upstreams
            upstreams.append(turn)
            for arm in (0, 1):
                auroc = SCRATCH + rng.normal() * regime.of_seed
                auroc += arm * (GAIN + effects[split] + from_upstream[turn])
                skill = float(norm.ppf(min(auroc, 0.995))) * DEVIATION
                logits = targets[own] * skill + hard[own] + for_arm[arm][own]
                logits = logits + rng.normal(size=logits.shape) * NOISE
                runs[arm][number_of(split, seed)] = score_run(logits, np.zeros(classes), part)
    arm_sample, scratch_sample = sample_of(runs[1]), sample_of(runs[0])
    if regime.upstreams > 1:
        arm_sample = _from(arm_sample, upstreams)
    truth = GAIN + (float(effects[0]) if regime.splits == 1 else 0.0)
    truth += float(from_upstream[0]) if regime.upstreams == 1 else 0.0
    return subtract(arm_sample, scratch_sample), truth


def _part(whole: PatientResamples, regime: Regime, targets: Floats, owners: Floats) -> PatientResamples:
    return whole if regime.splits == 1 else whole.part(targets, owners)


def _from(sample: Sample, upstreams: Sequence[int]) -> Sample:
    fields = {name: getattr(sample, name) for name in Sample.__dataclass_fields__}
    return Sample(**fields | {"upstreams": tuple(upstreams)})


def held(regime: Regime, studies: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """Give the share of intervals that hold the truth, the share without one, and their mean width."""
    inside, none, width = 0, 0, 0.0
    for _ in range(studies):
        gain, truth = simulate(regime, rng)
        found = mean_interval([gain])
        if found.low is None or found.high is None:
            none += 1
            continue
        inside += found.low <= truth <= found.high
        width += found.high - found.low
    shown = max(studies - none, 1)
    return inside / shown, none / studies, width / shown


def components(regime: Regime, studies: int, rng: np.random.Generator) -> list[Components]:
    """Estimate the components of some studies."""
    found = (components_of(simulate(regime, rng)[0], regime.patients) for _ in range(studies))
    return [one for one in found if one is not None]


REGIMES = (
    Regime(20, 8, seeds=2),
    Regime(20, 8, splits=5, seeds=2),
    Regime(60, 6, splits=5, seeds=2),
    Regime(60, 20, splits=10, seeds=2),
    Regime(60, 20, records=3, splits=5, seeds=2),
    Regime(150, 50, seeds=10),
    Regime(150, 50, splits=3, seeds=3),
    Regime(150, 50, splits=5, seeds=2),
    Regime(150, 50, splits=10, seeds=2, of_split=0.0),
    Regime(500, 50, splits=5, seeds=2),
    Regime(150, 50, seeds=6, upstreams=3, of_upstream=0.02),
    Regime(150, 50, splits=5, seeds=2, upstreams=2, of_upstream=0.02),
    Regime(20, 8, splits=5, folds=True, seeds=2),
    Regime(60, 20, splits=5, folds=True, seeds=2),
    Regime(60, 6, records=3, splits=5, folds=True, seeds=3),
    Regime(60, 20, splits=10, folds=True, seeds=2),
    Regime(500, 50, splits=5, folds=True, seeds=2),
    Regime(150, 50, splits=5, folds=True, seeds=2, of_split=0.0),
)
"""Compared over all: 2 to 10 seeds, 1 to 10 splits, 20 to 500 test patients, 6 to 50 positives."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=100, help="of each regime")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    print("| patients | positives | records | divisions | seeds | upstreams | holds | no interval | width |")
    print("| ---: |" + " ---: |" * 8)
    for one in REGIMES:
        share, none, width = held(one, given.studies, rng)
        divisions = f"{one.splits} {'folds' if one.folds else 'splits'}"
        sizes = (one.patients, one.positives, one.records, divisions, one.seeds, one.upstreams)
        print(f"| {' | '.join(map(str, sizes))} | {share:.1%} | {none:.1%} | {width:.3f} |", flush=True)
    regime = Regime(150, 50, splits=6, seeds=4, upstreams=3, of_upstream=0.02)
    found = components(regime, given.studies, rng)
    true = {"split": regime.of_split**2, "upstream": regime.of_upstream**2, "seed": 2 * regime.of_seed**2}
    print("\n| component | went in | found, mean |\n| --- | ---: | ---: |")
    for name, variance in true.items():
        mean = float(np.mean([getattr(one, name) for one in found]))
        print(f"| {name} | {math.sqrt(variance):.4f} | {math.sqrt(max(mean, 0)):.4f} |")


if __name__ == "__main__":
    main()
