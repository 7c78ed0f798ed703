"""`ecg-tl data download` against a local server, which fails as real ones do."""

from __future__ import annotations

import hashlib
import io
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from file_server import Fault, FileServer, serving

from ecg_tl.cli import main
from ecg_tl.commands import data_download
from ecg_tl.datasets import DATASETS, get_dataset
from ecg_tl.datasets.publications import PUBLICATIONS, SUMS, ByLogIn, Deposit, PhysioNetProject
from ecg_tl.downloading import fetching
from ecg_tl.downloading.many import Wanted, fetch_all, read_sums, unpack_zip
from ecg_tl.downloading.remote import RemoteFile
from ecg_tl.errors import DownloadError, StoreError
from ecg_tl.synthesis import synthesize


@pytest.fixture(scope="module")
def ptbxl(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a small PTB-XL, by their paths in the publication."""
    root = tmp_path_factory.mktemp("published") / "ptbxl"
    synthesize("ptbxl", root, 12, progress=False)
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FileServer]]:
    """Serve files as a project of PhysioNet, with their list of checksums; nobody waits."""
    opened = []
    monkeypatch.setattr("ecg_tl.downloading.many._waiting", lambda ended: lambda seconds: None)

    def serve(files: dict[str, bytes], project: str = "ptb-xl/1.0.3") -> FileServer:
        sums = "".join(f"{hashlib.sha256(content).hexdigest()} {name}\n" for name, content in files.items())
        listed = {f"/{project}/{name}": content for name, content in {**files, SUMS: sums.encode()}.items()}
        context = serving(listed)
        opened.append(context)
        return context.__enter__()

    yield serve
    for context in opened:
        context.__exit__(None, None, None)


def download(server: FileServer, root: Path, *words: str, name: str = "ptbxl") -> int:
    return main(["data", "download", name, "--root", str(root), "--mirror", server.url, *words])


def here(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def needed(files: dict[str, bytes]) -> set[str]:
    return {name for name in files if not name.startswith("records100/")} | {SUMS}


def test_a_dataset_comes_whole_and_its_reader_reads_it(
    ptbxl: dict[str, bytes], publish: Callable[..., FileServer], tmp_path: Path, capsys
) -> None:
    server = publish({**ptbxl, "index.html": b"<html>", "records500/notes.txt": b"no record"})
    assert download(server, tmp_path) == 0
    assert here(tmp_path) == needed(ptbxl)
    out = capsys.readouterr().out
    assert f"ecg-tl data check ptbxl --root {tmp_path}" in out
    assert "CC BY 4.0" in out
    assert len(get_dataset("ptbxl").scan(tmp_path).records) == 12
    server.asked.clear()
    assert download(server, tmp_path) == 0  # all is there, and nothing is asked for
    assert server.asked == []


@pytest.mark.slow
def test_some_records_or_folds_alone(
    ptbxl: dict[str, bytes], publish: Callable[..., FileServer], tmp_path: Path, capsys
) -> None:
    server = publish(ptbxl)
    assert download(server, tmp_path / "some", "--records", "3") == 0
    headers = sorted(path.stem for path in (tmp_path / "some").rglob("*.hea"))
    assert headers == ["00001_hr", "00002_hr", "00003_hr"]
    assert download(server, tmp_path / "folds", "--folds", "[9, 10]") == 0
    table = get_dataset("ptbxl").scan(tmp_path / "folds").records
    chosen = set(table.loc[table["fold"].isin([9, 10]), "path"])
    there = {
        path.relative_to(tmp_path / "folds").with_suffix("").as_posix()
        for path in (tmp_path / "folds").rglob("*.dat")
    }
    assert there == chosen != set()
    assert main(["data", "download", "ludb", "--root", str(tmp_path / "x"), "--folds", "[1]"]) == 2
    assert "folds are not published" in capsys.readouterr().err


@pytest.mark.parametrize(
    "faults",
    [
        [Fault(cut_after=700)] * 3,
        [Fault(status=503)],
        [Fault(status=429, headers={"Retry-After": "1"})],
        [Fault(cut_after=100), Fault(ranges=False)],
    ],
    ids=["cut", "503", "429", "no ranges"],
)
def test_what_passes_is_gone_on_with(
    ptbxl: dict[str, bytes], publish: Callable[..., FileServer], tmp_path: Path, faults: list[Fault]
) -> None:
    server = publish(ptbxl)
    server.faults = list(faults)
    assert download(server, tmp_path) == 0
    assert here(tmp_path) == needed(ptbxl)


def test_a_server_that_does_not_answer_in_time_is_asked_again(
    ptbxl: dict[str, bytes],
    publish: Callable[..., FileServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = publish(ptbxl)
    monkeypatch.setattr(fetching, "TIMEOUTS", (20.0, 2.0))
    slow = [8.0]
    server.before_answer = lambda: time.sleep(slow.pop() if slow else 0.0)
    assert download(server, tmp_path, "--records", "1") == 0
    assert not slow
    assert len(list(tmp_path.rglob("*.hea"))) == 1


@pytest.mark.slow
def test_a_changed_byte_is_one_line_and_leaves_no_file_of_that_name(
    ptbxl: dict[str, bytes], publish: Callable[..., FileServer], tmp_path: Path, capsys
) -> None:
    server = publish(ptbxl)
    name = "/ptb-xl/1.0.3/records500/00000/00003_hr.dat"
    server.files[name] = server.files[name][:-1] + b"\x7f\x00"[:1]
    assert download(server, tmp_path, "--workers", "1") == 2
    error = capsys.readouterr().err
    assert "00003_hr.dat" in error
    assert "as published" in error
    assert not (tmp_path / "records500/00000/00003_hr.dat").exists()
    assert all((tmp_path / one).read_bytes() == ptbxl[one] for one in here(tmp_path) if one in ptbxl)
    server.files[name] = ptbxl["records500/00000/00003_hr.dat"]
    assert download(server, tmp_path) == 0  # and goes on with what is missing
    assert here(tmp_path) >= needed(ptbxl)


def test_a_server_that_stays_down_is_one_line_and_what_came_stays(
    ptbxl: dict[str, bytes], publish: Callable[..., FileServer], tmp_path: Path, capsys
) -> None:
    server = publish(ptbxl)
    assert download(server, tmp_path, "--records", "2") == 0
    server.always = Fault(status=503)
    assert download(server, tmp_path) == 2
    assert "status 503" in capsys.readouterr().err
    assert len(list(tmp_path.rglob("*.hea"))) == 2


def test_a_full_disk_is_one_line(
    ptbxl: dict[str, bytes],
    publish: Callable[..., FileServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys,
) -> None:
    server = publish(ptbxl)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 5))
    assert download(server, tmp_path) == 2
    assert "5 bytes free" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.dat"))


def test_several_files_are_fetched_at_once(publish: Callable[..., FileServer], tmp_path: Path) -> None:
    server = publish({"a": b"1", "b": b"2", "c": b"3"}, "p/1")
    together = threading.Barrier(3)
    server.before_answer = lambda: together.wait(30)
    wanted = [Wanted(RemoteFile(f"{server.url}/p/1/{name}"), tmp_path / name) for name in "abc"]
    assert len(fetch_all(wanted, workers=3)) == 3


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "no lines"),
        ("not a sum", "'not a sum' in line 1"),
        (f"{'0' * 64} ../../etc/passwd", "in line 1"),
        (f"{'0' * 64} /etc/passwd", "in line 1"),
        (f"{'0' * 63} a", "in line 1"),
    ],
)
def test_a_list_of_checksums_that_is_none_is_refused(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / SUMS).write_text(text)
    with pytest.raises(DownloadError, match=found):
        read_sums(tmp_path / SUMS)


def test_both_spellings_of_a_list_of_checksums(tmp_path: Path) -> None:
    (tmp_path / SUMS).write_text(f"{'a' * 64}  b/c.hea\n{'b' * 64} *d e.csv\n")
    assert read_sums(tmp_path / SUMS) == {"b/c.hea": f"sha256:{'a' * 64}", "d e.csv": f"sha256:{'b' * 64}"}


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.slow
def test_a_deposit_is_fetched_by_parts_and_unpacked(
    publish: Callable[..., FileServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    synthesize("code15", tmp_path / "made", 9, progress=False)
    parts = {
        f"exams_part{k}.zip": zipped(
            {f"exams_part{k}.hdf5": (tmp_path / f"made/exams_part{k}.hdf5").read_bytes()}
        )
        for k in range(3)
    }
    files = {"exams.csv": (tmp_path / "made/exams.csv").read_bytes(), **parts}
    server = publish(files, "deposit")

    def locate(source: object) -> tuple[RemoteFile, str]:
        name = source.file
        return RemoteFile("https://zenodo.invalid/x", f"md5:{hashlib.md5(files[name]).hexdigest()}"), name

    monkeypatch.setattr(data_download, "locate", locate)
    root = tmp_path / "root"
    words = ["--mirror", f"{server.url}/deposit"]
    assert main(["data", "download", "code15", "--root", str(root), "--records", "20001", *words]) == 0
    assert here(root) == {
        "exams.csv",
        *(f"exams_part{k}.{suffix}" for k in range(2) for suffix in ("zip", "hdf5")),
    }
    assert "unpacked    1 file(s) of exams_part1.zip" in capsys.readouterr().out
    assert len(get_dataset("code15").scan(root).records) == 6
    before = (root / "exams_part0.hdf5").stat().st_mtime_ns
    assert main(["data", "download", "code15", "--root", str(root), "--records", "20001", *words]) == 0
    assert (root / "exams_part0.hdf5").stat().st_mtime_ns == before


@pytest.mark.slow
def test_archives_that_are_hostile_or_damaged_are_one_error(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(zipped({"../outside": b"1"}))
    with pytest.raises(DownloadError, match=r"an entry '\.\./outside'"):
        unpack_zip(path, tmp_path / "root")
    path.write_bytes(zipped({"bomb": bytes(2**29)}))
    with pytest.raises(DownloadError, match="bytes in a file of"):
        unpack_zip(path, tmp_path / "root")
    content = bytearray(zipped({"a": bytes(range(256)) * 40}))
    content[60] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises((DownloadError, StoreError)):
        unpack_zip(path, tmp_path / "root")
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "root" / "a").exists()


def test_what_wants_a_log_in_says_what_to_do_and_compares_what_is_put_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data", "download", "mimic_iv_ecg", "--root", str(tmp_path / "root")]
    assert main(words) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "physionet.org/content/mimic-iv-ecg/1.0/" in error
    assert "--ask-password" in error
    synthesize("mimic_iv_ecg", tmp_path / "root", 2, progress=False)
    root = tmp_path / "root"
    names = [name for name in sorted(here(root)) if name != "records_w_diag_icd10.csv"]
    sums = [f"{hashlib.sha256((root / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (root / SUMS).write_text("".join(sums))
    assert main(words) == 0
    assert f"{len(names)} compared with {SUMS}" in capsys.readouterr().out
    (root / names[0]).write_bytes(b"changed")
    assert main(words) == 2
    assert f"{names[0]}: found another checksum" in " ".join(capsys.readouterr().err.split())
    (root / names[0]).unlink()
    assert main(words) == 2
    assert f"no {names[0]}" in capsys.readouterr().err


def test_every_published_dataset_has_its_publication() -> None:
    assert {name.removesuffix("_demo") for name in PUBLICATIONS} == set(DATASETS) - {"custom"}
    for publication in PUBLICATIONS.values():
        assert isinstance(publication, PhysioNetProject | Deposit | ByLogIn)
        assert publication.page.startswith("https://")


@pytest.mark.parametrize(
    ("name", "wanted", "other"),
    [
        ("cpsc2018", "training/cpsc_2018/g1/A0001", "training/cpsc_2018_extra/g1/Q0001"),
        ("cpsc_extra", "training/cpsc_2018_extra/g1/Q0001", "training/cpsc_2018/g1/A0001"),
        ("chapman", "WFDBRecords/01/010/JS00001", "WFDBRecords/11/116/JS10647"),
        ("ningbo", "WFDBRecords/11/116/JS10647", "WFDBRecords/01/010/JS00001"),
        ("incart", "training/st_petersburg_incart/g1/I0001", "training/georgia/g1/E00001"),
        ("brugada_huca", "files/188981/188981", "files/.DS_Store"),
        ("ptb", "patient001/s0010_re", "doc/x"),
    ],
)
def test_of_a_list_of_many_collections_the_own_records_are_chosen(name: str, wanted: str, other: str) -> None:
    project = PUBLICATIONS[name]
    assert isinstance(project, PhysioNetProject)
    listed = dict.fromkeys(f"{stem}{suffix}" for stem in (wanted, other) for suffix in (".hea", ".mat"))
    assert project.files(dict.fromkeys(listed, ""), None) == [f"{wanted}.hea", f"{wanted}.mat"]
