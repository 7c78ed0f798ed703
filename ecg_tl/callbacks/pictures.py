"""ECGs as a cardiologist would see them, with what is so and what the network says, in TensorBoard."""

from __future__ import annotations

from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from lightning.pytorch.trainer.states import TrainerFn
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecg_tl.calibration import DEFAULT_THRESHOLD
from ecg_tl.callbacks.curves import tensorboard_writers
from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.explanation import integrated_gradients
from ecg_tl.figures import ecg_figure, figure_to_image
from ecg_tl.limits import COUNT, EPOCHS, require_settings
from ecg_tl.statistics.decisions import decided
from ecg_tl.store.resample import window_starts
from ecg_tl.tasks.base import EcgClassifier

ATTRIBUTION_STEPS = 16
"""Half of what one finding is worth: several records are drawn, to look at and not to measure."""


class EcgPictures(Callback):
    """Draw a fixed handful of validation records on millimetre paper, with true and predicted labels.

    What the network looked at is drawn as colour, by integrated gradients: for each record for the first
    class that it has, or if it has none for the one that the network finds most probable. Nothing random is
    drawn and nothing of the training is touched.

    Args:
        records: How many; evenly spaced over the validation records, so that they are the same in every run
            of one split. 0 draws none.
        every_n_epochs: Beside the first and the last epoch.
        attributions: Whether to draw what the network looked at.
    """

    def __init__(self, records: int = 4, every_n_epochs: int = 20, attributions: bool = True) -> None:
        require_settings("pictures", records=(COUNT, records), every_n_epochs=(EPOCHS, every_n_epochs))
        self.records = records
        self.every_n_epochs = every_n_epochs
        self.attributions = attributions
        self._undrawn: int | None = None  # step of a validation

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw them if it is time."""
        if trainer.sanity_checking:
            return
        self._undrawn = trainer.global_step
        if trainer.state.fn != TrainerFn.FITTING or trainer.current_epoch % self.every_n_epochs == 0:
            self._draw(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw them as the last validation saw them, whatever ended the training."""
        self._draw(trainer, pl_module)

    def _draw(self, trainer: Trainer, task: LightningModule) -> None:
        step, self._undrawn = self._undrawn, None
        datamodule = getattr(trainer, "datamodule", None)
        writers = tensorboard_writers(trainer)
        if (
            step is None
            or not (writers and self.records)
            or not isinstance(datamodule, EcgDataModule)
            or not isinstance(task, EcgClassifier)
        ):
            return
        # Of the weights that were validated, and where one process alone can ask the network: a sharded one
        # would wait for the others.
        is_whole = isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy)
        explain = self.attributions and is_whole and step == trainer.global_step
        validated = task.predictions["val"].index
        for position in range(0, len(validated), max(1, len(validated) // self.records))[: self.records]:
            image = figure_to_image(_picture(task, datamodule, position, explain))
            tag = f"ecg/{datamodule.parts.record_ids[int(validated[position])]}"
            for writer in writers:
                writer.add_image(tag, image, step, dataformats="HWC")


def _picture(task: EcgClassifier, datamodule: EcgDataModule, position: int, explain: bool) -> Figure:
    """Draw one of the validated records, by its position among them."""
    predictions, names = task.predictions["val"], task.class_names
    row = int(predictions.index[position])
    signal = datamodule.store.signals()[row] * datamodule.store_settings.resolution
    probabilities = predictions.probabilities[position].tolist()
    usual = None if task.single_choice else (DEFAULT_THRESHOLD,) * len(names)
    cuts = usual if task.calibration is None else task.calibration.cuts
    (given,) = decided(predictions.probabilities[position : position + 1].numpy(), cuts)
    has = [target == 1 for target in predictions.targets[position].tolist()]
    explained = has.index(True) if any(has) else probabilities.index(max(probabilities))
    return ecg_figure(
        signal,
        datamodule.leads,
        datamodule.sampling_rate,
        title=f"{datamodule.dataset.title}, record {datamodule.parts.record_ids[row]}",
        true=[name for name, is_true in zip(names, has, strict=True) if is_true],
        predicted={n: p for n, p, is_given in zip(names, probabilities, given, strict=True) if is_given},
        attribution=_attribution(task, datamodule, signal, explained) if explain else None,
        explained=names[explained],
    )


def _attribution(
    task: EcgClassifier, datamodule: EcgDataModule, signal: NDArray[np.floating[Any]], explained: int
) -> NDArray[np.float32]:
    """Attribute a class's logit to the samples of a record; where windows overlap, the mean of theirs."""
    crops = datamodule.crops
    if crops is None:
        return integrated_gradients(task, signal, explained, ATTRIBUTION_STEPS)
    total, covered = np.zeros(signal.shape, np.float32), np.zeros(signal.shape[1], np.float32)
    for start in window_starts(crops.record_samples, crops.samples):
        part = slice(start, start + crops.samples)
        total[:, part] += integrated_gradients(task, signal[:, part], explained, ATTRIBUTION_STEPS)
        covered[part] += 1
    return total / covered
