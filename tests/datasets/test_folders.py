from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.errors import DatasetError
from ecg_tl.recordings import folders
from ecg_tl.recordings.folders import list_dataset_files, list_files

HEADERS = (".hea",)


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in list_files(root, HEADERS).files]


def test_files_are_found_at_any_depth_in_order_and_hidden_ones_are_not(tmp_path: Path) -> None:
    make(tmp_path, "b.hea", "a/c.HEA", "a/b/d.hea", ".x/e.hea", "a/._c.hea", "a/c.dat")
    assert names(tmp_path) == ["a/b/d.hea", "a/c.HEA", "b.hea"]


def test_links_to_folders_and_files_elsewhere_are_followed(tmp_path: Path) -> None:
    elsewhere, root = make(tmp_path / "elsewhere", "deep/a.hea", "b.hea"), make(tmp_path / "root", "c.hea")
    (root / "link").symlink_to(elsewhere / "deep")
    (root / "d.hea").symlink_to(elsewhere / "b.hea")
    assert names(root) == ["c.hea", "d.hea", "link/a.hea"]
    assert len(list_files(tmp_path / "elsewhere", HEADERS).files) == 2


def test_what_two_paths_lead_to_is_listed_once_where_it_lies(tmp_path: Path) -> None:
    make(tmp_path, "z/a.hea")
    (tmp_path / "b").symlink_to(tmp_path / "z")
    (tmp_path / "c.hea").symlink_to(tmp_path / "z/a.hea")
    (tmp_path / "z/again.hea").symlink_to("a.hea")
    assert names(tmp_path) == ["z/a.hea"]


def test_hard_links_are_records_of_their_own(tmp_path: Path) -> None:
    make(tmp_path, "a.hea")
    os.link(tmp_path / "a.hea", tmp_path / "b.hea")
    assert names(tmp_path) == ["a.hea", "b.hea"]


@pytest.mark.parametrize("target", [".", "..", "../..", "sub", "self"])
def test_a_circle_of_links_ends(tmp_path: Path, target: str) -> None:
    root = make(tmp_path / "x" / "root", "a.hea", "sub/b.hea")
    make(tmp_path, "outside.hea")
    (root / "sub" / "self").symlink_to(target)
    assert names(root) == ["a.hea", "sub/b.hea"]


def test_a_root_that_is_a_link_is_walked(tmp_path: Path) -> None:
    make(tmp_path / "root", "a.hea", "s/b.hea")
    (tmp_path / "link").symlink_to("root")
    assert names(tmp_path / "link") == names(tmp_path / "root")


def test_a_link_to_nothing_is_listed_so_that_reading_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.hea").symlink_to("gone.hea")
    assert names(tmp_path) == ["a.hea"]


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a.hea", "closed/b.hea")
    scandir = os.scandir

    def refuse(folder: str) -> object:
        if str(folder).endswith("closed"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(folders.os, "scandir", refuse)
    listing = list_files(tmp_path, HEADERS)
    assert [path.name for path in listing.files] == ["a.hea"]
    assert listing.unreadable == ((tmp_path / "closed", "Permission denied"),)
    with pytest.raises(DatasetError, match="closed: found Permission denied"):
        list_dataset_files(tmp_path, HEADERS)


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2)), max_size=8),
)
def test_whatever_the_links_each_file_is_listed_once(
    tmp_path_factory: pytest.TempPathFactory, links: list[tuple[int, int, int]]
) -> None:
    root = make(tmp_path_factory.mktemp("tree"), *(f"f{number}/{number}.hea" for number in range(5)))
    for place, target, kind in links:
        link = root / f"f{place}" / f"to{target}{kind}"
        if not link.is_symlink():
            link.symlink_to([f"../f{target}", root, root / f"f{target}"][kind])
    assert names(root) == [f"f{number}/{number}.hea" for number in range(5)]
