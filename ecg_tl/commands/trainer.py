"""`ecg-tl fit | validate | test | predict`: LightningCLI with this project's defaults."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import TensorBoardLogger

import ecg_tl.transfer.callback  # noqa: F401  (importing makes the short name TransferLearning known)
from ecg_tl.callbacks import EcgPictures, PredictionTables, RunHistory
from ecg_tl.datamodules import EcgDataModule
from ecg_tl.errors import SettingError
from ecg_tl.tasks import EcgClassifier
from ecg_tl.tasks.description import read_description
from ecg_tl.transfer.checkpoint import read_checkpoint

LINKED_TO_DATA = ("num_classes", "class_names", "num_leads", "num_samples", "normalization")
"""What a network takes from its data: known when the datamodule is made, before any file is read."""

CHECKPOINT_KEYWORDS = ("last", "hpc")
"""What Lightning takes for `ckpt_path` beside a file in a process that has not trained."""


class EcgCLI(LightningCLI):
    """LightningCLI that tells the network what its data are, and keeps each run in a folder of its own."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add where runs are kept, which checkpoint is chosen, and the links from data to model."""
        parser.add_argument("--runs_dir", type=str, default="runs", help="Folder that holds all runs.")
        parser.add_argument(
            "--experiment", type=str, default="default", help="Name of this run's folder below it."
        )
        parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
        parser.add_lightning_class_args(EcgPictures, "pictures")
        parser.set_defaults(
            {
                "checkpoint.monitor": "val/auroc_macro",
                "checkpoint.mode": "max",
                "checkpoint.filename": "best",
                "checkpoint.save_last": True,
            }
        )
        for name in LINKED_TO_DATA:
            parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")
        parser.link_arguments("seed_everything", "data.init_args.seed")

    def _parse_ckpt_path(self) -> None:
        # LightningCLI would put the checkpoint's hyperparameters over what the user wrote. The run's
        # config.yaml says the same and can be read; a checkpoint that does not fit is refused by name. Here
        # the file is only looked at, so that a damaged or hostile one is a line and not a traceback.
        command = self.config.subcommand
        path = self.config[command].get("ckpt_path")
        if path is None and command != "fit":
            raise SettingError(
                "ckpt_path",
                "none",
                "a checkpoint: without one, freshly drawn weights would be scored",
                f"Add `--ckpt_path runs/.../best.ckpt` to `ecg-tl {command}`.",
            )
        if path is not None and path not in CHECKPOINT_KEYWORDS:
            read_description(read_checkpoint(Path(path)), path)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Make the trainer, with a TensorBoard folder for this run unless a logger was asked for."""
        if self._get(self.config_init, "trainer.logger") in (None, True):
            kwargs["logger"] = self._logger()
        return super().instantiate_trainer(**kwargs)

    def before_instantiate_classes(self) -> None:
        """Unpickle nothing but tensors and primitives, whatever Lightning's default for local files is."""
        config = self.config[self.config.subcommand]
        if config.get("weights_only") is None:
            config["weights_only"] = True

    def fit(self, model: LightningModule, ckpt_path: str | None = None, **kwargs: Any) -> None:
        """Train, or go on training.

        A checkpoint to go on from is told to the trainer beforehand: callbacks that start a training from
        elsewhere (transfer) must know in their `setup` that it has started already.
        """
        if ckpt_path is not None and Path(ckpt_path).is_file():
            self.trainer.ckpt_path = ckpt_path
            ckpt_path = None
        self.trainer.fit(model, ckpt_path=ckpt_path, **kwargs)

    def _logger(self) -> TensorBoardLogger:
        ckpt_path = self._get(self.config_init, "ckpt_path")
        if self.subcommand == "fit" or not ckpt_path:
            return TensorBoardLogger(
                self._get(self.config_init, "runs_dir"),
                name=self._get(self.config_init, "experiment"),
                default_hp_metric=False,
            )
        # What is computed from a checkpoint belongs into the folder of the run that trained it.
        run = Path(ckpt_path).resolve().parent.parent
        return TensorBoardLogger(
            run, name=None, version=_next_free(run, str(self.subcommand)), default_hp_metric=False
        )


def _next_free(folder: Path, stem: str) -> str:
    """Return `stem`, or `stem_2`, `stem_3` ... if it is there already: no result is written over."""
    name, number = stem, 1
    while (folder / name).exists():
        number += 1
        name = f"{stem}_{number}"
    return name


def silence_noise() -> None:
    """Leave out what Lightning says that a user of this command can do nothing about."""
    for message in (
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",
        r"The number of training batches \(\d+\) is smaller than the logging interval",
        r"The dirpath has changed from",
        r"LightningCLI's args parameter is intended to run from within Python",  # as `demo` does
        r"Precision .* is not supported by the model summary",
        r"The '\w+_dataloader' does not have many workers",  # batches are one gather, without any work
        r"It is recommended to use `self\.log\(.*, sync_dist=True\)`",  # scores are equal on every process
    ):
        warnings.filterwarnings("ignore", message=message)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
        lambda record: "litlogger" not in record.getMessage()
    )


def run(words: Sequence[str]) -> int:
    """Run `fit`, `validate`, `test` or `predict`."""
    silence_noise()
    train(words)
    return 0


def train(words: Sequence[str]) -> EcgCLI:
    """Run one of the trainer's commands and return what was made for it.

    Args:
        words: The command and its arguments, as on the command line.
    """
    return EcgCLI(
        EcgClassifier,
        EcgDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        auto_configure_optimizers=False,
        seed_everything_default=0,
        trainer_defaults={
            "max_epochs": 20,
            "log_every_n_steps": 10,
            "callbacks": [RunHistory(), PredictionTables(), LearningRateMonitor(logging_interval="step")],
        },
        parser_kwargs={"prog": "ecg-tl"},
        args=list(words),
    )
