"""What every pre-training has: a network, crops, augmentation, an optimizer, an ordinary checkpoint."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from lightning_utilities.core.rank_zero import rank_zero_warn
from torch import Tensor, nn

from ecg_tl.acceleration import Auto
from ecg_tl.checkpoints.description import (
    THREADS,
    CheckpointDescription,
    check_fits,
    describe_versions,
    read_description,
    require_epoch_end,
)
from ecg_tl.checkpoints.digest import DIGEST, weights_digest
from ecg_tl.checkpoints.settings import PRETRAINING
from ecg_tl.contamination.training_sets import TRAINED_ON
from ecg_tl.limits import COUNT, LEARNING_RATE, SEED, WEIGHT_DECAY, require, require_settings
from ecg_tl.models import create_network, network_names
from ecg_tl.pretraining.draws import AUGMENTATIONS, Draws
from ecg_tl.pretraining.features import FeatureSpread, feature_spread, probe
from ecg_tl.signals import Batch
from ecg_tl.tasks.optimization import (
    OptimizerName,
    ParameterGroup,
    ScheduleName,
    parameter_groups,
    require_planned_steps,
    scheduled_optimizer,
)
from ecg_tl.tasks.predictions import Predictions, gather, on_device
from ecg_tl.tasks.randomness import random_states, restore_random_state
from ecg_tl.transforms import Augmentation, augment, create_normalization

if TYPE_CHECKING:
    from ecg_tl.pretraining.data import PretrainingData

_VALIDATION = 0
"""The epoch whose numbers every validation draws, so that its losses can be compared."""


class Pretraining(LightningModule):
    """A pre-training of a network on signals without labels.

    It logs `train/loss`, and of the validation records `val/loss`, `val/feature_rank`, `val/feature_spread`
    and `val/collapsed` (see `ecg_tl.pretraining.features`), and every `probe_every` epochs and at the end
    `val/probe_auroc`, where records with labels are among the data.

    Its checkpoint is an upstream as any other: tensors of the network under `network.`, a description of
    itself, the training records with their fingerprints. What else it holds (predictor, projections) is
    ignored downstream.

    Settings are primitives, since a checkpoint must load with `weights_only=True`.

    Args:
        network: Name of the network.
        num_leads: From the data.
        num_samples: From the data: of a crop.
        sampling_rate: From the data, in Hz.
        normalization: From the data: a name and its options.
        seed: Of augmentation, masks and negatives; with epoch and step it decides them.
        augmentation: Of the crops, in millivolts; `lead_dropout` makes an upstream that serves fewer leads.
        optimizer: `adamw`, `adam` or `sgd` (Nesterov momentum 0.9).
        learning_rate: Its highest value.
        weight_decay: Of kernels and matrices; biases and norms have none.
        schedule: `one_cycle`, `cosine` or `constant`.
        probe_every: Epochs between two linear probes; 0 for none.
        network_options: The network's own settings by name.

    Raises:
        SettingError: If a setting makes no sense, or the network has no such option.
    """

    method: ClassVar[str]
    """What it is called in checkpoints and reports."""

    views: ClassVar[int] = 1
    """How many crops of each record the objective takes."""

    def __init__(
        self,
        network: Literal[network_names()],  # type: ignore[valid-type]  # a list that the registry keeps
        num_leads: int,
        num_samples: int,
        sampling_rate: float,
        normalization: dict[str, Any],
        seed: int = 0,
        augmentation: Augmentation = Augmentation(),  # noqa: B008  (frozen)
        optimizer: OptimizerName = "adamw",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        schedule: ScheduleName = "one_cycle",
        probe_every: int = 10,
        network_options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        require_settings(
            learning_rate=(LEARNING_RATE, learning_rate),
            weight_decay=(WEIGHT_DECAY, weight_decay),
            probe_every=(COUNT, probe_every),
        )
        require(SEED, seed, "seed", remedy="Correct the setting.")
        # A network has a head; no class is known, so that it is the smallest there can be, and never used.
        self.network = create_network(network, 1, num_leads, num_samples, **(network_options or {}))
        self.network_name = str(network)
        self.sampling_rate = sampling_rate
        self.normalization = create_normalization(**normalization)
        self.seed = seed
        self.augmentation = augmentation
        self.optimizer_name: OptimizerName = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule: ScheduleName = schedule
        self.probe_every = probe_every
        self.fused_optimizer: bool | Auto = "auto"  # a matter of the hardware, so no hyperparameter
        self.spread: FeatureSpread | None = None
        self.looked_at: Predictions | None = None  # features of the last validation, as `logits`
        self._batches: list[Predictions] = []
        self._random_states: list[dict[str, Any]] | None = None
        self._said_collapsed = False

    @abstractmethod
    def objective(self, views: list[Tensor], draws: Draws) -> Tensor:
        """Return the loss of a batch.

        Args:
            views: As many as the class says, each `(batch, leads, samples)`, normalised.
            draws: Where all random numbers come from.
        """

    @abstractmethod
    def own_modules(self) -> list[nn.Module]:
        """Return what is trained beside the network: predictor, projections."""

    def masked_samples(self, records: int) -> Tensor | None:
        """Return what a first batch of so many crops has masked, `(records, samples)`; None without masks."""
        return None

    @property
    def trained_network(self) -> nn.Module:
        """The network that the optimizer trains."""
        return self.network

    def forward(self, signal: Tensor) -> Tensor:
        """Turn signals `(batch, leads, samples)` in millivolts into features `(batch, num_features)`."""
        features: Tensor = self.network.forward_features(self.normalization(signal))
        return features

    def freeze_what_is_idle(self) -> None:
        """Take out of the training what the objective does not use, such as the head.

        DistributedDataParallel waits for the gradient of every parameter. Which ones have none is found by
        asking for it once, on noise, with nothing changed by it.
        """
        before = {name: tensor.clone() for name, tensor in self.state_dict().items()}
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(0)
            shape = (2, self.network.num_leads, self.network.num_samples)
            loss = self.objective([torch.randn(shape) for _ in range(self.views)], Draws(0, 0, 0))
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        self.load_state_dict(before)
        for parameter in self.parameters():
            if parameter.grad is None:
                parameter.requires_grad_(False)
            parameter.grad = None

    # Steps ----------------------------------------------------------------------------------------------

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the objective's loss on crops of the batch."""
        trainer = self.trainer
        draws = Draws(self.seed, trainer.current_epoch, batch_idx, trainer.global_rank, trainer.world_size)
        views = [self._view(batch["signal"], draws, number) for number in range(self.views)]
        loss = self.objective(views, draws)
        self.log(
            "train/loss",
            loss,
            prog_bar=True,
            on_step=True,
            on_epoch=True,
            batch_size=len(batch["signal"]),
            sync_dist=True,
        )
        return loss

    def _view(self, signal: Tensor, draws: Draws, number: int) -> Tensor:
        """Crop, augment and normalise a batch in millivolts, on its device."""
        signal = self.data.crop(signal, draws.epoch, number)
        if not self.augmentation.is_off:
            generator = draws.stream(AUGMENTATIONS[number] + draws.rank, signal.device)
            signal = augment(signal, self.augmentation, generator, sampling_rate=self.sampling_rate)
        view: Tensor = self.normalization(signal)
        return view

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect features of the records' middles, and the loss with the same draws every time."""
        signal = self.data.middle(batch["signal"])
        draws = Draws(self.seed, _VALIDATION, batch_idx)
        views = [self.normalization(signal)]
        if self.views > 1:
            views = [self._view(batch["signal"], draws, number) for number in range(self.views)]
        self.log("val/loss", self.objective(views, draws), batch_size=len(signal), sync_dist=True)
        self._batches.append(on_device(batch["index"], self(signal), batch["target"]))

    def on_validation_epoch_end(self) -> None:
        """Say whether the features still tell records apart, and what a linear probe makes of them."""
        gathered = gather(self._batches)
        self._batches.clear()
        if self.trainer.sanity_checking:
            return
        self.looked_at = gathered
        self.spread = feature_spread(gathered.logits)
        scores = {f"val/{name}": value for name, value in self.spread.as_dict().items()}
        if self.spread.collapsed and not self._said_collapsed:
            self._said_collapsed = True
            rank_zero_warn(
                f"The features have collapsed (epoch {self.trainer.current_epoch + 1}): {self.spread}. The "
                "network says nearly the same of every record, and will be no upstream. Lower the learning "
                "rate, use more records, or another method."
            )
        if self._is_probed():
            auroc = probe(self, self.data)
            if auroc is not None:
                scores["val/probe_auroc"] = auroc
        # Computed from gathered features, so equal on every process: nothing to synchronise.
        self.log_dict(scores, rank_zero_only=False, sync_dist=False)

    def _is_probed(self) -> bool:
        epoch = self.trainer.current_epoch + 1
        is_last = epoch == self.trainer.max_epochs
        return self.probe_every > 0 and (epoch % self.probe_every == 0 or is_last)

    @property
    def data(self) -> PretrainingData:
        """What it is trained on."""
        data: PretrainingData = self.trainer.datamodule  # type: ignore[attr-defined]  # attached by Lightning
        return data

    # Optimization ---------------------------------------------------------------------------------------

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Train the network and what belongs to the objective at one rate."""
        groups = parameter_groups(self.trained_network, self.learning_rate, self.weight_decay)  # type: ignore[arg-type]  # a network
        groups += _own_groups(self.own_modules(), self.learning_rate, self.weight_decay)
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

    def keep_settings(self, settings: dict[str, Any]) -> None:
        """Keep what a subclass's `__init__` was given, in primitives, as hyperparameters."""
        known = {
            name: value for name, value in settings.items() if name not in ("self", "__class__", "kwargs")
        }
        known |= settings.get("kwargs", {})
        plain = {
            name: asdict(value) if hasattr(value, "__dataclass_fields__") else value
            for name, value in known.items()
        }
        self.save_hyperparameters(plain)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what somebody who has nothing but the checkpoint must know."""
        checkpoint["random_states"] = random_states()
        checkpoint[THREADS] = torch.get_num_threads()
        settings = dict(checkpoint.get("hyper_parameters", {}))
        checkpoint["hyper_parameters"] = settings | {
            PRETRAINING: self.method,
            "_class_path": f"ecg_tl.pretraining.{type(self).__name__}",
        }
        checkpoint["ecg_tl"] = CheckpointDescription(
            versions=describe_versions(),
            data=self._describe_data(),
            class_names=(),
            calibration=None,
            transfer=None,
        ).as_dict()
        checkpoint[DIGEST] = weights_digest(checkpoint["state_dict"])
        checkpoint[TRAINED_ON] = [one.as_dict() for one in self.data.training_sets()]

    def _describe_data(self) -> dict[str, Any]:
        return self.data.describe() | {
            "augmentation": asdict(self.augmentation),
            "pretraining": {"method": self.method, **self.data.describe_records()},
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to go on with other data, or from the middle of an epoch."""
        where = self.trainer.ckpt_path or "checkpoint"
        description = read_description(checkpoint, where)
        self._random_states = checkpoint.get("random_states")
        if self.trainer.state.fn == TrainerFn.FITTING:
            require_epoch_end(checkpoint, where, validated_is_enough=True)
        if description.data is not None:
            check_fits(description.data, self._describe_data(), where)


def _own_groups(modules: list[nn.Module], rate: float, weight_decay: float) -> list[ParameterGroup]:
    parameters = [parameter for module in modules for parameter in module.parameters()]
    groups: list[ParameterGroup] = []
    for name, members, decay in (
        ("objective.decay", [one for one in parameters if one.ndim > 1], weight_decay),
        ("objective.no_decay", [one for one in parameters if one.ndim <= 1], 0.0),
    ):
        if members:
            groups.append({"name": name, "params": members, "lr": rate, "weight_decay": decay})
    return groups
