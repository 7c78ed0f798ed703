"""What an earlier attempt at a run has left, and whether all of it can be gone on from.

A training that begins anew ends with the numbers of one that goes on; it costs time alone. So there is one
rule for all files of an attempt that was cut off: where one is damaged or missing, the training begins anew,
and the run's log says in one line which file it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.errors import EcgTlError, StoreError
from ecg_tl.files import sha256_of
from ecg_tl.limits import fits_type, shown
from ecg_tl.parsing import load_yaml
from ecg_tl.store.digests import is_as_written
from ecg_tl.study.design.folder import CONFIG_FILE, FIT_FILE, RunFolder, unreadable
from ecg_tl.study.run.result import read_mapping
from ecg_tl.validation_predictions import read_validation

DECIDES_NUMBERS = ("precision", "threads")
"""Settings of `speed` that an attempt hands on to the next one, wherever that is made."""

_OF_A_FIT: dict[str, Any] = {
    "epochs": int,
    "epochs_to_best": int,
    "seconds": float,
    "seconds_to_best": float,
    "monitor": str,
    "best_scores": dict[str, float | None],
    "trainable_parameters": int,
    "data": dict[str, Any],
    "digests": dict[str, str],
}
_KEPT = "a file of the attempt before this one"


@dataclass(frozen=True)
class Kept:
    """What can be gone on from.

    Attributes:
        epochs: That are done.
        speed: How they were trained, by `DECIDES_NUMBERS`.
    """

    epochs: int
    speed: dict[str, Any]


def read_kept(run_folder: RunFolder) -> Kept | None:
    """Look at all that a training takes up when it goes on.

    Returns:
        None where no epoch was finished.

    Raises:
        EcgTlError: Names a file that is damaged, missing, or of something else.
    """
    if not (run_folder.last.exists() or run_folder.fit.exists()):
        return None
    read_checkpoint(run_folder.best)  # without it, the best epoch so far would be lost
    speed = _read_speed(run_folder.config)
    if run_folder.fit.exists():
        return Kept(_read_epochs(run_folder), speed)
    last = read_checkpoint(run_folder.last)
    _require_validations(run_folder, last)
    epoch = last.get("epoch")
    if not isinstance(epoch, int):
        raise _damaged(run_folder.last, f"epoch {shown(epoch)}")
    return Kept(epoch + 1, speed)


def starts_anew(error: EcgTlError) -> str:
    """Say in one line why a training begins anew."""
    return f"{error.where}: found {error.found}, expected {error.expected}. The training begins anew."


def _read_speed(path: Path) -> dict[str, Any]:
    """Return how an attempt was trained, perhaps on other hardware."""
    try:
        config = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, yaml.YAMLError) as error:
        raise _damaged(path, " ".join(str(error).split())) from error
    speed = config.get("speed", {}) if isinstance(config, Mapping) else None
    if not isinstance(speed, Mapping):
        raise _damaged(path, "no mapping of settings")
    return {name: speed[name] for name in DECIDES_NUMBERS if name in speed}


def _read_epochs(run_folder: RunFolder) -> int:
    """Return after how many epochs the training was over."""
    fit = read_mapping(run_folder.fit)
    if not is_as_written(fit):
        raise _damaged(run_folder.fit, "other content than the training wrote")
    for name, kind in _OF_A_FIT.items():
        # Earlier versions noted no digests.
        if not (fits_type(fit.get(name), kind) or (name == "digests" and name not in fit)):
            raise _damaged(run_folder.fit, f"{name} {shown(fit.get(name))}")
    for name, digest in fit.get("digests", {}).items():
        path = run_folder.path / name
        if name == CONFIG_FILE:  # each attempt writes its own
            continue
        try:
            is_its_own = sha256_of(path) == digest
        except OSError as error:
            raise unreadable(path, error) from error
        if not is_its_own:
            raise StoreError(path, "other content than the training left", f"what {FIT_FILE} says of it", "")
    epochs: int = fit["epochs"]
    return epochs


def _require_validations(run_folder: RunFolder, last: Mapping[str, Any]) -> None:
    state = last.get("callbacks", {}).get("KeepValidation") or {}  # none in earlier versions
    digests = state.get("validations", [])
    if digests and read_validation(run_folder.validation).first(len(digests)).digests() != digests:
        raise StoreError(
            run_folder.validation,
            "other predictions than the checkpoint knows of",
            f"those of {run_folder.last.name}",
            "",
        )


def _damaged(path: Path, found: str) -> StoreError:
    return StoreError(path, found, _KEPT, "")
