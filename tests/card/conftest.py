from __future__ import annotations

from pathlib import Path

import pytest
from tiny import HALF_TRAINS, QUIET, data_words, fit

from ecg_tl.cli import main
from ecg_tl.store.reader import Store


def run_test(folder: Path) -> None:
    """Test a run's best checkpoint through the command line."""
    words = ["test", "-c", str(folder / "config.yaml"), "--verbose", "false"]
    assert main([*words, "--ckpt_path", str(folder / "checkpoints" / "best.ckpt"), *QUIET]) == 0


@pytest.fixture(scope="session")
def tested_run(
    ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a run on the PTB-XL layout that was tested; read, never write."""
    words = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]
    augmented = ("--data.augmentation.lead_dropout", "0.2", "--seed_everything", "3")
    folder = fit(words, tmp_path_factory.mktemp("tested"), *augmented)
    run_test(folder)
    return folder


@pytest.fixture(scope="session")
def fine_tuned_run(
    tested_run: Path,
    cpsc2018_root: Path,
    cpsc2018_store: Store,
    prepared: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder of a run whose head was trained on it, on the CPSC2018 layout; read, never write."""
    upstream = tested_run / "checkpoints" / "best.ckpt"
    return fit(
        [*data_words("Cpsc2018DataModule", cpsc2018_root, prepared), *HALF_TRAINS],
        tmp_path_factory.mktemp("fine-tuned"),
        *("--trainer.callbacks+", "TransferLearning", "--trainer.callbacks.upstream", str(upstream)),
        *("--trainer.callbacks.schedule", "linear_probe"),
    )
