"""What to do for each downstream.

Which configuration to recommend is chosen on validation scores alone; how much it gains is then measured on
the test set. Choosing by test scores would report the luck of the best of many as its gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ecg_tl.statistics.intervals import SIGNIFICANT, Interval, mean_interval, score_interval
from ecg_tl.statistics.multiple_comparisons import holm
from ecg_tl.statistics.scoring import subtract
from ecg_tl.study.analysis.account import validation_score
from ecg_tl.study.analysis.comparisons import Compared, finite
from ecg_tl.study.analysis.convergence import lower_is_better
from ecg_tl.study.analysis.grid import Cell, Grid
from ecg_tl.study.analysis.wording import plural, signed
from ecg_tl.study.findings import Answer, Candidate

LIKELY = 0.1
"""Corrected p-value below which a difference that is not significant is called likely: of studies without any
difference, at most one in ten says "sure" or "likely" of any downstream."""

Certainty = Literal["sure", "likely", "not sure"]


@dataclass(frozen=True)
class _Option:
    cell: Cell
    validation: float
    monitor: str

    @property
    def rank(self) -> float:
        """Higher is better."""
        return -self.validation if lower_is_better(self.monitor) else self.validation


def answer_all(grid: Grid, compared: Sequence[Compared]) -> tuple[Answer, ...]:
    """Answer for each downstream that has a scratch and a pretrained configuration to choose from."""
    drafts = [_draft(grid, compared, name) for name in grid.settings.downstreams]
    answers = [draft for draft in drafts if draft is not None]
    corrected = holm([answer.effect.p for answer in answers])
    return tuple(_decided(a, p) for a, p in zip(answers, corrected, strict=True))


def _options(grid: Grid, downstream: str) -> list[_Option]:
    """List what could be recommended: at the default of all axes, with all training records."""
    cells = [
        cell
        for cell in grid.downstream()
        if cell.dataset == downstream
        and grid.is_default(cell)
        and (cell.kind == "fine-tuned" or cell.arm == grid.scratch_arm)
    ]
    most = max((grid.train_records(cell) for cell in cells), default=0)
    options = []
    for cell in cells:
        if grid.train_records(cell) < most:
            continue
        value = validation_score(list(grid.cells[cell].values()))
        if value is not None:
            options.append(_Option(cell, value, str(grid.first(cell).result["monitor"])))
    return sorted(options, key=lambda option: -option.rank)


def _draft(grid: Grid, compared: Sequence[Compared], downstream: str) -> Answer | None:
    """Choose on validation scores and measure on the test set; words follow for all at once."""
    options = _options(grid, downstream)
    scratch = next((o for o in options if o.cell.kind == "scratch"), None)
    pretrained = next((o for o in options if o.cell.kind == "fine-tuned"), None)
    if scratch is None or pretrained is None:
        return None
    best = options[0]
    seeds = grid.comparable(pretrained.cell, scratch.cell)
    effect = Interval(None, reason="They have no seed in common, or other test records.")
    if seeds:
        samples = [grid.sample(o.cell, seeds=seeds) for o in (pretrained, scratch)]
        effect = mean_interval([subtract(*samples)])
    caveats = _caveats(grid, compared, options, pretrained, scratch, effect)
    first = grid.first(best.cell)
    return Answer(
        downstream=downstream,
        action="either",
        headline="",
        explanation="",
        network=best.cell.network,
        arm=best.cell.arm,
        upstream=best.cell.upstream,
        scratch_network=scratch.cell.network,
        effect=effect,
        p_holm=None,
        score=score_interval(grid.sample(best.cell)),
        certainty="not sure",
        train_records=first.train_records,
        patients=len(set(first.patient_ids.tolist())),
        caveats=tuple(caveats),
        candidates=tuple(
            Candidate(
                o.cell.network,
                o.cell.arm,
                o.cell.upstream,
                o.validation,
                finite(grid.sample(o.cell).mean),
                chosen=o is best,
                best_scratch=o is scratch,
            )
            for o in options
        ),
    )


def _caveats(
    grid: Grid,
    compared: Sequence[Compared],
    options: Sequence[_Option],
    pretrained: _Option,
    scratch: _Option,
    effect: Interval,
) -> list[str]:
    caveats = [effect.reason] if effect.reason else []
    if len({o.monitor for o in options}) > 1:
        caveats.append(
            "Epochs were chosen by different validation scores, which makes the choice between arms rough."
        )
    if grid.settings.protocol == "paper":
        caveats.append(
            "Under protocol `paper` the validation records are the test records: the choice is not blind."
        )
    if pretrained.cell.network != scratch.cell.network:
        caveats.append(
            f"The gain compares {pretrained.cell.network} with {scratch.cell.network}: part of it may be the "
            "network's, not the upstream's."
        )
    own = next((c.comparison for c in compared if c.cell == pretrained.cell), None)
    losing = [c.name for c in own.per_class if c.verdict == "loss"] if own is not None else []
    if losing:
        caveats.append(f"Fine-tuning does worse for {', '.join(losing)}.")
    return caveats


def _decided(answer: Answer, p_holm: float | None) -> Answer:
    """Turn effect and p-value into advice.

    Sure: significant after correction for the number of downstreams. Likely: the corrected p-value is below
    `LIKELY`. Otherwise nothing is shown, and what validation prefers is named as such. With one seed there is
    no p-value, and nothing is judged.
    """
    effect = answer.effect
    certainty: Certainty = "not sure"
    if effect.estimate is not None and p_holm is not None:
        certainty = "sure" if p_holm < SIGNIFICANT else "likely" if p_holm < LIKELY else "not sure"
    pretrained = next(c for c in answer.candidates if c.upstream is not None)
    scratch = next(c for c in answer.candidates if c.best_scratch)
    recipe = f"fine-tune {pretrained.network} from {pretrained.upstream} with {pretrained.arm}"
    measured = (
        f"On {plural(answer.patients, 'test patient')} and {plural(effect.seeds, 'seed')}, {pretrained.arm} "
        f"from {pretrained.upstream} ({pretrained.network}) changes macro AUROC by {signed(effect)} against "
        f"scratch ({scratch.network}). Both were chosen on validation scores, not on these."
    )
    if certainty == "not sure" or effect.estimate is None:
        preferred = recipe if answer.upstream is not None else f"train {scratch.network} from scratch"
        found = "One training each: not judged." if effect.seeds == 1 else "No difference could be shown."
        headline = f"{found} Validation scores prefer to {preferred}."
        return replace(
            answer,
            action="either",
            headline=headline,
            explanation=measured,
            certainty="not sure",
            p_holm=p_holm,
        )
    better = pretrained if effect.estimate > 0 else scratch
    words = recipe if better is pretrained else f"train {scratch.network} from scratch"
    headline = f"{words[0].upper()}{words[1:]}" + (
        "." if certainty == "sure" else f": likely better, not shown (p {p_holm:.2f})."
    )
    caveats = answer.caveats
    if (better is pretrained) != (answer.upstream is not None):
        caveats = (*caveats, "Validation scores had preferred the other: test scores decide between the two.")
    return replace(
        answer,
        action="fine-tune" if better is pretrained else "scratch",
        headline=headline,
        explanation=measured,
        network=better.network,
        arm=better.arm,
        upstream=better.upstream,
        certainty=certainty,
        p_holm=p_holm,
        caveats=caveats,
    )
