"""The sections of the page, in their order; each is laid out by the template of its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ecg_tl.study.findings.classes import class_tables
from ecg_tl.study.findings.findings import Findings, all_topics


def _always(findings: Findings) -> bool:
    return True


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        name: Of its template in `templates/sections/`, and of its anchor.
        words: In the page's contents.
        title: Its heading, where the template has none of its own.
        is_shown: Whether there is something to show.
    """

    name: str
    words: str
    title: str = ""
    is_shown: Callable[[Findings], bool] = _always


def _if_found(*topics: str) -> Callable[[Findings], bool]:
    return lambda findings: any(findings.of(topic) for topic in topics)


_OPENING = (
    Section("answer", "Answer"),
    Section("claims", "Claims"),
    Section("size", "Training size", is_shown=_if_found("curves", "label_efficiency")),
    Section("settings", "Other settings", is_shown=_if_found("axis_effects")),
    Section("second", "Second opinion", is_shown=_if_found("second_opinions")),
    Section("comparisons", "Comparisons", is_shown=_if_found("comparisons")),
    Section("classes", "Classes", is_shown=lambda findings: bool(class_tables(findings.comparisons))),
    Section("speed", "Convergence", is_shown=_if_found("convergence")),
    Section("families", "CNN and RNN", is_shown=_if_found("families")),
    Section("cost", "Cost", is_shown=_if_found("costs", "break_even")),
    Section("foretell", "Transferability", is_shown=_if_found("transferability")),
    Section("calibration", "Calibration", is_shown=_if_found("calibration")),
)
_CLOSING = (
    Section("data", "Data", is_shown=_if_found("data")),
    Section("protocol", "Protocol"),
    Section("missing", "Missing runs", is_shown=_if_found("missing")),
    Section("repeat", "Repeat it"),
)


def sections_of(findings: Findings) -> list[Section]:
    """List the sections that have something to show; topics with one of their own stand before the data."""
    own = [
        Section(topic.name, topic.words, topic.title or topic.words, _if_found(topic.name))
        for topic in all_topics()
        if topic.words
    ]
    return [section for section in (*_OPENING, *own, *_CLOSING) if section.is_shown(findings)]
