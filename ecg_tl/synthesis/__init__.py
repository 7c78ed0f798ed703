"""Simulated twelve-lead ECGs, and writers that lay them out as published datasets do on disk."""

from __future__ import annotations

from pathlib import Path


def synthesize(
    layout: str,
    root: Path,
    records: int,
    seed: int = 0,
    progress: bool = True,
    difficulty: float | None = None,
) -> None:
    """Write simulated records in the layout of a published dataset.

    See `ecg_tl.synthesis.writing.synthesize`, which this calls; importing this package imports no more.
    """
    from ecg_tl.synthesis import writing
    from ecg_tl.synthesis.simulator import DEFAULT_DIFFICULTY

    writing.synthesize(
        layout, root, records, seed, progress, DEFAULT_DIFFICULTY if difficulty is None else difficulty
    )
