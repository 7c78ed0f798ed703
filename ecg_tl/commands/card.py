"""`ecg-tl card`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from ecg_tl import printing
from ecg_tl.card.facts import card_files, gather_facts
from ecg_tl.card.render import render_card
from ecg_tl.commands.arguments import argument_errors
from ecg_tl.errors import SettingError
from ecg_tl.files import write_text
from ecg_tl.outputs import check_outputs


def run(words: Sequence[str]) -> int:
    """Run `card`."""
    parser = _parser()
    with argument_errors("card", words[1:], [], ("checkpoint", "output", "run")):
        settings = parser.parse_args(list(words[1:]))
    if settings.run == "":
        raise SettingError("--run", "an empty name", "the folder of a run", "Name it, or leave it out.")
    checkpoint, run_folder = Path(settings.checkpoint), None if settings.run is None else Path(settings.run)
    check_outputs({"--output": settings.output}, card_files(checkpoint, run_folder))
    facts = gather_facts(checkpoint, run_folder)
    if facts.test is None:
        printing.say(f"ecg-tl: no scores in the card. {facts.untested}", error=True)
    card = render_card(facts)
    if settings.output is None:
        printing.say(card, end="")
    else:
        write_text(Path(settings.output), card)
        printing.say(f"wrote {settings.output}")
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="ecg-tl card",
        description="Write the model card of a checkpoint (Markdown): what it was trained on and how, its "
        "scores with intervals, calibration, thresholds, limits, and how to load it.",
        exit_on_error=False,
    )
    parser.add_argument("checkpoint", type=str, help="A checkpoint written by `ecg-tl fit`.")
    parser.add_argument("--output", type=str, default=None, help="The file; the terminal by default.")
    parser.add_argument(
        "--run",
        type=str,
        default=None,
        help="Folder of its run, where its settings and its test are; the one it lies in by default.",
    )
    return parser
