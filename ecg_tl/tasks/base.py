"""The LightningModule that all networks share: loss, scores, optimizer, a checkpoint that explains itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from lightning_utilities.core.rank_zero import rank_zero_info
from torch import Tensor

from ecg_tl.acceleration import Auto
from ecg_tl.calibration import Calibration, ThresholdRule, calibrate, check_threshold_rule
from ecg_tl.checkpoints.description import (
    THREADS,
    CheckpointDescription,
    check_fits,
    describe_versions,
    read_description,
    require_epoch_end,
)
from ecg_tl.checkpoints.digest import DIGEST, weights_digest
from ecg_tl.checkpoints.settings import declare_task
from ecg_tl.contamination.overlap import require_no_overlap
from ecg_tl.contamination.report import OverlapReport
from ecg_tl.contamination.training_sets import (
    TRAINED_ON,
    TrainingSet,
    join_sets,
    read_training_sets,
    training_set,
)
from ecg_tl.errors import SettingError
from ecg_tl.limits import LEARNING_RATE, LR_DECAY, WEIGHT_DECAY, require_settings, shown
from ecg_tl.models import create_network, network_names
from ecg_tl.models.low_rank import has_low_rank, merged_state
from ecg_tl.signals import Batch
from ecg_tl.tasks.checks import (
    attend_as_trained,
    check_choice,
    check_class_names,
    check_rates,
    require_data_of_its_kind,
    require_same_kind,
    require_same_tensors,
)
from ecg_tl.tasks.frozen_below import FrozenBelow
from ecg_tl.tasks.links import settings_from
from ecg_tl.tasks.loss import PosWeight, answers_of_batch, classification_loss, positive_weights
from ecg_tl.tasks.optimization import (
    OptimizerName,
    ScheduleName,
    parameter_groups,
    require_planned_steps,
    scheduled_optimizer,
)
from ecg_tl.tasks.predictions import Predictions, gather, join_windows, on_device
from ecg_tl.tasks.randomness import random_states, restore_random_state
from ecg_tl.tasks.scoring import as_logged, calibrated_scores, plain_scores
from ecg_tl.transforms import ChainScaling, create_normalization

if TYPE_CHECKING:  # inference has no use for it
    from ecg_tl.datamodules.base import EcgDataModule

_JUDGED = {TrainerFn.VALIDATING: "validation", TrainerFn.TESTING: "test"}
"""Which part of a split each of the trainer's commands scores."""


class EcgClassifier(LightningModule):
    """A classifier of ECGs in millivolts, with any registered network.

    Each class is a question by itself, or one of them is chosen (`single_choice`).

    It logs `train/loss`, and for `val` and `test` the loss and all scores of `ecg_tl.metrics`, averaged
    (`val/auroc_macro`) and per class (`val_auroc/NORM`). At the end of each validation it chooses thresholds
    and a temperature from that validation's predictions, so that a checkpoint carries those that belong to
    its own weights; `test` scores decisions at 0.5 and at these (`test/f1_macro_tuned`,
    `test_sensitivity_tuned/NORM`), and probabilities before and after calibration (`test/ece_calibrated`).

    Settings are primitives, since a checkpoint must load with `weights_only=True`.

    Args:
        network: Name of the network.
        num_classes: From the datamodule.
        num_leads: From the datamodule.
        num_samples: From the datamodule.
        class_names: From the datamodule.
        normalization: From the datamodule: a name and its options, see `ecg_tl.transforms`.
        single_choice: From the datamodule: whether one of the classes is chosen.
        optimizer: `adamw`, `adam` or `sgd` (Nesterov momentum 0.9).
        learning_rate: Highest rate of the head.
        weight_decay: Of kernels and matrices; biases and norms have none.
        schedule: `one_cycle`, `cosine` or `constant`.
        lr_decay: Factor by which each layer group learns slower than the one after it.
        lr_by_depth: In its place the rates of equal parts of the layers below the head, from the input on:
            `[1e-5, 1e-4]` for the earlier half and the later one; the head's is `learning_rate`.
        pos_weight: How much more a positive weighs in the training's loss than a negative: as much (`none`),
            as there are more negatives of its class among the training records (`balanced`, at most 100
            times), or the square root of that (`root`). Scores, and the losses of validation and test, have
            no weights. Probabilities of a weighted training are too high until they are calibrated. Of a
            choice, how much a record of each class weighs: all classes the same in sum (`balanced`), or the
            square root of that.
        thresholds: What each class's threshold is chosen for on validation records: the greatest `f1`, or at
            least `threshold_target` of `sensitivity` or of `specificity`. A choice has no thresholds.
        threshold_target: A share, over 0 and at most 1; `f1` has no use for it.
        network_options: The network's own settings by name, such as `{hidden_size: 50}` of an LSTM.

    Raises:
        SettingError: If a setting makes no sense, or the network has no such option.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        declare_task(cls)

    further_scores: ClassVar[tuple[str, ...]] = ()
    """Names of what a subclass logs beyond this, so that a training can be watched by it."""

    def __init__(
        self,
        # Evaluated when a parser asks for it, and so with all networks that are registered by then.
        network: Literal[network_names()],  # type: ignore[valid-type]  # a list that the registry keeps
        num_classes: int,
        num_leads: int,
        num_samples: int,
        class_names: Sequence[str],
        normalization: dict[str, Any],
        optimizer: OptimizerName = "adamw",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        schedule: ScheduleName = "one_cycle",
        lr_decay: float = 1.0,
        lr_by_depth: Sequence[float] | None = None,
        pos_weight: PosWeight = "none",
        thresholds: ThresholdRule = "f1",
        threshold_target: float = 0.9,
        network_options: dict[str, Any] | None = None,
        single_choice: bool = False,
    ) -> None:
        super().__init__()
        self.network = create_network(network, num_classes, num_leads, num_samples, **(network_options or {}))
        self.network_name = str(network)
        check_class_names(class_names, num_classes)
        require_settings(
            learning_rate=(LEARNING_RATE, learning_rate),
            weight_decay=(WEIGHT_DECAY, weight_decay),
            lr_decay=(LR_DECAY, lr_decay),
        )
        check_rates(lr_by_depth, lr_decay)
        if pos_weight not in get_args(PosWeight):
            raise SettingError(
                "pos_weight", shown(pos_weight), f"one of {', '.join(get_args(PosWeight))}", "Choose one."
            )
        check_threshold_rule(thresholds, threshold_target)
        if single_choice:
            check_choice(num_classes, thresholds)
        self.single_choice = single_choice
        self.class_names = tuple(class_names)
        self.optimizer_name: OptimizerName = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule: ScheduleName = schedule
        self.lr_decay = lr_decay
        self.lr_by_depth = tuple(lr_by_depth or ())
        self.pos_weight: PosWeight = pos_weight
        self.frozen_below: FrozenBelow | None = None  # while what lies below some group stays as it is
        self.settled = False  # whether a recipe has set the weights, which are then kept whatever they score
        self.positive_weights: Tensor | None = None  # of each class, in the training's loss
        self.threshold_rule: ThresholdRule = thresholds
        self.threshold_target = threshold_target
        self.fused_optimizer: bool | Auto = "auto"  # a matter of the hardware, so no hyperparameter
        self.normalization = create_normalization(**normalization)
        if isinstance(self.normalization, ChainScaling):
            self.normalization.expect(num_leads)
        self._batches: dict[str, list[Predictions]] = {"val": [], "test": []}
        self.predictions: dict[str, Predictions] = {}
        self.scores: dict[str, dict[str, float]] = {}
        self.calibration: Calibration | None = None
        self.transfer_report: dict[str, Any] | None = None
        self.trained_on: tuple[TrainingSet, ...] = ()  # before this training: an upstream, or what is resumed
        self.overlap: OverlapReport | None = None  # of the records at hand with what it was trained on
        self._masked = True  # whether a training target may be NaN; known once there is data
        self._random_states: list[dict[str, Any]] | None = None
        if type(self) is EcgClassifier:  # a subclass keeps its own settings, which need not be these
            self.save_hyperparameters(ignore=self.not_kept)

    @property
    def not_kept(self) -> tuple[str, ...]:
        """Settings that a checkpoint leaves out: what it is if they are not said."""
        return () if self.single_choice else ("single_choice",)

    @classmethod
    def for_data(cls, datamodule: EcgDataModule, network: str, **settings: Any) -> Self:
        """Make a task for a datamodule, linked to it as `ecg-tl fit` links the two.

        Args:
            datamodule: Says which classes, leads and samples signals have, and how they are normalised.
            network: Name of the network.
            **settings: The task's others, which may also overrule what the datamodule says.

        Raises:
            SettingError: As the class itself.
        """
        return cls(**{"network": network, **settings_from(datamodule), **settings})

    def forward(self, signal: Tensor) -> Tensor:
        """Turn signals `(batch, leads, samples)` in millivolts into logits `(batch, classes)`."""
        logits: Tensor = self.network(self.normalization(signal))
        return logits

    def setup(self, stage: str) -> None:
        """Refuse data of the other kind of task."""
        require_data_of_its_kind(self.single_choice, getattr(self._trainer, "datamodule", None))

    def on_fit_start(self) -> None:
        """Say what the network chose, see whether targets are masked, weigh classes, fit normalisation."""
        parts = getattr(getattr(self.trainer, "datamodule", None), "parts", None)
        # Once, and not in each batch: a look at targets makes the processor wait for the device.
        self._masked = parts is None or bool(np.isnan(parts.targets[parts.split.train]).any())
        self.positive_weights = None
        if self.pos_weight != "none":
            parts = _datamodule_of(self.trainer).parts
            targets = parts.targets[parts.split.train]
            weights = positive_weights(targets, self.pos_weight, single_choice=self.single_choice)
            self.positive_weights = torch.from_numpy(weights).to(self.device)
        scaling, datamodule = self.normalization, getattr(self.trainer, "datamodule", None)
        if isinstance(scaling, ChainScaling) and not scaling.is_fitted and datamodule is not None:
            fitted = datamodule.fitted_scaling
            assert fitted is not None, "a contract's normalisation is linked from its datamodule"
            scaling.fit(fitted)
        for setting, choice in self.network.hardware_choices().items():
            rank_zero_info(f"{setting}: {choice}")

    # Steps ----------------------------------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        """Forget the thresholds and the temperature: they were those of weights that now change."""
        self.calibration = None

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return cross-entropy, averaged over all answers; see `classification_loss`."""
        logits, targets, weights = self._logits(batch), batch["target"], self.positive_weights
        single = self.single_choice
        answers = answers_of_batch(targets, single_choice=single) if self._masked else None
        loss = classification_loss(
            logits,
            targets,
            masked=self._masked,
            answers=answers,
            positive_weights=weights,
            single_choice=single,
        )
        self.log(
            "train/loss",
            loss,
            # Only where it is shown: for its number the processor waits for the device in each step.
            prog_bar=self.trainer.progress_bar_callback is not None,
            on_step=True,
            on_epoch=True,
            batch_size=len(batch["target"]),
            sync_dist=True,  # a mean over all processes, as the scores are
        )
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect predictions."""
        self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect predictions."""
        self._evaluate("test", batch)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return `index (batch,)` and `logits (batch, classes)`."""
        return {"index": batch["index"], "logits": self.judge(batch).float()}

    def judge(self, batch: Batch) -> Tensor:
        """Return logits `(batch, classes)` of records, those of several windows joined to one."""
        logits = self._logits(batch)
        if "windows" not in batch:
            return logits
        return join_windows(logits, batch["windows"], single_choice=self.single_choice)

    def _logits(self, batch: Batch) -> Tensor:
        frozen = self.frozen_below
        if frozen is None:
            logits: Tensor = self(batch["signal"])
            return logits
        view = frozen.view_of_epoch(self.trainer.current_epoch) if self.trainer.training else None
        below = frozen.take(batch, self._below, view)
        return self.network.forward_from(below, frozen.group)

    def _below(self, signal: Tensor, group: str) -> Tensor:
        return self.network.forward_below(self.normalization(signal), group)

    def below_head(self, batch: Batch) -> Tensor:
        """Return what the head begins with `(signals, ...)`, of records as they are, kept if it stays so."""
        frozen = self.frozen_below
        if frozen is None or frozen.group != "head":
            return self._below(batch["signal"], "head")
        return frozen.take(batch, self._below, None)

    def _evaluate(self, stage: str, batch: Batch) -> None:
        logits = self.judge(batch)
        self._batches[stage].append(on_device(batch["index"], logits, batch["target"], self.single_choice))

    def on_validation_epoch_end(self) -> None:
        """Score the validation, and calibrate on it."""
        predictions = self._finish("val")
        if not self.trainer.sanity_checking:
            self.calibration = calibrate(
                predictions.logits,
                predictions.targets,
                self.threshold_rule,
                self.threshold_target,
                single_choice=self.single_choice,
            )
            self._score("val", predictions)

    def on_test_epoch_end(self) -> None:
        """Score the test with what the checkpoint decided on validation data."""
        self._score("test", self._finish("test"))

    def _finish(self, stage: str) -> Predictions:
        predictions = gather(self._batches[stage])
        self._batches[stage].clear()
        self.predictions[stage] = predictions
        return predictions

    def _score(self, stage: str, predictions: Predictions) -> None:
        scores = plain_scores(predictions, self.class_names)
        if stage == "test" and self.calibration is not None:
            scores |= calibrated_scores(predictions, self.class_names, self.calibration)
        self.scores[stage] = scores
        # Computed from gathered predictions, so equal on every process: nothing to synchronise.
        self.log_dict(as_logged(stage, scores), rank_zero_only=False, sync_dist=False)

    # Optimization ---------------------------------------------------------------------------------------

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Put every parameter into a named group, and step the schedule after every optimizer step."""
        groups = parameter_groups(
            self.network, self.learning_rate, self.weight_decay, self.lr_decay, self.lr_by_depth
        )
        return scheduled_optimizer(
            self.trainer,
            self.network,
            groups,
            optimizer=self.optimizer_name,
            schedule=self.schedule,
            fused=self.fused_optimizer,
        )

    def on_train_start(self) -> None:
        """Go on with the random numbers that come next, and not with a schedule planned for other steps."""
        if self.trainer.ckpt_path is not None:
            restore_random_state(self._random_states or (), self.trainer.global_rank)
        self._random_states = None
        require_planned_steps(self.trainer)

    # The checkpoint -------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what somebody who has nothing but the checkpoint must know."""
        checkpoint["random_states"] = random_states()
        checkpoint[THREADS] = torch.get_num_threads()
        datamodule = getattr(self.trainer, "datamodule", None)
        checkpoint["ecg_tl"] = CheckpointDescription(
            versions=describe_versions(),
            data=None if datamodule is None else datamodule.describe(),
            class_names=self.class_names,
            calibration=None if self.calibration is None else self.calibration.as_dict(),
            transfer=self.transfer_report,
        ).as_dict()
        checkpoint[DIGEST] = weights_digest(checkpoint["state_dict"])
        own = () if datamodule is None else (training_set(datamodule),)
        checkpoint[TRAINED_ON] = [one.as_dict() for one in join_sets(self.trained_on, own)]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over what the checkpoint decided, and refuse data that it does not fit or was trained on."""
        trainer = self._trainer
        where = (None if trainer is None else trainer.ckpt_path) or "checkpoint"
        description = read_description(checkpoint, where)
        if description.calibration is not None:
            self.calibration = Calibration.from_dict(description.calibration, self.class_names, where)
            require_same_kind(self.calibration, self.single_choice, where)
        self.transfer_report = description.transfer
        self._random_states = checkpoint.get("random_states")
        if trainer is not None and trainer.state.fn == TrainerFn.FITTING:
            require_epoch_end(checkpoint, where, validated_is_enough=True)
        datamodule = None if trainer is None else getattr(trainer, "datamodule", None)
        if datamodule is not None and description.data is not None:
            check_fits(description.data, datamodule.describe(), where)
        if trainer is None or trainer.state.fn != TrainerFn.FITTING:
            attend_as_trained(self.network, checkpoint["state_dict"], where)
        if trainer is not None:
            if trainer.state.fn != TrainerFn.FITTING and not has_low_rank(self.network):
                # To score, whole weights do; a training goes on with their parts, or not at all.
                checkpoint["state_dict"] = merged_state(checkpoint["state_dict"], where)
            require_same_tensors(self.state_dict(), checkpoint["state_dict"], where)
        self.trained_on = read_training_sets(checkpoint, where)
        if trainer is not None and datamodule is not None and trainer.state.fn in _JUDGED:
            self.overlap = require_no_overlap(
                self.trained_on,
                datamodule,
                [_JUDGED[trainer.state.fn]],
                allow=datamodule.allow_overlap,
                where=where,
                setting="--data.allow_overlap true",
            )


declare_task(EcgClassifier)


def _datamodule_of(trainer: Trainer) -> EcgDataModule:
    datamodule: EcgDataModule | None = getattr(trainer, "datamodule", None)
    if datamodule is None:
        raise SettingError(
            "pos_weight", "a training without a datamodule", "one, to count its classes", "Leave it at none."
        )
    return datamodule
