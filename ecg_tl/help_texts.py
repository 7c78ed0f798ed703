"""The help of a command, kept from one time to the next: that of `fit` imports PyTorch and Lightning.

A text is kept for the installation that wrote it, the words, and what of the terminal it depends on; where
any of these is another, it is written anew. Whoever could write into the folder could change what is read on
the terminal, and no more: a text is shown as text, and nothing of it is run.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from hashlib import blake2b
from pathlib import Path

from ecg_tl import printing
from ecg_tl.errors import EcgTlError
from ecg_tl.files import write_text
from ecg_tl.installed import digest_of_installation

CACHE_FOLDER = "ECG_TL_CACHE_DIR"
"""Of the environment: where texts are kept, in place of the system's folder for what can be made again."""

MOST_BYTES = 2**20
MOST_TEXTS = 64
"""That are kept; the oldest goes."""

_HELP = ("-h", "--help")
_ENVIRONMENT = ("PL_", "JSONARGPARSE_", "LANG", "LC_", "NO_COLOR", "FORCE_COLOR", "PYTHON_COLORS", "TERM")
"""Beginnings of the names of variables that a help text can depend on."""


def is_help(words: Sequence[str]) -> bool:
    """Return whether words ask for the help of a command, and for nothing else."""
    return len(words) == 2 and words[1] in _HELP


def say_help(words: Sequence[str], write: Callable[[], int]) -> int:
    """Show the help of a command as it was kept; else let it be written, and keep it.

    Args:
        words: The command, and the word that asks for help.
        write: Prints the help; its exit status is returned, and a text is kept where that is 0.
    """
    path = _path_of(words)
    kept = None if path is None else _read(path)
    if kept is not None:
        printing.say(kept, end="")
        return 0
    said = io.StringIO()
    status = 0
    try:
        with redirect_stdout(said):
            status = write()
    except SystemExit as end:  # argparse has said all that there is to say
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        # jsonargparse joins a flag and its values by a backspace, for terminals; here no character hides one.
        text = said.getvalue().replace(" \b", "")
        printing.say(text, end="")
    if status == 0 and path is not None:
        _keep(path, text)
    return status


def cache_folder() -> Path:
    """Return the folder in which what can be made again is kept.

    Raises:
        RuntimeError: If the user has no home, and none is named.
    """
    named = os.environ.get(CACHE_FOLDER)
    if named:
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ecg_tl"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "ecg_tl"
    named = os.environ.get("XDG_CACHE_HOME", "")
    # A relative one is to be ignored, says the specification.
    return (Path(named) if Path(named).is_absolute() else Path.home() / ".cache") / "ecg_tl"


def _path_of(words: Sequence[str]) -> Path | None:
    """Return where the text of these words is kept; None where nothing can be."""
    try:
        depends_on = [
            digest_of_installation(),
            *words,
            str(shutil.get_terminal_size().columns),
            str(sys.stdout.isatty()),
            *sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith(_ENVIRONMENT)),
        ]
        folder = cache_folder()
    except (OSError, RuntimeError):
        return None
    key = blake2b("\0".join(depends_on).encode("utf-8", "surrogateescape"), digest_size=20).hexdigest()
    return folder / "help" / f"{key}.txt"


def _read(path: Path) -> str | None:
    """Return a text as it was kept; None for one that is not there, or not as it was written."""
    try:
        # Not followed: a link. Not waited for: a pipe.
        flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        with os.fdopen(os.open(path, os.O_RDONLY | flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            content = file.read(MOST_BYTES + 1)
        digest, _, text = content.decode("utf-8").partition("\n")
    except (OSError, ValueError):
        return None
    return text if len(content) <= MOST_BYTES and digest == _digest(text) else None


def _keep(path: Path, text: str) -> None:
    content = f"{_digest(text)}\n{text}"
    if not text or len(content.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        return
    with suppress(OSError, EcgTlError):  # a home that cannot be written is nobody's fault
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_symlink() or not path.is_file():  # which would be written through
            path.unlink(missing_ok=True)
        write_text(path, content)
        texts = sorted(path.parent.glob("*.txt"), key=lambda one: one.lstat().st_mtime_ns)
        for old in texts[:-MOST_TEXTS]:
            old.unlink(missing_ok=True)


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
