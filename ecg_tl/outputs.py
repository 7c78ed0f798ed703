"""What a user may name as an output: nothing that is read, and nothing that cannot be written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from ecg_tl.errors import SettingError
from ecg_tl.files import find_descriptor, find_status


def check_outputs(outputs: Mapping[str, str | Path | None], inputs: Iterable[str | Path] = ()) -> None:
    """Refuse, before any work is done, an output that cannot be written or that something else is.

    Args:
        outputs: Files by the option that names them; None for an option that was not given.
        inputs: Files that the command reads, also under other names: a link or a hard link of one is refused
            as well. Of a folder (a store), no file that lies in it already is an output.

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
            found = find_status(path)
        except OSError as error:  # a loop of links, a name that is too long
            raise SettingError(
                option, f"{path}: {(error.strerror or str(error)).lower()}", "a file", "Name another file."
            ) from error
        if found is not None and stat.S_ISDIR(found.st_mode):
            raise SettingError(option, f"the folder {path}", "a file", "Name a file in it.")
        if find_descriptor(path) is not None or (found is not None and not stat.S_ISREG(found.st_mode)):
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
