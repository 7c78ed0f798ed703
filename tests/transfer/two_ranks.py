"""One of the processes of a training that is spread over several, or the only one.

    python two_ranks.py SETTINGS.json

It runs the trainings that the file lists, one after the other, and writes for each the network's tensors at
the end of every epoch, by rank.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from trainings import Study, weights

from ecg_tl.transfer.callback import TransferLearning
from ecg_tl.transforms import Augmentation


class Epochs(Callback):
    """Keeps the network's tensors at the end of each epoch."""

    def __init__(self) -> None:
        self.states: dict[int, dict[str, torch.Tensor]] = {}

    def on_train_epoch_end(self, trainer, pl_module):
        self.states[trainer.current_epoch] = weights(pl_module)


ENVIRONMENT = dict(os.environ)
WORLD = int(os.environ.get("WORLD_SIZE", "1"))


def train(study: Study, folder: Path, settings: dict[str, Any], ckpt_path: str | None) -> dict[str, Any]:
    os.environ |= ENVIRONMENT  # Lightning takes WORLD_SIZE away after each training
    noise = settings.get("noise")
    more = {} if noise is None else {"augmentation": Augmentation(gaussian_noise=noise)}
    data = study.data(batch_size=8 // WORLD, **more, **settings.get("data", {}))
    of_task = {"optimizer": settings["optimizer"], "weight_decay": 0.01, **settings.get("task", {})}
    task = study.task(data, settings["family"], **of_task)
    epochs = Epochs()
    saver = ModelCheckpoint(folder, save_top_k=-1, filename="{epoch}", enable_version_counter=False)
    trainer = study.trainer(
        folder,
        *([TransferLearning(**settings["transfer"])] if settings["transfer"] else []),
        epochs,
        saver,
        max_epochs=settings["epochs"],
        enable_checkpointing=True,
        accumulate_grad_batches=settings.get("accumulate", 1),
        **({} if WORLD == 1 else {"strategy": "ddp", "devices": WORLD}),
    )
    assert trainer.world_size == WORLD
    trainer.fit(task, data, ckpt_path=ckpt_path, weights_only=None if ckpt_path is None else True)
    return epochs.states


def main() -> None:
    torch.set_num_threads(1)
    job = json.loads(Path(sys.argv[1]).read_text())
    rank = os.environ.get("LOCAL_RANK", "0")
    study = Study(Path(job["roots"]))
    out = Path(job["out"])
    for name, settings in job["trainings"].items():
        folder = out / name
        states = {"whole": train(study, folder, settings, None)}
        for epoch in settings.get("resume_after", []):
            again = train(study, out / f"{name}-again", settings, str(folder / f"epoch={epoch}.ckpt"))
            states[f"resumed after {epoch}"] = again
        torch.save(states, out / f"{name}-rank{rank}.pt")


if __name__ == "__main__":
    main()
