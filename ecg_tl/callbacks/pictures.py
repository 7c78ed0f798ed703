"""ECGs as a cardiologist would see them, with what is so and what the network says, in TensorBoard."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.errors import SettingError
from ecg_tl.figures import ecg_figure, figure_to_image
from ecg_tl.signals import MICROVOLTS_PER_STEP
from ecg_tl.tasks.base import EcgClassifier


class EcgPictures(Callback):
    """Draw a fixed handful of validation records on millimetre paper, with true and predicted labels.

    Args:
        records: How many; evenly spaced over the validation records, so that they are the same in every run
            of one split. 0 draws none.
        every_n_epochs: Beside the first and the last epoch.
    """

    def __init__(self, records: int = 4, every_n_epochs: int = 20) -> None:
        if records < 0 or every_n_epochs < 1:
            raise SettingError(
                "pictures",
                f"records {records}, every_n_epochs {every_n_epochs}",
                "at least 0 and 1",
                "Correct the numbers.",
            )
        self.records = records
        self.every_n_epochs = every_n_epochs

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw them if it is time."""
        epoch = trainer.current_epoch
        last = trainer.max_epochs is not None and epoch == trainer.max_epochs - 1
        wanted = epoch % self.every_n_epochs == 0 or last
        loggers = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        datamodule = getattr(trainer, "datamodule", None)
        if (
            trainer.sanity_checking
            or not trainer.is_global_zero
            or not (wanted and loggers and self.records)
            or not isinstance(datamodule, EcgDataModule)
            or not isinstance(pl_module, EcgClassifier)
        ):
            return
        predictions = pl_module.predictions["val"]
        signals = datamodule.store.signals()
        names = pl_module.class_names
        thresholds = [0.5] * len(names) if pl_module.calibration is None else pl_module.calibration.thresholds
        chosen = range(0, len(predictions.index), max(1, len(predictions.index) // self.records))
        for position in chosen[: self.records]:
            row = int(predictions.index[position])
            probabilities = predictions.probabilities[position].tolist()
            record_id = datamodule.parts.record_ids[row]
            figure = ecg_figure(
                signals[row] * (MICROVOLTS_PER_STEP / 1000),
                datamodule.leads,
                datamodule.sampling_rate,
                title=f"{datamodule.dataset.title}, record {record_id}",
                true=[n for n, t in zip(names, predictions.targets[position].tolist(), strict=True) if t],
                predicted=[
                    f"{n} {p:.2f}" for n, p, t in zip(names, probabilities, thresholds, strict=True) if p >= t
                ],
            )
            image = figure_to_image(figure)
            for logger in loggers:
                logger.experiment.add_image(f"ecg/{record_id}", image, trainer.global_step, dataformats="HWC")
