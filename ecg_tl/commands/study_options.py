"""Options of `ecg-tl study` and its words."""

from __future__ import annotations

import argparse
from typing import NoReturn

from ecg_tl import terminal
from ecg_tl.errors import SettingError
from ecg_tl.terminal import Console
from ecg_tl.trust import TRUST_OPTION

WIDTH = 140
"""Columns of a table that goes into a file or a pipe."""

_MOST = 1_000_000
"""Of runs at a time, and of resamples."""


class StudyParser(argparse.ArgumentParser):
    """A parser whose faults are errors of one line."""

    def error(self, message: str) -> NoReturn:
        """Refuse what was said."""
        raise SettingError(
            "command line", message, "options of the command", f"`{self.prog} --help` lists them."
        )


def study_parser(word: str, description: str | None) -> StudyParser:
    """Make the parser of a word that takes one study.

    Args:
        word: `plan`, `run`, `status`, `report` or `verify`.
        description: Of what it does.
    """
    parser = StudyParser(
        prog=f"ecg-tl study {word}",
        usage=f"ecg-tl study {word} CONFIG [options] [--SETTING VALUE ...]",
        description=description,
        epilog="Any setting of the YAML can be given anew: --folder FOLDER, --data_root FOLDER, "
        "--seeds [0,1], --settings.trainer.max_epochs 3, ...",
        allow_abbrev=False,
    )
    if word in ("plan", "run"):
        parser.add_argument(
            "--concurrent",
            type=positive,
            metavar="N",
            help="runs at a time; by default what GPUs, or cores and memory, allow",
        )
        parser.add_argument(
            "--runs_per_gpu", type=positive, default=1, metavar="N", help="runs that share a GPU (1)"
        )
        parser.add_argument(
            TRUST_OPTION,
            action="store_true",
            help="let the YAML name any class and function, which then runs",
        )
    if word == "run":
        parser.add_argument(
            "--executor", choices=["local", "ray"], default="local", help="where runs are done"
        )
        parser.add_argument(
            "--until",
            choices=["sure"],
            help="add seeds (splits, if the study has several) in rounds until each answer is sure",
        )
        parser.add_argument(
            "--most",
            type=positive,
            metavar="N",
            help="seeds (splits) that there may be with `--until sure`; three times those of the study",
        )
        parser.add_argument(
            "--budget", metavar="TIME", help="with `--until sure`: no round that would not fit, such as 2h"
        )
        parser.add_argument("--address", help="of a running Ray cluster; a local one is started without")
        parser.add_argument(
            "--progress", type=is_true, default=True, metavar="true|false", help="show how far it is (true)"
        )
    if word in ("plan", "status"):
        parser.add_argument("--every", action="store_true", help="list every run")
    if word == "report":
        parser.add_argument("--out", help="folder of the report; `report` in the study's folder if not given")
        parser.add_argument(
            "--figure", metavar="FILE", help="write the main figure by itself as well: .svg, .png or .pdf"
        )
        parser.add_argument(
            "--resamples", type=positive, default=1000, metavar="N", help="of patients, for intervals (1000)"
        )
    return parser


def positive(word: str) -> int:
    """Read a number of runs, resamples and the like.

    Raises:
        argparse.ArgumentTypeError: If it is none.
    """
    # Python converts no text of thousands of digits.
    if not (word.isascii() and word.isdigit() and len(word) <= len(str(_MOST)) and 0 < int(word) <= _MOST):
        raise argparse.ArgumentTypeError(f"{word[:20]!r} is no whole number from 1 to {_MOST:,}")
    return int(word)


def is_true(word: str) -> bool:
    """Read `true` or `false`.

    Raises:
        argparse.ArgumentTypeError: If it is neither.
    """
    if word not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{word!r} is neither true nor false")
    return word == "true"


def study_console() -> Console:
    """Return the console, wide enough for a table where it is a file or a pipe."""
    console = terminal.console()
    if not console.is_terminal:
        console.width = max(console.width, WIDTH)
    return console
