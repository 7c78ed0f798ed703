"""Bytes that have come, on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ecg_tl import terminal
from ecg_tl.downloading.fetching import Report
from ecg_tl.terminal import BarColumn, DownloadColumn, Progress, TimeLeftColumn, TransferSpeedColumn


@contextmanager
def byte_progress(name: str) -> Iterator[Report]:
    """Show a bar with bytes, speed and the time left; yields what `fetch` reports to.

    The bar goes to standard error, and is left out where that is no terminal: a log needs no bar.

    Args:
        name: Of the file.
    """
    console = terminal.console(stderr=True)
    columns = (
        terminal.text_column("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeLeftColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
