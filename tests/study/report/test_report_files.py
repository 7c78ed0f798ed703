"""The files of a report, without a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
from conftest import CASES
from fake_findings import empty_findings, make_findings
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_tl.errors import SettingError, StoreError
from ecg_tl.figures.theme import COLOURS
from ecg_tl.study.report.latex import latex_text
from ecg_tl.study.report.main_figure import main_figure
from ecg_tl.study.report.render import tables_by_file, write_report
from ecg_tl.study.run.results import Missing

VOID = {"meta", "link", "br", "img"}


SMALL: dict[str, Any] = {
    "downstreams": ("ludb",),
    "networks": ("gru",),
    "arms": ("full",),
    "sizes": (100, None),
}


class Nesting(HTMLParser):
    """Fails where tags are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


NAMES = (
    st.text(st.characters(exclude_characters="\x00"), min_size=1, max_size=10)
    | st.sampled_from(
        (
            "</script><script>x()</script>",
            "</style>",
            "<!--",
            "-->",
            "{{ 7*7 }}",
            "{% raw %}",
            "{#",
            "\x1b[2J",
            "&lt;",
        )
    )
    | st.sampled_from(
        ("\"' onload='x()", "\u202egnp", "]]>", "$x$", "\\$", "=1+1", "\ud800", "`", "<svg/onload=x()>")
    )
)


class Tags(Nesting):
    """Also notes which tags and attributes there are."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        super().handle_starttag(tag, attrs)
        self.seen |= {tag, *(f"{tag} {name}" for name, _ in attrs)}


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(names=st.lists(NAMES.filter(lambda name: name.strip() != ""), min_size=6, max_size=6, unique=True))
def test_no_name_adds_a_tag_a_script_or_a_command(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    def page(*words: str) -> str:
        findings = make_findings(
            **{**SMALL, "downstreams": words[:1], "upstreams": words[1:2], "networks": words[2:3]},
            **{"classes": words[3:5], "values": ("millivolts",), "title": words[5], "seeds": 1},
        )
        findings = replace(findings, missing=(Missing(words[0], "failed", words[1]),), warnings=words[:2])
        return write_report(findings, tmp_path_factory.mktemp("report")).read_text(encoding="utf-8")

    plain, hostile = Tags(), Tags()
    text = page(*names)
    hostile.feed(text)
    plain.feed(page(*"abcdef"))
    assert hostile.open == []
    assert hostile.seen - plain.seen <= {"tspan", "tspan x", "tspan y"}
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    if "{{ 7*7 }}" not in names:
        return
    assert "{{ 7*7 }}" in text


@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow
def test_the_page_is_whole_and_alone(reports: Callable[[str], Path], case: str) -> None:
    text = reports(case).read_text(encoding="utf-8")
    nesting = Nesting()
    nesting.feed(text)
    nesting.close()
    assert nesting.open == []
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", text)
    assert "url(http" not in text
    assert "nan" not in re.sub(r"<[^>]*>", " ", text).lower().split()
    assert ">None<" not in text


def test_a_sample_of_usual_size_stays_small(reports: Callable[[str], Path]) -> None:
    assert sum(path.stat().st_size for path in reports("sample").parent.iterdir()) < 1_000_000


@pytest.mark.slow
def test_the_same_findings_give_the_same_files(tmp_path: Path) -> None:
    findings = make_findings(**SMALL)
    first, second = (write_report(findings, tmp_path / name) for name in ("first", "second"))
    for path in first.parent.iterdir():
        assert path.read_bytes() == (second.parent / path.name).read_bytes()


@pytest.mark.slow
def test_tables_hold_every_number(tmp_path: Path) -> None:
    findings = make_findings(**SMALL)
    folder = write_report(findings, tmp_path).parent
    comparisons = pd.read_csv(folder / "comparisons.csv")
    assert len(comparisons) == len(findings.comparisons)
    first = findings.comparisons[0]
    assert comparisons["difference"][0] == first.difference.estimate
    assert comparisons["difference_low"][0] == first.difference.low
    assert comparisons["axis_normalisation"][0] == "millivolts"
    per_class = pd.read_csv(folder / "per_class.csv")
    assert len(per_class) == sum(len(one.per_class) for one in findings.comparisons)
    seeds = pd.read_csv(folder / "seeds.csv")
    assert seeds[seeds["comparison"] == first.key]["arm"].tolist() == list(first.arm_scores)
    for name in (
        "claims",
        "curves",
        "models",
        "answers",
        "missing",
        "second_opinions",
        "axis_effects",
        "classes",
    ):
        assert len(pd.read_csv(folder / f"{name}.csv")) > 0


@pytest.mark.slow
def test_names_survive_csv(tmp_path: Path) -> None:
    name = 'a, "b"\nc; é'
    findings = make_findings(**SMALL | {"networks": (name,)})
    folder = write_report(findings, tmp_path).parent
    assert set(pd.read_csv(folder / "comparisons.csv")["network"]) == {name}


@pytest.mark.slow
def test_an_earlier_report_leaves_nothing_behind(tmp_path: Path) -> None:
    write_report(make_findings(**SMALL), tmp_path)
    assert (tmp_path / "comparisons.csv").exists()
    (tmp_path / "notes.txt").write_text("mine")
    page = write_report(empty_findings(), tmp_path)
    assert not (tmp_path / "comparisons.csv").exists()
    assert {path.name for path in tmp_path.iterdir()} == {
        "index.html",
        "claims.csv",
        "missing.csv",
        "notes.txt",
        "tables.tex",
    }
    assert "comparisons.csv" not in page.read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="a folder for the report"):
        write_report(empty_findings(), tmp_path / "file" / "report")


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_the_main_figure_is_a_file_of_its_own(tmp_path: Path, ending: str) -> None:
    path = main_figure(make_findings(), tmp_path / f"main.{ending}")
    content = path.read_bytes()
    assert len(content) > 5000
    if ending == "svg":
        root = ElementTree.fromstring(content)
        assert root.get("aria-label")
        words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        assert "ludb" in words
        assert b"var(--" not in content
    else:
        assert content.startswith({"png": b"\x89PNG", "pdf": b"%PDF"}[ending])


def test_the_main_figure_needs_a_comparison_and_a_format(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no comparison"):
        main_figure(empty_findings(), tmp_path / "main.svg")
    with pytest.raises(SettingError, match=r"\.svg or \.png or \.pdf"):
        main_figure(make_findings(), tmp_path / "main.gif")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_is_not_known_is_a_dash(tmp_path: Path) -> None:
    findings = make_findings(**SMALL, seeds=1)
    bare = replace(findings.comparisons[0].difference, estimate=None, low=None, high=None, p=None)
    comparisons = tuple(
        replace(one, difference=bare, p_holm=None, verdict="open") for one in findings.comparisons
    )
    text = write_report(replace(findings, comparisons=comparisons), tmp_path).read_text(encoding="utf-8")
    assert "None" not in re.sub(r"<[^>]*>", " ", text)


def _luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *(
            (text, "paper")
            for text in ("ink", "muted", "gain", "loss", "caution", "series-0", "series-1", "series-4")
        ),
        *((tone, f"{tone}-soft") for tone in ("gain", "loss", "caution")),
        ("muted", "open-soft"),
        ("ink", "caution-soft"),
        ("ink", "panel"),
    ],
)
def test_text_stands_out_from_its_ground(text: str, ground: str, dark: bool) -> None:
    """WCAG 2.1, success criterion 1.4.3: a contrast of 4.5 to 1."""
    light, deep = sorted((_luminance(COLOURS[role][dark]) for role in (text, ground)), reverse=True)
    assert (light + 0.05) / (deep + 0.05) >= 4.5


@pytest.mark.parametrize("dark", [False, True])
def test_gain_and_loss_stay_apart_without_red_or_green_cones(dark: bool) -> None:
    """Simulated as Machado, Oliveira and Fernandes (2009) do at full severity."""
    matrices = {
        "protanopia": (
            (0.152286, 1.052583, -0.204868),
            (0.114503, 0.786281, 0.099216),
            (-0.003882, -0.048116, 1.051998),
        ),
        "deuteranopia": (
            (0.367322, 0.860646, -0.227968),
            (0.280085, 0.672501, 0.047413),
            (-0.01182, 0.04294, 0.968881),
        ),
    }
    for rows in matrices.values():
        seen = []
        for role in ("gain", "loss", "open"):
            colour = [int(COLOURS[role][dark][start : start + 2], 16) for start in (1, 3, 5)]
            seen.append(
                [sum(weight * part for weight, part in zip(row, colour, strict=True)) for row in rows]
            )
        for one, other in ((0, 1), (0, 2), (1, 2)):
            distance = sum((a - b) ** 2 for a, b in zip(seen[one], seen[other], strict=True)) ** 0.5
            assert distance > 45


@given(st.text(max_size=60))
def test_any_text_is_text_in_latex(text: str) -> None:
    written = latex_text(text)
    assert "\n" not in written
    assert not re.search(r"(?<!\\)[#%&_]", written.replace(r"\textasciitilde{}", "").replace("$-$", ""))
    unescaped = re.sub(r"\\[{}]", "", written)
    assert unescaped.count("{") == unescaped.count("}")


@pytest.mark.slow
def test_latex_has_every_table_with_as_many_cells_as_columns(tmp_path: Path) -> None:
    findings = make_findings()
    write_report(findings, tmp_path)
    text = (tmp_path / "tables.tex").read_text()
    tables = [table for table in tables_by_file(findings).values() if table is not None]
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == len(tables)
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(set(labels)) == len(labels)
    for table, body in zip(tables, re.findall(r"\\midrule\n(.*?)\n\\bottomrule", text, re.S), strict=True):
        rows = body.split("\n")
        assert len(rows) == len(table.rows)
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(table.columns)}
