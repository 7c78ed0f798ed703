"""Which checkpoint of a run is kept, also when the run goes on in another folder, and that it is whole."""

from __future__ import annotations

import io
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from ecg_tl.callbacks.monitors import COUNTS, TRAIN_LOSSES, check_monitors, choose_mode
from ecg_tl.checkpoints.names import BEST_STEM, LAST
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.files import written_whole
from ecg_tl.limits import COUNT, STEPS, Limit, require_settings, shown
from ecg_tl.paths import is_file_name

_SAVE_TOP_K = Limit("save_top_k", -1, 10_000, whole=True)
"""-1 keeps all."""
_PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")
_SCORES = ("best_model_score", "kth_value", "current_score")
"""Entries of the state of Lightning's `ModelCheckpoint`."""


class RunCheckpoint(ModelCheckpoint):
    """Lightning's `ModelCheckpoint` for runs that are cut off and go on.

    With `save_last`, `last.ckpt` is of the last epoch. Lightning 2.6 writes it only in epochs that are among
    the best, so that a run that is cut off later would lose all epochs since.

    A resumed run has a folder of its own. Lightning's callback begins to compare anew in another folder: the
    first epoch after a resumption would become the "best" one, however good those before were. This one
    copies the best checkpoints into the new folder, and compares with them. A folder that was moved counts as
    another one, and has them already.

    Where the monitored score has no value in any epoch (no class has positives and negatives among the
    validation records), the checkpoint is of the last epoch; Lightning's callback would keep the first.

    Args:
        monitor: The score whose best epoch is kept, as it is logged; null keeps the last epoch.
        mode: Whether more of it is better (`max`) or less (`min`); null takes what the score is.
        filename: Of the best checkpoint, without its ending.
        save_last: Whether to keep the last epoch as well, to go on from.
        **kwargs: Those of `ModelCheckpoint`.

    Raises:
        SettingError: If the mode is not the score's, if the score would be another step's than the
            checkpoint, or, before a training begins, if it has no such score.
    """

    def __init__(
        self,
        monitor: str | None = "val/auroc_macro",
        mode: Literal["max", "min"] | None = None,
        filename: str | None = BEST_STEM,
        save_last: bool | Literal["link"] | None = True,
        **kwargs: Any,
    ) -> None:
        _require_numbers(kwargs)
        mode = choose_mode(monitor, mode, "checkpoint")
        for name in ("every_n_train_steps", "train_time_interval"):
            if monitor is not None and kwargs.get(name):
                raise SettingError(
                    f"checkpoint.{name}",
                    f"{kwargs[name]} beside the monitor {monitor}, which has no value at these steps",
                    "a checkpoint of a validation or of an epoch's end",
                    "Remove it, or add a ModelCheckpoint with it to trainer.callbacks.",
                )
        super().__init__(monitor=monitor, mode=mode, filename=filename, save_last=save_last, **kwargs)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse a score that the training will not have, here or in another callback."""
        super().setup(trainer, pl_module, stage)
        if stage == "fit":
            check_monitors(trainer, pl_module)
            validates_within = trainer.val_check_interval != 1.0 or trainer.check_val_every_n_epoch is None
            if validates_within and self.monitor in (None, *COUNTS, *TRAIN_LOSSES):
                self._save_on_train_epoch_end = True  # in the middle its value is that of the epoch before
            elif validates_within and self._save_on_train_epoch_end:
                raise SettingError(
                    "checkpoint.save_on_train_epoch_end",
                    f"true, with validations in the middle of an epoch, by which {self.monitor} is known",
                    "the weights that were validated",
                    "Remove it.",
                )

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        """Say whether an epoch is one of the best; while none has a score, the later one is.

        So is one whose weights a recipe has set: they were chosen among others on validation data.
        """
        if self.save_top_k and getattr(trainer.lightning_module, "settled", False):
            return True
        unscored = current is not None and math.isnan(float(current))
        if unscored and self.save_top_k and all(math.isinf(v) for v in self.best_k_models.values()):
            return True
        return super().check_monitor_top_k(trainer, current)

    _between_epochs = False
    _step_of_last: int | None = None

    def _save_last_checkpoint(self, trainer: Trainer, monitor_candidates: dict[str, Tensor]) -> None:
        # Validated or saved in the middle of an epoch, Lightning would save the last one there too, from
        # which nobody can go on.
        if self._between_epochs:
            super()._save_last_checkpoint(trainer, monitor_candidates)
            self._step_of_last = trainer.global_step

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that an epoch has begun."""
        self._between_epochs = False

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the epoch, if it is one of the best, and as the last one."""
        self._between_epochs = True
        super().on_train_epoch_end(trainer, pl_module)
        # Skipped where the line above has saved this step already.
        trial = trainer.fast_dev_run  # type: ignore[attr-defined]  # Lightning sets it from a function
        if self.save_last and not trial and self._step_of_last != trainer.global_step:
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the end of a training in which no epoch was completed; nothing in a trial run."""
        self._between_epochs = True
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]  # Lightning sets it from a function
            super().on_train_end(trainer, pl_module)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take over what is best so far; called before the callbacks' own states are loaded.

        A checkpoint may be a stranger's. Lightning deletes what its state calls the worst of the best: so
        names alone are taken from it, never folders, and they are those of files in this run's own.

        Raises:
            CheckpointError: If the state is not one that a training writes.
        """
        states = checkpoint.get("callbacks")
        if not isinstance(states, dict):
            return
        if trainer.state.fn != TrainerFn.FITTING:  # a test reads a checkpoint and keeps none
            states.pop(self.state_key, None)
            return
        where = trainer.ckpt_path or "checkpoint"
        for other in states.values():
            require_ordinary_paths(other, where)
        if trainer.ckpt_path is None or self.dirpath is None:
            states.pop(self.state_key, None)
            return
        if self.state_key not in states:
            return
        state = states[self.state_key]
        scores = best_scores(state, where, self.save_top_k)
        # Beside the checkpoint that is resumed, wherever that lies now: a run's folder may have been moved.
        before, here = Path(trainer.ckpt_path).absolute().parent, Path(self.dirpath).absolute()
        at_hand = all((before / name).is_file() for name in scores)
        if at_hand and before != here and trainer.is_global_zero:
            here.mkdir(parents=True, exist_ok=True)
            # With the last one as well: a training that is over already writes none.
            for name in scores:
                _copy(before / name, here / name)
            if self.save_last:
                _copy(Path(trainer.ckpt_path), here / LAST)
        if not at_hand and before != here:  # nothing to compare with: as a training that begins
            states.pop(self.state_key)
            return
        # One that lies here is written over; else Lightning would find the name taken and use another.
        last = Path(trainer.ckpt_path).name if before == here else LAST if self.save_last else ""
        states[self.state_key] = state | {
            "dirpath": self.dirpath,
            "best_k_models": {self._here(name): score for name, score in scores.items()},
            "best_model_path": self._here(Path(state["best_model_path"]).name),
            "kth_best_model_path": self._here(Path(state["kth_best_model_path"]).name),
            "last_model_path": self._here(last),
        }

    def _here(self, name: str) -> str:
        return str(Path(str(self.dirpath)) / name) if name else ""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the state, with the score of the last epoch that was saved, which Lightning leaves out."""
        super().load_state_dict(state_dict)
        self.current_score = state_dict.get("current_score")


def _require_numbers(settings: Mapping[str, Any]) -> None:
    """Refuse nonsense in Lightning's words for it, which name neither the section nor the flag."""
    limits = {"save_top_k": _SAVE_TOP_K, "every_n_train_steps": STEPS, "every_n_epochs": COUNT}
    given = {
        name: (limit, settings[name]) for name, limit in limits.items() if settings.get(name) is not None
    }
    require_settings("checkpoint", **given)


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints under a temporary name beside the one that they get at the end.

    Lightning writes to the system's temporary folder and moves the file. Where that is another file system,
    moving is copying: a process that is killed, or a disk that fills up, leaves half of a `last.ckpt` in
    place of the whole one before it. And the disk that is full may be that of the temporary folder, on which
    no run is kept.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint."""
        if "://" in str(path):  # storage of objects, which appear when they are complete
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        content = io.BytesIO()  # torch, writing a file by itself, loses the system's error
        torch.save(checkpoint, content)
        with written_whole(Path(path)) as temporary:
            temporary.write_bytes(content.getbuffer())


def best_scores(state: object, where: object, save_top_k: int = 1) -> dict[str, Tensor]:
    """Read which checkpoints were the best, and their scores, out of the state that a checkpoint keeps.

    Args:
        state: Of Lightning's `ModelCheckpoint`, from a file that anybody may have written.
        where: The file, for errors.
        save_top_k: How many are kept.

    Returns:
        The score of each by its name, whatever folder the state says.

    Raises:
        CheckpointError: If the state is not one that a training writes.
    """
    content: Mapping[str, Any] = state if isinstance(state, Mapping) else {}
    models: Any = content.get("best_k_models")
    scores: dict[str, Tensor] = {}
    if (
        isinstance(models, Mapping)
        and all(map(_is_checkpoint, models))
        and all(map(_is_score, models.values()))
    ):
        scores = {Path(path).name: value for path, value in models.items()}
        worst = content.get("kth_best_model_path")
        others = (content.get(name) for name in _PATHS)
        if (
            len(scores) == len(models)
            and all(path == "" or _is_checkpoint(path) for path in others)
            and all(content.get(name) is None or _is_score(content[name]) for name in _SCORES)
            # Lightning takes the worst one out of the others when there are as many as are kept.
            and (Path(str(worst)).name in scores if worst else not 0 < save_top_k <= len(scores))
        ):
            return scores
    raise CheckpointError(
        where,
        "a malformed state of what kept the best checkpoints",
        "one that a training wrote",
        "Nothing was changed. Go on from an intact checkpoint of your own.",
    )


def require_ordinary_paths(state: object, where: object) -> None:
    """Refuse paths in a callback's state that lead out of the folder that they begin with.

    Lightning deletes a checkpoint if its path begins with the run's folder, and does not look for `..`; what
    looks like the address of a storage, it deletes anywhere.

    Args:
        state: Of any callback; what is none of a `ModelCheckpoint` passes.
        where: The file, for errors.

    Raises:
        CheckpointError: Names the path.
    """
    if not isinstance(state, Mapping):
        return
    models = state.get("best_k_models")
    paths = [*(models if isinstance(models, Mapping) else ()), *(state.get(name) for name in _PATHS)]
    for path in paths:
        if isinstance(path, str) and (".." in Path(path).parts or ":/" in path):
            raise CheckpointError(
                where,
                f"the path {shown(path)} of a checkpoint",
                "one of a file in the run's own folder",
                "Nothing was changed. Go on from an intact checkpoint of your own.",
            )


def _is_checkpoint(path: object) -> bool:
    return isinstance(path, str) and is_file_name(Path(path).name)


def _is_score(value: object) -> bool:
    return isinstance(value, Tensor) and value.numel() == 1 and value.layout == torch.strided


def _copy(source: Path, target: Path) -> None:
    with written_whole(target) as temporary:
        shutil.copyfile(source, temporary)
