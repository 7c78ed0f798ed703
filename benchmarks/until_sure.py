"""How often `--until sure` is wrong, how often it finds what is there, and what it saves.

    python benchmarks/until_sure.py --studies 200

One comparison of two arms on one test set, of known difference in AUROC, by the model of
`benchmarks/verdicts.py`. It is looked at with 3, 6 and at most 9 seeds, and stopped as soon as a difference
(or equivalence at a margin of 0.01) is shown. `priced` is what the program does: each look has its share of
the 0.05 (`ecg_tl.statistics.looks`). `free` stops as soon as p is below 0.05, whatever was looked at before.
`once` looks a single time, with all 9 seeds.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace

import numpy as np
from verdicts import MARGIN, SCRATCH, arm_on, draw_patients

from ecg_tl.statistics.intervals import equivalence_p, mean_interval
from ecg_tl.statistics.looks import planned_looks, price_of
from ecg_tl.statistics.scoring import Sample, subtract
from ecg_tl.study.findings.compared import verdict_of

LOOKS = planned_looks(3, 9, 3)
RULES = ("priced", "free", "once")


def word_at(gain: Sample, seeds: int, price: float) -> str:
    """Give the verdict with the first seeds."""
    seen = replace(
        gain,
        seeds=gain.seeds[:seeds],
        values=gain.values[:seeds],
        resampled=gain.resampled[:seeds],
        influence=gain.influence[:seeds],
        price=price,
    )
    found = mean_interval([seen])
    return verdict_of(found.estimate, found.p, equivalence_p(seen, MARGIN))


def stopped(gain: Sample, rule: str) -> tuple[str, int]:
    """Give the word that a study ends with, and the seeds that it took."""
    for k, seeds in enumerate(LOOKS):
        if rule == "once" and seeds < LOOKS[-1]:
            continue
        word = word_at(gain, seeds, price_of(LOOKS[: k + 1], LOOKS[-1]) if rule == "priced" else 1.0)
        if word != "open":
            return word, seeds
    return "open", LOOKS[-1]


def simulate(
    rng: np.random.Generator, difference: float, patients: int, spread: float
) -> dict[str, tuple[str, int]]:
    """Make one study up, and stop it by each rule."""
    tested = draw_patients(rng, patients)
    arms = [
        arm_on(rng, tested, (SCRATCH + gain + rng.normal(size=LOOKS[-1]) * spread).tolist())
        for gain in (difference, 0.0)
    ]
    gain = subtract(*arms)
    return {rule: stopped(gain, rule) for rule in RULES}


def is_wrong(word: str, difference: float) -> bool:
    """Whether a word is not so: at the margin itself, "equivalent" is."""
    if word == "equivalent":
        return abs(difference) >= MARGIN
    return (word == "win" and difference <= 0) or (word == "loss" and difference >= 0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--studies", type=int, default=200, help="of each row; five times as many of no effect"
    )
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    print("| true difference | patients | spread | rule | wrong | sure | mean seeds |")
    print("| ---: | ---: | ---: | --- | ---: | ---: | ---: |")
    for difference in (0.0, 0.03, 0.08):
        for patients, spread in ((150, 0.003), (150, 0.02), (600, 0.003)):
            studies = given.studies * (1 if difference else 5)  # errors are rare
            found = [simulate(rng, difference, patients, spread) for _ in range(studies)]
            for rule in RULES:
                words = Counter(one[rule][0] for one in found)
                wrong = sum(n for word, n in words.items() if is_wrong(word, difference)) / studies
                sure = 1 - words["open"] / studies
                seeds = float(np.mean([one[rule][1] for one in found]))
                print(
                    f"| {difference:+.3f} | {patients} | {spread} | {rule} | {wrong:.1%} | {sure:.1%} | "
                    f"{seeds:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
