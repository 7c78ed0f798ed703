"""`ecg_tl.trainer`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins import MixedPrecision, Precision
from lightning_utilities.core.rank_zero import rank_zero_info

from ecg_tl.acceleration import Speed, choose_acceleration
from ecg_tl.callbacks import EcgPictures, LearningRates, RunCheckpoint, ScoreCurves
from ecg_tl.callbacks.cuda_graph import CudaGraphs
from ecg_tl.callbacks.signals import ending_together
from ecg_tl.checkpoints.description import read_description, require_epoch_end, threads_of
from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.errors import SettingError
from ecg_tl.face.names import require_name
from ecg_tl.parsing import parameters
from ecg_tl.run_defaults import TRAINER_DEFAULTS, run_callbacks, run_plugins, settle_memory, settle_threads
from ecg_tl.run_folder import open_new
from ecg_tl.tasks import EcgClassifier
from ecg_tl.trainer_settings import require_device
from ecg_tl.training import silence_noise
from ecg_tl.transfer.callback import TransferLearning

_WHOLE = "32-true"


class RunTrainer(Trainer):
    """Lightning's Trainer, which settles precision, threads and memory when it sees what it trains.

    Args:
        speed: Settings of these.
        chosen_precision: Whether the precision is chosen here, and not by whoever made the trainer.
        **settings: Those of Lightning's Trainer.
    """

    def __init__(self, *, speed: Speed, chosen_precision: bool, **settings: Any) -> None:
        super().__init__(**settings)
        self._speed = speed
        self._given_precision = None if chosen_precision else self.precision
        self._given = {name: settings.get(name) for name in ("benchmark", "deterministic")}

    @property
    def run_folder(self) -> Path | None:
        """Where the run is kept; None without a logger."""
        return None if self.log_dir is None else Path(self.log_dir)

    def fit(
        self,
        model: LightningModule,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        datamodule: Any = None,
        ckpt_path: str | Path | None = None,
        weights_only: bool | None = True,
    ) -> None:
        """Train, or go on training from `ckpt_path`.

        Args:
            model: The task.
            train_dataloaders: Its datamodule, or batches.
            val_dataloaders: Batches to validate, if the datamodule does not give them.
            datamodule: Its datamodule, by name.
            ckpt_path: A run's `last.ckpt`, to go on with that training.
            weights_only: Whether nothing but tensors and primitives is unpickled.

        Raises:
            EcgTlError: If data, checkpoint and settings do not go together.
        """
        before = None
        if ckpt_path is not None:
            checkpoint = read_checkpoint(Path(ckpt_path))
            read_description(checkpoint, ckpt_path)
            require_epoch_end(checkpoint, ckpt_path, validated_is_enough=False)
            before = threads_of(checkpoint)
            # Callbacks that start a training from elsewhere must know in `setup` that it has started.
            self.ckpt_path = ckpt_path
        if isinstance(model, EcgClassifier):
            self._accelerate(model)
        settle_threads(self._speed, before, int(getattr(self.strategy, "num_processes", 1)))
        with ending_together(self):
            super().fit(
                model,
                train_dataloaders,
                val_dataloaders,
                datamodule,
                None if ckpt_path is None else str(ckpt_path),
                weights_only,
            )

    def _accelerate(self, task: EcgClassifier) -> None:
        device = self.strategy.root_device.type
        chosen = choose_acceleration(
            self._speed,
            network=task.network_name,
            accelerator=device,
            precision=self._given_precision,
            benchmark=self._given["benchmark"],
            deterministic=bool(self._given["deterministic"]),
        )
        for line in chosen.lines():
            rank_zero_info(line)
        chosen.apply(task.network)
        task.fused_optimizer = self._speed.fused_optimizer
        if chosen.cudnn_benchmark.value is not None:
            torch.backends.cudnn.benchmark = chosen.cudnn_benchmark.value
        # Known only now, since it depends on the network. A strategy with a precision of its own keeps it.
        precision: Any = chosen.precision.value
        plain = type(self.strategy.precision_plugin) in (Precision, MixedPrecision)
        if plain and precision == _WHOLE:
            self.strategy.precision_plugin = Precision()
        elif plain and precision in ("bf16-mixed", "16-mixed") and precision != self.precision:
            scaler = torch.amp.GradScaler(device) if precision == "16-mixed" else None
            self.strategy.precision_plugin = MixedPrecision(precision, device, scaler)


def trainer(
    *,
    callbacks: Callback | Iterable[Callback] = (),
    experiment: str = "default",
    runs_dir: str | Path = "runs",
    checkpoint: Mapping[str, Any] | None = None,
    pictures: Mapping[str, Any] | None = None,
    curves: Mapping[str, Any] | None = None,
    speed: Mapping[str, Any] | None = None,
    **settings: Any,
) -> RunTrainer:
    """Make a trainer with all that a run of `ecg-tl fit` has.

    Each training is kept in a folder of its own, `RUNS_DIR/EXPERIMENT/version_N`: `checkpoints/best.ckpt`
    (chosen on validation data) and `last.ckpt`, `metrics.csv`, `result.json`, TensorBoard's events and the
    rest that the command leaves, but no `config.yaml`. Precision, threads and memory are chosen for the
    hardware and the network, as by the command.

    Args:
        callbacks: Beside those that every run has, such as `TransferLearning`.
        experiment: Name of the run's folder below `runs_dir`.
        runs_dir: Folder that holds all runs.
        checkpoint: Settings of the checkpoint that is kept, such as `{"monitor": "val/f1_macro"}`.
        pictures: Of the ECGs that are drawn for TensorBoard, such as `{"records": 0}`.
        curves: Of the curves that are drawn there.
        speed: Of precision, threads and memory, such as `{"threads": 1}`.
        **settings: Those of Lightning's Trainer; 20 epochs if `max_epochs` is not among them.

    Returns:
        The trainer; its `run_folder` says where the run is kept.

    Raises:
        SettingError: If there is no such setting, or a value makes no sense.
    """
    silence_noise()
    known = list(signature(Trainer).parameters)
    for name in settings:
        require_name(name, known, "setting", "ecg_tl.trainer")
    chosen = {}
    for name, kind, given in (
        ("checkpoint", RunCheckpoint, checkpoint),
        ("pictures", EcgPictures, pictures),
        ("curves", ScoreCurves, curves),
        ("speed", Speed, speed),
    ):
        for key in given or {}:
            require_name(key, [one for one in parameters(kind) if one != "self"], "setting", name)
        chosen[name] = kind(**(given or {}))
    of_speed: Speed = chosen.pop("speed")  # type: ignore[assignment]
    settings = {**TRAINER_DEFAULTS, **settings}
    accelerator = str(settings.get("accelerator", "auto"))
    require_device(accelerator)
    settle_memory(of_speed, accelerator)
    if settings.get("logger") in (None, True) and not settings.get("fast_dev_run"):
        settings["logger"] = open_new(Path(runs_dir), experiment)
    own = [callbacks] if isinstance(callbacks, Callback) else list(callbacks)
    # First: what averages weights must not begin with those from before the transfer.
    own.sort(key=lambda one: not isinstance(one, TransferLearning))
    # Without any logger, Lightning refuses to monitor rates.
    rates = [] if settings.get("logger") is False else [LearningRates(logging_interval="step")]
    every = [*own, *chosen.values(), *rates, CudaGraphs(of_speed.cuda_graph), *run_callbacks()]
    is_chosen = settings.get("precision") is None
    settings["plugins"] = run_plugins(settings.get("plugins"), settings.get("strategy"))
    if is_chosen:
        settings["precision"] = _WHOLE  # until the network is known
    try:
        return RunTrainer(speed=of_speed, chosen_precision=is_chosen, callbacks=every, **settings)
    except (ValueError, TypeError, RuntimeError, ImportError) as error:
        raise SettingError(
            "ecg_tl.trainer", str(error), "settings that Lightning's Trainer takes", "Correct them."
        ) from error
