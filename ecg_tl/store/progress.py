"""Progress on the terminal while records are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ecg_tl import terminal
from ecg_tl.terminal import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    Text,
    TimeLeftColumn,
)


class RateColumn(ProgressColumn):
    """Records a second, over the last moments."""

    def render(self, task: Task) -> Text:
        """Render the rate, or nothing while it is unknown."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} records/s", style="progress.data.speed")


@contextmanager
def record_progress(description: str, total: int, shown: bool) -> Iterator[Callable[[], None]]:
    """Show a bar with records a second and the time left; yields what to call once a record.

    The bar goes to standard error, and is left out where that is no terminal: a log needs no bar.

    Args:
        description: What is going on.
        total: How many records there are.
        shown: False for silence.
    """
    console = terminal.console(stderr=True)
    columns = (
        terminal.text_column("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeLeftColumn(),
    )
    visible = shown and console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not visible) as progress:
        task = progress.add_task(description, total=total)
        yield lambda: progress.advance(task)
