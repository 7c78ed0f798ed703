"""What a trainer must be, and be told, so that layers can be frozen and unfrozen under it."""

from __future__ import annotations

from collections.abc import Sequence

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, WeightAveraging
from lightning.pytorch.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    FSDPStrategy,
    ModelParallelStrategy,
    Strategy,
)
from torch.nn.parallel import DistributedDataParallel

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.errors import SettingError
from ecg_tl.transfer.groups import Training


def wrap_again(trainer: Trainer) -> None:
    """Make DistributedDataParallel look again at which parameters are trained.

    A parameter that was frozen when it wrapped the module would never be reduced: unfrozen later, it would
    drift apart between the processes, without a word.
    """
    strategy = trainer.strategy
    if isinstance(strategy, DDPStrategy) and isinstance(strategy.model, DistributedDataParallel):
        strategy.model = strategy.model.module
        strategy.configure_ddp()


def require_strategy(strategy: Strategy, *, freezes: bool) -> None:
    """Refuse strategies under which freezing cannot be done exactly.

    Args:
        strategy: The trainer's.
        freezes: Whether anything is ever frozen.

    Raises:
        SettingError: If something is frozen, and parameters are sharded.
    """
    sharded = (FSDPStrategy, DeepSpeedStrategy, ModelParallelStrategy)
    if freezes and isinstance(strategy, sharded):
        raise SettingError(
            "strategy",
            type(strategy).__name__,
            "a strategy that keeps whole parameters (auto, ddp), because some layers are frozen",
            "Use `strategy: ddp`, or `recipe: full`.",
        )


def callbacks_of(trainer: Trainer) -> list[Callback]:
    """Return a trainer's callbacks, in their order."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning attaches it
    return callbacks


def require_order(callbacks: Sequence[Callback], transfer: Callback) -> None:
    """Refuse an averaging callback that would begin with the weights from before the transfer.

    Raises:
        SettingError: If one is listed before `transfer`.
    """
    before = callbacks[: callbacks.index(transfer)]
    early = [type(callback).__name__ for callback in before if isinstance(callback, WeightAveraging)]
    if early:
        raise SettingError(
            "callbacks",
            f"{', '.join(early)} before {type(transfer).__name__}: it would average random weights",
            f"{type(transfer).__name__} first",
            "Change their order.",
        )


def earliest_stop(trainer: Trainer) -> int | None:
    """Return after how many epochs early stopping could end a training; None if nothing would."""
    epochs = [
        # The first validation sets the mark, and `patience` more in vain end it; a threshold may at once.
        1
        if callback.stopping_threshold is not None or callback.divergence_threshold is not None
        else (callback.patience + 1) * (trainer.check_val_every_n_epoch or 1)
        for callback in callbacks_of(trainer)
        if isinstance(callback, EarlyStopping)
    ]
    return min(epochs, default=None)


def what_changes_features(trainer: Trainer, settings: Training, *, varied: bool) -> str:
    """Say why frozen layers give another output in each epoch, so that none is kept; empty if they do not.

    Args:
        trainer: With its datamodule.
        settings: Of the transfer.
        varied: Whether training records are augmented anew in each epoch.
    """
    datamodule = getattr(trainer, "datamodule", None)
    if not isinstance(datamodule, EcgDataModule):
        return "a training without a datamodule"
    if varied:
        return "augmentation gives other signals in each epoch; train.augmented_views sets how many it gives"
    if datamodule.crops is not None:
        return "each epoch sees other crops"
    if settings.batch_norm == "train":
        return "batch norms of frozen layers go on (train.batch_norm)"
    if settings.dropout == "train":
        return "frozen layers go on dropping values (train.dropout)"
    averages = [type(one).__name__ for one in callbacks_of(trainer) if isinstance(one, WeightAveraging)]
    if averages:
        return f"{averages[0]} validates other weights"
    return ""
