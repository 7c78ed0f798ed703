"""What a task takes from its data: one table, for the command line, for Python and for studies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # inference has no use for it
    from ecg_tl.datamodules.base import EcgDataModule

LINKED_TO_DATA = ("num_classes", "class_names", "num_leads", "num_samples", "normalization", "single_choice")
"""Settings of a task that are properties of its datamodule, which knows them before `setup`."""


def settings_from(datamodule: EcgDataModule) -> dict[str, Any]:
    """Return the settings of a task that its datamodule decides."""
    settings = {name: getattr(datamodule, name) for name in LINKED_TO_DATA}
    if not settings["single_choice"]:  # what a task is that says nothing of it, as those of earlier versions
        del settings["single_choice"]
    return settings
