"""What tests of every dataset share."""

from __future__ import annotations

from typing import Any

from ecg_tl.datasets import get_dataset
from ecg_tl.datasets.base import EcgDataset

OPTIONS: dict[str, dict[str, Any]] = {"code_test": {"expected_records": None}, "ludb": {"min_records": 1}}
"""Of the readers that refuse, or make no class of, a few simulated records."""


def reader_of(name: str) -> EcgDataset:
    """Make the reader of a dataset for a few simulated records."""
    return get_dataset(name, **OPTIONS.get(name, {}))


def option_words(name: str) -> list[str]:
    """Return the same as flags of a datamodule."""
    options = OPTIONS.get(name, {}).items()
    return [
        word for key, value in options for word in (f"--data.{key}", "null" if value is None else f"{value}")
    ]
