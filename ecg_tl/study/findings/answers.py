"""What to do for each downstream.

Which configuration to recommend is chosen on validation scores alone; how much it gains is then measured on
the test set. Choosing by test scores would report the luck of the best of many as its gain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ecg_tl.statistics.choice import choice_variance
from ecg_tl.statistics.intervals import (
    SIGNIFICANT,
    Interval,
    equivalence_p,
    mean_interval,
    score_interval,
)
from ecg_tl.statistics.multiple_comparisons import holm
from ecg_tl.statistics.replication import count_splits
from ecg_tl.statistics.scoring import Sample, subtract
from ecg_tl.study.findings.choosing import Choosing, Option, options_of
from ecg_tl.study.findings.columns import row_of, rows_of_parts
from ecg_tl.study.findings.compared import Compared, finite
from ecg_tl.study.findings.comparisons import compared_in
from ecg_tl.study.findings.grid import Cell, Grid
from ecg_tl.study.findings.sentences import counted, effect_words
from ecg_tl.study.findings.tables import (
    Line,
    Table,
    make_table,
)
from ecg_tl.study.findings.topic import Topic, register_topic
from ecg_tl.study.findings.wording import number, percent


@dataclass(frozen=True)
class PossibleAnswer:
    """What could be recommended for a downstream.

    Attributes:
        network: As the study names it.
        arm: As the study names it.
        upstream: Name of it; None for scratch.
        validation: Mean over the seeds of the validation score that the choice is made by.
        test: Mean macro AUROC on the test set; never used to choose.
        chosen: Whether it is the recommended one.
        best_scratch: Whether it is the best of scratch by validation, which the gain is measured against.
        share: How often it is the best of all when validation scores are redrawn.
    """

    network: str
    arm: str
    upstream: str | None
    validation: float
    test: float | None
    chosen: bool
    best_scratch: bool
    share: float | None = None


@dataclass(frozen=True)
class DownstreamAnswer:
    """What to do for one downstream, at the default of all axes and its largest training size.

    The configuration is chosen on validation scores alone; its gain over the scratch configuration that
    validation scores prefer is then measured on the test set.

    Attributes:
        downstream: Name of it.
        action: `fine-tune`, `scratch`, or `either` where no difference could be shown.
        headline: The answer in one sentence, without the numbers of `effect`.
        explanation: One to three sentences with the numbers.
        network: Of what is recommended.
        arm: Of what is recommended.
        upstream: Of what is recommended; None for scratch.
        scratch_network: Of the scratch training that it is compared with.
        effect: Macro AUROC of the best pretrained candidate less that of the best scratch candidate, both
            chosen on validation scores.
        p_holm: Of `effect`, corrected for the number of downstreams.
        p_equivalent: Of the two differing by the study's margin or more, corrected likewise.
        splits: On which `effect` was measured.
        upstream_trainings: Trainings of the upstream that `effect` rests on.
        score: Macro AUROC of what is recommended, on the test set.
        certainty: `sure`, `likely` or `not sure`.
        train_records: Training records of this downstream.
        patients: Test patients.
        caveats: Sentences.
        candidates: All, best validation score first.
    """

    downstream: str
    action: Literal["fine-tune", "scratch", "either"]
    headline: str
    explanation: str
    network: str
    arm: str
    upstream: str | None
    scratch_network: str
    effect: Interval
    p_holm: float | None
    score: Interval
    certainty: Literal["sure", "likely", "not sure"]
    train_records: int
    patients: int
    caveats: tuple[str, ...] = ()
    candidates: tuple[PossibleAnswer, ...] = ()
    p_equivalent: float | None = None
    splits: int = 1
    upstream_trainings: int = 1


LIKELY = 0.1
"""Corrected p-value below which a difference that is not significant is called likely: of studies without any
difference, at most one in ten says "sure" or "likely" of any downstream."""


Certainty = Literal["sure", "likely", "not sure"]


def answer_all(grid: Grid, compared: Sequence[Compared]) -> tuple[DownstreamAnswer, ...]:
    """Answer for each downstream that has a scratch and a pretrained configuration to choose from."""
    drafts = [_draft(grid, compared, name) for name in grid.settings.downstreams]
    answers = [draft for draft in drafts if draft is not None]
    corrected = holm([answer.effect.p for answer in answers])
    same = holm([answer.p_equivalent for answer in answers])
    return tuple(
        _decided(replace(answer, p_holm=p, p_equivalent=p_same), grid.settings.margin)
        for answer, p, p_same in zip(answers, corrected, same, strict=True)
    )


def _draft(grid: Grid, compared: Sequence[Compared], downstream: str) -> DownstreamAnswer | None:
    """Choose on validation scores and measure on the test set; words follow for all at once."""
    options = options_of(grid, downstream)
    scratch = next((o for o in options if o.cell.kind == "scratch"), None)
    pretrained = next((o for o in options if o.cell.kind == "fine-tuned"), None)
    if scratch is None or pretrained is None:
        return None
    best = options[0]
    seeds = grid.comparable(pretrained.cell, scratch.cell)
    choosing = Choosing(grid, options)
    effect = Interval(None, reason="They have no seed in common, or other test records.")
    p_equivalent = None
    if seeds:
        gain = subtract(*(grid.sample(o.cell, seeds=seeds) for o in (pretrained, scratch)))
        choice = variance_of_choice(
            grid, choosing.pairs(lambda o: o.cell.kind == "fine-tuned", lambda o: o.cell.kind == "scratch")
        )
        effect = mean_interval([gain], choice=choice)
        p_equivalent = equivalence_p(gain, grid.settings.margin, choice)
    shares = choosing.shares(lambda option: True)
    caveats = _caveats(grid, compared, options, pretrained, scratch, effect)
    first = grid.first(best.cell)
    return DownstreamAnswer(
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
        patients=grid.patients(best.cell),
        caveats=tuple(caveats),
        candidates=tuple(
            PossibleAnswer(
                o.cell.network,
                o.cell.arm,
                o.cell.upstream,
                o.validation,
                finite(grid.sample(o.cell).mean),
                chosen=o is best,
                best_scratch=o is scratch,
                share=shares[o.cell],
            )
            for o in options
        ),
        p_equivalent=p_equivalent,
        splits=count_splits(seeds) or 1,
        upstream_trainings=len({grid.cells[pretrained.cell][seed].upstream_training for seed in seeds}) or 1,
    )


def _caveats(
    grid: Grid,
    compared: Sequence[Compared],
    options: Sequence[Option],
    pretrained: Option,
    scratch: Option,
    effect: Interval,
) -> list[str]:
    caveats = [effect.reason] if effect.reason else []
    if any(run.overlap for run in grid.cells[pretrained.cell].values()):
        caveats.append(
            f"{pretrained.cell.upstream} was trained on some of these records: what it gains may be memory "
            "of them, and no gain on others."
        )
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


def _decided(answer: DownstreamAnswer, margin: float) -> DownstreamAnswer:
    """Turn effect and p-values into advice.

    Sure: significant after correction for the number of downstreams, or shown likewise to be less than the
    margin, so that either will do. Likely: the corrected p-value is below
    `LIKELY`. Otherwise nothing is shown, and what validation prefers is named as such. With one seed there is
    no p-value, and nothing is judged.
    """
    effect, p_holm = answer.effect, answer.p_holm
    certainty: Certainty = "not sure"
    if effect.estimate is not None and p_holm is not None:
        certainty = "sure" if p_holm < SIGNIFICANT else "likely" if p_holm < LIKELY else "not sure"
    pretrained = next(c for c in answer.candidates if c.upstream is not None)
    scratch = next(c for c in answer.candidates if c.best_scratch)
    recipe = f"fine-tune {pretrained.network} from {pretrained.upstream} with {pretrained.arm}"
    measured = (
        f"On {counted(answer.patients, 'test patient')} and {_trainings_words(effect.seeds, answer.splits)}, "
        f"{pretrained.arm} from {pretrained.upstream} ({pretrained.network}) changes macro AUROC by "
        f"{effect_words(effect)} against scratch ({scratch.network}). Both were chosen on "
        f"validation scores, not on these. {_holds_for(answer, str(pretrained.upstream))}"
    )
    preferred = recipe if answer.upstream is not None else f"train {scratch.network} from scratch"
    if answer.p_equivalent is not None and answer.p_equivalent < SIGNIFICANT:
        return replace(
            answer,
            headline=f"Either will do: they differ by less than {margin:g}. Validation scores prefer to "
            f"{preferred}.",
            explanation=measured,
            certainty="sure",
        )
    if certainty == "not sure" or effect.estimate is None:
        found = "One training each: not judged." if effect.seeds == 1 else "No difference could be shown."
        headline = f"{found} Validation scores prefer to {preferred}."
        return replace(
            answer,
            action="either",
            headline=headline,
            explanation=f"{measured}{ruled_out(effect)}",
            certainty="not sure",
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
        caveats=caveats,
    )


def _trainings_words(trainings: int, splits: int) -> str:
    seeds = counted(trainings // splits, "seed")
    return seeds if splits == 1 else f"{seeds} on each of {splits} splits"


def _holds_for(answer: DownstreamAnswer, upstream: str) -> str:
    """Say what was done once, so that the answer holds for it alone."""
    single = ["this split"] * (answer.splits == 1)
    single += [f"this one training of {upstream}"] * (answer.upstream_trainings == 1)
    return f"It holds for {' and '.join(single)}." if single else "It is over splits and upstreams as well."


def ruled_out(effect: Interval) -> str:
    """Say what an interval rules out of a difference that is open; nothing where nothing is judged."""
    if effect.low is None or effect.high is None or effect.p is None:
        return ""
    gain, loss = f"a gain above {max(effect.high, 0.0):.3f}", f"a loss beyond {max(-effect.low, 0.0):.3f}"
    return f" Ruled out (95 %): {gain}, and {loss}."


def variance_of_choice(grid: Grid, pairs: Mapping[tuple[Cell, Cell], float]) -> float:
    """Give what the choice of two configurations adds to the variance of their difference."""
    effects: list[tuple[float, Sample]] = []
    for (one, other), share in pairs.items():
        seeds = grid.comparable(one, other)
        if seeds:
            effects.append((share, subtract(*(grid.sample(cell, seeds=seeds) for cell in (one, other)))))
    test_set = {id(sample.resamples) for _, sample in effects}
    return choice_variance(effects) if len(test_set) == 1 else 0.0


def candidates_table(answer: DownstreamAnswer) -> Table | None:
    """What was to choose from for a downstream."""
    rows: list[Line] = [
        {
            "Network": one.network,
            "Arm": f"{one.arm} from {one.upstream}" if one.upstream else one.arm,
            "#Validation score": number(one.validation),
            "#Test, macro AUROC": number(one.test),
            "#Best if redrawn": percent(one.share) if one.share is not None else "",
            "": "recommended" if one.chosen else "best of scratch" if one.best_scratch else "",
        }
        for one in answer.candidates
    ]
    return make_table(
        "What there was to choose from",
        rows,
        "The choice is by the validation score alone. Best if redrawn: how often it would be chosen of all, "
        "were the validation scores drawn again with their noise of seeds and patients; what that means for "
        "the gain is in its interval.",
    )


register_topic(
    Topic(
        "answers",
        lambda study: answer_all(study.grid, compared_in(study)),
        lambda found: {
            "answers": (row_of(one, without=("candidates",)) for one in found),
            "candidates": rows_of_parts(found, ("downstream",), "candidates"),
        },
    )
)
