"""A simulated dataset in a folder of its own: all of it, or nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from ecg_tl import terminal
from ecg_tl.datasets import DATASETS, layout_names
from ecg_tl.errors import SettingError
from ecg_tl.limits import RECORDS, SEED, require
from ecg_tl.synthesis.cohort import draw_cohort
from ecg_tl.synthesis.layouts.base import Layout
from ecg_tl.synthesis.simulator import DEFAULT_DIFFICULTY, check_range


def layout_of(dataset: str) -> Layout:
    """Return how a dataset's records lie on disk.

    Raises:
        SettingError: If there is no such dataset, or it has no layout.
    """
    if dataset not in layout_names():
        raise SettingError(
            "layout", repr(dataset), f"one of {', '.join(layout_names())}", "Choose one of these."
        )
    layout: Layout = DATASETS[dataset].layout
    return layout


def synthesize(
    layout: str,
    root: Path,
    records: int,
    seed: int = 0,
    progress: bool = True,
    difficulty: float = DEFAULT_DIFFICULTY,
) -> None:
    """Write simulated records in the layout of a published dataset, so that its reader reads them.

    Everything is written to a folder beside `root` that is renamed at the end.

    Args:
        layout: One of `layout_names()`.
        root: Folder to make; one that exists must be empty.
        records: How many.
        seed: Same seed, same files; the first records of a larger dataset are the same. Two layouts
            of one seed have different patients.
        progress: Whether to show a progress bar on standard error.
        difficulty: From 0 (textbook findings, little noise, every label right) to 1 (borderline findings,
            much noise, 12 % of the records mislabelled).

    Raises:
        SettingError: If there is no such layout, a number is out of range, or `root` is not empty or cannot
            be written.
    """
    chosen = layout_of(layout)
    require(RECORDS, records, "records", remedy="Ask for at least one record, and fewer than these.")
    require(SEED, seed, "seed", remedy="Give another seed.")
    check_range("difficulty", difficulty, 0.0, 1.0)
    root = Path(root).absolute()
    _check_free(root)
    partial = root.parent / f".{root.name}.partial-{os.getpid()}"
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        cases = draw_cohort(
            chosen.groups, records, cohort_seed(layout, seed), difficulty, chosen.records_per_patient
        )
        steps = chosen.write(partial, cases)
        for _ in _shown(steps, layout, records) if progress else steps:
            pass
        partial.replace(root)
    except OSError as error:
        raise SettingError(
            root,
            f"{error.strerror or error}",
            "a folder that can be written",
            "Choose another folder, or make room; nothing was left behind.",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def cohort_seed(layout: str, seed: int) -> int:
    """Return the seed from which a layout draws its cohort: another one in each layout."""
    return int.from_bytes(sha256(f"{layout}:{seed}".encode()).digest()[:8], "big")


def _check_free(root: Path) -> None:
    """Refuse a folder that holds anything: nobody's files are mixed with simulated ones."""
    if root.is_dir():
        some = next(root.iterdir(), None)
        if some is None:
            return
        found = f"a folder that holds {some.name}"
    elif root.exists():
        found = "a file"
    else:
        return
    raise SettingError(root, found, "an empty or a new folder", "Choose another folder, or empty this one.")


def _shown(steps: Iterator[None], layout: str, records: int) -> Iterator[None]:
    """Pass `steps` through a progress bar."""
    from ecg_tl.terminal import track

    return iter(track(steps, f"Simulating {layout}", records, console=terminal.console(stderr=True)))
