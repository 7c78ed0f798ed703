"""Names out of files are data wherever they are written: no markup, no formula, no command to a terminal."""

from __future__ import annotations

import ast
import io
import json
import re
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from rich.table import Table
from rich.text import Text
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from tiny_events import events

import ecg_tl
from ecg_tl import printing, terminal
from ecg_tl.callbacks.curves import PER_CLASS, scalar_layout
from ecg_tl.callbacks.events import RunEvents
from ecg_tl.cli import main
from ecg_tl.csv_text import cell_text, csv_text, read_csv_texts, text_cell, write_csv
from ecg_tl.figures import save_figure
from ecg_tl.figures.svg import drawing, to_svg
from ecg_tl.files import write_json
from ecg_tl.markdown import code, inline, table
from ecg_tl.study.report.csv_files import rows_as_csv as report_csv

PACKAGE = Path(ecg_tl.__file__).parent

HOSTILE = (
    *("[/]", "MI [old]", "[bold]x[/bold]", "[link=file:///]x", ":smile:", "\x1b[2J\x1b[31m", "\x1b]0;t\x07"),
    *("\u202egnp.exe", "\x9b2J", "a\rb", "a\nb", "a\tb", "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "'=1"),
    *(
        "''=1",
        "$x$",
        "$",
        "${",
        "\\$",
        "<script>alert(1)</script>",
        "</script>",
        "&lt;",
        "&amp;",
        "`x`",
        "a|b",
    ),
    *("![x](y)", "<!--", '"', "'", '","', "NA", "nan", "001", "1e5", "True", "", " a ", "ä", "心", "\u2028"),
    *("# a", "\ud800", "\udc80", "\ufeffx", "{{ x }}", "{% x %}", "%s", "{0}", "～"),
)
TEXTS = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_characters="\x00"), max_size=12)
NAMES = TEXTS.filter(lambda text: text.strip() != "")
UNHURRIED = settings(deadline=None, max_examples=60)
COMMANDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printed(*content: Any, width: int = 400) -> str:
    stream = io.StringIO()
    terminal.TextConsole(file=stream, width=width).print(*content)
    return stream.getvalue()


# The terminal --------------------------------------------------------------------------------------------


@UNHURRIED
@given(TEXTS)
def test_what_is_shown_can_be_seen_and_is_shown_once(text: str) -> None:
    seen = printing.visible(text)
    assert not COMMANDS.search(seen)
    assert "\n" not in seen
    assert printing.visible(seen) == seen
    if text.isprintable():
        assert seen == text
    seen.encode()


@UNHURRIED
@given(TEXTS)
def test_a_console_prints_a_name_as_it_is(name: str) -> None:
    for made in (name, Text(name), _in_a_table(name), _in_a_table(Text(name))):
        out = printed(made)
        assert not COMMANDS.search(out)
        if name.isprintable() and name.strip() == name:
            assert name in out


def _in_a_table(cell: Any) -> Table:
    made = Table(title="title")
    made.add_column(cell if isinstance(cell, str) else "cell")
    made.add_row(cell)
    return made


def test_width_is_that_of_what_is_shown() -> None:
    stream = io.StringIO()
    made = Table("name", "n")
    made.add_row("\x1b[31m" + "x" * 30, "1")
    terminal.TextConsole(file=stream, width=60).print(made)
    assert "x" * 30 in stream.getvalue()
    assert len({len(line) for line in stream.getvalue().splitlines()[1:] if line.strip()}) == 1


@pytest.mark.parametrize("name", HOSTILE)
def test_an_error_is_one_line_that_can_be_seen(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if "\x00" in name:
        return
    assert main(["study", "plan", f"x{name}"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert not COMMANDS.search(err)


def test_what_libraries_log_and_warn_of_can_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    import logging

    logger = logging.getLogger("ecg_tl.test_of_logs")
    stream = io.StringIO()
    logger.addHandler(logging.StreamHandler(stream))
    before = warnings.formatwarning
    try:
        printing.show_logs_as_text(logger.name)
        printing.show_logs_as_text(logger.name)
        logger.error("a %s", "\x1b[2J")
        line = warnings.formatwarning("\x1b[2J", UserWarning, "f", 1)
    finally:
        warnings.formatwarning = before
        logger.handlers.clear()
    assert stream.getvalue() == "a \\x1b[2J\n"
    assert not COMMANDS.search(line)


@pytest.mark.slow
def test_nothing_else_prints_or_makes_a_console() -> None:
    found = []
    for path in PACKAGE.rglob("*.py"):
        if path.name in ("printing.py", "terminal.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "rich.markup":
                found.append(f"{path}:{node.lineno}: rich.markup")
            if not isinstance(node, ast.Call):
                continue
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            by_name = isinstance(node.func, ast.Name) and called in ("print", "Console", "TextColumn")
            marked = any(
                word.arg in ("markup", "emoji") and getattr(word.value, "value", None) is True
                for word in node.keywords
            )
            if by_name or marked or called in ("from_markup", "from_ansi", "Markdown"):
                found.append(f"{path}:{node.lineno}: {called}")
    assert found == []


# Tables --------------------------------------------------------------------------------------------------


@UNHURRIED
@given(TEXTS)
def test_a_text_cell_is_no_formula_and_comes_back(text: str) -> None:
    cell = text_cell(text)
    assert not re.match(r"[=+\-@\t\r\n＝＋－＠]", cell)
    assert cell_text(cell) == text


@UNHURRIED
@given(st.floats() | st.integers() | st.booleans() | st.none())
def test_a_number_stays_as_it_is(number: object) -> None:
    assert text_cell(number) is number


@pytest.mark.slow
@UNHURRIED
@given(
    names=st.lists(NAMES, min_size=1, max_size=3, unique=True),
    ids=st.lists(TEXTS, min_size=1, max_size=4),
    values=st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_ids_and_class_names_come_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], ids: list[str], values: list[float]
) -> None:
    columns: dict[str, Any] = {"record_id": ids, "patient_id": ids[::-1]}
    columns |= {f"probability/{name}": values[: len(ids)] for name in names}
    columns |= {f"axis_{name}": ids for name in names} | dict.fromkeys(names, ids)
    path = tmp_path_factory.mktemp("csv") / "predictions.csv"
    write_csv(path, pd.DataFrame(columns))
    read = read_csv_texts(path)
    assert list(read.columns) == list(columns)
    for name, column in columns.items():
        got = read[name].tolist()
        assert (list(map(float, got)) if name.startswith("probability/") else got) == list(column)


@UNHURRIED
@given(names=st.lists(NAMES, min_size=1, max_size=3, unique=True), text=TEXTS)
def test_tables_of_the_report_hold_no_formula(names: list[str], text: str) -> None:
    written = report_csv([dict.fromkeys(names, text)])
    assert csv_text(pd.DataFrame([dict.fromkeys(names, text)])) is not None
    cells = re.split(r'[,\n"]+', written)
    if not any(set(one) & set(',\n\r"') for one in (*names, text)):
        assert not [cell for cell in cells if re.match(r"[=+\-@\t]", cell)]


@UNHURRIED
@given(TEXTS)
def test_json_gives_a_name_back(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    write_json(path, {"name": name})
    assert json.loads(path.read_text()) == {"name": name}
    assert path.read_bytes().isascii()


# Documents -----------------------------------------------------------------------------------------------


@UNHURRIED
@given(TEXTS)
@example("__0__")
def test_markdown_shows_a_name_as_text(name: str) -> None:
    markdown = pytest.importorskip("markdown_it")
    rendered = (
        markdown.MarkdownIt("commonmark")
        .enable("table")
        .render(table(("a", "b"), [(inline(name), code(name))]))
    )
    seen = _Seen()
    seen.feed(rendered)
    assert seen.tags <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert not COMMANDS.search(rendered)


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.slow
@UNHURRIED
@given(NAMES)
def test_a_figure_takes_a_name_as_it_is(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    figure = Figure()
    figure.add_subplot(title=name, xlabel=name).plot([0, 1], label=name)
    path = tmp_path_factory.mktemp("figure") / "a.svg"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of glyphs that a font lacks
        save_figure(figure, path)
        ElementTree.parse(path)
        with drawing():
            drawn = Figure()
            drawn.text(0, 0, printing.visible(name))
            ElementTree.fromstring(to_svg(drawn, name, "x"))


# TensorBoard -----------------------------------------------------------------------------------------------


def test_tensorboard_shows_every_character_of_a_name(tmp_path: Path) -> None:
    names = [name for name in HOSTILE if name.strip()]
    logger = RunEvents(tmp_path, name="", version="run", default_hp_metric=False)
    logger.log_metrics({f"val_{score}/{name}": 0.5 for score in PER_CLASS for name in names}, 1)
    for name in names:
        logger.experiment.add_pr_curve(f"val/{name}", np.array([0, 1]), np.array([0.1, 0.9]), 1)
        logger.experiment.add_image(f"ecg/{name}", np.zeros((2, 2, 3), np.uint8), 1, dataformats="HWC")
    logger.experiment.add_custom_scalars(scalar_layout(names))
    logger.log_hyperparams({f"setting {n}": name for n, name in enumerate(names)}, {"hp/a": 1.0})
    logger.finalize("success")
    read = events(tmp_path / "run")
    tags, seen = read.Tags(), [printing.visible(name) for name in names]
    assert {tag for tag in tags["scalars"] if tag.startswith("val_f1/")} == {f"val_f1/{s}" for s in seen}
    assert {f"ecg/{s}" for s in seen} == set(tags["images"])
    assert {f"val/{s}" for s in seen} <= set(tags["tensors"])
    assert not any(
        COMMANDS.search(tag) or "\n" in tag for kind in ("scalars", "images", "tensors") for tag in tags[kind]
    )
    (layout,) = read.Tensors("custom_scalars__config__")
    for category in layout_pb2.Layout.FromString(layout.tensor_proto.string_val[0]).category:
        for chart in category.chart:
            assert not COMMANDS.search(chart.title)
            for pattern in chart.multiline.tag if category.title != "averages and losses" else ():
                assert len([tag for tag in tags["scalars"] if re.match(pattern, tag)]) == 1, pattern
    start = read.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    values = plugin_data_pb2.HParamsPluginData.FromString(start).session_start_info.hparams
    assert [values[f"setting {n}"].string_value for n in range(len(names))] == seen
