"""Writing files: a reader finds the old one or the new one, never a half, and nothing else is replaced.

What a user names as an output may be anything that has a path: a device, a pipe (`>(...)`), a link, a file
that only its owner may read, the very file that is being read. `written_whole` does what a careful program
does with each; `ecg_tl.outputs` refuses, before any work is done, what nobody can have meant.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecg_tl.errors import SettingError, StoreError
from ecg_tl.limits import require_tree
from ecg_tl.paths import NAME_BYTES

_DESCRIPTOR = re.compile(r"/(?:dev|proc/(?P<process>self|thread-self|\d+))/fd/(?P<number>\d+)")
_PARTIAL = ".partial-"
"""In a temporary name, between the file's own and the number of the process."""
_MOST_LINKS = 40
"""As many as Linux follows in one path."""
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EBADF)
"""What file systems say that cannot write a folder to the disk when asked to, or need not."""


@contextmanager
def written_whole(path: Path, *, suffix: str = "") -> Iterator[Path]:
    """Give a temporary name to write under; the file gets its own name if all went well.

    A link is followed, and what it points to is replaced. A file that is replaced keeps its mode; a new one
    has what the umask leaves. File and folder are on the disk before and after the renaming: after a crash of
    the machine the file is the old or the new one. What is no regular file (a device, a pipe) is written
    into.

    Args:
        path: The file.
        suffix: Of the temporary name, for libraries that go by it.

    Raises:
        StoreError: If the disk is full, the folder cannot be written, or the path is a folder's or of a file
            that may not be written.
    """
    temporary: Path | None = None
    try:
        target = _find_target(path)
        temporary = target.temporary(suffix)
        yield temporary
        target.take(temporary)
    except OSError as error:
        # Another file than the output may be at fault, such as the one that is copied.
        raise _cannot_write(path, error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):  # renamed, or its folder is a file, or gone
                temporary.unlink()


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let errors of a library that writes a file name it: the system names none where a disk is full.

    Raises:
        StoreError: In place of an error of the system.
    """
    try:
        yield
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> StoreError:
    named = error.filename if isinstance(error.filename, (str, bytes, os.PathLike)) else path
    where = Path(os.fsdecode(named))
    own = where in (path, path.parent) or _PARTIAL in where.name
    return StoreError(
        path if own else where,
        error.strerror or str(error),
        "a file in a folder that can be written",
        "Free space, correct the permissions, or name another file.",
    )


def write_text(path: Path, text: str) -> None:
    """Write a text file; see `written_whole`."""
    with written_whole(path) as temporary:
        # No newline is translated, and a file's name that is text in no encoding is written all the same.
        temporary.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")


def json_text(
    content: object,
    *,
    indent: int | None = 2,
    ensure_ascii: bool = True,
    default: Callable[[Any], Any] | None = None,
) -> str:
    """Put primitives into JSON that every reader takes: a number that is not finite is null.

    JSON has no NaN. Python writes one all the same, on which browsers, jq, Java and R stop. All JSON of this
    project comes from here.

    Args:
        content: Mappings, lists, tuples, texts, numbers, true and false, None.
        indent: Spaces a level; None for one line.
        ensure_ascii: Whether other characters are escaped.
        default: Makes a primitive of what is none.
    """
    return json.dumps(
        _finite(content), indent=indent, ensure_ascii=ensure_ascii, allow_nan=False, default=default
    )


def _finite(content: object) -> object:
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content


LARGEST_JSON = 2**28
"""In bytes. The manifest of 90,000 records with all of them left out takes 20 MB."""


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        OSError: If it cannot be read, is a pipe or a device (to read one may have no end), or is huge.
        ValueError: If it is no JSON, is nested too deep, or is no UTF-8.
    """
    content = read_regular(path)
    if len(content) > LARGEST_JSON:
        raise OSError(errno.EFBIG, f"{len(content):,} bytes of JSON", str(path))
    return parse_json(content)


def read_regular(path: Path) -> bytes:
    """Read a file whole if it is one: a pipe is waited for, and a device may have no end.

    Raises:
        OSError: If it cannot be read, or is a folder, a pipe or a device.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise OSError(errno.EINVAL, found, str(path))
    return path.read_bytes()


def parse_json(text: str | bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: If it is none, is nested too deep, or is no UTF-8.
    """
    try:
        content = json.loads(text.decode("utf-8") if isinstance(text, bytes) else text)
    except RecursionError as error:
        raise ValueError("values nested too deep") from error
    try:
        # What Python's parser still takes may be too deep for whatever goes through it later.
        require_tree(content, "JSON", most_nodes=math.inf)
    except SettingError as error:
        raise ValueError(error.found) from error
    return content


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a mapping of primitives, as `json_text` puts it; see `written_whole`."""
    write_text(path, json_text(content) + "\n")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of each of these files that is there, by its path below `folder`."""
    return {name: sha256_of(folder / name) for name in names if (folder / name).is_file()}


def sync_to_disk(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    folder = path.is_dir()
    if folder and os.name == "nt":  # Windows cannot open folders, and needs no such step
        return
    descriptor = os.open(path, os.O_RDONLY if folder or os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not folder or error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class _Target:
    """What a path stands for.

    Attributes:
        path: The file itself, behind all links.
        existing: What is there; None if nothing is.
        descriptor: Number of the open file of this process that it stands for; None for others.
    """

    path: Path
    existing: os.stat_result | None
    descriptor: int | None = None

    @property
    def replaced(self) -> bool:
        """Whether a new file takes its name, in place of being written into."""
        regular = self.existing is None or stat.S_ISREG(self.existing.st_mode)
        return regular and self.descriptor is None

    def temporary(self, suffix: str) -> Path:
        """Return a name to write under, beside the file if it is replaced."""
        if not self.replaced:
            handle, name = tempfile.mkstemp(prefix="ecg-tl-", suffix=suffix)
            os.close(handle)
            return Path(name)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        short = os.fsdecode(os.fsencode(self.path.name)[:NAME_BYTES])
        temporary = self.path.with_name(f".{short}{_PARTIAL}{os.getpid()}{suffix}")
        if self.existing is not None:
            # Nobody may read meanwhile what the file itself would not let them read.
            with suppress(FileNotFoundError):  # of a killed process that had the same number
                temporary.unlink()
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return temporary

    def take(self, temporary: Path) -> None:
        """Put what was written where it belongs."""
        if not self.replaced:
            self._write_through(temporary)
            return
        if self.existing is not None:
            if os.name != "nt":
                status = temporary.stat()
                if (status.st_uid, status.st_gid) != (self.existing.st_uid, self.existing.st_gid):
                    with suppress(OSError):  # only root may give files away
                        os.chown(temporary, self.existing.st_uid, self.existing.st_gid)
            temporary.chmod(stat.S_IMODE(self.existing.st_mode))
        sync_to_disk(temporary)
        temporary.replace(self.path)
        sync_to_disk(self.path.parent)

    def _write_through(self, temporary: Path) -> None:
        if self.descriptor is None:
            with temporary.open("rb") as content, self.path.open("wb") as stream:
                shutil.copyfileobj(content, stream)
            return
        # The same open file, not the path opened anew: what was printed before stays in front.
        sys.stdout.flush()
        with temporary.open("rb") as content, os.fdopen(os.dup(self.descriptor), "wb") as stream:
            shutil.copyfileobj(content, stream)


def _find_target(path: Path) -> _Target:
    descriptor = find_descriptor(path)
    if descriptor is not None:
        return _Target(path, None, descriptor)
    existing = find_status(path)
    if existing is None:
        return _Target(Path(os.path.realpath(path)), None)
    if stat.S_ISDIR(existing.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(existing.st_mode):
        return _Target(path, existing)
    if not os.access(path, os.W_OK):  # renaming would replace it all the same
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return _Target(Path(os.path.realpath(path)), existing)


def find_descriptor(path: Path) -> int | None:
    """Return the number behind `/dev/stdout`, `/dev/fd/63` (a shell's `>(...)`) and the like."""
    # Links one by one, as text: resolved, such a name is that of the pipe or of the file behind it.
    here = Path(os.path.normpath(path.absolute()))
    for _ in range(_MOST_LINKS):
        found = _DESCRIPTOR.fullmatch(str(here))
        if found and found["process"] in (None, "self", "thread-self", str(os.getpid())):
            return int(found["number"])
        if not here.is_symlink():
            return None
        here = Path(os.path.normpath(here.parent / here.readlink()))
    return None


def find_status(path: Path) -> os.stat_result | None:
    """Return what is behind a path and its links; None if nothing is."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
