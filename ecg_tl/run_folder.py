"""The folder of a run: where it is, that it can be written, and the config that is kept in it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from ecg_tl.callbacks import RunEvents
from ecg_tl.checkpoints.names import run_of
from ecg_tl.errors import SettingError
from ecg_tl.files import naming
from ecg_tl.paths import require_file_name


def open_kept(folder: Path) -> RunEvents:
    """Open the TensorBoard files of a run whose owner names its folder.

    Raises:
        SettingError: If nothing can be written there.
    """
    parent = _writable(folder.parent)
    return RunEvents(parent, name="", version=folder.name, default_hp_metric=False)


def open_new(runs_dir: Path, experiment: str) -> RunEvents:
    """Open those of a training in a new folder `runs_dir/experiment/version_N`.

    Raises:
        SettingError: If nothing can be written there, or the experiment's name is a path.
    """
    runs = _writable(runs_dir)
    require_file_name(experiment, "experiment")
    return RunEvents(runs, name=experiment, default_hp_metric=False)


def open_beside(checkpoint: Path, command: str) -> RunEvents:
    """Open those of what is computed from a checkpoint, in the folder of the run that made it.

    Args:
        checkpoint: In `RUN/checkpoints`.
        command: Names the new folder in RUN: `test`, `test_2`, ...

    Raises:
        SettingError: If nothing can be written there.
    """
    run = _writable(run_of(checkpoint.resolve()))
    return RunEvents(run, name=None, version=_next_free(run, command), default_hp_metric=False)


class SaveRunConfig(SaveConfigCallback):
    """Keep a run's config beside what came of it; without a logger there is no run's folder."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write `config.yaml`."""
        if trainer.loggers:
            folder = trainer.log_dir  # a collective call: every process must make it
            with naming(Path(folder or ".") / self.config_filename):
                super().setup(trainer, pl_module, stage)


def _writable(folder: Path) -> Path:
    """Return the folder if a run can be kept in it; made if it is not there.

    Raises:
        SettingError: If it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SettingError(
            folder,
            (error.strerror or str(error)).lower(),
            "a folder in which runs can be kept",
            "Name another one (`--runs_dir`), or correct its permissions.",
        ) from error
    return folder


def _next_free(folder: Path, stem: str) -> str:
    """Return `stem`, or `stem_2`, `stem_3` ... if it is there already: no result is written over."""
    name, number = stem, 1
    while (folder / name).exists():
        number += 1
        name = f"{stem}_{number}"
    return name
