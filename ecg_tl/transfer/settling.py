"""The epoch in which a recipe sets the weights itself: the optimizer steps, and moves nothing.

So a result that no optimizer found (weights that were solved for, or chosen between two others) is validated,
scored, kept and gone on with like that of any other epoch.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging
from lightning_utilities.core.rank_zero import rank_zero_info
from numpy.typing import NDArray
from torch import Tensor

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.errors import SettingError
from ecg_tl.models import EcgNetwork
from ecg_tl.tasks.base import EcgClassifier
from ecg_tl.tasks.predictions import gather, join_windows, of_all_processes, on_device
from ecg_tl.tasks.scoring import as_logged, plain_scores
from ecg_tl.transfer.groups import Training
from ecg_tl.transfer.recipe import Settles
from ecg_tl.transfer.trainer_rules import callbacks_of

Made = TypeVar("Made")


@dataclass
class Settling:
    """Where a training is before, in and after the epoch in which its recipe sets the weights.

    Attributes:
        settles: What the recipe does.
        options: The recipe's.
        start: The network's tensors when the last phase began, for a recipe that settles in the last epoch.
        tuned: Those of the best epoch since, by the score that the checkpoint is chosen by; of the last one
            where there is no such score.
        best: That score.
        chosen: What was chosen, in primitives; None before that.
    """

    settles: Settles
    options: Any
    start: dict[str, Tensor] = field(default_factory=dict)
    tuned: dict[str, Tensor] = field(default_factory=dict)
    best: float = math.nan
    chosen: dict[str, Any] | None = None
    _least: tuple[int | None, int | None] = (None, None)

    def require_possible(self, trainer: Trainer, train: Training, recipe: str) -> None:
        """Refuse a training that has no such epoch, or that would go on changing weights in it.

        Raises:
            SettingError: Names the setting.
        """
        for name in ("batch_norm", "dropout"):
            if getattr(train, name) != "frozen_eval":
                raise SettingError(
                    f"transfer.train.{name}",
                    f"{getattr(train, name)} beside `recipe: {recipe}`",
                    "frozen_eval: it sets weights for features as they are in use",
                    "Remove it.",
                )
        averages = [type(one).__name__ for one in callbacks_of(trainer) if isinstance(one, WeightAveraging)]
        if averages:
            raise SettingError(
                "callbacks",
                f"{averages[0]} beside `recipe: {recipe}`",
                "no average of weights, which would be validated in place of those that are set",
                "Remove one.",
            )
        if self.settles.at_end and trainer.max_steps != -1:
            raise SettingError(
                "trainer.max_steps",
                f"{trainer.max_steps} beside `recipe: {recipe}`",
                "-1: the recipe needs a whole last epoch",
                "Set max_epochs in its place.",
            )
        if self.settles.at_end and (trainer.check_val_every_n_epoch or 1) != 1:
            raise SettingError(
                "trainer.check_val_every_n_epoch",
                f"{trainer.check_val_every_n_epoch} beside `recipe: {recipe}`",
                "1: the last epoch has to be validated, whichever it is",
                "Remove it.",
            )

    def begin(self, trainer: Trainer) -> None:
        """Be ready for the epoch; a training that has had it ends at once."""
        if self.chosen is not None:
            trainer.should_stop = True
        elif self.settles.at_end:
            # Whatever ends the training early (EarlyStopping, a Timer) has to wait for one epoch more.
            self._least = (trainer.min_epochs, trainer.min_steps)
            trainer.fit_loop.min_epochs = sys.maxsize

    def is_due(self, trainer: Trainer) -> bool:
        """Say whether weights are set in the epoch that begins, or have been set before."""
        if self.chosen is not None or not self.settles.at_end:
            return True
        if not self.start:
            return False
        last = trainer.current_epoch + 1 == trainer.max_epochs
        epochs, steps = self._least
        stopped = (
            trainer.should_stop
            and trainer.current_epoch >= (epochs or 0)
            and trainer.global_step >= (steps or 0)
        )
        return last or stopped

    def keep_start(self, network: EcgNetwork, loaded: Mapping[str, Tensor]) -> None:
        """Note the network's tensors, sharing the memory of those that are as loaded."""
        self.start = {
            name: loaded[name]
            if name in loaded and torch.equal(loaded[name], tensor.cpu())
            else tensor.detach().cpu().clone()
            for name, tensor in network.state_dict().items()
        }

    def keep_tuned(self, trainer: Trainer, network: EcgNetwork) -> None:
        """Note the network's tensors at the end of an epoch, if it is the best of the last phase."""
        if not self.start or self.chosen is not None:
            return
        checkpoint = trainer.checkpoint_callback
        monitor, mode = None, "min"
        if isinstance(checkpoint, ModelCheckpoint):
            monitor, mode = checkpoint.monitor, checkpoint.mode
        score = float(trainer.callback_metrics.get(monitor or "", math.nan))
        better = score > self.best if mode == "max" else score < self.best
        if better or math.isnan(self.best):
            self.best, self.tuned = score, _copied(network)

    def settle(self, trainer: Trainer, task: EcgClassifier) -> None:
        """Set the weights."""
        if self.settles.at_end:
            trainer.should_stop = False
            self.end(trainer)
            # Statistics of batch norms are each process's own: all take the first one's.
            self.start = trainer.strategy.broadcast(self.start)
            self.tuned = trainer.strategy.broadcast(self.tuned or _copied(task.network))
        self.chosen = self.settles.set_weights(AtHand(trainer, task, self), self.options)
        self.start, self.tuned = {}, {}
        task.settled = True

    def end(self, trainer: Trainer) -> None:
        """Leave the trainer as it was."""
        if trainer.fit_loop.min_epochs == sys.maxsize:
            trainer.fit_loop.min_epochs = self._least[0]

    def finish_epoch(self, trainer: Trainer) -> None:
        """End the training, once the weights that were set are validated."""
        every = trainer.check_val_every_n_epoch or 1
        if not trainer.limit_val_batches or (trainer.current_epoch + 1) % every == 0:
            trainer.should_stop = True

    def as_state(self) -> dict[str, Any]:
        """Give it for a checkpoint."""
        return {"start": self.start, "tuned": self.tuned, "best": self.best, "chosen": self.chosen}

    def take_up(self, state: Mapping[str, Any]) -> None:
        """Take up what `as_state` gave."""
        self.start = {name: tensor.cpu() for name, tensor in state["start"].items()}
        self.tuned = {name: tensor.cpu() for name, tensor in state["tuned"].items()}
        self.best, self.chosen = state["best"], state["chosen"]


def _copied(network: EcgNetwork) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}


@dataclass(frozen=True, eq=False)
class EncodedPart:
    """What a network makes of a part's records.

    Attributes:
        features: `float64 (rows, features)`: of all windows of all records.
        targets: `float64 (records, classes)`, NaN where there is no answer.
        windows: `int64 (records,)`: rows of each record, which follow each other.
    """

    features: NDArray[np.float64]
    targets: NDArray[np.float64]
    windows: NDArray[np.int64]

    def rows(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Repeat a value of each record `(records, ...)` for each of its rows."""
        return np.repeat(values, self.windows, axis=0)

    def joined(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Join a logit of each row `(rows,)` to one of each record `(records,)`."""
        if (self.windows == 1).all():
            return logits
        records = join_windows(torch.from_numpy(logits)[:, None], torch.from_numpy(self.windows))
        return records[:, 0].double().numpy()


@dataclass(frozen=True, eq=False)
class AtHand:
    """What a recipe sets weights by: the network, and what it says of training and validation records.

    Attributes:
        trainer: Of the training.
        task: With the network.
        settling: Where the training is.
    """

    trainer: Trainer
    task: EcgClassifier
    settling: Settling

    @property
    def network(self) -> EcgNetwork:
        """The network."""
        return self.task.network

    @property
    def datamodule(self) -> EcgDataModule:
        """The records.

        Raises:
            SettingError: If the training has no datamodule, so that nobody knows its records.
        """
        found = getattr(self.trainer, "datamodule", None)
        if isinstance(found, EcgDataModule):
            return found
        raise SettingError("datamodule", "none", "one of ecg_tl, for this recipe", "Give `fit` a datamodule.")

    @property
    def monitor(self) -> str | None:
        """The score by which the checkpoint is chosen; None if it is kept by none."""
        checkpoint = self.trainer.checkpoint_callback
        return checkpoint.monitor if isinstance(checkpoint, ModelCheckpoint) else None

    def weights_of_positives(self) -> NDArray[np.float64] | None:
        """Say how much more a positive of each class weighs in the training; None for as much."""
        weights = self.task.positive_weights
        return None if weights is None else weights.cpu().numpy().astype(np.float64)

    def encode(self, part: Literal["train", "validation"]) -> EncodedPart:
        """Encode a part's records, each process its share; all have all of them afterwards."""
        own: list[tuple[NDArray[Any], ...]] = []
        with _in_use(self.trainer, self.network):
            for batch in self.datamodule.batches_of(part, self.task.device, as_judged=True):
                counted = batch.get("windows", torch.ones(len(batch["index"]), dtype=torch.int64))
                encoded = self.task.below_head(batch).float()
                kept = (batch["index"], counted, batch["target"], encoded)
                own.append(tuple(one.cpu().numpy() for one in kept))
        index, windows, targets, features = map(np.concatenate, zip(*of_all_processes(own), strict=True))
        order = np.argsort(index)
        ends = np.cumsum(windows)
        rows = np.concatenate([np.arange(ends[one] - windows[one], ends[one]) for one in order])
        return EncodedPart(
            features[rows].astype(np.float64), targets[order].astype(np.float64), windows[order]
        )

    def scores(self) -> dict[str, float]:
        """Score the network as it is now on the validation records, by the names that a training logs."""
        with _in_use(self.trainer, self.network):
            own = [
                on_device(batch["index"], self.task.judge(batch), batch["target"], self.task.single_choice)
                for batch in self.datamodule.batches_of("validation", self.task.device, as_judged=True)
            ]
        return as_logged("val", plain_scores(gather(own), self.task.class_names))

    def by_the_first(self, make: Callable[[], Made]) -> Made:
        """Let the first process make something, and all have it."""
        made = self.trainer.strategy.broadcast(make() if self.trainer.is_global_zero else None)
        assert made is not None
        return made

    def say(self, line: str) -> None:
        """Say something in the log, once."""
        rank_zero_info(line)


@contextmanager
def _in_use(trainer: Trainer, network: EcgNetwork) -> Iterator[None]:
    """Let a network be as it is in use, in the trainer's precision, and as it was before when that ends."""
    modes = {name: module.training for name, module in network.named_modules()}
    network.eval()
    try:
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            yield
    finally:
        for name, module in network.named_modules():
            module.training = modes[name]
