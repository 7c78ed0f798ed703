"""The configs that come with the program, by name: `strict`, `ptbxl`, a study's `paper`.

They lie in `configs/` of the repository, and in the wheel as `ecg_tl/configs/`. Every list of names is
that of the files, so that a file that is added has its name at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from ecg_tl.errors import SettingError

STUDIES = "study"
"""The kind of configs that say what a study compares; all others are fragments of a training's config."""

PRETRAINING = "pretraining"
"""The kind of configs that `ecg-tl pretrain` takes: a method each."""

PROTOCOLS = "protocol"

_NAME = re.compile(r"[\w./-]+")


def config_folder() -> Path:
    """Return the folder that holds all shipped configs, one folder a kind.

    Raises:
        SettingError: If there is none, which is a damaged installation.
    """
    package = Path(__file__).parent
    # From a wheel, and in a repository or an editable installation. Found by path, without importing it as a
    # package: editable installations made before the configs were one know nothing of it.
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / STUDIES).is_dir():
            return folder
    raise SettingError(
        package, "no folder `configs` in it or beside it", "the shipped configs", "Install ecg-tl again."
    )


def fragment_kinds() -> tuple[str, ...]:
    """Return the kinds of configs that `ecg-tl fit -c` takes: `data`, `model`, `protocol`, ..."""
    return tuple(
        folder.name
        for folder in sorted(config_folder().iterdir())
        if folder.is_dir() and folder.name not in (STUDIES, PRETRAINING) and any(folder.glob("*.yaml"))
    )


def config_names(kind: str) -> tuple[str, ...]:
    """Return the names of all shipped configs of a kind."""
    return tuple(sorted(path.stem for path in (config_folder() / kind).glob("*.yaml")))


def find_config(word: str | Path, kinds: Sequence[str]) -> Path:
    """Return the file that a word means: a path where there is such a file, else a shipped config's name.

    Args:
        word: `my.yaml`, `strict`, or `protocol/strict` where two kinds have the name.
        kinds: Where a name may be from: `(STUDIES,)` or `fragment_kinds()`.

    Raises:
        SettingError: If there is neither, or several kinds have the name, with what is nearest; or if the
            file is a pipe or a device.
    """
    path = Path(word)
    try:
        is_folder = path.is_dir()  # as `demo` may be, that of its results
        refuse_pipe(path)
        if path.exists() and not is_folder:
            return path
    except OSError:  # longer than a file system's names are
        is_folder = False
    name = str(word)
    known = {f"{kind}/{name}": kind for kind in kinds for name in config_names(kind)}
    found = [full for full in known if name in (full, full.partition("/")[2])]
    if len(found) == 1:
        return config_folder() / f"{found[0]}.yaml"
    if found:
        raise SettingError(
            f"the config {name!r}",
            f"{len(found)} of this name",
            f"one of {', '.join(found)}",
            "Say which of them.",
        )
    names = sorted(full.partition("/")[2] for full in known)
    near = get_close_matches(path.stem, names, n=1)
    here = "a folder" if is_folder else "no such file"
    raise SettingError(
        name,
        f"{here}, and no shipped config of this name",
        "a YAML, or a name" + (f", such as {near[0]}" if near else ""),
        f"The names: {', '.join(names)}.",
    )


def refuse_pipe(path: Path) -> None:
    """Refuse a config that would be waited for, and that can be read once where it is read several times.

    Raises:
        SettingError: If it is a pipe (`-c <(...)` as well) or a device.
        OSError: If its name is longer than the file system's are.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise SettingError(path, "a pipe or a device", "a file", "Write the config to a file first.")


def looks_like_a_name(word: str) -> bool:
    """Say whether a word can be a file's or a config's name, and is no YAML by itself (`{trainer: ...}`)."""
    return _NAME.fullmatch(word) is not None


@cache
def _read(path: Path) -> Any:
    from ecg_tl.parsing import load_yaml

    return load_yaml(path.read_text(encoding="utf-8"))


def protocol(name: str) -> dict[str, Any]:
    """Return the settings of a protocol, as `configs/protocol/` says them; read, never change."""
    settings: dict[str, Any] = _read(config_folder() / PROTOCOLS / f"{name}.yaml")
    return settings
