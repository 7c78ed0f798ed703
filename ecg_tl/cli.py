"""The command `ecg-tl`: it finds the module behind a word, and prints errors as one line."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from ecg_tl import __version__, printing
from ecg_tl.errors import EcgTlError
from ecg_tl.help_texts import is_help, say_help
from ecg_tl.mistaken import clearer
from ecg_tl.stopping import Stopped, is_first_process, stopping_at_signals

_TRAINER = "ecg_tl.commands.trainer"
_COMMANDS = {
    "fit": (_TRAINER, "train a network, from scratch or from an upstream checkpoint"),
    "validate": (_TRAINER, "score a checkpoint on the validation records"),
    "test": (_TRAINER, "score a checkpoint on the test records, and write their probabilities"),
    "predict": (_TRAINER, "write the probabilities of every record"),
    "pretrain": ("ecg_tl.commands.pretrain", "train an upstream on records without labels"),
    "study": ("ecg_tl.commands.study", "fine-tune, or train from scratch? a grid of runs, and the report"),
    "robustness": (
        "ecg_tl.commands.robustness",
        "score checkpoints on test records with noise, lost leads, wrong gains",
    ),
    "infer": ("ecg_tl.commands.infer", "say what a checkpoint or an exported network finds in any recording"),
    "data": ("ecg_tl.commands.data", "list, synthesize, prepare, check or compare datasets"),
    "transfer": (
        "ecg_tl.commands.transfer",
        "compare candidates for an upstream; say what a checkpoint holds, and what a training moved",
    ),
    "upstream": (
        "ecg_tl.commands.upstream",
        "list published upstreams; say what one asks of data, and what a file of weights holds",
    ),
    "export": (
        "ecg_tl.commands.export",
        "write a checkpoint as ONNX or a torch program, checked for equal numbers",
    ),
    "card": ("ecg_tl.commands.card", "write a checkpoint's model card: data, recipe, scores, limits"),
    "ask": ("ecg_tl.commands.ask", "fine-tune, or train from scratch? one command on a folder of records"),
    "demo": ("ecg_tl.commands.demo", "the main job on synthetic records, from files to a table of scores"),
}
_DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)
_USAGE = "usage: ecg-tl [-h] [--version] COMMAND ..."


def main(args: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    It is 0, or 2 for an error that the user can correct, or 128 and the number of the signal that stopped it.

    Args:
        args: Words of the command line; those of the process if None.
    """
    words = list(sys.argv[1:] if args is None else args)
    if not words or words[0] in ("-h", "--help"):
        printing.say(_help())
        return 0
    if words[0] == "--version":
        printing.say(f"ecg-tl {__version__}")
        return 0
    if words[0] not in _COMMANDS:
        printing.say(
            f"{_USAGE}\necg-tl: error: no command {words[0]!r}; there are {', '.join(_COMMANDS)}",
            error=True,
        )
        return 2
    try:
        with stopping_at_signals():
            # In a process of somebody else's, classes of theirs may stand in the help.
            keeps = args is None and is_help(words)
            status = say_help(words, lambda: _run(words)) if keeps else _run(words)
    except Stopped as stop:
        if is_first_process():
            printing.say(f"ecg-tl: {stop}", error=True)
        return stop.status
    except EcgTlError as error:
        printing.say(f"ecg-tl: error: {printing.visible(clearer(error))}", error=True)
        return 2
    except KeyboardInterrupt:
        printing.say("ecg-tl: interrupted", error=True)
        return 130
    except BrokenPipeError:
        # The reader of a pipe (`| head`) has left; nothing may be written while Python shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in _DISK_FAULTS:
            raise
        # Where a library writes, the system names no file: those of a run are below `--runs_dir`.
        where = error.filename or f"the disk on which `ecg-tl {words[0]}` writes"
        printing.say(
            f"ecg-tl: error: {printing.visible(where)}: found {error.strerror}, expected a disk with room "
            "that can be written. Free space, or name another folder.",
            error=True,
        )
        return 2
    return status


def _run(words: Sequence[str]) -> int:
    status: int = import_module(_COMMANDS[words[0]][0]).run(words)
    return status


def _help() -> str:
    lines = [f"  {name:<10} {what}" for name, (_, what) in _COMMANDS.items()]
    return "\n".join(
        [
            _USAGE,
            "",
            "Transfer learning in ECG diagnosis: fine-tune, or train from scratch? Answered on your records.",
            "",
            "commands:",
            *lines,
            "",
            "`ecg-tl COMMAND --help` says more. This is research software and no medical device.",
        ]
    )
