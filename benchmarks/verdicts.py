"""How often each word of a verdict is said, and whether the interval of what was chosen holds.

    python benchmarks/verdicts.py --studies 200

**Words.** One comparison of two arms, of known difference in AUROC, at a margin of 0.01: how often it is
called better, worse, equivalent or open. At a difference of 0 every "better" and "worse" is wrong, at one
of the margin or more every "equivalent".

**Choice.** Several candidates of two kinds, fine-tuned and from scratch; the best of each kind is chosen by a
validation score and measured on test patients: networks and recipes in an answer, learning rates of a tuned
arm. The truth is the expected difference of what such a choice takes, over other validation patients and
other seeds. `bare` is the interval without what the choice adds.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata

from ecg_tl.statistics.choice import choice_variance, draw_choices, training_noise
from ecg_tl.statistics.intervals import equivalence_p, mean_interval
from ecg_tl.statistics.resampling import Floats, PatientResamples, resample_patients
from ecg_tl.statistics.scoring import Sample, sample_of, score_run, subtract
from ecg_tl.study.findings.compared import verdict_of

MARGIN = 0.01
PREVALENCE = (0.35, 0.25, 0.15)
HARD, HARD_FOR_ARM, NOISE = 0.8, 0.4, 0.6
DEVIATION = math.sqrt(2 * (HARD**2 + HARD_FOR_ARM**2 + NOISE**2))
"""Of the difference between a positive's logit and a negative's."""
SCRATCH = 0.85
RESAMPLES = 256


def skill_of(auroc: float) -> float:
    """Give the distance of positives from negatives that has a true AUROC."""
    return float(norm.ppf(auroc)) * DEVIATION


@dataclass(frozen=True)
class Patients:
    """Patients that several arms are tested on."""

    targets: np.ndarray
    hard: Floats
    draws: PatientResamples


def draw_patients(rng: np.random.Generator, patients: int) -> Patients:
    """Draw a test set with a record a patient."""
    shape = (patients, len(PREVALENCE))
    targets = rng.random(shape) < PREVALENCE
    draws = resample_patients(targets, np.arange(patients), RESAMPLES, int(rng.integers(2**31)))
    return Patients(targets, rng.normal(size=shape) * HARD, draws)


def logits_of(
    rng: np.random.Generator, targets: np.ndarray, hard: Floats, aurocs: Sequence[float]
) -> list[Floats]:
    """Make up an arm's trainings, whose true AUROC are given."""
    for_arm = hard + rng.normal(size=hard.shape) * HARD_FOR_ARM
    return [targets * skill_of(auroc) + for_arm + rng.normal(size=hard.shape) * NOISE for auroc in aurocs]


def arm_on(rng: np.random.Generator, tested: Patients, aurocs: Sequence[float]) -> Sample:
    """Test an arm's trainings."""
    made = logits_of(rng, tested.targets, tested.hard, aurocs)
    cuts = np.zeros(len(PREVALENCE))
    return sample_of({seed: score_run(one, cuts, tested.draws) for seed, one in enumerate(made)})


def plain_auroc(targets: np.ndarray, logits: Floats) -> float:
    """Give the macro AUROC, by ranks."""
    ranks = rankdata(logits, axis=0)
    positives = targets.sum(axis=0)
    below = (ranks * targets).sum(axis=0) - positives * (positives + 1) / 2
    return float((below / (positives * (len(targets) - positives))).mean())


def word(rng: np.random.Generator, difference: float, patients: int, seeds: int, spread: float) -> str:
    """Judge one simulated comparison."""
    tested = draw_patients(rng, patients)
    arm, scratch = (
        arm_on(rng, tested, SCRATCH + more + rng.normal(size=seeds) * spread) for more in (difference, 0.0)
    )
    gain = subtract(arm, scratch)
    interval = mean_interval([gain])
    return verdict_of(interval.estimate, interval.p, equivalence_p(gain, MARGIN))


def chosen(
    rng: np.random.Generator,
    gains: Sequence[float],
    patients: int,
    validation: int,
    seeds: int,
    spread: float,
    truths: int = 0,
) -> tuple[float, list[tuple[float, float]]]:
    """Choose among candidates and measure; give the true expectation and the two intervals, bare and whole.

    Args:
        rng: Draws all.
        gains: True AUROC over `SCRATCH` of each candidate; the first half is fine-tuned.
        patients: In the test set.
        validation: Patients of the validation set.
        seeds: Trainings of each candidate.
        spread: Between trainings, of the AUROC.
        truths: Times that the choice is repeated, to know its expectation; no interval is made if above 0.
    """
    half = len(gains) // 2
    if truths:
        total = 0.0
        for _ in range(truths):
            values = _validation(rng, gains, validation, seeds, spread)[0].mean(axis=1)
            total += gains[int(values[:half].argmax())] - gains[half + int(values[half:].argmax())]
        return total / truths, []
    values, true = _validation(rng, gains, validation, seeds, spread)
    means = values.mean(axis=1)
    tested = draw_patients(rng, patients)
    samples = [arm_on(rng, tested, one) for one in true]
    noise = rng.normal(size=(len(gains), RESAMPLES)) * math.sqrt(training_noise(values) / seeds)
    moved = np.stack([sample.resampled.mean(axis=0) - sample.mean for sample in samples])
    noise += np.nan_to_num(moved)[:, rng.permutation(moved.shape[1])] * math.sqrt(patients / validation)
    first = draw_choices(means[:half], noise[:half]).best
    second = draw_choices(means[half:], noise[half:]).best + half
    pairs = Counter(zip(first.tolist(), second.tolist(), strict=True))
    effects = [(n / len(first), subtract(samples[a], samples[b])) for (a, b), n in pairs.items()]
    own = subtract(samples[int(means[:half].argmax())], samples[half + int(means[half:].argmax())])
    found = [mean_interval([own], choice=choice) for choice in (0.0, choice_variance(effects))]
    return 0.0, [(one.low or 0.0, one.high or 0.0) for one in found]


def _validation(
    rng: np.random.Generator, gains: Sequence[float], validation: int, seeds: int, spread: float
) -> tuple[Floats, Floats]:
    """Train every candidate and score it on validation patients: the scores, and the true AUROC."""
    true = SCRATCH + np.asarray(gains)[:, None] + rng.normal(size=(len(gains), seeds)) * spread
    shape = (validation, len(PREVALENCE))
    targets = rng.random(shape) < PREVALENCE
    targets[:2], targets[2:4] = True, False  # every class has both sides
    hard = rng.normal(size=shape) * HARD
    scores = [[plain_auroc(targets, made) for made in logits_of(rng, targets, hard, one)] for one in true]
    return np.array(scores), true


KINDS = {
    "all alike": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "one better of each": (0.03, 0.0, 0.0, 0.03, 0.0, 0.0),
    "fine-tuned differ": (0.04, 0.02, 0.0, 0.0, 0.0, 0.0),
    "rates, far apart": (0.03, 0.0, -0.15, 0.0, 0.01, -0.15),
}


def coverage(
    rng: np.random.Generator, studies: int, kind: str, patients: int, seeds: int, truths: int = 1000
) -> tuple[float, float]:
    """Give the shares of studies whose bare and whole interval hold the truth."""
    arguments = (rng, KINDS[kind], patients, patients // 2, seeds, 0.01)
    truth, _ = chosen(*arguments, truths=truths)
    held = np.zeros(2)
    for _ in range(studies):
        held += [low <= truth <= high for low, high in chosen(*arguments)[1]]
    return float(held[0] / studies), float(held[1] / studies)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=200, help="of each row")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    print("| true difference | patients | seeds | better | worse | equivalent | open |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for difference in (0.0, 0.005, 0.01, -0.01, 0.03):
        for patients, seeds in ((200, 3), (2000, 3), (2000, 5)):
            words = Counter(word(rng, difference, patients, seeds, 0.003) for _ in range(given.studies))
            shares = " | ".join(
                f"{words[name] / given.studies:.1%}" for name in ("win", "loss", "equivalent", "open")
            )
            print(f"| {difference:+.3f} | {patients} | {seeds} | {shares} |", flush=True)
    print("\n| candidates | patients | seeds | bare | with the choice |\n| --- | ---: | ---: | ---: | ---: |")
    for kind in KINDS:
        for patients, seeds in ((100, 3), (300, 3), (300, 5)):
            bare, whole = coverage(rng, given.studies, kind, patients, seeds)
            print(f"| {kind} | {patients} | {seeds} | {bare:.1%} | {whole:.1%} |", flush=True)


if __name__ == "__main__":
    main()
