"""What a task takes from its data: one table, for the command line, for Python and for studies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # inference has no use for it
    from ecg_tl.datamodules.base import EcgDataModule

LINKED_TO_DATA = ("num_classes", "class_names", "num_leads", "num_samples", "normalization")
"""Settings of a task that are properties of its datamodule, which knows them before `setup`."""


def settings_from(datamodule: EcgDataModule) -> dict[str, Any]:
    """Return the settings of a task that its datamodule decides."""
    return {name: getattr(datamodule, name) for name in LINKED_TO_DATA}
