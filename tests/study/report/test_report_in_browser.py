"""The report as a browser shows it: on a desk, on a phone, in the dark, on paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import CASES, SCRIPT

Look = Callable[..., Any]

TOO_WIDE = """() => {
  const bare = [...document.querySelectorAll("body *")].filter(one => !one.closest("svg, pre, .table"));
  const boxes = [...document.querySelectorAll("svg, pre, .table")]
    .filter(one => !one.parentElement.closest(".table"));
  return [...bare, ...boxes]
    .filter(one => { const box = one.getBoundingClientRect();
                     return box.width && (box.right > innerWidth + 0.5 || box.left < -0.5); })
    .map(one => one.outerHTML.slice(0, 120));
}"""
OVERFLOWING_TEXT = """() => [...document.querySelectorAll(".drawing svg")]
  .filter(svg => svg.getBoundingClientRect().width)
  .flatMap(svg => { const edge = svg.getBoundingClientRect();
    return [...svg.querySelectorAll("text")].filter(text => { const box = text.getBoundingClientRect();
      return box.right > edge.right + 3 || box.left < edge.left - 3; }).map(text => text.textContent); })"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("case", CASES)
def test_nothing_is_wider_than_the_page(look: Look, case: str, width: int) -> None:
    page = look(case, width)
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(TOO_WIDE) == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("case", ["sample", "single seed", "many"])
def test_words_of_a_figure_stay_inside_it(look: Look, case: str, width: int) -> None:
    page = look(case, width)
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    assert page.evaluate(OVERFLOWING_TEXT) == []


@pytest.mark.parametrize("width", [390, 1280])
def test_every_figure_is_there(look: Look, width: int) -> None:
    page = look("sample", width)
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    shown = page.evaluate(
        """() => [...document.querySelectorAll("figure")].map(figure =>
          [...figure.querySelectorAll(".drawing svg")].filter(svg => svg.getBoundingClientRect().height > 50
            && svg.querySelectorAll("path").length > 3 && svg.getAttribute("aria-label")).length)"""
    )
    assert len(shown) == 11
    assert all(shown)


def test_ids_are_unique(look: Look) -> None:
    ids = look("sample").evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
    links = look("sample").evaluate(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.hash.slice(1))"
    )
    assert set(links) <= set(ids)


@pytest.mark.slow
def test_hostile_names_are_text(look: Look) -> None:
    page = look("hostile")
    assert page.evaluate("window.hit") is None
    assert page.evaluate("document.scripts.length") == 1
    assert page.evaluate("document.querySelectorAll('main b, main img').length") == page.evaluate(
        "document.querySelectorAll('.on > b').length"
    )
    assert page.inner_text("h1") == f"{SCRIPT} & why"
    assert page.inner_text(".answer .on b") == SCRIPT
    assert "{{ 7*7 }}" in page.inner_text("#classes")


def test_follows_the_reader_into_the_dark_and_has_a_switch(look: Look) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    stroke = "getComputedStyle(document.querySelector('#figure-main path')).stroke"
    light, dark = look("sample"), look("sample", scheme="dark")
    colours = {page.evaluate(background) for page in (light, dark)}
    assert len(colours) == 2
    assert light.evaluate(stroke) != dark.evaluate(stroke)
    assert light.inner_text("#theme") == "Dark"
    light.click("#theme")
    assert light.evaluate(background) == dark.evaluate(background)
    assert light.evaluate(stroke) == dark.evaluate(stroke)
    light.click("#theme")
    assert light.evaluate(background) != dark.evaluate(background)


def test_prints_on_light_paper_with_all_that_is_folded(look: Look) -> None:
    page = look("sample", scheme="dark")
    page.click("#theme")
    page.click("#theme")
    pdf = page.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF")
    page.set_viewport_size({"width": 680, "height": 960})
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(254, 254, 253)"
    assert not page.is_visible("nav")
    assert not page.is_visible("#theme")
    assert page.evaluate("document.documentElement.scrollWidth") <= 680
    tall = "[...document.querySelectorAll('.drawing svg')].map(svg => svg.getBoundingClientRect().height)"
    assert max(page.evaluate(tall)) < 960
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") == 0


def test_figures_of_many_comparisons_fit_a_printed_page(look: Look) -> None:
    page = look("many")
    heights = page.evaluate(
        "[...document.querySelectorAll('.drawing.broad svg')].map(svg => svg.getBoundingClientRect().height)"
    )
    assert max(heights) < 1000
    assert page.evaluate("document.querySelectorAll('#figure-main .broad').length") > 1


def test_opens_with_the_answer(look: Look) -> None:
    page = look("sample", 390)
    order = page.evaluate("[...document.querySelectorAll('main > section')].map(part => part.id)")
    assert order[:2] == ["answer", "claims"]
    answer = page.inner_text("#answer")
    for words in ("Fine-tune resnet1d18 from ptbxl, full.", "+0.041", "95 % interval", "sure", "3 seeds"):
        assert words in answer
    assert page.evaluate("document.querySelectorAll('.claim').length") == 7


def test_a_study_without_results_says_so(look: Look) -> None:
    page = look("empty")
    assert "nothing to compare" in page.inner_text("#answer")
    assert page.evaluate("document.querySelectorAll('figure').length") == 0
    assert "What is missing" in page.inner_text("main")


def test_the_papers_protocol_is_marked(look: Look) -> None:
    assert "chosen on the test set" in look("many").inner_text(".warning")
    assert "Protocol “paper”" not in look("sample").inner_text(".warning")
