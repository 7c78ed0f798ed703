"""How often the study's intervals hold the truth, in simulated studies whose truth is known.

    python benchmarks/interval_coverage.py --studies 1000

Each study has `patients` test patients, three labels of the given prevalence, and `seeds` trainings of two
arms. A probability is the label times the arm's skill, plus what makes the patient hard for both arms, for
this arm, and for this training, plus noise of the record. Skills vary between trainings with `spread`. All
parts are normal, so that the expected macro AUROC over patients and seeds is known: with `v` the variance of
a logit, the skill `m` and its variance `t²`, it is `Φ( m / sqrt(2 v + t²) )`.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ecg_tl.statistics.intervals import mean_interval, score_interval
from ecg_tl.statistics.resampling import resample_patients
from ecg_tl.statistics.scoring import Sample, sample_of, score_run, subtract

SKILLS = (1.0, 1.3)
HARD, HARD_FOR_ARM, HARD_FOR_TRAINING, NOISE = 0.7, 0.5, 0.5, 0.6
CLASSES = 3


@dataclass(frozen=True)
class Design:
    """A kind of study.

    Attributes:
        patients: In the test set.
        prevalence: Of each class.
        seeds: Trainings of each arm.
        spread: Standard deviation of the skill between trainings.
        records: Of each patient.
    """

    patients: int
    prevalence: float
    seeds: int
    spread: float
    records: int = 1


@dataclass(frozen=True)
class Coverage:
    """Shares of the studies whose interval holds the truth.

    Attributes:
        difference: Of the two arms' macro AUROC.
        score: Of the second arm's macro AUROC.
        width: Median width of the difference's interval.
        without: Share of studies without an interval, because no class could be scored.
    """

    difference: float
    score: float
    width: float
    without: float


def simulate(design: Design, studies: int, seed: int = 0, resamples: int = 256) -> Coverage:
    """Simulate studies of one design and count."""
    rng = np.random.default_rng(seed)
    truth = [_expected_auroc(skill, design.spread) for skill in SKILLS]
    held: list[tuple[bool, bool]] = []
    widths: list[float] = []
    for _ in range(studies):
        samples = _study(design, rng, resamples)
        if samples is None:
            continue
        difference, score = mean_interval([subtract(samples[1], samples[0])]), score_interval(samples[1])
        if difference.low is None or difference.high is None or score.low is None or score.high is None:
            continue
        held.append(
            (difference.low <= truth[1] - truth[0] <= difference.high, score.low <= truth[1] <= score.high)
        )
        widths.append(difference.high - difference.low)
    shares = np.mean(held, axis=0)
    return Coverage(float(shares[0]), float(shares[1]), float(np.median(widths)), 1 - len(held) / studies)


def _expected_auroc(skill: float, spread: float) -> float:
    of_logit = HARD**2 + HARD_FOR_ARM**2 + HARD_FOR_TRAINING**2 + NOISE**2
    return float(stats.norm.cdf(skill / math.sqrt(2 * of_logit + spread**2)))


def _study(design: Design, rng: np.random.Generator, resamples: int) -> list[Sample] | None:
    patient = np.repeat(np.arange(design.patients), design.records)
    shape = (design.patients, CLASSES)
    targets = (rng.random(shape) < design.prevalence)[patient]
    draws = resample_patients(targets, patient, resamples, seed=int(rng.integers(2**31)))
    if not draws.scored.any():
        return None
    hard = rng.normal(size=shape) * HARD
    samples = []
    for skill in SKILLS:
        hard_for_arm = rng.normal(size=shape) * HARD_FOR_ARM
        runs = {}
        for seed in range(design.seeds):
            own = skill + rng.normal() * design.spread
            of_patient = hard + hard_for_arm + rng.normal(size=shape) * HARD_FOR_TRAINING
            logits = targets * own + of_patient[patient] + rng.normal(size=targets.shape) * NOISE
            runs[seed] = score_run(1 / (1 + np.exp(-logits)), np.full(CLASSES, 0.5), draws)
        samples.append(sample_of(runs))
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=1000)
    studies = parser.parse_args().studies
    print("| patients | records each | prevalence | seeds | spread | difference | score | width | seconds |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    shapes = ((60, 0.3, 1), (60, 0.08, 1), (60, 0.04, 1), (150, 0.2, 1), (150, 0.2, 3), (400, 0.05, 1))
    for seeds in (1, 2, 3, 5):
        for spread in (0.0,) if seeds == 1 else (0.0, 0.15, 0.4):
            for patients, prevalence, records in shapes:
                design = Design(patients, prevalence, seeds, spread, records)
                started = time.perf_counter()
                found = simulate(design, studies)
                print(
                    f"| {patients} | {records} | {prevalence} | {seeds} | {spread} | {found.difference:.1%} "
                    f"| {found.score:.1%} | {found.width:.3f} | {time.perf_counter() - started:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
