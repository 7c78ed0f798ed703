"""What a report says of one topic: how it is found, its CSV files, its tables, its part of the page.

Each file of this room registers its topics. `find` goes through all of them, and so do the CSV files and the
page: a statistic is added by one file here, and by a block of its own in `report/templates/sections/` if the
tables alone do not say enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ecg_tl.study.design.settings import StudySettings
from ecg_tl.study.findings.columns import CsvRow, row_of
from ecg_tl.study.findings.grid import Grid
from ecg_tl.study.findings.tables import Table
from ecg_tl.study.findings.values import Axes
from ecg_tl.study.run.results import StudyResults

Found = TypeVar("Found")


class Analysis:
    """A study under analysis: its runs, scored once, and what was found of them so far.

    Args:
        results: What `load_results` read.
        settings: Of the study.
        resamples: Of each test set's patients.
        on_progress: Called with the number of runs that are scored, and of all, after each.
        price: Of the look at the study; see `ecg_tl.statistics.looks`.

    Attributes:
        results: As given.
        settings: As given.
        grid: The runs by configuration, scored.
    """

    def __init__(
        self,
        results: StudyResults,
        settings: StudySettings,
        resamples: int,
        on_progress: Callable[[int, int], None] | None = None,
        price: float = 1.0,
    ) -> None:
        self.results = results
        self.settings = settings
        self.grid = Grid(results.runs, settings, resamples, on_progress, price)
        self._found: dict[Callable[[Analysis], Any], Any] = {}

    def once(self, find: Callable[[Analysis], Found]) -> Found:
        """Give what a function finds in this study; it is called the first time only."""
        if find not in self._found:
            self._found[find] = find(self)
        found: Found = self._found[find]
        return found


def one_file(name: str) -> Callable[[Sequence[Any]], dict[str, Iterable[CsvRow]]]:
    """Make the CSV file of a topic whose records have no parts: a row each."""
    return lambda found: {name: map(row_of, found)}


def no_tables(found: Sequence[Any], default: Axes) -> dict[str, Table | None]:
    """Show no table."""
    return {}


@dataclass(frozen=True)
class Topic:
    """One kind of finding.

    Attributes:
        name: Of the topic; of its field in `Findings` if it has one there.
        find: Gives its records, frozen dataclasses.
        files: Rows of each of its CSV files, by the file's name, from its records.
        tables: Its tables by the name of the CSV file that holds their numbers, from its records and the
            default values of the axes.
        words: In the page's contents, of a topic that has a section for itself; empty for one that stands
            in a section of several (`ecg_tl.study.report.sections`).
        title: Of that section.
    """

    name: str
    find: Callable[[Analysis], Sequence[Any]]
    files: Callable[[Sequence[Any]], Mapping[str, Iterable[CsvRow]]]
    tables: Callable[[Sequence[Any], Axes], Mapping[str, Table | None]] = no_tables
    words: str = ""
    title: str = ""


TOPICS: dict[str, Topic] = {}
"""Every topic by its name; see `ecg_tl.study.findings.findings.all_topics`."""


def register_topic(topic: Topic) -> None:
    """Add a topic to all reports.

    Raises:
        ValueError: If there is one of this name.
    """
    if topic.name in TOPICS:
        raise ValueError(f"two topics are named {topic.name}")
    TOPICS[topic.name] = topic
