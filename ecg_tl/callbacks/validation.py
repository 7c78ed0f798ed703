"""The validation predictions that a training chooses by, kept so that the choice can be made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning_utilities.core.rank_zero import rank_zero_warn

from ecg_tl.callbacks.history import run_folder
from ecg_tl.checkpoints.names import run_of
from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.errors import StoreError
from ecg_tl.tasks.base import EcgClassifier
from ecg_tl.validation_predictions import VALIDATION_FILE, ValidationPredictions, read_validation


class KeepValidation(Callback):
    """Write `validation.npz` after every validation of a `fit`: see `ecg_tl.validation_predictions`.

    The file is written before the epoch's checkpoint, which holds a digest of each validation:
    a training that goes on takes up those that its checkpoint knows of, from its own folder or from the
    folder of the run that it goes on with, and ends with the file of one that was not cut off.
    """

    def __init__(self) -> None:
        self._kept: ValidationPredictions | None = None
        self._digests: list[str] = []

    def state_dict(self) -> dict[str, Any]:
        """Keep the digests."""
        return {"validations": self._digests}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the digests of the run that is resumed."""
        self._digests = list(state_dict["validations"])

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look for the validations that the checkpoint knows of."""
        folder = run_folder(trainer)
        if folder is None or trainer.ckpt_path is None:
            return
        checkpoint = Path(trainer.ckpt_path).absolute()
        self._kept = _find(self._digests, [folder, run_of(checkpoint), checkpoint.parent])
        if self._kept is not None:
            self._kept.write(folder / VALIDATION_FILE)
        elif self._digests:
            rank_zero_warn(
                f"The validation predictions of {len(self._digests)} validations before {checkpoint.name} "
                f"are not found beside it: {VALIDATION_FILE} begins with the next one."
            )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add this validation."""
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        folder = run_folder(trainer)  # a collective call: every process must make it
        datamodule = getattr(trainer, "datamodule", None)
        if folder is None or not (
            isinstance(pl_module, EcgClassifier) and isinstance(datamodule, EcgDataModule)
        ):
            return
        now = _validation(trainer, pl_module, datamodule)
        if self._kept is None:
            self._kept = now
        else:
            # Those from this step on are of an epoch that is begun anew.
            self._kept = self._kept.first(int((self._kept.steps < now.steps[0]).sum())).followed_by(now)
        self._digests = self._kept.digests()
        self._kept.write(folder / VALIDATION_FILE)


def _validation(trainer: Trainer, task: EcgClassifier, datamodule: EcgDataModule) -> ValidationPredictions:
    predictions = task.predictions["val"]
    rows = predictions.index.numpy()
    return ValidationPredictions(
        epochs=np.array([trainer.current_epoch + 1]),
        steps=np.array([trainer.global_step]),
        record_ids=datamodule.parts.record_ids[rows].astype(str),
        patient_ids=datamodule.store.column("patient_id").fillna("").to_numpy(dtype=str)[rows],
        class_names=np.array(task.class_names),
        targets=predictions.targets.numpy(),
        logits=predictions.logits.numpy()[None],
    )


def _find(digests: list[str], folders: list[Path]) -> ValidationPredictions | None:
    """Return the validations with these digests from the first folder that has them all, or None."""
    for folder in folders if digests else ():
        try:
            found = read_validation(folder / VALIDATION_FILE).first(len(digests))
        except StoreError:
            continue
        if found.digests() == digests:
            return found
    return None
