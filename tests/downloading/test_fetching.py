"""Fetching a file: what a server does wrong, and what is then there."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from file_server import Fault, FileServer, serving
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_tl.downloading.fetching import MOST_FAILURES, Fetched, fetch, kept_checksum_file
from ecg_tl.downloading.remote import RemoteFile, checksum_of
from ecg_tl.errors import DownloadError, EcgTlError, SettingError, StoreError

CONTENT = b"".join(hashlib.sha256(str(i).encode()).digest() for i in range(4000))
SHA = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving({"/weights.pt": CONTENT}) as running:
        yield running


def remote(server: FileServer, checksum: str = "", size: int | None = None) -> RemoteFile:
    return RemoteFile(f"{server.url}/weights.pt", checksum, size, page="https://example.org/page")


def get(server: FileServer, path: Path, checksum: str = "", **settings: object) -> Fetched:
    return fetch(remote(server, checksum), path, wait=lambda seconds: None, **settings)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_with_its_checksum_beside_it(server: FileServer, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = tmp_path / "deep" / "weights.pt"
    fetched = fetch(remote(server), path, report=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert (fetched.already, fetched.compared, f"sha256:{fetched.sha256}") == (False, "", SHA)
    assert kept_checksum_file(path).read_text() == f"{fetched.sha256}  weights.pt\n"
    assert left(path.parent) == ["weights.pt", "weights.pt.sha256"]
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("checksum", [SHA, MD5])
def test_a_published_checksum_is_compared(server: FileServer, tmp_path: Path, checksum: str) -> None:
    fetched = get(server, tmp_path / "weights.pt", checksum)
    assert fetched.compared == f"the published {checksum.partition(':')[0]}"


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, len(CONTENT)), max_size=4))
def test_a_download_that_is_cut_goes_on_where_it_was_cut(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    with serving({"/weights.pt": CONTENT}) as server:
        server.faults = [Fault(cut_after=cut) for cut in cuts]
        get(server, folder / "weights.pt")
        ranges = [int(headers["Range"][6:-1]) for _, headers in server.asked if "Range" in headers]
    assert (folder / "weights.pt").read_bytes() == CONTENT
    # No byte is asked for twice.
    assert ranges == sorted(ranges)
    sums = [min(sum(cuts[: i + 1]), len(CONTENT)) for i in range(len(cuts))]
    assert set(ranges) <= set(sums)


def test_the_next_command_goes_on_with_what_came(server: FileServer, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    server.faults = [Fault(cut_after=1000)]
    server.always = Fault(status=503)
    with pytest.raises(DownloadError, match=r"status 503.*after 1,000 bytes.*goes on with it later"):
        get(server, path)
    assert not path.exists()
    assert left(tmp_path) == [".weights.pt.lock", ".weights.pt.part", ".weights.pt.part.json"]
    server.always = Fault()
    server.asked.clear()
    get(server, path)
    assert path.read_bytes() == CONTENT
    assert [headers["Range"] for _, headers in server.asked] == ["bytes=1000-"]
    assert left(tmp_path) == ["weights.pt", "weights.pt.sha256"]


def test_another_file_at_the_address_is_begun_anew(server: FileServer, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    server.faults = [Fault(cut_after=1000), *[Fault(status=500)] * MOST_FAILURES]
    with pytest.raises(DownloadError):
        get(server, path)
    server.files["/weights.pt"] = new = CONTENT[::-1]
    get(server, path)
    assert path.read_bytes() == new


@pytest.mark.parametrize("checksum", ["", SHA])
def test_a_server_without_ranges_or_tags_is_asked_for_the_whole_again(
    server: FileServer, tmp_path: Path, checksum: str
) -> None:
    bare = {"ETag": None}
    server.faults = [Fault(cut_after=1000, headers=bare), Fault(ranges=False, headers=bare)]
    get(server, tmp_path / "weights.pt", checksum)
    assert (tmp_path / "weights.pt").read_bytes() == CONTENT
    # Without a tag nothing but a published checksum would show that both parts are of one file.
    assert ("Range" in server.asked[1][1]) == bool(checksum)


def test_a_part_from_elsewhere_in_the_file_is_not_taken(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault(cut_after=1000), Fault(headers={"Content-Range": "bytes 0-9/128000"})]
    get(server, tmp_path / "weights.pt")
    assert (tmp_path / "weights.pt").read_bytes() == CONTENT


def test_a_part_without_its_notes_is_not_gone_on_with(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / ".weights.pt.part").write_bytes(b"of something else")
    for notes in (None, "{", "[]", '{"url": 3}'):
        if notes is not None:
            (tmp_path / ".weights.pt.part.json").write_text(notes)
        get(server, tmp_path / "weights.pt")
        assert (tmp_path / "weights.pt").read_bytes() == CONTENT
        (tmp_path / "weights.pt").rename(tmp_path / ".weights.pt.part")


def test_a_changed_byte_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault(changed=70_000)]
    with pytest.raises(DownloadError, match=rf"found sha256:\w+, expected {SHA}, as published"):
        get(server, tmp_path / "weights.pt", SHA)
    assert left(tmp_path) == [".weights.pt.lock"]
    assert get(server, tmp_path / "weights.pt", SHA).compared


def test_what_is_there_is_compared_and_not_fetched(server: FileServer, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    get(server, path)
    server.asked.clear()
    assert get(server, path, MD5) == Fetched(path, SHA[7:], True, "the published md5 and the kept sha256")
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(DownloadError, match=r"Remove .*weights\.pt and fetch it again"):
        get(server, path)
    assert path.read_bytes() == CONTENT[:-1]
    assert not server.asked


def test_another_file_than_the_one_fetched_before_is_refused(server: FileServer, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    get(server, path)
    path.unlink()
    server.files["/weights.pt"] = CONTENT[::-1]
    with pytest.raises(DownloadError, match=r"as kept\. It is another file .* remove weights\.pt\.sha256"):
        get(server, path)
    assert not path.exists()
    kept_checksum_file(path).unlink()
    get(server, path)
    assert path.read_bytes() == CONTENT[::-1]


def test_a_kept_checksum_that_is_none_is_named(server: FileServer, tmp_path: Path) -> None:
    kept_checksum_file(tmp_path / "weights.pt").write_bytes(b"\xff\x00")
    with pytest.raises(DownloadError, match=r"weights\.pt\.sha256: found no SHA-256"):
        get(server, tmp_path / "weights.pt")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_given_the_time_that_it_asks_for(
    server: FileServer, tmp_path: Path, status: int
) -> None:
    waits: list[float] = []
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    server.faults = [
        Fault(status=status, headers={"Retry-After": "7"}),
        Fault(status=status, headers={"Retry-After": soon}),
        Fault(status=status, headers={"Retry-After": "later"}),
        Fault(status=status),
    ]
    fetch(remote(server), tmp_path / "weights.pt", wait=waits.append)
    assert waits[0] == 7
    assert 0 <= waits[1] <= 100
    assert waits[2:] == [4, 8]


def test_a_server_that_asks_for_hours_is_left_alone(server: FileServer, tmp_path: Path) -> None:
    server.always = Fault(status=429, headers={"Retry-After": "7200"})
    with pytest.raises(DownloadError, match="asks to wait 7,200 s"):
        get(server, tmp_path / "weights.pt")
    assert len(server.asked) == 1


def test_a_server_that_stays_broken_is_given_up(server: FileServer, tmp_path: Path) -> None:
    server.always = Fault(cut_after=0)
    with pytest.raises(DownloadError, match="the whole file"):
        get(server, tmp_path / "weights.pt")
    assert len(server.asked) == MOST_FAILURES


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=401), r"wants a log-in .*status 401.*Open https://example\.org/page"),
        (Fault(status=403), r"wants a log-in .*status 403"),
        (Fault(status=404), r"no such file \(status 404\).*it may have moved"),
        (Fault(status=418), r"an answer \(status 418\)"),
        (Fault(headers={"Content-Type": "text/html; charset=utf-8"}), "a web page in the file's place"),
        (Fault(headers={"Content-Encoding": "gzip"}), r"encoded \(gzip\)"),
        (Fault(headers={"Content-Length": None}), "unknown length and checksum"),
        (Fault(status=302, headers={"Location": "http://example.org/x"}), "not https"),
        (Fault(status=302, headers={"Location": "/weights.pt"}), "no usable answer"),
    ],
)
def test_an_answer_that_is_not_the_file_is_named_at_once(
    server: FileServer, tmp_path: Path, fault: Fault, words: str
) -> None:
    server.always = fault
    with pytest.raises(DownloadError, match=words):
        get(server, tmp_path / "weights.pt")
    assert left(tmp_path) == [".weights.pt.lock"]


def test_a_length_that_is_unknown_does_where_a_checksum_is_published(
    server: FileServer, tmp_path: Path
) -> None:
    server.faults = [Fault(headers={"Content-Length": None})]
    assert get(server, tmp_path / "weights.pt", SHA).compared == "the published sha256"


def test_a_file_of_another_size_than_published_is_refused(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"128,000 bytes, expected 5, as published"):
        fetch(remote(server, size=5), tmp_path / "weights.pt")
    server.faults = [Fault(headers={"Content-Length": None})]
    with pytest.raises(DownloadError, match="more than 5 bytes"):
        fetch(remote(server, size=5), tmp_path / "weights.pt")
    assert left(tmp_path) == [".weights.pt.lock"]


def test_a_full_disk_is_seen_before_anything_is_written(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault(headers={"Content-Length": str(10**17)}, cut_after=0)]
    with pytest.raises(StoreError, match="100,000,000,000,000,000 for the file"):
        get(server, tmp_path / "weights.pt")
    assert left(tmp_path) == [".weights.pt.lock"]


@pytest.mark.parametrize("url", ["http://example.org/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "x"])
def test_an_address_that_others_could_answer_for_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="not https"):
        fetch(RemoteFile(url), tmp_path / "x")


def test_no_server_is_a_line(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="a connection that broke"):
        fetch(RemoteFile("http://127.0.0.1:9/x"), tmp_path / "x", wait=lambda seconds: None)


@pytest.mark.parametrize("checksum", ["md5", "crc32:00000000", "sha256:", "md5:xyz"])
def test_a_checksum_of_no_known_kind_is_refused(checksum: str) -> None:
    with pytest.raises(SettingError, match="checksum of"):
        RemoteFile("https://example.org", checksum)


def test_a_folder_in_the_files_place_is_named(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "weights.pt").mkdir()
    with pytest.raises(EcgTlError, match="a folder"):
        get(server, tmp_path / "weights.pt")


def test_two_that_fetch_one_file_ask_for_it_once(server: FileServer, tmp_path: Path) -> None:
    found: list[Fetched] = []
    threads = [
        threading.Thread(target=lambda: found.append(get(server, tmp_path / "weights.pt"))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.already for one in found) == [False, True, True]
    assert len(server.asked) == 1


def _fetch(url: str, path: Path) -> None:
    fetch(RemoteFile(url), path)


@pytest.mark.slow
def test_a_killed_download_leaves_no_half_file_and_goes_on(server: FileServer, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    begun = threading.Event()
    server.faults = [Fault(cut_after=5000), Fault(status=503, headers={"Retry-After": "250"})]
    server.before_answer = lambda: begun.set() if server.asked else None
    process = multiprocessing.get_context("spawn").Process(
        target=_fetch, args=(f"{server.url}/weights.pt", path)
    )
    process.start()
    assert begun.wait(300)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert not path.exists()
    server.faults = []
    server.asked.clear()
    get(server, path)
    assert path.read_bytes() == CONTENT
    assert server.asked[0][1]["Range"] == "bytes=5000-"


def test_a_checksum_names_its_kind(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    assert (checksum_of(tmp_path / "x"), checksum_of(tmp_path / "x", "md5")) == (SHA, MD5)
