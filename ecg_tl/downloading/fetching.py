"""One file over HTTP: gone on with after a cut, compared with its checksum, and never half under its name.

What has come lies beside the file as `.NAME.part`, with what the server said of it as `.NAME.part.json`. The
file gets its name when its length and its checksum are right. Its SHA-256 is kept as `NAME.sha256`, which
`sha256sum -c` reads, and what comes later under this name is compared with it.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecg_tl.downloading.answers import (
    RANGE,
    PassingFaultError,
    is_chunked,
    number_in,
    require_file,
    require_safe_redirect,
    short_reason,
    validator_of,
)
from ecg_tl.downloading.part import Part
from ecg_tl.downloading.remote import RemoteFile, algorithm_of, checksum_of, require_safe
from ecg_tl.errors import DownloadError, SettingError, StoreError
from ecg_tl.files import naming, sync_to_disk, write_text
from ecg_tl.lock import exclusive_lock
from ecg_tl.stopping import saying_what_is_left

if TYPE_CHECKING:
    from requests import Response, Session

Report = Callable[[int, int | None], None]
"""Called with the bytes that are there, and those of the whole file where that is known."""

MOST_FAILURES = 6
"""One after another, each without `WORTHWHILE` new bytes; the waits between them are 1, 2, 4, 8 and 16 s."""
WORTHWHILE = 2**20
LONGEST_WAIT = 300.0
"""In seconds, that a server may ask for; beyond it the user is asked to come back."""
MOST_BYTES = 2**40
TIMEOUTS = (20.0, 60.0)
"""Seconds for a connection, and between two pieces of the content."""

_CHUNK = 2**18
_CHECKSUM_ENDING = ".sha256"


@dataclass(frozen=True)
class Fetched:
    """A file that is there, whole.

    Attributes:
        path: The file.
        sha256: Its checksum, in hex digits.
        already: Whether it was there before.
        compared: With which checksum it was compared, in words; empty if there was none.
    """

    path: Path
    sha256: str
    already: bool
    compared: str


def open_session() -> Session:
    """Return what `fetch` can be given for many files of one server, which keeps its connection.

    Raises:
        SettingError: If the library is not installed.
    """
    try:
        import requests
    except ImportError as error:
        raise SettingError(
            "download", f"no package {error.name}", "the packages that fetch files", INSTALL
        ) from None
    return requests.Session()


INSTALL = "Install them: pip install 'ecg-tl[download]'."


def kept_checksum_file(path: Path) -> Path:
    """Return where a file's SHA-256 is kept."""
    return path.with_name(f"{path.name}{_CHECKSUM_ENDING}")


def fetched_files(folder: Path) -> list[Path]:
    """List the files in a folder that were fetched: not their checksums, nor what lies half-fetched there."""
    if not folder.is_dir():
        return []
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return [path for path in files if path.suffix != _CHECKSUM_ENDING or path.with_suffix("") not in files]


def fetch(
    remote: RemoteFile,
    path: Path,
    *,
    report: Report = lambda done, total: None,
    session: Session | None = None,
    keep_checksum: bool = True,
    wait: Callable[[float], None] = time.sleep,
) -> Fetched:
    """Fetch a file, or find that it is there.

    Args:
        remote: What to fetch.
        path: Its name here.
        report: Called as bytes come.
        session: Of `open_session`; one is made if not given.
        keep_checksum: Whether `NAME.sha256` is written, and compared with if it is there.
        wait: Waits for so many seconds before the next try.

    Raises:
        DownloadError: If it cannot be fetched, or is not the file that was published. What came is kept,
            unless it is wrong.
        StoreError: If the disk has no room or cannot be written.
        SettingError: If a library is missing.
    """
    require_safe(remote.url)
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f".{path.name}.lock")
        waiting = f"{path}: another process is fetching it; waiting."
        with exclusive_lock(lock, waiting), saying_what_is_left(lambda: _left(path)):
            found = _find(remote, path, keep_checksum)
            if found is None:
                part = Part(path.with_name(f".{path.name}.part"))
                _download(remote, part, report, session or open_session(), wait)
                found = _take(remote, part, path, keep_checksum)
        # Whoever waited for it finds the file.
        lock.unlink(missing_ok=True)
    return found


def _left(path: Path) -> str:
    return f"What came of {path.name} is kept; the same command goes on with it."


def _find(remote: RemoteFile, path: Path, keep_checksum: bool) -> Fetched | None:
    """Say what is there under the final name.

    Raises:
        DownloadError: If it is something else than what was published or fetched before.
    """
    if not path.exists():
        return None
    if not path.is_file():
        raise DownloadError(path, "a folder or a device", "a file, or nothing", "Name another file.")
    sha256, compared = _compare(remote, path, path, keep_checksum, f"Remove {path} and fetch it again.")
    return Fetched(path, sha256, already=True, compared=compared)


def _compare(
    remote: RemoteFile, content: Path, path: Path, keep_checksum: bool, remedy: str
) -> tuple[str, str]:
    """Compare a file with what was published, and with what was fetched before under its name.

    Returns:
        Its SHA-256 in hex digits, and with what it was compared, in words.
    """
    compared = []
    sum_by = cache(partial(checksum_of, content))  # a large file is read once for each algorithm
    if remote.size is not None and content.stat().st_size != remote.size:
        raise DownloadError(
            path, f"{content.stat().st_size:,} bytes", f"{remote.size:,}, as published", remedy
        )
    kept = _kept(path) if keep_checksum else ""
    for checksum, whose in ((remote.checksum, "published"), (kept, "kept")):
        if checksum:
            found = sum_by(algorithm_of(checksum))
            if found != checksum:
                if whose == "kept" and content != path:
                    remedy = (
                        f"It is another file than the one that was fetched before. If that is meant, remove "
                        f"{kept_checksum_file(path).name} and fetch it again."
                    )
                raise DownloadError(path, found, f"{checksum}, as {whose}", remedy)
            compared.append(f"the {whose} {algorithm_of(checksum)}")
    return sum_by("sha256").partition(":")[2], " and ".join(compared)


def _kept(path: Path) -> str:
    file = kept_checksum_file(path)
    with suppress(FileNotFoundError):
        words = file.read_text(encoding="utf-8", errors="replace").split()
        if not words or not re.fullmatch(r"[0-9a-f]{64}", words[0]):
            raise DownloadError(file, "no SHA-256", "64 hex digits and a name", "Remove it.")
        return f"sha256:{words[0]}"
    return ""


def _take(remote: RemoteFile, part: Part, path: Path, keep_checksum: bool) -> Fetched:
    try:
        again = "Nothing was kept of it; fetch it again."
        digits, compared = _compare(remote, part.path, path, keep_checksum, again)
    except DownloadError:
        part.discard()
        raise
    if keep_checksum:
        # First, so that no file is ever there without it.
        write_text(kept_checksum_file(path), f"{digits}  {path.name}\n")
    sync_to_disk(part.path)
    part.path.replace(path)
    sync_to_disk(path.parent)
    part.discard()
    return Fetched(path, digits, already=False, compared=compared)


def _download(
    remote: RemoteFile, part: Part, report: Report, session: Session, wait: Callable[[float], None]
) -> None:
    """Try until all bytes are there."""
    failures = 0
    while True:
        before = part.size
        try:
            _transfer(remote, part, report, session)
            return
        except PassingFaultError as fault:
            gained = part.size - before
            failures = 0 if gained >= WORTHWHILE else failures + 1
            later = fault.seconds is not None and fault.seconds > LONGEST_WAIT
            if failures >= MOST_FAILURES or later:
                asked = f", which asks to wait {fault.seconds:,.0f} s" if later else ""
                raise DownloadError(
                    remote.url,
                    f"{fault}{asked}, after {part.size:,} bytes",
                    "the whole file",
                    "What came is kept: the same command goes on with it later.",
                ) from None
            wait(2.0 ** max(failures - 1, 0) if fault.seconds is None else fault.seconds)


def _transfer(remote: RemoteFile, part: Part, report: Report, session: Session) -> None:
    """Ask for what is missing, and write what comes."""
    import requests
    from urllib3.exceptions import HTTPError

    notes = part.notes(remote)
    start = part.size if notes else 0
    if notes and notes["total"] == start:
        return
    headers = {"Accept-Encoding": "identity", **remote.headers}
    if notes:
        headers["Range"] = f"bytes={start}-"
        if notes["validator"]:
            headers["If-Range"] = notes["validator"]
    try:
        hooks = {"response": require_safe_redirect}
        with session.get(remote.url, headers=headers, stream=True, timeout=TIMEOUTS, hooks=hooks) as response:
            if response.status_code == 416 and notes:
                part.discard()
                raise PassingFaultError("a server that has nothing behind the bytes that came")
            require_file(remote, response)
            total = _begin(remote, part, response, notes)
            _write(remote, part, response, total, report)
    except requests.exceptions.SSLError as error:
        raise DownloadError(
            remote.url,
            f"no trusted certificate ({short_reason(error)})",
            "a certificate that can be checked",
            "Check the date of this machine, its certificates and its proxy.",
        ) from None
    except (
        requests.ConnectionError,
        requests.Timeout,
        HTTPError,
    ) as error:
        raise PassingFaultError(f"a connection that broke ({short_reason(error)})") from None
    except requests.RequestException as error:
        raise DownloadError(
            remote.url, f"no usable answer ({short_reason(error)})", "the file", "Check the address."
        ) from None


def _begin(remote: RemoteFile, part: Part, response: Response, notes: dict[str, Any] | None) -> int | None:
    """Find where the answer begins, and return the whole file's bytes where they are known."""
    length = number_in(response.headers.get("Content-Length"))
    if response.status_code == 206:
        match = RANGE.fullmatch(response.headers.get("Content-Range", ""))
        total = number_in(match[3]) if match else None
        other = notes is None or match is None or int(match[1]) != part.size
        if other or (notes is not None and notes["total"] not in (None, total)):
            part.discard()
            raise PassingFaultError("another part of the file than was asked for")
        return total
    total = length
    if total is None and not remote.checksum and remote.size is None and not is_chunked(response):
        raise DownloadError(
            remote.url,
            "a file of unknown length and checksum",
            "a length, without which nobody can see that it was cut",
            "Save it by hand, in a browser.",
        )
    if total is not None and remote.size is not None and total != remote.size:
        raise DownloadError(
            remote.url,
            f"a file of {total:,} bytes",
            f"{remote.size:,}, as published",
            "The publisher may have changed it: read the page before it is used.",
        )
    _require_room(part.path, total)
    part.start(remote, validator_of(response), total)
    return total


def _write(remote: RemoteFile, part: Part, response: Response, total: int | None, report: Report) -> None:
    most = remote.size if total is None and remote.size is not None else (total or MOST_BYTES)
    done = part.size
    report(done, total)
    with part.path.open("ab") as file:
        # Not `iter_content`, which throws away what came of a piece that was cut.
        while chunk := response.raw.read1(_CHUNK, decode_content=False):
            done += len(chunk)
            if done > most:
                break
            file.write(chunk)
            report(done, total)
    if done > most:
        part.discard()
        raise DownloadError(
            remote.url, f"more than {most:,} bytes", "the file as announced", "Save it by hand, in a browser."
        )
    expected = remote.size if total is None else total
    if expected is not None and done < expected:
        raise PassingFaultError("a connection that was closed early")


def _require_room(path: Path, total: int | None) -> None:
    free = shutil.disk_usage(path.parent).free
    if total is not None and total > free:
        raise StoreError(
            path.parent,
            f"{free:,} bytes free",
            f"{total:,} for the file",
            "Free space, or name another folder.",
        )
