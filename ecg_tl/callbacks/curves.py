"""What lies behind the scores, in TensorBoard: curves, reliability, confusion, classes side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.trainer.states import TrainerFn
from torch.utils.tensorboard import SummaryWriter

from ecg_tl.calibration import DEFAULT_THRESHOLD, Calibration
from ecg_tl.figures import figure_to_image
from ecg_tl.figures.scores import confusion_figure, reliability_figure
from ecg_tl.limits import COUNT, require_settings
from ecg_tl.printing import visible
from ecg_tl.single_choice import probabilities_of
from ecg_tl.tasks.base import EcgClassifier
from ecg_tl.tasks.predictions import Predictions

PER_CLASS = ("f1", "auroc", "auprc")
AVERAGES = ("f1_macro", "f1_weighted", "auroc_macro", "auprc_macro", "fmax")
OF_A_CHOICE = ("f1_macro", "f1_weighted", "auroc_macro", "auprc_macro", "accuracy")


class ScoreCurves(Callback):
    """Show how scores come about.

    - **Custom scalars**: F1, AUROC and AUPRC of all classes side by side and by class, averages, losses.
    - **PR curves**: one a class.
    - **Images**: a reliability diagram before and after calibration, and the confusion of each class at its
      threshold, or with all others where one is chosen.

    Curves and images are of validation records in the first and the last epoch and every few in between, and
    of what `validate` and `test` scored. In `fit`, thresholds and temperature were fitted on the very records
    that are drawn. Nothing random is drawn and nothing of the training is touched.

    Args:
        every_n_epochs: Beside the first and the last epoch. 0 draws nothing and leaves no layout.
    """

    def __init__(self, every_n_epochs: int = 10) -> None:
        require_settings("curves", every_n_epochs=(COUNT, every_n_epochs))
        self.every_n_epochs = every_n_epochs
        self._undrawn: tuple[int, int] | None = None  # epoch and step of a validation

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lay out the charts."""
        if self.every_n_epochs and isinstance(pl_module, EcgClassifier):
            for writer in tensorboard_writers(trainer):
                writer.add_custom_scalars(
                    scalar_layout(pl_module.class_names, single_choice=pl_module.single_choice)
                )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the first epoch, and every few, and whatever `validate` scored."""
        if trainer.sanity_checking or not self.every_n_epochs:
            return
        epoch, step = trainer.current_epoch, trainer.global_step
        if trainer.state.fn != TrainerFn.FITTING:
            self._draw(trainer, pl_module, "val", step, "Validation")
        elif epoch % self.every_n_epochs == 0:
            self._draw(trainer, pl_module, "val", step, f"Validation after epoch {epoch + 1}")
            self._undrawn = None
        else:
            self._undrawn = epoch, step

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the last validation, whatever ended the training."""
        if self._undrawn is not None:
            epoch, step = self._undrawn
            self._draw(trainer, pl_module, "val", step, f"Validation after epoch {epoch + 1}")
            self._undrawn = None

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the test."""
        if self.every_n_epochs:
            self._draw(trainer, pl_module, "test", trainer.global_step, "Test")

    def _draw(self, trainer: Trainer, task: LightningModule, stage: str, step: int, title: str) -> None:
        writers = tensorboard_writers(trainer)
        if not (writers and isinstance(task, EcgClassifier)):
            return
        predictions = task.predictions[stage]
        images = _images(predictions, task.class_names, task.calibration, title)
        for writer in writers:
            _add_curves(writer, stage, predictions, task.class_names, step)
            for name, image in images.items():
                writer.add_image(f"{name}/{stage}", image, step, dataformats="HWC")


def tensorboard_writers(trainer: Trainer) -> list[SummaryWriter]:
    """Return the writers to TensorBoard: none on all processes but the first, and none in a trial run."""
    if not trainer.is_global_zero:
        return []
    return [logger.experiment for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]


def scalar_layout(
    class_names: Sequence[str], *, single_choice: bool = False
) -> dict[str, dict[str, list[Any]]]:
    """Lay out TensorBoard's custom scalars: categories of charts, each with the curves that it shows."""

    def chart(tags: Sequence[str]) -> list[Any]:
        # The page takes tags for regular expressions; they are written as `RunEvents` writes them.
        return ["Multiline", [f"^{re.escape(visible(tag))}$" for tag in tags]]

    titles = ("F1" if single_choice else f"F1 at {DEFAULT_THRESHOLD}", "AUROC", "AUPRC")
    averages = OF_A_CHOICE if single_choice else AVERAGES
    return {
        "all classes (validation)": {
            title: chart([f"val_{score}/{name}" for name in class_names])
            for title, score in zip(titles, PER_CLASS, strict=True)
        },
        "averages and losses": {
            "averages (validation)": chart([f"val/{name}" for name in averages]),
            "loss, training and validation": chart(["train/loss_epoch", "val/loss"]),
        },
        "class by class (validation)": {
            visible(name): chart([f"val_{score}/{name}" for score in PER_CLASS]) for name in class_names
        },
    }


def _add_curves(
    writer: SummaryWriter, stage: str, predictions: Predictions, class_names: Sequence[str], step: int
) -> None:
    probabilities, targets = predictions.probabilities.numpy(), predictions.targets.numpy()
    for column, name in enumerate(class_names):
        truth = targets[:, column]
        answered = ~np.isnan(truth)
        if (truth == 1).any():  # without positives there is no recall
            writer.add_pr_curve(f"{stage}/{name}", truth[answered], probabilities[answered, column], step)


def _images(
    predictions: Predictions, class_names: Sequence[str], calibration: Calibration | None, title: str
) -> dict[str, Any]:
    probabilities = predictions.probabilities
    scaled = None if calibration is None else calibration.scaled(predictions.logits)
    chooses = predictions.single_choice
    calibrated = None if scaled is None else probabilities_of(scaled, chooses)
    usual = None if chooses else (DEFAULT_THRESHOLD,) * len(class_names)
    thresholds = usual if calibration is None else calibration.cuts
    figures = {
        "reliability": reliability_figure(probabilities, calibrated, predictions.targets, class_names, title),
        "confusion": confusion_figure(probabilities, predictions.targets, class_names, thresholds, title),
    }
    return {name: figure_to_image(figure) for name, figure in figures.items()}
