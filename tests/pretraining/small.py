"""Pre-trainings that take seconds: short signals, small networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer, seed_everything

from ecg_tl.pretraining.base import Pretraining
from ecg_tl.pretraining.cpc import CpcPretraining
from ecg_tl.pretraining.data import PretrainingData
from ecg_tl.pretraining.jepa import JepaPretraining
from ecg_tl.pretraining.simclr import SimClrPretraining
from ecg_tl.run_defaults import run_plugins
from ecg_tl.transforms import Augmentation

SIGNALS = {"sampling_rate": 50, "num_samples": 500}
AUGMENTATION = Augmentation(amplitude_scale=0.2, gaussian_noise=0.02, lead_dropout=0.3)
METHODS: dict[str, tuple[type[Pretraining], dict[str, Any]]] = {
    "jepa": (
        JepaPretraining,
        {
            "network": "weimann_vit",
            "network_options": {"size": "tiny", "pooling": "mean"},
            "predictor_depth": 1,
            "predictor_heads": 2,
        },
    ),
    "cpc": (
        CpcPretraining,
        {
            "network": "cpc_s4",
            "network_options": {"width": 16, "depth": 1, "states": 4, "dropout": 0.0},
            "steps_ahead": 3,
            "negatives": 16,
        },
    ),
    "simclr": (
        SimClrPretraining,
        {
            "network": "resnet1d18",
            "network_options": {"widths": [4, 8, 8, 16]},
            "augmentation": AUGMENTATION,
            "hidden": 16,
            "projection": 8,
        },
    ),
}


def data(root: Path, stores: Path, **settings: Any) -> PretrainingData:
    """Make the data of one dataset in LUDB's layout, unless `sources` says otherwise."""
    given = {"sources": [{"dataset": "ludb", "root": str(root)}], "batch_size": 8, **SIGNALS, **settings}
    return PretrainingData(store_dir=str(stores), **given)


def module(method: str, of: PretrainingData, **settings: Any) -> Pretraining:
    """Make a small pre-training for these data."""
    kind, usual = METHODS[method]
    seed_everything(0, verbose=False)
    linked = {name: getattr(of, name) for name in ("num_leads", "num_samples", "sampling_rate")}
    return kind(**{"normalization": of.normalization, **linked, **usual, **settings})


def trainer(folder: Path, *callbacks: Any, **settings: Any) -> Trainer:
    """Make a quiet trainer on one CPU."""
    usual: dict[str, Any] = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }
    plugins = run_plugins(None, "auto")
    return Trainer(
        default_root_dir=folder, callbacks=list(callbacks), plugins=plugins, **{**usual, **settings}
    )
