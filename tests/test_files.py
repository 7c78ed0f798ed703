"""Files are written whole, into what they stand for, and never over what is read."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.errors import SettingError, StoreError
from ecg_tl.files import write_text, written_whole
from ecg_tl.outputs import check_outputs
from ecg_tl.paths import is_file_name, require_file_name


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_link_is_followed_and_what_it_points_to_replaced(tmp_path: Path) -> None:
    target, link, further = tmp_path / "a" / "target", tmp_path / "link", tmp_path / "further"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(Path("a") / "target")
    further.symlink_to(link)
    write_text(further, "new")
    assert link.is_symlink()
    assert further.is_symlink()
    assert target.read_text() == "new"
    assert sorted(path.name for path in target.parent.iterdir()) == ["target"]


def test_a_link_to_nothing_makes_the_file_that_it_names(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "not there yet")
    write_text(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "not there yet").read_text() == "new"


def test_links_in_a_circle_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(StoreError, match="symbolic links"):
        write_text(tmp_path / "a", "new")
    with pytest.raises(SettingError, match="symbolic links"):
        check_outputs({"--csv": tmp_path / "a"})


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(mode)
    with written_whole(path) as temporary:
        assert mode_of(temporary) == 0o600
        temporary.write_text("new")
    assert mode_of(path) == mode
    assert path.read_text() == "new"


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_what_the_umask_leaves(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "file", "new")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "file") == 0o666 & ~umask


def test_a_device_stays_a_device() -> None:
    write_text(Path("/dev/null"), "new")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_pipe_gets_the_content(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "new")
    reader.join(10)
    assert got == ["new"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("onto", ["a file", "a pipe"])
def test_an_open_file_is_gone_on_with(tmp_path: Path, name: str, onto: str) -> None:
    program = (
        "from ecg_tl.files import write_text; from pathlib import Path; import sys\n"
        f"print('before'); write_text(Path({name!r}), 'content\\n'); print('after')"
    )
    if onto == "a pipe":
        out = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
    else:
        with (tmp_path / "out").open("w") as stream:
            subprocess.run([sys.executable, "-c", program], stdout=stream, check=True)
        out = (tmp_path / "out").read_text()
    assert out == "before\ncontent\nafter\n"


def test_a_shells_process_substitution_gets_the_content(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from ecg_tl.files import *; from ecg_tl.outputs import *; "
        "check_outputs({'--csv': sys.argv[1]}, [sys.executable]); write_text(Path(sys.argv[1]), 'new')"
    )
    shell = f'{sys.executable} -c "$0" >(cat > {tmp_path / "got"}); wait $!; sleep 0.2'
    subprocess.run(["bash", "-c", shell, program], check=True)
    assert (tmp_path / "got").read_text() == "new"


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 127)  # 254 bytes
    write_text(path, "new")
    write_text(path, "newer")
    assert path.read_text() == "newer"


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Is a directory"):
        write_text(tmp_path, "new")
    with pytest.raises(SettingError, match=r"--csv: found the folder"):
        check_outputs({"--csv": tmp_path})


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_may_not_be_written_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o444)
    with pytest.raises(StoreError, match="Permission denied"):
        write_text(path, "new")
    with pytest.raises(SettingError, match="may not be written"):
        check_outputs({"--csv": path})
    assert path.read_text() == "old"


def test_the_file_that_is_at_fault_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"source: found No such file"), written_whole(tmp_path / "copy"):
        (tmp_path / "source").read_text()
    assert list(tmp_path.iterdir()) == []


# What may be an output --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["itself", "a link", "a hard link", "another spelling", "in a folder"])
def test_an_input_is_no_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    given = tmp_path / "given"
    given.write_text("read")
    output, inputs = tmp_path / "output", [given]
    if way == "itself":
        output = given
    elif way == "a link":
        output.symlink_to(given)
    elif way == "a hard link":
        output.hardlink_to(given)
    elif way == "another spelling":
        monkeypatch.chdir(tmp_path)
        output = Path(f"../{tmp_path.name}/given")
    else:
        (tmp_path / "link").symlink_to(tmp_path)
        output, inputs = tmp_path / "link" / "given", [tmp_path]
    with pytest.raises(SettingError, match=r"--csv: found .*read"):
        check_outputs({"--csv": output}, inputs)


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(SettingError, match=r"--json: found .* as --csv"):
        check_outputs({"--csv": tmp_path / "file", "--json": tmp_path / "link"})
    check_outputs({"--csv": "/dev/null", "--json": "/dev/null"})


def test_a_folder_that_cannot_be_made_is_found_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SettingError, match="a file, as a folder"):
        check_outputs({"--csv": tmp_path / "taken" / "below" / "file"})
    check_outputs({"--csv": tmp_path / "new" / "below" / "file", "--json": None})
    assert not (tmp_path / "new").exists()


# Names that become folders -------------------------------------------------------------------------------


@given(st.text(st.characters(), max_size=12) | st.sampled_from(["..", ".", "a/b", "C:x", "/a", "~", "a\\b"]))
def test_a_name_of_a_folder_leads_nowhere_else(name: str) -> None:
    if not is_file_name(name):
        with pytest.raises(SettingError, match="experiment"):
            require_file_name(name, "experiment")
        return
    root = PurePosixPath("/runs")
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind("/runs") / name
        assert path.name == name
        assert path.parent == kind("/runs")
    assert os.path.normpath(root / name) == f"/runs/{name}"


@pytest.mark.parametrize("name", ["a", "ludb-full-3", "ptbxl resnet1d18", "Größe", ".hidden", "a..b"])
def test_usual_names_are_names(name: str) -> None:
    require_file_name(name, "experiment")
