"""Reading back what a run told TensorBoard."""

from __future__ import annotations

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def events(folder: Path) -> EventAccumulator:
    """Everything that the event files in `folder` hold."""
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    accumulator.Reload()
    return accumulator


def scalars(folder: Path) -> dict[str, list[float]]:
    """All curves by name."""
    loaded = events(folder)
    return {tag: [event.value for event in loaded.Scalars(tag)] for tag in loaded.Tags()["scalars"]}
