"""Several files at once, lists of checksums as PhysioNet publishes them, and archives that are unpacked."""

from __future__ import annotations

import re
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from ecg_tl.downloading.fetching import Fetched, fetch, open_session
from ecg_tl.downloading.remote import RemoteFile
from ecg_tl.errors import DownloadError
from ecg_tl.files import read_regular, written_whole
from ecg_tl.limits import ARCHIVE_FAULTS, require_archive_growth
from ecg_tl.paths import path_below

_SUM = re.compile(r"([0-9a-f]{64})[ \t]+\*?(?:\./)?(.+)")


@dataclass(frozen=True)
class Wanted:
    """A file to fetch, and where it belongs.

    Attributes:
        remote: On the server.
        path: Here.
    """

    remote: RemoteFile
    path: Path


def fetch_all(
    wanted: Sequence[Wanted], workers: int = 4, report: Callable[[int], None] = lambda done: None
) -> list[Fetched]:
    """Fetch files, several at once, each as `fetch` does; the first fault ends it.

    Args:
        wanted: What to fetch.
        workers: How many at once.
        report: Called with the number of files that are there.

    Raises:
        DownloadError: If one cannot be fetched, or is not what was published. What came is kept.
        StoreError: If the disk has no room or cannot be written.
        SettingError: If a library is missing.
    """
    own = threading.local()
    ended = threading.Event()

    def one(item: Wanted) -> Fetched:
        if not hasattr(own, "session"):
            own.session = open_session()
        return fetch(item.remote, item.path, session=own.session, keep_checksum=False, wait=_waiting(ended))

    fetched: list[Fetched] = []
    with ThreadPoolExecutor(max_workers=workers) as pool:
        futures = [pool.submit(one, item) for item in wanted]
        try:
            for future in as_completed(futures):
                fetched.append(future.result())
                report(len(fetched))
        except BaseException:
            ended.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return fetched


def _waiting(ended: threading.Event) -> Callable[[float], None]:
    """Return a wait that ends when the whole ends."""

    def wait(seconds: float) -> None:
        if ended.wait(seconds):
            raise DownloadError("download", "another file's fault", "all files", "See that file's line.")

    return wait


def read_sums(path: Path) -> dict[str, str]:
    """Read a `SHA256SUMS.txt`: by path below its folder the checksum of each file.

    Raises:
        DownloadError: If a line is none of such a file, or leads out of the folder.
    """
    try:
        text = read_regular(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _no_sums(path, f"a file that cannot be read ({error})") from error
    sums: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        found = _SUM.fullmatch(line.strip())
        name = path_below(found[2]) if found else None
        if found is None or name is None:
            raise _no_sums(path, f"{line[:80]!r} in line {number}")
        sums[name] = f"sha256:{found[1]}"
    if not sums:
        raise _no_sums(path, "no lines")
    return sums


def _no_sums(path: Path, found: str) -> DownloadError:
    return DownloadError(path, found, "64 hex digits and a path below it in each line", f"Remove {path}.")


def unpack_zip(archive: Path, root: Path) -> int:
    """Unpack a zip archive below a folder; files that are there in their size are left. Returns how many.

    Raises:
        DownloadError: If it is damaged, grows too large, or an entry leads out of the folder.
        StoreError: If the disk has no room or cannot be written.
    """
    written = 0
    try:
        with zipfile.ZipFile(archive) as opened:
            require_archive_growth(opened, archive.stat().st_size, archive, DownloadError)
            for entry in opened.infolist():
                name = path_below(entry.filename)
                if name is None:
                    raise DownloadError(
                        archive,
                        f"an entry {entry.filename[:80]!r}",
                        "paths below the folder",
                        "Do not use it.",
                    )
                target = root / name
                there = target.is_file() and target.stat().st_size == entry.file_size
                if entry.is_dir() or there:
                    continue
                with written_whole(target) as temporary, temporary.open("wb") as stream:
                    stream.writelines(_pieces(opened, entry))
                written += 1
    except ARCHIVE_FAULTS as error:
        raise DownloadError(
            archive,
            f"an archive that cannot be unpacked ({str(error)[:120]})",
            "a zip archive as it was published",
            f"Remove {archive} and fetch it again, or unpack it by hand.",
        ) from error
    return written


def _pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Read an entry, a piece at a time. That it cannot be read is no fault of what it is written to."""
    try:
        with archive.open(entry) as source:
            while piece := source.read(2**20):
                yield piece
    except OSError as error:
        raise zipfile.BadZipFile(error.strerror or str(error)) from error
