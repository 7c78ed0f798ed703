"""Which checkpoint of a run is kept, also when the run goes on in another folder, and that it is whole."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn

from ecg_tl.files import written_whole


class RunCheckpoint(ModelCheckpoint):
    """Lightning's `ModelCheckpoint` for runs that are cut off and go on.

    With `save_last`, `last.ckpt` is of the last epoch. Lightning 2.6 writes it only in epochs that are among
    the best, so that a run that is cut off later would lose all epochs since.

    A resumed run has a folder of its own. Lightning's callback begins to compare anew in another folder: the
    first epoch after a resumption would become the "best" one, however good those before were. This one
    copies the best checkpoints into the new folder, and compares with them. A folder that was moved counts as
    another one, and has them already.
    """

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the epoch, if it is one of the best, and as the last one."""
        super().on_train_epoch_end(trainer, pl_module)
        # Skipped where the line above has saved this step already.
        if self.save_last and not self._should_skip_saving_checkpoint(trainer):
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the end of a training in which no epoch was completed; nothing in a trial run."""
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]  # Lightning sets it from a function
            super().on_train_end(trainer, pl_module)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take over what is best so far; called before the callbacks' own states are loaded."""
        state = checkpoint.get("callbacks", {}).get(self.state_key)
        if trainer.state.fn != TrainerFn.FITTING:  # a test reads a checkpoint and keeps none
            return
        if state is None or trainer.ckpt_path is None or self.dirpath is None:
            return
        # Beside the checkpoint that is resumed, wherever that lies now: a run's folder may have been moved.
        before, here = Path(trainer.ckpt_path).absolute().parent, Path(self.dirpath).absolute()
        names = [Path(path).name for path in state["best_k_models"]]
        if not all((before / name).is_file() for name in names):
            return
        if before != here and trainer.is_global_zero:
            here.mkdir(parents=True, exist_ok=True)
            for name in names:
                _copy(before / name, here / name)
        moved = {
            path: str(Path(self.dirpath) / Path(path).name)
            for path in (*state["best_k_models"], state["best_model_path"], state["kth_best_model_path"])
        }
        state |= {
            "dirpath": self.dirpath,
            "best_k_models": {moved[path]: score for path, score in state["best_k_models"].items()},
            "best_model_path": moved[state["best_model_path"]],
            "kth_best_model_path": moved[state["kth_best_model_path"]],
            # One that lies here is written over; else Lightning would find the name taken and use another.
            "last_model_path": str(Path(self.dirpath) / Path(trainer.ckpt_path).name)
            if before == here
            else "",
        }


class WholeCheckpointIO(TorchCheckpointIO):
    """Lightning's way of writing checkpoints, under a temporary name beside the one that they get at the end.

    Lightning writes to the system's temporary folder and moves the file. Where that is another file system,
    moving is copying: a process that is killed, or a disk that fills up, leaves half of a `last.ckpt` in
    place of the whole one before it.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint."""
        if "://" in str(path):  # storage of objects, which appear when they are complete
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        with written_whole(Path(path)) as temporary:
            super().save_checkpoint(checkpoint, temporary, storage_options)


def _copy(source: Path, target: Path) -> None:
    with written_whole(target) as temporary:
        shutil.copyfile(source, temporary)
