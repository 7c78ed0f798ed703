"""A run that goes on from a checkpoint leaves the files of one that was not cut off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from tiny import data_words, fit

from ecg_tl.callbacks import RunHistory
from ecg_tl.store.reader import Store

EPOCHS = 2
OF_TIME_AND_PLACE = ("seconds", "seconds_to_best", "best_checkpoint", "digests")


class Killed(BaseException):
    """Ends a training as a kill would, as far as that is possible in one process."""


def files(run: Path) -> dict[str, Any]:
    """All that a run leaves, but seconds and paths."""
    last = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return {
        "metrics": pd.read_csv(run / "metrics.csv").drop(columns="seconds").to_csv(),
        "validation": (run / "validation.npz").read_bytes(),
        "result": {
            name: value
            for name, value in json.loads((run / "result.json").read_text()).items()
            if name not in OF_TIME_AND_PLACE
        },
        "epoch": (last["epoch"], last["global_step"]),
        "schedule": last["lr_schedulers"],
        "weights": {name: tensor.tolist() for name, tensor in last["state_dict"].items()},
    }


def test_killed_between_epochs_and_after_the_last(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path
) -> None:
    # Steps are logged more rarely than there are epochs.
    data = data_words("PtbXlDataModule", ptbxl_root, prepared)
    steps = ("--trainer.log_every_n_steps", "7")
    whole = files(fit(data, tmp_path / "whole", *steps, epochs=EPOCHS))

    begin = RunHistory.on_train_epoch_start

    def kill(self: RunHistory, trainer: Trainer, pl_module: LightningModule) -> None:
        raise Killed

    def kill_in_second(self: RunHistory, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 1:
            raise Killed
        begin(self, trainer, pl_module)

    for hook, ending in {"on_fit_end": kill, "on_train_epoch_start": kill_in_second}.items():
        runs = tmp_path / hook
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RunHistory, hook, ending)
            with pytest.raises(Killed):
                fit(data, runs, *steps, epochs=EPOCHS)
        last = runs / "default" / "version_0" / "checkpoints" / "last.ckpt"
        again = fit(data, runs, *steps, "--ckpt_path", str(last), epochs=EPOCHS)
        assert files(again) == whole, hook
