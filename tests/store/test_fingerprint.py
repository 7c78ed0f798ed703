from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from fake_dataset import FakeDataset
from simulated import reader_of

from ecg_tl.datasets import get_dataset, layout_names
from ecg_tl.datasets.base import EcgDataset
from ecg_tl.datasets.custom import Custom
from ecg_tl.errors import DatasetError
from ecg_tl.recordings import find_records
from ecg_tl.store import fingerprint, header_names
from ecg_tl.store.build import prepare
from ecg_tl.store.fingerprint import Fingerprint, source_fingerprint, store_name
from ecg_tl.store.header_names import HeaderNames, names_file
from ecg_tl.store.settings import StoreSettings
from ecg_tl.synthesis import synthesize

RECORDS = 12
_opened: set[str] | None = None


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _opened is not None and event == "open" and isinstance(arguments[0], str | Path):
        _opened.add(os.path.realpath(arguments[0]))


sys.addaudithook(_note)  # which cannot be taken away again, and does nothing but within `opened`


@contextmanager
def opened() -> Iterator[set[str]]:
    """Note every file that Python opens."""
    global _opened
    _opened = set()
    try:
        yield _opened
    finally:
        _opened = None


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def root(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("layouts") / name
            synthesize(name, made[name], RECORDS, seed=3, progress=False)
        return made[name]

    return root


@pytest.fixture
def copy(roots: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: shutil.copytree(roots(name), tmp_path / name)


def keep_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what few headers name as well, at once."""
    monkeypatch.setattr(header_names, "FEWEST_OPENED", 1)
    monkeypatch.setattr(header_names, "_SETTLED", 0.0)


def kept_fingerprint(reader: EcgDataset, root: Path, stores: Path) -> Fingerprint:
    """Take a fingerprint with what is kept of the headers, and keep it."""
    headers = HeaderNames(root, names_file(stores, reader.name, root))
    found = source_fingerprint(reader, root, headers)
    headers.keep()
    return found


@pytest.mark.parametrize("name", layout_names())
def test_the_files_of_a_fingerprint_are_those_that_are_read(
    roots: Callable[[str], Path], tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, reader = roots(name), reader_of(name)
    looked_at: set[str] = set()
    state = HeaderNames.state

    def noted(self: HeaderNames, path: str) -> object:
        looked_at.add(os.path.realpath(path))
        return state(self, path)

    monkeypatch.setattr(HeaderNames, "state", noted)
    keep_all(monkeypatch)
    for _ in range(2):  # the second time by what is kept of the headers
        looked_at.clear()
        with opened() as at_start:
            kept_fingerprint(reader, root, tmp_path)
    assert not [path for path in at_start if path.endswith(".hea")]
    with opened() as read:
        for path in reader.scan(root).records["path"]:
            reader.read(root, path)
        reader.label_rule(None, root)
    below = {path for path in read if path.startswith(os.path.realpath(root) + os.sep)}
    # The HDF5 library opens its file without Python.
    by_library = {path for path in looked_at if path.endswith((".hdf5", ".h5"))}
    # Chapman's headers with merged lines name their signals, which nobody can read by them.
    left_out = {left.record_id for left in reader.scan(root).left_out} if name == "chapman" else set()
    idle = {path for path in looked_at if path.endswith(".mat") and Path(path).stem in left_out}
    assert below | by_library | idle == looked_at


@pytest.mark.parametrize("name", layout_names())
def test_a_change_of_any_file_that_is_read_shows_and_of_no_other(
    copy: Callable[[str], Path], name: str
) -> None:
    root, reader = copy(name), reader_of(name)
    before = source_fingerprint(reader, root)
    (root / "study" / "runs").mkdir(parents=True)
    for extra in ("answers.csv", "study/runs/predictions.csv", "study/x.dat", "notes.txt", "study/x.mat"):
        (root / extra).write_text("not of the source")
    assert source_fingerprint(reader, root) == before
    suffixes = (".hea", ".dat", ".mat", ".hdf5", ".h5", ".npy", ".xyz")
    read = sorted(path for path in root.rglob("*") if path.suffix in suffixes)
    read = [path for path in read if "study" not in path.parts and "records100" not in path.parts]
    read = [path for path in read if "no_split" not in path.name]  # EchoNext's, which is not read
    for path in (read[0], read[-1]):
        was = path.stat().st_mtime_ns
        os.utime(path, ns=(0, was + 1000))
        assert source_fingerprint(reader, root) != before, path
        os.utime(path, ns=(0, was))
        hidden = path.with_name("away")
        path.rename(hidden)
        if path.suffix not in (".hdf5", ".h5"):
            assert source_fingerprint(reader, root) != before, path
        hidden.rename(path)
    assert source_fingerprint(reader, root) == before


CHANGES: dict[str, Callable[[Path], object]] = {
    "other names": lambda h: h.write_text(h.read_text().replace(".dat", ".DAT")),
    "other names and the old times": lambda h: in_old_times(h, h.read_text().replace(".dat", ".DAT")),
    "gone": lambda h: h.unlink(),
    "a folder": lambda h: (h.unlink(), h.mkdir()),
    "signals gone": lambda h: h.with_suffix(".dat").unlink(),
    "signals longer": lambda h: h.with_suffix(".dat").write_bytes(bytes(7)),
    "nothing": lambda h: None,
}


def in_old_times(path: Path, text: str) -> None:
    was = path.stat()
    path.write_text(text)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


@pytest.mark.parametrize("change", CHANGES)
def test_a_fingerprint_by_what_is_kept_is_that_of_every_header_opened(
    copy: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    keep_all(monkeypatch)
    root, reader = copy("custom"), reader_of("custom")
    before = kept_fingerprint(reader, root, tmp_path)
    assert names_file(tmp_path, "custom", root).is_file()
    CHANGES[change](sorted(root.rglob("*.hea"))[3])
    after = kept_fingerprint(reader, root, tmp_path)
    assert after == source_fingerprint(reader, root)
    assert (after == before) == (change == "nothing")
    assert kept_fingerprint(reader, root, tmp_path) == after


@pytest.mark.parametrize("content", [b"", b"x", b"0" * 64 + b"\nr1\t1\t2\t3\t4\tother.dat", b"\xff\n\t\t"])
def test_a_damaged_file_of_kept_names_counts_as_none(
    copy: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    keep_all(monkeypatch)
    root, reader = copy("custom"), reader_of("custom")
    before = kept_fingerprint(reader, root, tmp_path)
    file = names_file(tmp_path, "custom", root)
    whole = file.read_bytes()
    for damaged in (content, whole.replace(b".dat", b".mat", 1), whole[:-1]):
        file.write_bytes(damaged)
        assert kept_fingerprint(reader, root, tmp_path) == before
    assert file.read_bytes() == whole


def test_a_header_that_was_just_written_is_opened_again(copy: Callable[[str], Path], tmp_path: Path) -> None:
    root = copy("custom")
    headers = HeaderNames(root, names_file(tmp_path, "custom", root))
    source_fingerprint(reader_of("custom"), root, headers)
    assert not headers._seen  # a second change within the same tick of the clock would not show


@pytest.mark.parametrize("suffix", [".bin", ".ecg", "", ".DAT"])
def test_a_signal_file_of_any_ending_that_is_fetched_again_is_read_again(
    copy: Callable[[str], Path], tmp_path: Path, suffix: str
) -> None:
    root = copy("custom")
    header = sorted(root.rglob("*.hea"))[0]
    signals = header.with_suffix(".dat")
    whole = signals.read_bytes()
    header.write_text(header.read_text().replace(signals.name, f"{header.stem}s{suffix}"))
    signals.unlink()
    file = header.with_name(f"{header.stem}s{suffix}")
    stored = []
    for content in (whole[:5000], whole):
        file.write_bytes(content)
        stored.append(len(prepare(Custom(), root, tmp_path / "stores", StoreSettings(), progress=False)))
    assert stored == [RECORDS - 1, RECORDS]


def test_outputs_below_the_records_folder_change_nothing_while_it_is_read(
    copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copy("custom")
    read = Custom.read

    def read_and_write(self: Custom, root: Path, path: str) -> object:
        (root / "runs").mkdir(exist_ok=True)
        with (root / "runs" / "metrics.csv").open("a") as handle:
            handle.write("1\n")
        return read(self, root, path)

    monkeypatch.setattr(Custom, "read", read_and_write)
    store = prepare(Custom(), root, root / "stores", StoreSettings(), progress=False)
    assert prepare(Custom(), root, root / "stores", StoreSettings(), progress=False).path == store.path


@pytest.mark.parametrize("name", ["georgia", "cpsc2018", "ptb"])
def test_records_behind_a_link_are_read_fingerprinted_and_found_by_infer(
    copy: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    root = copy(name)
    before = source_fingerprint(reader_of(name), root)
    header = sorted(root.rglob("*.hea"))[0]
    folder = header.parent
    moved = tmp_path / "elsewhere" / folder.name
    moved.parent.mkdir()
    if folder == root:
        root = tmp_path / "new"
        (root).mkdir()
        folder = root / "linked"
        shutil.move(tmp_path / name, moved)
    else:
        folder.rename(moved)
    folder.symlink_to(moved)
    assert len(reader_of(name).scan(root).records) == RECORDS
    assert source_fingerprint(reader_of(name), root).files == before.files
    assert len(find_records([root])[0]) == RECORDS


def test_a_copy_elsewhere_with_its_times_is_the_same(copy: Callable[[str], Path], tmp_path: Path) -> None:
    root = copy("custom")
    before = source_fingerprint(Custom(), root)
    assert source_fingerprint(Custom(), root.rename(tmp_path / "moved")) == before
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "moved")
    assert source_fingerprint(Custom(), link) == before


@pytest.mark.parametrize("where", ["absent", "custom/labels.csv"])
def test_a_root_that_is_no_folder_is_named(copy: Callable[[str], Path], where: str) -> None:
    root = copy("custom")
    with pytest.raises(DatasetError, match=Path(where).name):
        source_fingerprint(Custom(), root.parent / where)


def test_whatever_decides_the_content_changes_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    source, settings = Fingerprint("0" * 64, 1, 1), StoreSettings()
    names = {store_name(FakeDataset(), settings, source)}
    names.add(store_name(FakeDataset(gain=2.0), settings, source))
    names.add(store_name(FakeDataset(), settings, replace(source, digest="1" * 64)))
    for change in (
        {"leads": ("I",)},
        {"sampling_rate": 250},
        {"num_samples": 999},
        {"resampling": "stride"},
        {"short": "drop"},
        {"crop": "center"},
    ):
        names.add(store_name(FakeDataset(), replace(settings, **change), source))  # type: ignore[arg-type]
    monkeypatch.setattr(fingerprint, "CONTENT_VERSION", fingerprint.CONTENT_VERSION + 1)
    names.add(store_name(FakeDataset(), settings, source))
    assert len(names) == 10


def test_what_does_not_decide_the_content_does_not() -> None:
    source = Fingerprint("0" * 64, 1, 1)
    name = store_name(FakeDataset(), StoreSettings(), source)
    assert store_name(FakeDataset(delay=1.0), StoreSettings(crop="start"), source) == name
    assert name.startswith("fake-")
    assert len(name) == len("fake-") + 12


def test_a_named_pipe_in_a_headers_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "r1.hea")
    (tmp_path / "labels.csv").write_text("record,AF\nr1,1\n")
    assert source_fingerprint(get_dataset("custom"), tmp_path).files >= 1
