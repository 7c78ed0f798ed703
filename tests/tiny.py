"""Settings of tests that train: small signals, small networks, nothing on the terminal."""

from __future__ import annotations

import os
from pathlib import Path

from ecg_tl.cli import main
from ecg_tl.store.settings import StoreSettings

SAMPLING_RATE = 25.0
NUM_SAMPLES = 250
STORE_SETTINGS = StoreSettings(sampling_rate=SAMPLING_RATE, num_samples=NUM_SAMPLES)

ACCELERATOR = os.environ.get("ECG_TL_TEST_ACCELERATOR", "cpu")
"""On which the tests train; `gpu` for a look at whether all of it holds there as well."""

QUIET = (
    *("--trainer.accelerator", ACCELERATOR, "--trainer.devices", "1"),
    *("--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"),
    *("--trainer.precision", "32-true"),  # whatever the processor that the tests run on would choose
)
GRU = ("--model", "RnnClassifier", "--model.network", "gru", "--model.hidden_size", "8")
HALF_TRAINS = ("--data.split.kind", "patient", "--data.split.fractions", "[0.5, 0.25, 0.25]")
"""So that a few records of each class are left to validate and to test on."""
RESNET = ("--model", "CnnClassifier", "--model.network", "resnet1d18")


def data_words(datamodule: str, root: Path, stores: Path) -> list[str]:
    """The part of a command line that names the data."""
    return [
        *("--data", datamodule, "--data.root", str(root), "--data.store_dir", str(stores)),
        *("--data.sampling_rate", str(SAMPLING_RATE), "--data.num_samples", str(NUM_SAMPLES)),
        *("--data.batch_size", "16"),
    ]


def fit_words(
    data: list[str], runs: Path, *more: str, model: tuple[str, ...] = GRU, epochs: int = 1
) -> list[str]:
    """The command line of a training without pictures."""
    words = ["fit", *data, *model, *QUIET, "--trainer.max_epochs", str(epochs), "--pictures.records", "0"]
    return [*words, "--curves.every_n_epochs", "0", "--runs_dir", str(runs), *more]


def fit(data: list[str], runs: Path, *more: str, model: tuple[str, ...] = GRU, epochs: int = 1) -> Path:
    """Train through the command line, and return the run's folder."""
    before = set(runs.glob("*/version_*"))
    assert main(fit_words(data, runs, *more, model=model, epochs=epochs)) == 0
    (folder,) = set(runs.glob("*/version_*")) - before
    return folder
