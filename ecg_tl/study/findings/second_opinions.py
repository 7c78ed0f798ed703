"""What looser rules would have said of the same comparisons.

The paper's rule: a training's score is the greatest weighted F1, at threshold 0.5, over all epochs **on the
test set**; each arm is trained once; any positive difference is a win. It is applied here to the strict runs
(whose test scores by epoch are kept for this and for nothing else) and to the runs of the second opinion,
which divide by record as the paper does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Literal

import pandas as pd

from ecg_tl.statistics.intervals import Interval
from ecg_tl.study.findings.compared import Compared
from ecg_tl.study.findings.comparisons import compared_in
from ecg_tl.study.findings.grid import SECOND_OPINION, Cell, Grid
from ecg_tl.study.findings.tables import (
    ROLES,
    VERDICTS,
    Line,
    Table,
    TableCell,
    difference_cell,
    make_table,
)
from ecg_tl.study.findings.topic import Topic, one_file, register_topic
from ecg_tl.study.findings.values import Verdict
from ecg_tl.study.findings.wording import NOTHING, signed
from ecg_tl.study.run.results import RunResult


@dataclass(frozen=True)
class SecondOpinion:
    """One comparison, and what looser rules would have said of it.

    The paper's rule: the score is the greatest weighted F1 (threshold 0.5) over all epochs **on the test
    set**, of one training each, and any positive difference is a win.

    Attributes:
        comparison: Key of the comparison.
        label: Its label.
        strict_verdict: Of the comparison.
        strict: Its difference of macro AUROC.
        strict_f1: Difference of weighted F1 at thresholds tuned on validation data: the paper's metric under
            strict rules.
        peeking_f1: Difference of the greatest test F1 over epochs, first seed, same runs; None if no run
            says.
        peeking_verdict: `win`, `loss` or `tie` by the paper's rule on `peeking_f1`.
        peeking_flips: How many of the seeds would have given the opposite verdict of the first one.
        scratch_optimism: By how much the greatest test F1 over epochs exceeds the F1 at the epoch that
            validation chose, scratch, mean over the seeds.
        arm_optimism: As `scratch_optimism`, for the arm.
        recordwise_f1: The same difference from the runs on the paper's split by record; None without them.
        recordwise_verdict: By the paper's rule on `recordwise_f1`.
        shared_patients: Whether the split by record put patients into two parts; None if not known.
        agrees: Whether every verdict by the paper's rule is the strict one.
        explanation: A sentence.
    """

    comparison: str
    label: str
    strict_verdict: Verdict
    strict: Interval
    strict_f1: Interval | None
    peeking_f1: float | None
    peeking_verdict: Literal["win", "loss", "tie"] | None
    peeking_flips: int | None
    scratch_optimism: float | None
    arm_optimism: float | None
    recordwise_f1: float | None
    recordwise_verdict: Literal["win", "loss", "tie"] | None
    shared_patients: bool | None
    agrees: bool
    explanation: str


@dataclass(frozen=True)
class SecondOpinionSummary:
    """How often the two ways to judge part.

    Attributes:
        compared: Comparisons with a verdict by the paper's rule.
        strict_wins: By the strict rule.
        strict_losses: By the strict rule.
        strict_open: By the strict rule.
        peeking_wins: By the paper's rule on the same runs.
        peeking_losses: By the paper's rule on the same runs.
        recordwise_wins: By the paper's rule on the split by record.
        recordwise_losses: By the paper's rule on the split by record.
        explanation: One or two sentences.
    """

    compared: int
    strict_wins: int
    strict_losses: int
    strict_open: int
    peeking_wins: int
    peeking_losses: int
    recordwise_wins: int
    recordwise_losses: int
    explanation: str


PaperVerdict = Literal["win", "loss", "tie"]


SCORE = "f1_weighted"


def second_opinions(grid: Grid, compared: Sequence[Compared]) -> tuple[SecondOpinion, ...]:
    """Judge every pretrained comparison by the paper's rule where its runs, or others, say enough."""
    found = []
    for one in compared:
        if one.comparison.control:
            continue
        opinion = _opinion(grid, one)
        if opinion is not None:
            found.append(opinion)
    return tuple(found)


def peeked_score(table: pd.DataFrame | None) -> float | None:
    """Give the greatest weighted F1 over epochs on the test set; None where it was not kept."""
    if table is None or SCORE not in table or not table[SCORE].notna().any():
        return None
    return float(table[SCORE].max())


def paper_verdict(difference: float) -> PaperVerdict:
    """Judge as the paper does: any positive difference is a win."""
    return "win" if difference > 0 else "loss" if difference < 0 else "tie"


def _opinion(grid: Grid, one: Compared) -> SecondOpinion | None:
    comparison = one.comparison
    arm, scratch = grid.cells[one.cell], grid.cells[one.scratch]
    peeked: list[float] = []
    for seed in comparison.seeds:
        ours, theirs = peeked_score(arm[seed].test_by_epoch), peeked_score(scratch[seed].test_by_epoch)
        if ours is not None and theirs is not None:
            peeked.append(ours - theirs)
    recordwise = _recordwise(grid, one)
    if not peeked and recordwise is None:
        return None
    first = paper_verdict(peeked[0]) if peeked else None
    other = None if recordwise is None else paper_verdict(recordwise)
    flips = sum({first, paper_verdict(d)} == {"win", "loss"} for d in peeked)
    strict_f1 = next((m.difference for m in comparison.metrics if m.metric == "f1_weighted_tuned"), None)
    verdicts = [v for v in (first, other) if v is not None]
    agrees = all(v == comparison.verdict for v in verdicts)
    return SecondOpinion(
        comparison=comparison.key,
        label=comparison.label,
        strict_verdict=comparison.verdict,
        strict=comparison.difference,
        strict_f1=strict_f1,
        peeking_f1=peeked[0] if peeked else None,
        peeking_verdict=first,
        peeking_flips=flips if peeked else None,
        scratch_optimism=_optimism([scratch[s] for s in comparison.seeds]),
        arm_optimism=_optimism([arm[s] for s in comparison.seeds]),
        recordwise_f1=recordwise,
        recordwise_verdict=other,
        shared_patients=_shares_patients(grid, one),
        agrees=agrees,
        explanation=_explain(comparison.verdict, first, other, flips, len(peeked)),
    )


def _second_cells(grid: Grid, one: Compared) -> tuple[Cell, Cell]:
    return replace(one.cell, protocol=SECOND_OPINION), replace(one.scratch, protocol=SECOND_OPINION)


def _recordwise(grid: Grid, one: Compared) -> float | None:
    cell, scratch = _second_cells(grid, one)
    if cell not in grid.cells or scratch not in grid.cells:
        return None
    ours, theirs = (peeked_score(grid.first(c).test_by_epoch) for c in (cell, scratch))
    return None if ours is None or theirs is None else ours - theirs


def _shares_patients(grid: Grid, one: Compared) -> bool | None:
    cell, _ = _second_cells(grid, one)
    if cell not in grid.cells:
        return None
    shared = grid.first(cell).result["data"].get("patients_shared")
    return None if shared is None else bool(shared)


def _optimism(runs: Sequence[RunResult]) -> float | None:
    """By how much the best test epoch beats the epoch that validation chose, mean over trainings."""
    excess = []
    for run in runs:
        best = peeked_score(run.test_by_epoch)
        if best is None or run.test_by_epoch is None:
            continue
        chosen = run.test_by_epoch.loc[run.test_by_epoch["epoch"] == run.result["epochs_to_best"], SCORE]
        if len(chosen) and chosen.notna().all():
            excess.append(best - float(chosen.iloc[0]))
    return mean(excess) if excess else None


def _explain(
    strict: str, peeking: PaperVerdict | None, recordwise: PaperVerdict | None, flips: int, seeds: int
) -> str:
    words = {
        "win": "a win",
        "loss": "a loss",
        "equivalent": "equivalent",
        "tie": "a tie",
        "open": "open",
    }
    text = f"Strictly {words[strict]}"
    if peeking is not None:
        text += f"; by the best test epoch of one training {words[peeking]}"
        if flips:
            text += f" ({flips} of {seeds} seeds would have said the opposite)"
    if recordwise is not None:
        text += f"; on a split by record {words[recordwise]}"
    return text + "."


def summarize_opinions(opinions: Sequence[SecondOpinion]) -> SecondOpinionSummary | None:
    """Count how often the rules part; None without any."""
    if not opinions:
        return None
    strict = [o.strict_verdict for o in opinions]
    peeking = [o.peeking_verdict for o in opinions if o.peeking_verdict is not None]
    recordwise = [o.recordwise_verdict for o in opinions if o.recordwise_verdict is not None]
    flips = sum(1 for o in opinions if o.peeking_flips)
    same = strict.count("equivalent")
    text = (
        f"Of {len(opinions)} comparisons the strict rule calls {strict.count('win')} a win and "
        f"{strict.count('loss')} a loss, {f'{same} equivalent, ' if same else ''}and leaves "
        f"{strict.count('open')} open."
    )
    if peeking:
        text += (
            f" The paper's rule calls {peeking.count('win')} of {len(peeking)} a win and "
            f"{peeking.count('loss')} a loss; in {flips} of them another seed would have said the opposite."
        )
    if recordwise:
        text += f" On a split by record it is {recordwise.count('win')} of {len(recordwise)}."
    return SecondOpinionSummary(
        compared=len(opinions),
        strict_wins=strict.count("win"),
        strict_losses=strict.count("loss"),
        strict_open=strict.count("open"),
        peeking_wins=peeking.count("win"),
        peeking_losses=peeking.count("loss"),
        recordwise_wins=recordwise.count("win"),
        recordwise_losses=recordwise.count("loss"),
        explanation=text,
    )


def second_opinion_table(found: Sequence[SecondOpinion]) -> Table | None:
    """Strict verdicts beside those of looser rules."""

    def claimed(value: float | None, verdict: str | None) -> TableCell:
        if value is None or verdict is None:
            return TableCell(NOTHING)
        return TableCell(
            VERDICTS[verdict], f"{signed(value)} F1", ROLES[verdict] if verdict != "tie" else "muted"
        )

    rows: list[Line] = [
        {
            "Comparison": one.label,
            "Strict verdict": TableCell(
                VERDICTS[one.strict_verdict],
                f"{signed(one.strict.estimate)} AUROC",
                ROLES[one.strict_verdict] if one.strict_verdict != "open" else "muted",
            ),
            "#Strict, weighted F1": difference_cell(one.strict_f1, drawn=False) if one.strict_f1 else NOTHING,
            "Best epoch on the test set": claimed(one.peeking_f1, one.peeking_verdict),
            "#Seeds that say the opposite": NOTHING if one.peeking_flips is None else f"{one.peeking_flips}",
            "Split by record": claimed(one.recordwise_f1, one.recordwise_verdict),
            "Patients in two parts": {True: "yes", False: "no", None: NOTHING}[one.shared_patients],
            "#Optimism, scratch / arm": f"{signed(one.scratch_optimism)} / {signed(one.arm_optimism)}",
            "Agree": TableCell("yes") if one.agrees else TableCell("no", tone="caution"),
        }
        for one in found
    ]
    return make_table(
        "The same comparisons, judged twice",
        rows,
        "Optimism: by how much the best epoch on the test set exceeds the epoch that validation chose, "
        "in weighted F1.",
    )


register_topic(
    Topic(
        "second_opinions",
        lambda study: second_opinions(study.grid, compared_in(study)),
        one_file("second_opinions"),
        lambda found, default: {"second_opinions": second_opinion_table(found)},
    )
)
