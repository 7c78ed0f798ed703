"""The one walk through a folder: readers, `infer` and the fingerprint of a source see the same files.

Symbolic links are followed. What several paths lead to is listed once, under a path without links if there is
one; links that lead back to a folder above end there. Names that begin with a dot are passed over: those are
other programs' (macOS puts `._A0001.hea` beside `A0001.hea`).
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ecg_tl.errors import DatasetError


@dataclass(frozen=True)
class Listing:
    """What lies below a folder.

    Attributes:
        files: In the order of their paths, each file once. A link to nothing is listed as well: reading it is
            an error of that file.
        unreadable: Folders that could not be listed, and why.
    """

    files: tuple[Path, ...]
    unreadable: tuple[tuple[Path, str], ...] = ()


def list_files(root: Path, suffixes: Collection[str]) -> Listing:
    """List the files below `root` whose names end in one of `suffixes`, whatever the case."""
    endings = tuple(suffix.lower() for suffix in suffixes)
    found: list[str] = []
    unreadable: list[tuple[Path, str]] = []
    real = os.path.realpath(root)
    seen_folders = {_identity(folder) for folder in (Path(real), *Path(real).parents)}
    seen_files: set[str] = set()
    # Strings: `Path`s of 90,000 files take longer than the walk itself.
    folders: list[tuple[str, str]] = [(os.fspath(root), real)]
    links_to_folders: list[str] = []
    links_to_files: list[str] = []
    while folders or links_to_folders:
        if not folders:  # links last, so that what is reached without one is listed without one
            links_to_folders.sort(reverse=True)
            link = links_to_folders.pop()
            if not _is_new(link, seen_folders):
                continue
            folders.append((link, os.path.realpath(link)))
        folder, real_folder = folders.pop()
        try:
            with os.scandir(folder) as listing:
                entries = list(listing)
        except OSError as error:
            unreadable.append((Path(folder), error.strerror or str(error)))
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            is_link = entry.is_symlink()
            if _is_folder(entry):
                if is_link:
                    links_to_folders.append(entry.path)
                elif _is_new(entry.path, seen_folders):
                    folders.append((entry.path, f"{real_folder}{os.sep}{entry.name}"))
            elif entry.name.lower().endswith(endings):
                if is_link:
                    links_to_files.append(entry.path)
                elif entry.is_file():
                    found.append(entry.path)
                    seen_files.add(f"{real_folder}{os.sep}{entry.name}")
    for link in sorted(links_to_files):
        target = os.path.realpath(link)
        if target not in seen_files:
            seen_files.add(target)
            found.append(link)
    return Listing(tuple(sorted(map(Path, found))), tuple(sorted(unreadable)))


def list_dataset_files(root: Path, suffixes: Collection[str]) -> tuple[Path, ...]:
    """List a dataset's files; see `list_files`.

    Raises:
        DatasetError: If a folder cannot be listed: records in it would be missed in silence.
    """
    if not root.is_dir():
        return ()
    listing = list_files(root, suffixes)
    if listing.unreadable:
        where, why = listing.unreadable[0]
        raise DatasetError(where, why, "a folder that can be listed", "Correct its permissions, or move it.")
    return listing.files


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle of links
        return False


def _is_new(folder: str, seen: set[tuple[int, int]]) -> bool:
    identity = _identity(folder)
    if identity in seen:
        return False
    seen.add(identity)
    return True


def _identity(folder: str | Path) -> tuple[int, int]:
    try:
        status = Path(folder).stat()
    except OSError:  # listing it will say what is wrong
        return (-1, hash(os.fspath(folder)))
    return (status.st_dev, status.st_ino)
