"""The callback that starts a downstream training from an upstream, and freezes and unfreezes its layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.trainer.states import TrainerFn
from lightning_utilities.core.rank_zero import rank_zero_info, rank_zero_warn
from torch import Tensor
from torch.optim import Optimizer

from ecg_tl.callbacks.history import run_folder
from ecg_tl.checkpoints.reading import Upstream, read_upstream
from ecg_tl.contamination.overlap import require_no_overlap
from ecg_tl.contamination.report import OverlapReport
from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.files import write_json
from ecg_tl.models import EcgNetwork
from ecg_tl.models.low_rank import merge
from ecg_tl.tasks.base import EcgClassifier
from ecg_tl.transfer.freezing import (
    freeze_batch_norm,
    require_all_optimized,
    rest_dropout,
    set_trained,
    trained_parameters,
)
from ecg_tl.transfer.frozen import frozen_below
from ecg_tl.transfer.given import made, penalty, require_consistent, with_earlier
from ecg_tl.transfer.groups import ForeignFile, Matching, Training
from ecg_tl.transfer.matching import nothing_loaded, plan_transfer
from ecg_tl.transfer.movement import cka_by_group, features_by_group, l2_by_group
from ecg_tl.transfer.phases import Phases, phase_warnings, resolve_phases
from ecg_tl.transfer.published import read_for, require_file_of_its_own, require_published
from ecg_tl.transfer.recipes import RecipeName, as_named, get_recipe
from ecg_tl.transfer.report import HEAD, TAKEN, TrainedReport, TransferReport
from ecg_tl.transfer.settling import Settling
from ecg_tl.transfer.summary import markdown_report, print_report
from ecg_tl.transfer.trainer_rules import (
    callbacks_of,
    earliest_stop,
    require_order,
    require_strategy,
    wrap_again,
)
from ecg_tl.transfer.warmup import groups_of_optimizer, scale_steps, warm_up

REPORT_FILE = "transfer_report.json"
COMPARED_RECORDS = 32
"""Validation records on which the features before and after are compared."""

_FILE, _MATCH, _TRAIN = ForeignFile(), Matching(), Training()


class TransferLearning(Callback):
    """Load an upstream, give the network a new head, and train its groups of layers phase by phase.

    It loads once, before the optimizer is made, and never when a training is resumed: `ckpt_path` means
    resume, `upstream` means transfer. The report of every tensor is printed, written to
    `transfer_report.json` in the run's folder, shown in TensorBoard, and kept in the checkpoint.

    What is trained is a function of the epoch alone. All parameters are in the optimizer from the first step;
    frozen ones have no gradient, and their batch norms do not change.

    TensorBoard shows, at each epoch and for each group, `trainable_parameters`, `learning_rate`, `moved_l2`
    (distance of the weights from the upstream's) and `moved_cka` (similarity of the features of a fixed
    handful of validation records to those that the upstream's weights made of them).

    Args:
        upstream: A checkpoint of this project, or any file of weights (`.ckpt`, `.pt`, `.safetensors`); with
            `weights`, the name of a published upstream (`ecg-tl upstream list`); null for a network that
            stays as initialised, the control of a frozen encoder.
        recipe: How it is trained: a name of `ecg_tl.transfer.recipes.RECIPES`.
        options: Of a recipe that has some: of `lora` the `rank`, `alpha` and `layers`, of `linear_probe` the
            `solver`.
        file: How a foreign file names the network's tensors.
        match: What is done where upstream and downstream differ.
        train: What every recipe can be set to: phases, warm-up, batch norms of frozen groups, penalty.
        weights: The file of a published upstream, as its authors published it: each of its tensors is taken,
            or ignored for a reason, or refused.
        track: Whether to measure how far groups move. The checkpoint then holds the starting weights too.
        **earlier: Settings by the names that they had when they were not in groups (`schedule` for
            `recipe`, `head` for `match.head`, ...); understood, with a remark.

    Raises:
        SettingError: If a setting is out of range, does not go with another or with the trainer, or names a
            group that does not exist.
        CheckpointError: If the upstream cannot be read, does not match the network, was trained on signals of
            another kind, or on records of the downstream.
    """

    def __init__(
        self,
        upstream: str | None,
        recipe: RecipeName = "full",
        options: dict[str, Any] | None = None,
        file: ForeignFile = _FILE,
        match: Matching = _MATCH,
        train: Training = _TRAIN,
        weights: str | None = None,
        track: bool = True,
        **earlier: Any,
    ) -> None:
        file, match, train = made(ForeignFile, file), made(Matching, match), made(Training, train)
        if earlier:
            recipe, file, match, train = with_earlier(earlier, recipe, file, match, train)
        recipe, chosen = as_named(recipe, options)
        self.recipe = get_recipe(recipe)
        self.recipe_name = recipe
        self.options = self.recipe.read_options(recipe, chosen)
        self.upstream, self.weights = upstream, weights
        if weights is not None:
            require_published(upstream, file)
        self.file, self.match, self.train = file, match, train
        self.track = track
        self.l2_sp = penalty(recipe, train)
        require_consistent(upstream, recipe, file, match, train)
        self.report: TransferReport | None = None
        self.phases: Phases | None = None
        self._refusal: CheckpointError | None = None
        self._start: dict[str, Tensor] = {}  # the network's tensors when the training began
        self._loaded: list[str] = []  # the parameters among them that come from the upstream
        self._trained_since: dict[str, int] = {}  # optimizer step at which a group's training began
        self._signals: Tensor | None = None
        self._features: dict[str, Tensor] | None = None
        self._remove_warm_up: Callable[[], None] | None = None
        self._cache_announced = ""
        self._settling: Settling | None = None

    # Before the first step ------------------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Load the upstream into a fresh training's network, and freeze what is not trained at first."""
        if stage != "fit":
            return
        task = _classifier(pl_module)
        network = task.network
        merge(network)  # what an earlier training of the same object has left
        groups = list(network.layer_groups())
        phases = self.train.phases or self.recipe.phases(groups, self.train.phase_epochs)
        self.phases = resolve_phases(phases, groups)
        require_strategy(trainer.strategy, freezes=self.phases.freezes or not self.recipe.trains_all)
        require_order(callbacks_of(trainer), self)
        self._settling = None
        if self.recipe.settles is not None:
            self._settling = Settling(self.recipe.settles, self.options)
            self._settling.require_possible(trainer, self.train, self.recipe_name)
        task.settled = False
        if self._settling is not None and self._settling.settles.at_end:
            limit, needed = trainer.max_epochs, self.phases.last_epoch + 2
            if limit not in (None, -1) and limit < needed:
                rank_zero_warn(
                    f"recipe {self.recipe_name}: {limit} epochs (max_epochs) leave none to train all layers "
                    f"and one to choose weights in; it needs {needed} at least."
                )
        for warning in phase_warnings(
            self.phases, trainer.max_epochs, trainer.min_epochs, earliest_stop(trainer)
        ):
            rank_zero_warn(warning)
        self._trained_since, self._signals, self._features, self._refusal = {}, None, None, None
        task.frozen_below, self._cache_announced = None, ""
        if trainer.ckpt_path is None:
            try:
                self._load(trainer, task)
            except CheckpointError as error:
                # `fit(ckpt_path=...)` says only later that this is a resumption, which needs no upstream.
                self._refusal = error
        self.recipe.prepare(network, self.options)
        if self.report is not None:
            self.report = replace(self.report, training=self._count(network))
            task.transfer_report = self.report.as_dict()
        set_trained(network, self._trained(network, 0))

    def _trained(self, network: EcgNetwork, epoch: int) -> frozenset[str]:
        assert self.phases is not None
        return trained_parameters(network, self.phases.trained(epoch), self.recipe.trains)

    def _count(self, network: EcgNetwork) -> TrainedReport:
        assert self.phases is not None
        sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
        return TrainedReport(
            recipe=self.recipe_name if self.train.phases is None else "phases",
            parameters=sum(sizes[name] for name in self._trained(network, self.phases.last_epoch)),
            of=sum(sizes.values()),
            at_first=sum(sizes[name] for name in self._trained(network, 0)),
        )

    def _load(self, trainer: Trainer, task: EcgClassifier) -> None:
        network = task.network
        if self.upstream is None:
            self.report = nothing_loaded(network)
            return
        upstream = (
            read_upstream(require_file_of_its_own(self.upstream), self.file.prefix, self.file.renames)
            if self.weights is None
            else read_for(task, self.upstream, self.weights)
        )
        datamodule = getattr(trainer, "datamodule", None)
        downstream = None if datamodule is None else datamodule.describe()
        if upstream.data is None:
            rank_zero_warn(
                f"{upstream.path} does not say what signals it was trained on: leads, sampling rate, "
                "units and normalisation are not compared with the downstream's."
            )
        transfer = plan_transfer(upstream, network, self.match, downstream)
        network.load_state_dict(network.state_dict() | transfer.weights)
        self.report = replace(transfer.report, overlap=self._overlap(upstream, datamodule))
        task.trained_on = upstream.trained_on
        if self.track or self.l2_sp:
            self._start = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            self._loaded = [t.name for t in self.report.tensors if t.state in TAKEN and t.parameters]

    def _overlap(self, upstream: Upstream, datamodule: EcgDataModule | None) -> OverlapReport | None:
        if datamodule is None:
            return None
        return require_no_overlap(
            upstream.trained_on,
            datamodule,
            ("train", "validation", "test"),
            allow=self.match.allow_overlap,
            where=upstream.path,
            setting="allow_overlap: true",
        )

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Publish the report; a training that goes on has the one that its checkpoint keeps."""
        if trainer.ckpt_path is not None:
            again = run_folder(trainer)
            report = _classifier(pl_module).transfer_report
            if again is not None and report is not None:
                write_json(again / REPORT_FILE, report)
            return
        if self._refusal is not None:
            raise self._refusal
        folder = run_folder(trainer)  # a collective call: every process must make it
        if self.report is None or not trainer.is_global_zero:
            return
        print_report(self.report)
        if folder is not None:
            write_json(folder / REPORT_FILE, self.report.as_dict())
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_text("transfer_report", markdown_report(self.report), 0)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Freeze what the checkpoint's epoch asks for: of a training that is over, no epoch begins."""
        if self.phases is not None and trainer.state.fn == TrainerFn.FITTING:
            network = _classifier(pl_module).network
            set_trained(network, self._trained(network, checkpoint["epoch"]))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Freeze what the epoch asks for, which in a resumed training need not be the first."""
        network = _classifier(pl_module).network
        require_all_optimized(network, trainer.optimizers)
        if self._settling is not None:
            self._settling.begin(trainer)
        self._freeze(trainer, pl_module)
        if self.train.warmup_steps:
            self._remove_warm_up = scale_steps(
                network, trainer.optimizers[0], lambda group: self._warm_up(group, trainer.global_step)
            )

    # At every epoch -------------------------------------------------------------------------------------

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Freeze and unfreeze what the epoch asks for; set weights, if the recipe does so now."""
        task = _classifier(pl_module)
        self._keep_start(trainer, task)
        self._freeze(trainer, pl_module)
        self._log_training(trainer, pl_module)
        settling = self._settling
        if settling is not None and settling.chosen is None and settling.is_due(trainer):
            settling.settle(trainer, task)
            report = task.transfer_report = {**(task.transfer_report or {}), "chosen": settling.chosen}
            folder = run_folder(trainer)
            if folder is not None:
                write_json(folder / REPORT_FILE, report)

    def _keep_start(self, trainer: Trainer, task: EcgClassifier) -> None:
        """Note what the last phase begins with, for a recipe whose result lies between that and its end."""
        settling, phases = self._settling, self.phases
        if settling is None or phases is None or not settling.settles.at_end:
            return
        if settling.start or settling.chosen is not None:
            return
        if trainer.current_epoch >= phases.last_epoch:
            settling.keep_start(task.network, self._start)

    def _freeze(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert self.phases is not None
        network = _classifier(pl_module).network
        trained = self._trained(network, trainer.current_epoch)
        if self._settling is not None and self._settling.is_due(trainer):
            trained = frozenset(
                network.layer_groups()[HEAD]
            )  # something needs a gradient, which moves nothing
        if set_trained(network, trained):
            wrap_again(trainer)
        if self.train.batch_norm == "frozen_eval":
            freeze_batch_norm(network, trained)
        if self.train.dropout == "frozen_eval":
            rest_dropout(network, trained)
        self._keep_frozen(trainer, _classifier(pl_module), trained)
        groups = sorted(self.phases.trained(trainer.current_epoch))
        self._trained_since = {group: self._trained_since.get(group, trainer.global_step) for group in groups}

    def _keep_frozen(self, trainer: Trainer, task: EcgClassifier, trained: frozenset[str]) -> None:
        """Let what lies below the lowest group that is trained be computed once, while that stays so."""
        datamodule = getattr(trainer, "datamodule", None)
        settling = self._settling
        as_they_are = settling is not None and not settling.settles.at_end
        frozen, said = None, ""
        # Weights that are set at the end change below the head as well, with every one that is tried.
        if settling is None or as_they_are or not settling.is_due(trainer):
            frozen, said = frozen_below(trainer, task, self.train, trained, as_they_are=as_they_are)
        if said and said != self._cache_announced:
            rank_zero_info(f"feature_cache: {said}")
        if said != self._cache_announced:
            task.frozen_below = frozen
        self._cache_announced = said
        if isinstance(datamodule, EcgDataModule):
            now = task.frozen_below
            datamodule.varied_elsewhere = now is not None and (now.views > 0 or as_they_are)

    def _warm_up(self, group: str, step: int) -> float:
        since = self._trained_since.get(group)
        return 0.0 if since is None else warm_up(step - since, self.train.warmup_steps)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Add the gradient of the penalty, once a step and on every process alike."""
        if self._settling is not None and self._settling.chosen is not None:
            for parameter in _classifier(pl_module).network.parameters():
                parameter.grad = None  # neither a step nor weight decay moves what was set
            return
        if not self.l2_sp:
            return
        parameters = dict(_classifier(pl_module).network.named_parameters())
        for name in self._loaded:
            parameter = parameters[name]
            if parameter.grad is not None:
                start = self._start[name] = self._start[name].to(parameter)
                parameter.grad.add_(parameter.detach() - start, alpha=self.l2_sp)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the optimizer and the task as they were."""
        task = _classifier(pl_module)
        task.frozen_below, task.settled = None, False
        datamodule = getattr(trainer, "datamodule", None)
        if isinstance(datamodule, EcgDataModule):
            datamodule.varied_elsewhere = False
        if self._settling is not None and self.phases is not None:
            self._settling.end(trainer)
            set_trained(task.network, self._trained(task.network, self.phases.last_epoch))
        if self._remove_warm_up is not None:
            self._remove_warm_up()
            self._remove_warm_up = None

    # What TensorBoard shows -----------------------------------------------------------------------------

    def _log_training(self, trainer: Trainer, pl_module: LightningModule) -> None:
        network = _classifier(pl_module).network
        parameters = dict(network.named_parameters())
        shown: dict[str, float] = {}
        for group, names in network.layer_groups().items():
            trained = sum(parameters[name].numel() for name in names if parameters[name].requires_grad)
            shown[f"trainable_parameters/{group}"] = trained
        optimizer = trainer.optimizers[0]
        for layers, options in zip(
            groups_of_optimizer(network, optimizer), optimizer.param_groups, strict=True
        ):
            for group in layers:
                shown[f"learning_rate/{group}"] = options["lr"] * self._warm_up(group, trainer.global_step)
        _log(trainer, shown)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show how far the weights have moved; end a training whose weights are set."""
        if self._settling is not None:
            self._settling.keep_tuned(trainer, _classifier(pl_module).network)
            if self._settling.chosen is not None:
                self._settling.finish_epoch(trainer)
        if self.track and self._start and trainer.is_global_zero:
            network = _classifier(pl_module).network
            moved = l2_by_group(network, self._start, self._loaded)
            _log(trainer, {f"moved_l2/{group}": distance for group, distance in moved.items()})

    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the first records: validation has them in the same order every time."""
        if self.track and self._start and self._signals is None and trainer.is_global_zero:
            self._signals = batch["signal"][:COMPARED_RECORDS].detach().cpu()

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show how far the features have moved."""
        if trainer.sanity_checking or not self._start or self._signals is None:
            return
        task = _classifier(pl_module)
        with trainer.precision_plugin.forward_context():
            signals = task.normalization(self._signals.to(task.device))
            if self._features is None:
                self._features = features_by_group(task.network, signals, self._start)
            alike = cka_by_group(task.network, self._start, signals, self._features)
        _log(trainer, {f"moved_cka/{group}": value for group, value in alike.items()})

    # The checkpoint -------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Keep where the training started from: a resumption needs no upstream."""
        state = {"trained_since": self._trained_since, "start": self._start, "loaded": self._loaded}
        return state if self._settling is None else {**state, "settling": self._settling.as_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what `state_dict` kept."""
        self._trained_since = dict(state_dict["trained_since"])
        self._start = {name: tensor.cpu() for name, tensor in state_dict["start"].items()}
        self._loaded = list(state_dict["loaded"])
        if self._settling is not None and "settling" in state_dict:
            self._settling.take_up(state_dict["settling"])


def _classifier(pl_module: LightningModule) -> EcgClassifier:
    if not isinstance(pl_module, EcgClassifier):
        raise SettingError(
            "model",
            type(pl_module).__name__,
            "an ecg_tl classifier",
            "Use EcgClassifier, or one of its faces.",
        )
    return pl_module


def _log(trainer: Trainer, shown: dict[str, float]) -> None:
    for logger in trainer.loggers:
        logger.log_metrics(shown, step=trainer.global_step)
