"""Callbacks with which each process of a training says what it has."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from ecg_tl.store.fingerprint import SIGNALS_FILE


class RankWeights(Callback):
    """Save the weights as `rank<N>.pt` at the end of `fit`."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        torch.save(pl_module.state_dict(), self.folder / f"rank{trainer.global_rank}.pt")


class RankPages(Callback):
    """Save how many kB of a store's signals this process maps, and has copied, as `pages<N>.json`."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        pages = {"Rss": 0, "Private_Dirty": 0}
        of_signals = False
        for line in Path("/proc/self/smaps").read_text().splitlines():
            name, _, size = line.partition(":")
            if " " in name:
                of_signals = line.endswith(SIGNALS_FILE)
            elif of_signals and name in pages:
                pages[name] += int(size.split()[0])
        (self.folder / f"pages{trainer.global_rank}.json").write_text(json.dumps(pages))
