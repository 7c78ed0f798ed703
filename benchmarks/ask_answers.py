"""How often `ecg-tl ask` answers rightly, in simulated studies whose truth is known.

    python benchmarks/ask_answers.py --studies 20

Each study is the one that `ask` plans, with its networks, recipes, seeds and splits; its trainings are made
up as predictions in memory, and analysed as real ones are. Seeds and patients vary in all of them.
Fine-tuning truly helps (+0.08 AUROC) or hurts (-0.08), whatever the recipe, beside networks, recipes and
splits that differ a little; or all candidates are truly alike; or networks, recipes and splits alone differ.

Right is "fine-tune" where it helps, "scratch" where it hurts, and neither where all are alike. Where
networks, recipes and splits alone differ, it is neither, or the better one of the two that the answer
compares: on its split where there is one, as the answer says, and over splits where there are several.
Whether the interval holds the true difference of these two is counted as well.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from ecg_tl.asking.designs import LADDER, Rung, study_of
from ecg_tl.statistics.resampling import Floats
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.runs import Run
from ecg_tl.study.find import find
from ecg_tl.study.findings.answers import DownstreamAnswer
from ecg_tl.study.findings.findings import Findings
from ecg_tl.study.run.results import RunResult, StudyResults


@dataclass(frozen=True)
class Truth:
    """What truly holds in a simulated study.

    Attributes:
        gain: Of fine-tuning, in AUROC, beside what its network and recipe do.
        right: What to do; None where it depends on which networks and recipes are compared.
        alike: Whether all networks and recipes are equally good, on every split.
    """

    gain: float
    right: str | None
    alike: bool = False


TRUTHS = {
    "helps": Truth(0.08, "fine-tune"),
    "all alike": Truth(0.0, "either", alike=True),
    "networks differ": Truth(0.0, None),
    "hurts": Truth(-0.08, "scratch"),
}
SCRATCH = 0.80
OF_NETWORK, OF_RECIPE, OF_SPLIT, OF_SEED = 0.01, 0.005, 0.01, 0.01
HARD, HARD_FOR_ARM, NOISE = 0.8, 0.3, 0.5
DEVIATION = math.sqrt(2 * (HARD**2 + HARD_FOR_ARM**2 + NOISE**2))
PREVALENCE = (0.35, 0.25, 0.15)
EPOCHS = 10


@dataclass(frozen=True)
class Simulated:
    """A study that was made up.

    Attributes:
        findings: What its report would say.
        aurocs: Of each network and arm, the true one over seeds and patients: on the split where there is
            one, over splits where there are several.
        truth: What it was made by.
    """

    findings: Findings
    aurocs: Mapping[tuple[str, str], float]
    truth: Truth

    @property
    def answer(self) -> DownstreamAnswer:
        """What the study's one question is answered with."""
        return self.findings.answers[0]

    @property
    def difference(self) -> float:
        """The true one of the fine-tuned and the scratch candidate that the answer compares."""
        tuned = next(one for one in self.answer.candidates if one.upstream is not None)
        scratch = next(one for one in self.answer.candidates if one.best_scratch)
        return self.aurocs[tuned.network, tuned.arm] - self.aurocs[scratch.network, scratch.arm]

    @property
    def right(self) -> str:
        """What the answer may say, beside "either"."""
        return self.truth.right or ("fine-tune" if self.difference > 0 else "scratch")

    @property
    def held(self) -> bool:
        """Whether the interval holds the true difference."""
        low, high = self.answer.effect.low, self.answer.effect.high
        return low is not None and high is not None and low <= self.difference <= high


def simulate(step: Rung, truth: Truth, patients: int, rng: np.random.Generator) -> Simulated:
    """Make up the runs of the study that `ask` plans, and find what its report would say.

    Args:
        step: Of the ladder.
        truth: What is to hold.
        patients: Of the downstream; three in ten are tested on each split.
        rng: Draws all.
    """
    data = {"class_path": "CustomDataModule", "init_args": {"root": "nowhere"}}
    settings = study_of(
        step,
        name="mine",
        folder=Path("nowhere"),
        downstream=data,
        upstreams={"up": {"data": data}},
        records=500,
    )
    pool = _Pool(patients, rng)
    effects: dict[tuple[object, ...], float] = {}

    def effect(key: tuple[object, ...], deviation: float) -> float:
        return effects.setdefault(key, float(rng.normal() * deviation))

    runs, aurocs = [], {}
    for run in make_plan(settings).runs:
        true, on_split = SCRATCH, 0.0
        if not truth.alike:
            true += effect(("network", run.network), OF_NETWORK)
        if run.kind == "fine-tuned":
            true += truth.gain
        if run.kind == "fine-tuned" and not truth.alike:
            true += effect(("recipe", run.network, run.arm), OF_RECIPE)
            on_split = effect(("split", run.network, run.arm, run.split), OF_SPLIT)
        aurocs[run.network, run.arm] = true + (on_split if step.splits == 1 else 0.0)
        runs.append(pool.tested(run, true + on_split + float(rng.normal()) * OF_SEED))
    return Simulated(find(StudyResults(tuple(runs), ()), settings, resamples=256), aurocs, truth)


class _Pool:
    """Patients, of whom each split tests some."""

    def __init__(self, patients: int, rng: np.random.Generator) -> None:
        self.rng = rng
        shape = (patients, len(PREVALENCE))
        self.targets = rng.random(shape) < PREVALENCE
        self.hard = rng.normal(size=shape) * HARD
        self.parts: dict[int, np.ndarray] = {}
        self.by_arm: dict[tuple[object, ...], Floats] = {}

    def tested(self, run: Run, auroc: float) -> RunResult:
        """Make up a run's predictions."""
        if run.split not in self.parts:
            self.parts[run.split] = np.sort(
                self.rng.permutation(len(self.targets))[: 3 * len(self.targets) // 10]
            )
        rows = self.parts[run.split]
        key = (run.network, run.arm)
        if key not in self.by_arm:
            self.by_arm[key] = self.hard + self.rng.normal(size=self.hard.shape) * HARD_FOR_ARM
        skill = float(norm.ppf(min(auroc, 0.995))) * DEVIATION
        logits = self.targets[rows] * skill + self.by_arm[key][rows]
        logits = logits + self.rng.normal(size=logits.shape) * NOISE
        ids = np.array([f"{row:05d}" for row in rows])
        return RunResult(
            run=run.describe(),
            result=_result(run, auroc + float(self.rng.normal()) * 0.02, len(rows)),
            record_ids=ids,
            patient_ids=ids,
            unknown_patients=0,
            targets=self.targets[rows],
            answered=np.ones_like(self.targets[rows]),
            probabilities=1 / (1 + np.exp(-logits)),
            class_names=tuple(f"class{k}" for k in range(len(PREVALENCE))),
            history=pd.DataFrame(
                {
                    "epoch": np.arange(1, EPOCHS + 1),
                    "val/auroc_macro": np.linspace(0.5, auroc, EPOCHS),
                    "seconds": np.arange(1, EPOCHS + 1) * 2.0,
                }
            ),
            test_by_epoch=None,
        )


def _result(run: Run, validation: float, tested: int) -> Mapping[str, Any]:
    return {
        "run": run.describe(),
        "family": "cnn",
        "head": "pooled",
        "best_scores": {"val/auroc_macro": validation},
        "monitor": "val/auroc_macro",
        "epochs": EPOCHS,
        "epochs_to_best": EPOCHS,
        "seconds": EPOCHS * 2.0,
        "data": {"records": {"train": tested, "validation": tested // 2, "test": tested}, "split_hash": "x"},
    }


def counts(truth: Truth, step: Rung, patients: int, studies: int, rng: np.random.Generator) -> Counter[str]:
    """Count what the answers of some studies say, and whether their intervals hold the truth.

    Returns:
        Numbers of studies: `right`, `no verdict` and `wrong`, which make up all; of the wrong ones those that
        are called `likely`, not sure; of all those whose interval `held` the truth.
    """
    counted: Counter[str] = Counter()
    for _ in range(studies):
        study = simulate(step, truth, patients, rng)
        said = study.answer.action
        fits = said == study.right or (said == "either" and truth.gain == 0)
        counted["right" if fits else "no verdict" if said == "either" else "wrong"] += 1
        counted["likely"] += said != "either" and not fits and study.answer.certainty == "likely"
        counted["held"] += study.held
    return counted


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=20, help="of each truth and design")
    parser.add_argument("--patients", type=int, default=600, help="of the downstream")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 3, 5], help="of what `ask` plans, from 0")
    parser.add_argument("--truths", nargs="+", default=list(TRUTHS), choices=list(TRUTHS))
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers")
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    columns = ("right", "no verdict", "wrong", "likely", "held")
    print(f"| truth | seeds | splits | candidates | studies | {' | '.join(columns)} |")
    print(f"| --- {'| ---: ' * 9}|")
    for step in (LADDER[number] for number in given.steps):
        candidates = len(step.scratch) + (len(step.tuned) + step.own) * len(step.recipes) + step.own
        for truth in given.truths:
            counted = counts(TRUTHS[truth], step, given.patients, given.studies, rng)
            sizes = (step.seeds, step.splits, candidates, given.studies)
            row = (truth, *sizes, *(counted[column] for column in columns))
            print(f"| {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    main()
