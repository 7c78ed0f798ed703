"""What a report says first, for a terminal: what to use, by how much, how sure, what would help."""

from __future__ import annotations

from collections.abc import Iterator

from ecg_tl.study.findings.answers import DownstreamAnswer
from ecg_tl.study.findings.findings import Findings
from ecg_tl.study.findings.label_efficiency import saved_words
from ecg_tl.study.findings.power import PowerRow, smallest_words
from ecg_tl.study.findings.sentences import effect_words
from ecg_tl.study.findings.worth import worth_words

CERTAINTY = {
    "sure": "sure (p below 0.05 after correction)",
    "likely": "likely, and not shown (p from 0.05 to 0.10)",
    "not sure": "not sure: no difference is shown",
}


def first_page(findings: Findings) -> Iterator[str]:
    """Give it line by line."""
    yield from findings.warnings
    if not findings.answers:
        yield "There is no answer yet: no downstream has both a scratch and a fine-tuned training."
    for answer in findings.answers:
        yield f"\n{answer.downstream}"
        yield f"  What to use   {answer.headline}"
        yield (
            f"  By how much   {effect_words(answer.effect)} macro AUROC, the best fine-tuned less the best "
            "from scratch"
        )
        certainty = (
            "not judged: one training each" if answer.effect.seeds == 1 else CERTAINTY[answer.certainty]
        )
        yield f"  How sure      {certainty}"
        for one in findings.of("worth"):
            if one.downstream == answer.downstream:
                yield (
                    f"  Why           weights of {one.upstream} on {one.network}: {effect_words(one.effect)} "
                    f"against the same network from scratch ({worth_words(one)})"
                )
        for saved in findings.label_efficiency:
            if saved.downstream == answer.downstream:
                yield f"  Labels        {saved_words(saved)}"
        power = [row for row in findings.of("power") if row.downstream == answer.downstream]
        yield f"  Surer         {what_would_help(answer, power)}"
        yield f"  {answer.explanation}"
        yield from (f"  Note: {caveat}" for caveat in answer.caveats)


def what_would_help(answer: DownstreamAnswer, power: list[PowerRow]) -> str:
    """Say what would make an answer surer: more of something, or nothing."""
    if answer.effect.seeds == 1:
        return "a second seed and a third: of one training each nothing is judged."
    once = " Further splits would say whether it holds for other divisions of the records."
    beyond = once if answer.splits == 1 else ""
    if answer.certainty == "sure" and answer.action == "either":
        return f"nothing more to find: the two differ by less than the margin.{beyond}"
    if answer.certainty == "sure":
        return f"nothing more is needed for this verdict.{beyond}"
    known = [row for row in power[1:] if row.smallest is not None]
    if not known or power[0].smallest is None:
        return "more seeds, and more patients to test on."
    best = sorted(known, key=lambda row: row.smallest or 0.0)[:2]
    bought = ", ".join(f"with {row.change} {row.smallest:.3f}" for row in best)
    return (
        f"as it is, four times in five it would show {smallest_words(power[0].smallest)}; {bought}. "
        "Smaller ones take more of everything."
    )
