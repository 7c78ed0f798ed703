"""How often a study's report says what is not so, in whole simulated studies whose truth is known.

    python benchmarks/null_studies.py --studies 3

Studies of every size go through `ecg_tl.study.find`, as predictions and validation curves in memory, without
any training. In most of them no arm differs from another in anything but chance: then every win and loss,
every class that gains or loses, every answer that is "sure" or "likely", and every verdict on a claim is
wrong (but for claim 2, that some pairs gain nothing, and claim 7, that pre-training has a price, which then
are true: there only "contradicted" is wrong). Further studies have known effects, and show how often they are
found, and how often a report says the opposite.

**The model.** A test patient has labels, and a difficulty of each label for all, for one arm, and for one
training. A training's probability is the label times its skill, plus these, plus noise. Skills vary between
trainings; `spread` says how much that moves the difference of two arms beside what other patients would: a
quarter as much (`small`), as much (`equal`), four times as much (`dominant`); of several networks some vary
half and some twice as much as that. A validation curve rises towards a plateau at a pace, both vary between
trainings, and every epoch has its noise.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tl.statistics.intervals import SIGNIFICANT
from ecg_tl.study.design.settings import Arm, StudySettings
from ecg_tl.study.find import find
from ecg_tl.study.findings.classes import negative_transfer
from ecg_tl.study.findings.convergence import Timed, over_trainings
from ecg_tl.study.findings.findings import Findings
from ecg_tl.study.findings.matches import common_target
from ecg_tl.study.run.results import RunResult, StudyResults

PREVALENCE = (0.35, 0.25, 0.15, 0.08)
SKILL = 1.2
HARD, HARD_FOR_ARM, HARD_FOR_TRAINING, NOISE = 0.7, 0.5, 0.5, 0.6
SPREADS = {"small": 0.25, "equal": 1.0, "dominant": 4.0}
OF_PATIENTS = 0.17
"""Skill whose variation moves the difference of two arms as much as other 60 patients do."""
OF_NETWORKS = (1.0, 0.5, 2.0)
SIZES = (500, 1500)
EPOCHS = 20
EPOCH_SECONDS = 2.0
RESAMPLES = 128

CLAIMS = range(1, 8)
TRUE_UNDER_NO_EFFECT = {2: "supported", 7: "supported"}


@dataclass(frozen=True)
class Design:
    """A kind of study.

    Attributes:
        downstreams: How many; each has a test set of its own.
        networks: How many; the first half are CNNs.
        seeds: Trainings of every configuration.
        patients: In each test set.
        spread: One of `SPREADS`.
        gain: Of the fine-tuned arm's skill over scratch's.
        gain_small: As `gain`, at the smaller of two training sizes; None: the same.
        gain_rnn: As `gain`, of RNNs; None: the same.
        speed: How many times as fast the fine-tuned arm's validation curves rise.
        upstream_seconds: What each upstream's training took.
    """

    downstreams: int
    networks: int
    seeds: int
    patients: int
    spread: str
    gain: float = 0.0
    gain_small: float | None = None
    gain_rnn: float | None = None
    speed: float = 1.0
    upstream_seconds: float = 200.0

    @property
    def upstreams(self) -> int:
        """Two where few networks would leave few comparisons: then pairs share a scratch training."""
        return 2 if self.networks < 3 else 1


def simulate(design: Design, rng: np.random.Generator) -> Findings:
    """Make one study up, and find what its report would say."""
    ups = [f"up{k}" for k in range(design.upstreams)]
    downs = [f"down{k}" for k in range(design.downstreams)]
    networks = [f"net{k}" for k in range(design.networks)]
    runs: list[RunResult] = []
    for up, network in itertools.product(ups, networks):
        runs += _trainings(design, rng, _test_set(rng, 12), "upstream", up, None, network, None, 1)
    for down in downs:
        tested = _test_set(rng, design.patients)
        for network, up in itertools.product(networks, [None, *ups]):
            for size in (None,) if network != networks[0] else (None, SIZES[0]):
                arm = "scratch" if up is None else "full"
                runs += _trainings(design, rng, tested, arm, down, up, network, size, design.seeds)
    settings = StudySettings(
        name="simulated",
        folder="nowhere",
        arms={"scratch": Arm(), "full": Arm(transfer={"recipe": "full"})},
        upstreams={name: {} for name in ups},
        downstreams={name: {} for name in downs},
        networks={name: {} for name in networks},
        seeds=list(range(design.seeds)),
    )
    return find(StudyResults(tuple(runs), ()), settings, resamples=RESAMPLES)


@dataclass(frozen=True)
class _TestSet:
    ids: NDArray[np.str_]
    targets: NDArray[np.bool_]
    hard: NDArray[np.float64]


def _test_set(rng: np.random.Generator, patients: int) -> _TestSet:
    shape = (patients, len(PREVALENCE))
    ids = np.array([f"{k:04d}" for k in range(patients)])
    return _TestSet(ids, rng.random(shape) < PREVALENCE, rng.normal(size=shape) * HARD)


def _trainings(
    design: Design,
    rng: np.random.Generator,
    tested: _TestSet,
    arm: str,
    dataset: str,
    upstream: str | None,
    network: str,
    size: int | None,
    seeds: int,
) -> Iterator[RunResult]:
    """Make the runs of one configuration up."""
    number = int(network[3:])
    family = "cnn" if number < max(design.networks / 2, 1) else "rnn"
    skill, speed = SKILL, 1.0
    if arm == "full":
        small = design.gain if design.gain_small is None else design.gain_small
        of_family = design.gain if design.gain_rnn is None or family == "cnn" else design.gain_rnn
        skill += of_family if size is None else small
        speed = design.speed
    spread = SPREADS[design.spread] * OF_PATIENTS * math.sqrt(60 / design.patients)
    spread *= OF_NETWORKS[number % len(OF_NETWORKS)] if design.networks > 1 else 1.0
    shape = tested.targets.shape
    for_arm = tested.hard + rng.normal(size=shape) * HARD_FOR_ARM
    names = tuple(f"class{k}" for k in range(shape[1]))
    own_noise = math.hypot(HARD_FOR_TRAINING, NOISE)
    for seed in range(seeds):
        own = skill + rng.normal() * spread
        logits = tested.targets * own + for_arm + rng.normal(size=shape) * own_noise
        history = _history(rng, speed)
        best = int(history["val/auroc_macro"].to_numpy().argmax())
        described = {
            "id": f"{arm}-{dataset}-{upstream}-{network}-{size}-{seed}",
            "kind": {"full": "fine-tuned"}.get(arm, arm),
            "dataset": dataset,
            "upstream": upstream,
            "network": network,
            "arm": arm,
            "size": size,
            "seed": seed,
            "axes": {},
            "protocol": "strict",
        }
        yield RunResult(
            run=described,
            result={
                "run": described,
                "family": family,
                "head": "pooled",
                "best_scores": {"val/auroc_macro": float(history["val/auroc_macro"].iloc[best])},
                "monitor": "val/auroc_macro",
                "epochs": EPOCHS,
                "epochs_to_best": best + 1,
                "seconds": design.upstream_seconds if arm == "upstream" else EPOCHS * EPOCH_SECONDS,
                "data": {"records": {"train": size or SIZES[1]}, "split_hash": dataset},
            },
            record_ids=tested.ids,
            patient_ids=tested.ids,
            unknown_patients=0,
            targets=tested.targets,
            answered=np.ones_like(tested.targets, dtype=bool),
            probabilities=1 / (1 + np.exp(-logits)),
            class_names=names,
            history=history,
            test_by_epoch=None,
        )


def _history(rng: np.random.Generator, speed: float) -> pd.DataFrame:
    seconds = (EPOCH_SECONDS * np.exp(rng.normal(size=EPOCHS) * 0.1)).cumsum()
    scores = _curve(rng, speed)
    return pd.DataFrame({"epoch": np.arange(1, EPOCHS + 1), "val/auroc_macro": scores, "seconds": seconds})


def _curve(rng: np.random.Generator, speed: float) -> NDArray[np.float64]:
    """Make a validation curve up: it rises to a plateau, both its pace and the plateau vary by training."""
    plateau = 0.3 + rng.normal() * 0.03
    pace = speed * 0.35 * math.exp(rng.normal() * 0.25)
    rising: NDArray[np.float64] = 0.5 + plateau * (1 - np.exp(-pace * np.arange(1, EPOCHS + 1)))
    return rising + rng.normal(size=EPOCHS) * 0.015


@dataclass(frozen=True)
class Words:
    """What one study's report says.

    Attributes:
        comparisons: Primary ones: how many, wins, losses.
        answers: How many, "sure", "likely".
        classes: Gains, losses, and scored ones, as the report counts them.
        claims: Verdict of each, in order.
    """

    comparisons: tuple[int, int, int]
    answers: tuple[int, int, int]
    classes: tuple[int, int, int]
    claims: tuple[str, ...]


def words_of(findings: Findings) -> Words:
    """Count the words of a report."""
    primary = [one.verdict for one in findings.comparisons if one.primary]
    # Sure that either will do is no word of a difference.
    certainty = Counter(answer.certainty for answer in findings.answers if answer.action != "either")
    return Words(
        (len(primary), primary.count("win"), primary.count("loss")),
        (len(findings.answers), certainty["sure"], certainty["likely"]),
        negative_transfer(findings.comparisons),
        tuple(claim.verdict for claim in findings.claims),
    )


def wrong_under_no_effect(words: Words) -> dict[str, float]:
    """Say what is wrong in the report of a study without any effect.

    `comparison`, `class` and `likely` are shares of single ones, the others are 1 for a study that says it.
    """
    compared, wins, losses = words.comparisons
    gains, falls, scored = words.classes
    claims = {
        f"claim {number}": float(verdict not in ("open", "not tested", TRUE_UNDER_NO_EFFECT.get(number)))
        for number, verdict in enumerate(words.claims, start=1)
    }
    return {
        "comparison": (wins + losses) / max(compared, 1),
        "any comparison": float(wins + losses > 0),
        "class": (gains + falls) / max(scored, 1),
        "any class": float(gains + falls > 0),
        "any sure": float(words.answers[1] > 0),
        "likely": words.answers[2] / max(words.answers[0], 1),
        "any likely": float(words.answers[2] > 0),
        **claims,
        "any claim": float(any(claims.values())),
    }


def null_designs() -> list[Design]:
    """Every size of study, without any effect."""
    return [
        Design(*sizes) for sizes in itertools.product((1, 4, 12), (1, 2, 6), (1, 2, 3, 5), (60, 200), SPREADS)
    ]


KNOWN = {
    "all gain": Design(4, 2, 3, 200, "equal", gain=0.8),
    "all lose": Design(4, 2, 3, 200, "equal", gain=-0.8),
    "all gain, seeds dominate": Design(4, 2, 5, 200, "dominant", gain=0.8),
    "small sets gain, large do not": Design(4, 2, 5, 200, "small", gain_small=1.2),
    "CNNs gain, RNNs do not": Design(4, 6, 3, 200, "equal", gain=0.8, gain_rnn=0.0),
    "as good, 1.5 times as fast": Design(4, 2, 3, 60, "equal", speed=1.5),
    "as good, half as fast": Design(4, 2, 3, 60, "equal", speed=0.5),
    "one task pays for the upstream": Design(4, 2, 3, 60, "equal", speed=2.0, upstream_seconds=1.0),
}
"""Effects, and the studies that have them."""


def claim_5_rates(
    studies: int, speed: float, scratch: int, arms: int, rng: np.random.Generator
) -> list[float]:
    """Give the shares of studies in which claim 5's test says faster, and slower.

    Args:
        studies: How many.
        speed: Of the fine-tuned trainings.
        scratch: Trainings from scratch.
        arms: Fine-tuned trainings that share one.
        rng: Draws the curves.
    """
    verdicts = []
    for _ in range(studies):
        values = []
        for seed in range(scratch):
            base = _curve(rng, 1.0)
            for _ in range(arms):
                own = _curve(rng, speed)
                target = common_target(own, base)
                epochs = [1 + int((curve >= target - 1e-12).argmax()) for curve in (own, base)]
                values.append(Timed("scratch", seed, math.log(epochs[0] / epochs[1])))
        found = over_trainings(values)
        shown = found.p is not None and found.p < SIGNIFICANT
        verdicts.append((shown and found.estimate < 0, shown and found.estimate > 0))  # type: ignore[operator]
    return [float(share) for share in np.mean(verdicts, axis=0)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=3, help="of each of the 216 designs without effect")
    parser.add_argument("--known", type=int, default=20, help="of each design with a known effect")
    parser.add_argument("--curves", type=int, default=1000, help="studies of validation curves alone")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    started = time.perf_counter()
    print("Fine-tuning converges faster (p < 0.05 before the claims are corrected): share of studies\n")
    print("| trainings | scratch trainings | speed | faster | slower |\n| ---: | ---: | ---: | ---: | ---: |")
    for scratch, arms in ((12, 1), (6, 2), (72, 1), (24, 3), (216, 1), (72, 3)):
        for speed in (1.0, 1.25, 1.5, 2.0):
            faster, slower = claim_5_rates(max(given.curves // scratch * 4, 50), speed, scratch, arms, rng)
            print(f"| {scratch * arms} | {scratch} | {speed} | {faster:.1%} | {slower:.1%} |", flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s\n\nWrong words in studies without any effect\n")
    wrong: list[tuple[Design, dict[str, float]]] = []
    designs = null_designs() * given.studies
    for position in rng.permutation(len(designs)):
        design = designs[int(position)]
        wrong.append((design, wrong_under_no_effect(words_of(simulate(design, rng)))))
    _print_wrong(wrong)
    print(f"\n{time.perf_counter() - started:.0f} s\n\nWords in studies of known effect\n")
    print("| effect | wins | losses | classes gain | lose | sure | " + " | ".join(map(str, CLAIMS)) + " |")
    print("| --- |" + " ---: |" * 5 + " --- |" * 7)
    for name, design in KNOWN.items():
        _print_known(name, [words_of(simulate(design, rng)) for _ in range(given.known)])
    print(f"\n{time.perf_counter() - started:.0f} s")


def _print_wrong(wrong: Sequence[tuple[Design, dict[str, float]]]) -> None:
    """Print shares over all studies, and over those of each size; the standard error is that of 5 %."""
    names = list(wrong[0][1])
    print("| studies | number | error | " + " | ".join(names) + " |")
    print("| --- |" + " ---: |" * (len(names) + 2))
    groups: dict[str, list[dict[str, float]]] = {"all": [found for _, found in wrong]}
    for attribute in ("seeds", "downstreams", "networks", "patients", "spread"):
        for value in dict.fromkeys(getattr(design, attribute) for design in null_designs()):
            groups[f"{attribute} {value}"] = [f for d, f in wrong if getattr(d, attribute) == value]
    several = [(d, f) for d, f in wrong if d.seeds > 1]
    groups["two seeds or more"] = [f for _, f in several]
    groups["... and dominant"] = [f for d, f in several if d.spread == "dominant"]
    groups["... and 24 or more comparisons"] = [f for d, f in several if d.downstreams * d.networks >= 24]
    groups["72 comparisons, 3 seeds"] = [
        f for d, f in several if d.downstreams * d.networks == 72 and d.seeds == 3
    ]
    for name, found in groups.items():
        if found:
            shares = " | ".join(f"{np.mean([one[k] for one in found]):.1%}" for k in names)
            error = math.sqrt(0.05 * 0.95 / len(found))
            print(f"| {name} | {len(found)} | {error:.1%} | {shares} |", flush=True)


def _print_known(name: str, words: Sequence[Words]) -> None:
    def share(part: str, position: int, of: int) -> str:
        counts = [getattr(one, part) for one in words]
        return f"{sum(c[position] for c in counts) / max(sum(c[of] for c in counts), 1):.0%}"

    columns = [share("comparisons", 1, 0), share("comparisons", 2, 0)]
    columns += [share("classes", 0, 2), share("classes", 1, 2), share("answers", 1, 0)]
    for number in CLAIMS:
        verdicts = Counter(one.claims[number - 1] for one in words)
        columns.append(", ".join(f"{v} {n / len(words):.0%}" for v, n in verdicts.most_common()))
    print(f"| {name} | " + " | ".join(columns) + " |", flush=True)


if __name__ == "__main__":
    main()
