"""Every record's probabilities on disk, so that any score can be computed again without a GPU."""

from __future__ import annotations

from typing import Any

import pandas as pd
from lightning.pytorch import Callback, LightningModule, Trainer

from ecg_tl.callbacks.history import run_folder
from ecg_tl.csv_text import write_csv
from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.files import digests_of, write_json
from ecg_tl.single_choice import probabilities_of
from ecg_tl.tasks.base import EcgClassifier
from ecg_tl.tasks.predictions import Predictions, gather, on_device

PREDICTIONS_FILE = "predictions.csv"
SCORES_FILE = "scores.json"


class PredictionTables(Callback):
    """Write `predictions.csv` after `test` and `predict`, and `scores.json` after `test`.

    The table has a row a record: `record_id`, `patient_id` (empty where it is not known), then for each class
    `target/NAME` (0 or 1; empty without an answer), `probability/NAME` (uncalibrated; thresholds are chosen
    on it) and, where the checkpoint carries a temperature, `calibrated/NAME`. Where one of the classes is
    chosen, a record's probabilities sum up to 1.
    """

    def __init__(self) -> None:
        self._batches: list[Predictions] = []

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what the task has gathered."""
        folder = run_folder(trainer)
        if folder is None or not isinstance(pl_module, EcgClassifier):
            return
        write_csv(folder / PREDICTIONS_FILE, lay_out(pl_module.predictions["test"], trainer, pl_module))
        calibration, overlap = pl_module.calibration, pl_module.overlap
        write_json(
            folder / SCORES_FILE,
            {
                "scores": pl_module.scores["test"],
                "calibration": None if calibration is None else calibration.as_dict(),
                # None where the weights came from no checkpoint.
                "overlap": None if overlap is None else overlap.as_dict(),
                "data": _datamodule(trainer).describe(),
                "digests": digests_of(folder, [PREDICTIONS_FILE]),
            },
        )

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with an empty collection."""
        self._batches.clear()

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Collect a batch."""
        chooses = isinstance(pl_module, EcgClassifier) and pl_module.single_choice
        self._batches.append(on_device(outputs["index"], outputs["logits"], batch["target"], chooses))

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Gather the processes' predictions and write them."""
        predictions = gather(self._batches)
        folder = run_folder(trainer)
        if folder is not None and isinstance(pl_module, EcgClassifier):
            write_csv(folder / PREDICTIONS_FILE, lay_out(predictions, trainer, pl_module))


def lay_out(predictions: Predictions, trainer: Trainer, task: EcgClassifier) -> pd.DataFrame:
    """Lay predictions out with the records' and patients' published ids."""
    rows = predictions.index.numpy()
    datamodule = _datamodule(trainer)
    columns: dict[str, Any] = {
        "record_id": datamodule.parts.record_ids[rows],
        "patient_id": datamodule.store.column("patient_id").to_numpy()[rows],
    }
    probabilities = predictions.probabilities.numpy()
    calibration = task.calibration
    scaled = None if calibration is None else calibration.scaled(predictions.logits)
    calibrated = None if scaled is None else probabilities_of(scaled, task.single_choice).numpy()
    targets = predictions.targets.numpy()
    for position, name in enumerate(task.class_names):
        # Whole numbers with a way to say nothing, so that a cell stays empty.
        columns[f"target/{name}"] = pd.array(targets[:, position], dtype="Int8")
        columns[f"probability/{name}"] = probabilities[:, position]
        if calibrated is not None:
            columns[f"calibrated/{name}"] = calibrated[:, position]
    return pd.DataFrame(columns)


def _datamodule(trainer: Trainer) -> EcgDataModule:
    datamodule: EcgDataModule = trainer.datamodule  # type: ignore[attr-defined]  # Lightning attaches it
    return datamodule
