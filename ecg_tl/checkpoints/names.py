"""What a run calls its checkpoints, and where they lie."""

from __future__ import annotations

from pathlib import Path

FOLDER = "checkpoints"
"""In the folder of a run; Lightning's name for it."""

SUFFIX = ".ckpt"

BEST_STEM = "best"
BEST = BEST_STEM + SUFFIX
"""The checkpoint that was chosen on validation records."""

LAST = "last.ckpt"
"""Of the last epoch, from which a training that was cut off goes on; Lightning's name for it."""


def best_of(run: Path) -> Path:
    """Return the checkpoint that was chosen in a run."""
    return run / FOLDER / BEST


def last_of(run: Path) -> Path:
    """Return the checkpoint from which a run goes on."""
    return run / FOLDER / LAST


def run_of(checkpoint: Path) -> Path:
    """Return the folder of the run that a checkpoint lies in."""
    return checkpoint.parent.parent


def is_in_a_run(checkpoint: Path) -> bool:
    """Whether a checkpoint lies where runs keep theirs."""
    return checkpoint.parent.name == FOLDER
