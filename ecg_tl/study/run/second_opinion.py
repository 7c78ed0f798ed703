"""Test scores after every epoch, for the second opinion: what choosing by them would have claimed."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pandas as pd
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from ecg_tl.calibration import default_threshold
from ecg_tl.callbacks.history import RunHistory, run_folder
from ecg_tl.csv_text import write_csv
from ecg_tl.datamodules import EcgDataModule
from ecg_tl.metrics import multilabel_scores
from ecg_tl.study.design.folder import TEST_BY_EPOCH_FILE
from ecg_tl.tasks import EcgClassifier
from ecg_tl.tasks.predictions import Predictions, gather, on_cpu

SCORES = ("f1_weighted", "f1_macro", "auroc_macro", "auprc_macro")


class TestScoresByEpoch(Callback):
    """Write `test_by_epoch.csv`: the scores on the test records after each epoch's validation.

    They are for the report's second opinion and are logged nowhere else, so that nothing can choose by them.
    Drawing nothing at random and leaving the network as it is, it does not change the training. Its time is
    taken off the training's clock. Scores are in single precision, as those of `ecg-tl test`; where the test
    records are the validation's, they are the validation's scores.
    """

    __test__ = False  # by its name, pytest would take it for a test

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        """Keep the rows."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the rows of the run that is resumed."""
        self.rows = list(state_dict["rows"])

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the rows of the run that is resumed, which may be over already."""
        folder = run_folder(trainer)
        if self.rows and folder is not None:
            write_csv(folder / TEST_BY_EPOCH_FILE, pd.DataFrame(self.rows))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the test records while the network is in eval mode."""
        datamodule = getattr(trainer, "datamodule", None)
        if (
            trainer.sanity_checking
            or not isinstance(pl_module, EcgClassifier)
            or not isinstance(datamodule, EcgDataModule)
        ):
            return
        histories = [c for c in trainer.callbacks if isinstance(c, RunHistory)]  # type: ignore[attr-defined]  # set by a connector
        before = [history.seconds for history in histories]
        predictions = (
            pl_module.predictions["val"]  # the same records
            if datamodule.parts.split.selects_on_test
            else _predict(pl_module, datamodule, trainer)
        )
        cut = default_threshold(predictions.single_choice)
        scores = multilabel_scores(predictions.probabilities, predictions.targets, pl_module.class_names, cut)
        row = {"epoch": trainer.current_epoch + 1.0, **{name: getattr(scores, name) for name in SCORES}}
        self.rows = [kept for kept in self.rows if kept["epoch"] < row["epoch"]] + [row]
        folder = run_folder(trainer)
        if folder is not None:
            write_csv(folder / TEST_BY_EPOCH_FILE, pd.DataFrame(self.rows))
        for history, seconds in zip(histories, before, strict=True):
            history.leave_out(history.seconds - seconds)


def _predict(task: EcgClassifier, datamodule: EcgDataModule, trainer: Trainer) -> Predictions:
    # Half precision by autocast is the training's; weights that are in half precision need signals in it.
    mixed = str(trainer.precision).endswith("-mixed")
    with torch.no_grad(), nullcontext() if mixed else trainer.precision_plugin.forward_context():
        batches = [
            on_cpu(batch["index"], task.judge(batch), batch["target"], task.single_choice)
            for batch in datamodule.batches_of("test", task.device)
        ]
    return gather(batches)
