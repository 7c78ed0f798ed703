"""Names of files that stand in other files lead nowhere but below their folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.errors import EcgTlError
from ecg_tl.paths import _PLAIN, path_below
from ecg_tl.recordings.wfdb_header import read_header
from ecg_tl.recordings.wfdb_recording import read_wfdb

OUTWARDS = ["/etc/passwd", "../a", "a/../../b", "a/..", "..", "..\\a", "C:\\a", "c:a", "\\\\host\\share\\a"]
NO_NAMES = ["", ".", "./", "a\0b", "a\nb", "a\x1b[2J", "\ud800"]


@pytest.mark.parametrize("name", OUTWARDS + NO_NAMES)
def test_a_name_that_may_lead_out_of_its_folder_is_none(name: str) -> None:
    assert path_below(name) is None


@pytest.mark.parametrize(
    ("name", "short"),
    [("a", "a"), ("./a", "a"), ("a//b/./c.d", "a/b/c.d"), ("größe", "größe"), ("a..b", "a..b")],
)
def test_a_name_below_the_folder_comes_back_in_its_shortest_form(name: str, short: str) -> None:
    assert path_below(name) == short


@given(
    st.lists(st.sampled_from(["a", "b.c", "..", ".", "", "/", "\\", "C:", "~", " ", "ü", "\0"]), max_size=6),
    st.sampled_from(["/", "\\", ""]),
)
def test_what_comes_back_stays_below_the_folder(parts: list[str], joint: str) -> None:
    below = path_below(joint.join(parts))
    if below is not None:
        resolved = Path(os.path.normpath(Path("/folder") / below))
        assert resolved.is_relative_to("/folder")
        assert resolved != Path("/folder")
        assert path_below(below) == below == PurePosixPath(below).as_posix()


@pytest.mark.slow
@given(st.from_regex(_PLAIN, fullmatch=True))
def test_a_plain_name_is_what_the_whole_rule_makes_of_it(name: str) -> None:
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    assert path_below(name) == name == posix.as_posix()
    assert not windows.drive
    assert not windows.root
    assert not {"..", "."} & {*posix.parts, *windows.parts}


# Whoever reads such a name asks `path_below` ----------------------------------------------------------------


def _of_a_header(folder: Path, name: str) -> None:
    (folder / "r.hea").write_text(f"r 1 500 10\n{name} 16 1000/mV 16 0 0 0 0 I\n")
    read_header(folder / "r")


def _of_labels(folder: Path, name: str) -> None:
    from ecg_tl.datasets.custom import Custom

    (folder / "labels.csv").write_text(f"record,AF\n{name},1\n")
    Custom().scan(folder)


def _of_ptbxl(folder: Path, name: str) -> None:
    from ecg_tl.datasets.ptbxl import PtbXl

    (folder / "ptbxl_database.csv").write_text(
        "ecg_id,patient_id,age,sex,scp_codes,strat_fold,filename_hr\n"
        + f"1,1,50,0,{{'NORM': 100.0}},1,{name}\n"
    )
    PtbXl().scan(folder)


def _of_ludb(folder: Path, name: str) -> None:
    from ecg_tl.datasets.ludb import _PERSON, _STATEMENT_COLUMNS, Ludb

    columns = (*_PERSON, *_STATEMENT_COLUMNS)
    cells = [name, "F", "50", *["Sinus rhythm"] * len(_STATEMENT_COLUMNS)]
    (folder / "ludb.csv").write_text(f"{','.join(columns)}\n{','.join(cells)}\n")
    Ludb().scan(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret", "..\\secret"])
@pytest.mark.parametrize("read", [_of_a_header, _of_labels, _of_ptbxl, _of_ludb])
def test_every_reader_refuses_a_name_out_of_its_folder(
    read: Callable[[Path, str], None], name: str, tmp_path: Path
) -> None:
    with pytest.raises(EcgTlError, match=re.escape(repr(name))):
        read(tmp_path, name)


def test_a_link_that_a_user_made_inside_of_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "r.dat").write_bytes(bytes(20))
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "signals").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "records" / "r.hea").write_text("r 1 500 10\nsignals/r.dat 16 1000/mV 16 0 0 0 0 I\n")
    assert read_wfdb(tmp_path / "records" / "r").values.shape == (1, 10)


@pytest.mark.parametrize("name", ["é" * 128, "a/" + "b" * 256 + "/c", "a/" * 1100 + "b"])
def test_a_name_longer_than_a_file_systems_is_no_path(name: str) -> None:
    assert path_below(name) is None
    assert path_below("é" * 127) is not None
