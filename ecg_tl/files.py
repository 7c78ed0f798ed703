"""Writing files: a reader finds the old one or the new one, never a half, and nothing else is replaced.

What a user names as an output may be anything that has a path: a device, a pipe (`>(...)`), a link, a file
that only its owner may read, the very file that is being read. `written_whole` does what a careful program
does with each, and `check_outputs` refuses, before any work is done, what nobody can have meant.
"""

from __future__ import annotations

import csv
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
from typing import IO, Any

import pandas as pd

from ecg_tl.errors import EcgTlError, SettingError, StoreError

_DESCRIPTOR = re.compile(r"/(?:dev|proc/(?P<process>self|thread-self|\d+))/fd/(?P<number>\d+)")
_SEPARATORS = re.compile(r"[/\\]|^[A-Za-z]:")
# Excel, LibreOffice and Google Sheets take what begins so for a formula, the full-width forms too.
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
_MOST_LINKS = 40
"""As many as Linux follows in one path."""
_NAME_BYTES = 200
"""Of a file's name that its temporary name repeats: no name may have more than 255 bytes."""
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
        named = error.filename if isinstance(error.filename, (str, bytes, os.PathLike)) else None
        where = path if named is None else Path(os.fsdecode(named))
        if where in (temporary, path.parent):
            where = path
        raise StoreError(
            where,
            error.strerror or str(error),
            "a file in a folder that can be written",
            "Free space, correct the permissions, or name another file.",
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):  # renamed, or its folder is a file, or gone
                temporary.unlink()


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
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        found = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise OSError(errno.EINVAL, found, str(path))
    if status.st_size > LARGEST_JSON:
        raise OSError(errno.EFBIG, f"{status.st_size:,} bytes of JSON", str(path))
    return parse_json(path.read_bytes())


def parse_json(text: str | bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: If it is none, is nested too deep, or is no UTF-8.
    """
    try:
        return json.loads(text.decode("utf-8") if isinstance(text, bytes) else text)
    except RecursionError as error:
        raise ValueError("values nested too deep") from error


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a mapping of primitives, as `json_text` puts it; see `written_whole`."""
    write_text(path, json_text(content) + "\n")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table without its index; see `written_whole` and `csv_text`."""
    write_text(path, csv_text(table))


def csv_text(table: pd.DataFrame) -> str:
    """Give a table as CSV, without its index.

    Numbers are written as they are. A text cell, or a column's name, that a spreadsheet would take for a
    formula (one that begins with `=`, `+`, `-`, `@`, a tab or a line break) gets an apostrophe in front; so
    does one that has it already, and `read_csv_texts` takes it off again.
    """
    made = table.rename(columns=text_cell)
    for position, dtype in enumerate(made.dtypes):
        if not pd.api.types.is_numeric_dtype(dtype):
            made.isetitem(position, [text_cell(cell) for cell in made.iloc[:, position]])
    texts = made.select_dtypes(exclude="number")
    # Python's writer quotes a line feed, and leaves a carriage return, at which a reader would end the line.
    returns = any("\r" in str(name) for name in made.columns) or any(
        "\r" in str(cell) for _, column in texts.items() for cell in column
    )
    if returns:
        return made.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    return made.to_csv(index=False, lineterminator="\n")


def text_cell(value: Any) -> Any:
    """Write a text for a cell of a spreadsheet, where it is no formula; leave everything else as it is."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def cell_text(cell: str) -> str:
    """Return the text that `text_cell` has written."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def read_csv_texts(source: Path | IO[bytes]) -> pd.DataFrame:
    """Read a table that `write_csv` has written, every cell as text: `001` is not 1, and `NA` is a name.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no table.
    """
    read = pd.read_csv(source, dtype=str, keep_default_na=False, encoding_errors="surrogatepass")
    return read.rename(columns=cell_text).map(cell_text)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of each of these files that is there, by its path below `folder`."""
    return {name: sha256_of(folder / name) for name in names if (folder / name).is_file()}


def check_outputs(outputs: Mapping[str, str | Path | None], inputs: Iterable[str | Path] = ()) -> None:
    """Refuse, before any work is done, an output that cannot be written or that something else is.

    Args:
        outputs: Files by the option that names them; None for an option that was not given.
        inputs: Files that the command reads, also under other names: a link or a hard link of one is refused
            as well. Of a folder, no file that lies in it already is an output.

    Raises:
        SettingError: If an output is a folder, may not be written, is an input, or is the output of another
            option.
    """
    paths = {option: Path(given) for option, given in outputs.items() if given is not None}
    # Where no output is there yet, none is an input: they need not be listed, which may take a while.
    files, folders = _split_inputs(inputs if any(path.is_file() for path in paths.values()) else ())
    taken: dict[object, str] = {}
    for option, path in paths.items():
        try:
            found = _stat(path)
        except OSError as error:  # a loop of links, a name that is too long
            raise SettingError(
                option, f"{path}: {(error.strerror or str(error)).lower()}", "a file", "Name another file."
            ) from error
        if found is not None and stat.S_ISDIR(found.st_mode):
            raise SettingError(option, f"the folder {path}", "a file", "Name a file in it.")
        if _descriptor(path) is not None or (found is not None and not stat.S_ISREG(found.st_mode)):
            continue
        real = Path(os.path.realpath(path))
        if found is not None:
            _refuse_input(option, path, found, real, files, folders)
        key: object = real if found is None else (found.st_dev, found.st_ino)
        if key in taken:
            raise SettingError(
                option,
                f"{path}, as {taken[key]}",
                "a file of its own for each output",
                "Name another file for one of them.",
            )
        taken[key] = option
        _check_writable(option, path, real, found)


def is_file_name(name: object) -> bool:
    """Whether a text names one file or folder in another folder, and leads nowhere else, on any system."""
    if not isinstance(name, str) or name.strip() in ("", ".", "..") or _SEPARATORS.search(name):
        return False
    return len(os.fsencode(name)) <= _NAME_BYTES if name.isprintable() else False


def require_file_name(name: str, where: object, error: type[EcgTlError] = SettingError) -> None:
    """Refuse a name of a file or folder that is none: with a separator, `..`, or what no name has.

    Raises:
        EcgTlError: Of the kind `error`.
    """
    if not is_file_name(name):
        raise error(
            where,
            repr(name),
            f"the name of a folder: printable, without / and \\, not `..`, of {_NAME_BYTES} bytes at most",
            "Choose another name.",
        )


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
        short = os.fsdecode(os.fsencode(self.path.name)[:_NAME_BYTES])
        temporary = self.path.with_name(f".{short}.partial-{os.getpid()}{suffix}")
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
    descriptor = _descriptor(path)
    if descriptor is not None:
        return _Target(path, None, descriptor)
    existing = _stat(path)
    if existing is None:
        return _Target(Path(os.path.realpath(path)), None)
    if stat.S_ISDIR(existing.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(existing.st_mode):
        return _Target(path, existing)
    if not os.access(path, os.W_OK):  # renaming would replace it all the same
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return _Target(Path(os.path.realpath(path)), existing)


def _descriptor(path: Path) -> int | None:
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


def _stat(path: Path) -> os.stat_result | None:
    """Return what is behind a path and its links; None if nothing is."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _split_inputs(inputs: Iterable[str | Path]) -> tuple[dict[tuple[int, int], Path], list[Path]]:
    """Return the regular files among inputs by their identity, and the folders, without links."""
    files: dict[tuple[int, int], Path] = {}
    folders: list[Path] = []
    for given in inputs:
        path = Path(given)
        try:
            found = path.stat()
        except (OSError, ValueError):  # whoever reads it says what is wrong
            continue
        if stat.S_ISDIR(found.st_mode):
            folders.append(Path(os.path.realpath(path)))
        elif stat.S_ISREG(found.st_mode):
            files[found.st_dev, found.st_ino] = path
    return files, folders


def _refuse_input(
    option: str,
    path: Path,
    found: os.stat_result,
    real: Path,
    files: Mapping[tuple[int, int], Path],
    folders: Iterable[Path],
) -> None:
    same = files.get((found.st_dev, found.st_ino))
    inside = next((folder for folder in folders if folder in real.parents), None)
    if same is None and inside is None:
        return
    what = f", in the folder {inside} that is read"
    if same is not None:
        what = ", which is read" if same == path else f", which is read as {same}"
    raise SettingError(
        option,
        f"{path}{what}",
        "a file that is no input of the command, since it would be replaced",
        "Name another file.",
    )


def _check_writable(option: str, path: Path, real: Path, found: os.stat_result | None) -> None:
    if found is not None and not os.access(path, os.W_OK):
        raise SettingError(
            option,
            f"{path}, which may not be written",
            "a file that may",
            "Name another, or correct its mode.",
        )
    parent = next((folder for folder in real.parents if folder.exists()), real)
    if not parent.is_dir():
        raise SettingError(
            option, f"{parent}, a file, as a folder of {path}", "a folder", "Name another file."
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise SettingError(
            option,
            f"{parent}, where nothing may be written",
            "a folder that can be written",
            "Name a file in another folder, or correct its mode.",
        )
