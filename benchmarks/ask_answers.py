"""How often `ecg-tl ask` answers rightly, in simulated studies whose truth is known.

    python benchmarks/ask_answers.py --studies 20

Each study is the one that `ask` plans, with its networks, recipes, seeds and splits; its trainings are made
up as predictions in memory, and analysed as real ones are. Fine-tuning truly helps (+0.08 AUROC), makes no
difference, or hurts (-0.08), whatever the recipe. Networks, recipes, splits, seeds and patients vary beside
that. Right is "fine-tune" where it helps, "scratch" where it hurts, and neither where nothing differs; the
opposite of the truth is counted by itself.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Mapping, Sequence
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
from ecg_tl.study.findings.findings import Findings
from ecg_tl.study.run.results import RunResult, StudyResults

TRUTHS = {"helps": 0.08, "no difference": 0.0, "hurts": -0.08}
RIGHT = {"helps": "fine-tune", "no difference": "either", "hurts": "scratch"}
SCRATCH = 0.80
OF_NETWORK, OF_RECIPE, OF_SPLIT, OF_SEED = 0.01, 0.005, 0.01, 0.01
HARD, HARD_FOR_ARM, NOISE = 0.8, 0.3, 0.5
DEVIATION = math.sqrt(2 * (HARD**2 + HARD_FOR_ARM**2 + NOISE**2))
PREVALENCE = (0.35, 0.25, 0.15)
EPOCHS = 10


def simulate(step: Rung, gain: float, patients: int, rng: np.random.Generator) -> Findings:
    """Make up the runs of the study that `ask` plans, and find what its report would say.

    Args:
        step: Of the ladder.
        gain: Of fine-tuning, in true AUROC.
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
    plan = make_plan(settings)
    effects: dict[tuple[object, ...], float] = {}

    def effect(key: tuple[object, ...], deviation: float) -> float:
        return effects.setdefault(key, float(rng.normal() * deviation))

    runs = []
    for run in plan.runs:
        auroc = SCRATCH + effect(("network", run.network), OF_NETWORK) + rng.normal() * OF_SEED
        if run.kind == "fine-tuned":
            auroc += gain + effect(("recipe", run.network, run.arm), OF_RECIPE)
            auroc += effect(("split", run.network, run.arm, run.split), OF_SPLIT)
        runs.append(pool.tested(run, auroc))
    return find(StudyResults(tuple(runs), ()), settings, resamples=256)


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


def actions(truth: str, step: Rung, patients: int, studies: int, rng: np.random.Generator) -> Sequence[str]:
    """Give what the answers of some studies say to do."""
    return [simulate(step, TRUTHS[truth], patients, rng).answers[0].action for _ in range(studies)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=20, help="of each truth and design")
    parser.add_argument("--patients", type=int, default=600, help="of the downstream")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 3, 5], help="of what `ask` plans, from 0")
    parser.add_argument("--truths", nargs="+", default=list(TRUTHS), choices=list(TRUTHS))
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    print("| truth | seeds | splits | candidates | studies | right | no verdict | wrong |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for step in (LADDER[number] for number in given.steps):
        candidates = len(step.scratch) + (len(step.tuned) + step.own) * len(step.recipes) + step.own
        for truth, right in ((truth, RIGHT[truth]) for truth in given.truths):
            said = Counter(actions(truth, step, given.patients, given.studies, rng))
            opposite = sum(said[word] for word in ("fine-tune", "scratch") if word != right)
            sizes = (step.seeds, step.splits, candidates, given.studies)
            unsaid = said["either"] if right != "either" else 0
            row = (truth, *sizes, said[right], unsaid, opposite)
            print(f"| {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    main()
