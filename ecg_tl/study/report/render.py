"""Write a study's report: one page that needs nothing else, and CSV files beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ecg_tl.errors import StoreError
from ecg_tl.figures.theme import declarations
from ecg_tl.files import write_text
from ecg_tl.outputs import check_outputs
from ecg_tl.printing import visible
from ecg_tl.statistics.intervals import Interval
from ecg_tl.study.findings import wording
from ecg_tl.study.findings.answers import candidates_table
from ecg_tl.study.findings.claims.drafting import Claim
from ecg_tl.study.findings.classes import class_tables, negative_transfer
from ecg_tl.study.findings.data import support_table
from ecg_tl.study.findings.findings import Findings, all_topics
from ecg_tl.study.findings.label_efficiency import saved_words
from ecg_tl.study.findings.record import versions_table
from ecg_tl.study.findings.tables import Table, axis_words
from ecg_tl.study.report.csv_files import csv_tables, rows_as_csv
from ecg_tl.study.report.explanations import explained
from ecg_tl.study.report.figures import make_figures
from ecg_tl.study.report.latex import tables_as_latex
from ecg_tl.study.report.main_figure import claimed_axes, counts, holds_for, interval_text, main_comparisons
from ecg_tl.study.report.sections import sections_of

PAGE = "index.html"
LATEX = "tables.tex"

_TEMPLATES = Path(__file__).with_name("templates")


def write_report(findings: Findings, folder: Path, inputs: Iterable[Path] = ()) -> Path:
    """Write the report into a folder.

    Args:
        findings: What it shows; any part of them may be empty.
        folder: Made if it is not there. Files of an earlier report are replaced, and others left alone.
        inputs: Files and folders that the findings were read from: none of them is replaced.

    Returns:
        The page, `index.html`.

    Raises:
        StoreError: If the folder cannot be written.
        SettingError: If a file of the report is an input.
    """
    found = csv_tables(findings)
    names = [PAGE, LATEX, *(f"{name}.csv" for name in found)]
    if folder.is_dir():  # one that cannot be made is said below
        check_outputs({f"report {name}": folder / name for name in names}, inputs)
    page = render_page(findings, [name for name, rows in found.items() if rows])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in found.items():
            path = folder / f"{name}.csv"
            if rows:
                write_whole(path, rows_as_csv(rows))
            else:
                path.unlink(missing_ok=True)  # of an earlier report
        write_whole(folder / LATEX, tables_as_latex(tables_by_file(findings)))
        write_whole(folder / PAGE, page)
    except OSError as error:
        remedy = "Free some space, or name a folder that can be written."
        raise StoreError(folder, str(error), "a folder for the report", remedy) from error
    return folder / PAGE


def write_whole(path: Path, text: str) -> None:
    """Write a file of a page whole or not at all."""
    # A name out of a file may hold what UTF-8 cannot.
    write_text(path, text.encode(errors="replace").decode())


def render_page(findings: Findings, csv_names: list[str]) -> str:
    """Give the page as HTML; `csv_names` are the files beside it that it links to."""
    environment = page_environment()
    default = claimed_axes(findings)
    tables_of = _tables_of(findings)
    return environment.get_template("page.html.j2").render(
        findings=findings,
        record=findings.record,
        figures=make_figures(findings),
        csv_names=csv_names,
        **theme_colours(),
        default_axes=axis_words(default, ()),
        main_counts=counts(main_comparisons(findings)) if findings.comparisons else "",
        negative=negative_transfer(findings.comparisons),
        claim_interval=_claim_interval,
        claim_tones=CLAIM_TONES,
        claim_text=_claim_text,
        certainties=CERTAINTIES,
        certainty_meanings=CERTAINTY_MEANINGS,
        holds_for=holds_for(findings),
        candidates_table=candidates_table,
        support_table=support_table,
        saved_words=saved_words,
        class_tables=class_tables(findings.comparisons),
        sections=sections_of(findings),
        tables=tables_by_file(findings),
        tables_of=tables_of,
        versions=versions_table(findings.record),
    )


def page_environment() -> Environment:
    """Give what lays a page out: the templates, and how they write numbers."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_seen,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": wording.number,
        "signed": wording.signed,
        "span": wording.span,
        "p_value": wording.p_value,
        "count": wording.count,
        "percent": wording.percent,
        "duration": wording.duration,
        "moment": _moment,
        "typeset": wording.typeset,
    }
    environment.globals |= {
        "plural": wording.plural,
        "interval_text": interval_text,
        "explained": explained,
    }
    return environment


def theme_colours() -> dict[str, Markup]:
    """Give the colours of a page in both themes, by the names that the templates have for them."""
    return {
        "light_colours": Markup(declarations(dark=False)),
        "dark_colours": Markup(declarations(dark=True)),
    }


def _tables_of(findings: Findings) -> dict[str, Mapping[str, Table | None]]:
    default = claimed_axes(findings)
    return {topic.name: topic.tables(findings.of(topic.name), default) for topic in all_topics()}


def tables_by_file(findings: Findings) -> dict[str, Table | None]:
    """Give the tables by the name of the CSV file that holds their numbers."""
    return {file: table for own in _tables_of(findings).values() for file, table in own.items()}


CLAIM_TONES = {
    "supported": "gain",
    "contradicted": "loss",
    "mixed": "caution",
    "open": "open",
    "not tested": "open",
}

CERTAINTIES = {"sure": "gain", "likely": "caution", "not sure": "open"}
CERTAINTY_MEANINGS = {
    "sure": "p below 0.05 after correction for the downstreams",
    "likely": "p from 0.05 to 0.10 after correction: without any difference, one study in twenty says so",
    "not sure": "no difference is shown",
}


def _claim_interval(effect: Interval) -> tuple[float, float, float] | None:
    """Give what a claim's small picture draws, or None."""
    if effect.estimate is None or effect.low is None or effect.high is None:
        return None
    return effect.low, effect.estimate, effect.high


def _seen(value: object) -> object:
    """Show what a browser would hide or take for a turn of the direction; markup of this project stays."""
    return visible(value, keep="\n\t") if type(value) is str else value


def _claim_text(claim: Claim) -> str:
    """Write a claim's effect; only differences carry a sign."""
    effect = claim.effect
    if effect is None or effect.estimate is None:
        return ""
    return wording.signed(effect.estimate) if _is_difference(claim) else wording.significant(effect.estimate)


def _is_difference(claim: Claim) -> bool:
    return "AUROC" in claim.effect_unit or "F1" in claim.effect_unit


def _moment(time: str) -> str:
    """Write an ISO time as people do; anything else stays as it is."""
    try:
        return datetime.fromisoformat(time).strftime("%-d %B %Y, %H:%M %Z").strip()
    except ValueError:
        return time
