"""`ecg-tl ask`: from a folder of records to the answer, in one command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jsonargparse import auto_cli

from ecg_tl.commands.arguments import argument_errors, path_argument, with_bare_flags


def ask_folder(
    folder: str,
    upstreams: str | None = None,
    budget: str | None = None,
    target: str = "auroc_macro",
    quick: bool = False,
    dataset: str | None = None,
    out: str | None = None,
    plan: bool = False,
    progress: bool = True,
    until: Literal["sure"] | None = None,
    allow_overlap: bool = False,
) -> int:
    """Fine-tune, or train from scratch? Look at a folder of records, plan what fits the time, do it, answer.

    The study is written as a YAML, so that one can go on from there (`ecg-tl study`). Called again, it goes
    on where it was stopped. Nothing is chosen by test records.

    Args:
        folder: Of records, with a `dataset.yaml` as `ecg-tl data init` writes it, or of a known dataset.
        upstreams: With commas between: folders of records to pre-train on (`data/ptbxl`), checkpoints
            (`best.ckpt`), published upstreams (`ecgfounder`, or `ecgfounder=FILE`), `own` for the records of
            the folder without their labels; the datasets beside the folder if not given.
        budget: Time that it may take on this machine, `30min` or `2h` (2h): it decides how much is compared.
        target: Validation score that epochs and candidates are chosen by: auroc_macro, auprc_macro, f1_macro,
            f1_weighted.
        quick: Do the least, with few epochs: to see that all works, not to go by.
        dataset: Name of the dataset in the folder, where that is not clear.
        out: Folder of the study and its report; `answers/NAME` if not given.
        plan: Write the study and say what would be done; train nothing.
        progress: Whether to show how far it is.
        until: `sure` plans for half of the time, and adds seeds (or splits) in rounds until the answer is
            sure or the next round does not fit.
        allow_overlap: Compare an upstream that was trained on records of the folder, and mark its results;
            such an upstream is left out otherwise.
    """
    from ecg_tl import terminal
    from ecg_tl.asking.question import ask as answer
    from ecg_tl.asking.question import prepare

    path = path_argument("folder", folder)
    listed = [] if upstreams is None else upstreams.split(",")
    named = [path_argument("--upstreams", one) for one in listed]
    place = None if out is None else path_argument("--out", out)
    if plan:
        question = prepare(
            path,
            named,
            budget=budget,
            target=target,
            quick=quick,
            dataset=dataset,
            out=place,
            until=until,
            allow_overlap=allow_overlap,
        )
        for line in (*question.lines, f"study   {question.file}"):
            terminal.console().print(line, highlight=False, markup=False, soft_wrap=True)
        return 0
    result = answer(
        path,
        upstreams=named,
        budget=budget,
        target=target,
        quick=quick,
        dataset=dataset,
        out=place,
        progress=progress,
        until=until,
        allow_overlap=allow_overlap,
    )
    return 1 if result.findings.missing else 0


def run(words: Sequence[str]) -> int:
    """Run `ask`."""
    with argument_errors("ask", list(words[1:]), [ask_folder]):
        status: int = auto_cli(ask_folder, args=with_bare_flags(words[1:], [ask_folder]), prog="ecg-tl ask")
    return status
