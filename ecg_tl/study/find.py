"""From results to findings: all that a report shows, in one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime

from ecg_tl.study.design.settings import StudySettings
from ecg_tl.study.findings.comparisons import not_compared_in
from ecg_tl.study.findings.findings import Findings, all_topics
from ecg_tl.study.findings.record import record_of
from ecg_tl.study.findings.second_opinions import summarize_opinions
from ecg_tl.study.findings.topic import Analysis
from ecg_tl.study.findings.warnings import page_warnings, price_warning
from ecg_tl.study.run.results import StudyResults


def find(
    results: StudyResults,
    settings: StudySettings,
    *,
    config: str = "",
    resamples: int = 1000,
    on_progress: Callable[[int, int], None] | None = None,
    price: float = 1.0,
) -> Findings:
    """Analyse a study.

    Args:
        results: What `load_results` read.
        settings: Of the study.
        config: The study's settings as YAML, for the record.
        resamples: Of each test set's patients.
        on_progress: Called with the number of runs that are scored, and of all, after each; scoring is what
            takes the time.
        price: Of the look at the study, 1 of one that is looked at once; see `ecg_tl.statistics.looks`.
    """
    study = Analysis(results, settings, resamples, on_progress, price)
    found = {topic.name: tuple(study.once(topic.find)) for topic in all_topics()}
    known = {field.name for field in fields(Findings)}
    return Findings(
        name=settings.name,
        title=settings.title,
        protocol=settings.protocol,
        generated=datetime.now(UTC).isoformat(timespec="seconds"),
        runs=len(results.runs),
        planned=len(results.runs) + len(results.missing),
        warnings=(*page_warnings(results, settings), *price_warning(price), *not_compared_in(study)),
        second_opinion=summarize_opinions(found["second_opinions"]),
        record=record_of(results.runs, settings, config, study.grid.resamples or resamples),
        further={name: rows for name, rows in found.items() if name not in known},
        **{name: rows for name, rows in found.items() if name in known},
    )
