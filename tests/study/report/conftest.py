"""A browser that looks at reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_findings import empty_findings, make_findings
from playwright.sync_api import sync_playwright

from ecg_tl.study.findings.findings import Findings
from ecg_tl.study.report.render import write_report

CHROMIUM = Path("/usr/bin/chromium")
SCRIPT = "<script>window.hit=1;alert('hit')</script>"
IMAGE = "<img src=x onerror=alert(1)>"
HOSTILE: dict[str, Any] = {
    "downstreams": (SCRIPT, "x" * 120),
    "upstreams": ("ptb<b>xl&amp;",),
    "networks": ("心电图网络" * 6, "$\\alpha_{x}$ \"quoted' &lt;"),
    "arms": (SCRIPT + "&" * 30, "a\nb\tc\x0b"),
    "classes": (
        SCRIPT,
        "a very long class name " * 10,
        "Infarctus aigu – étage antéro‑septal 🫀",
        "L" * 200,
        "{{ 7*7 }}",
    ),
    "values": ("</style>" + SCRIPT, IMAGE),
    "title": f"{SCRIPT} & why",
}
CASES: dict[str, Callable[[], Findings]] = {
    "sample": make_findings,
    "hostile": lambda: make_findings(**HOSTILE),
    "single seed": lambda: make_findings(seeds=1, sizes=(None,), values=("millivolts",)),
    "many": lambda: make_findings(
        downstreams=("code", "cpsc2018", "georgia", "ptb", "ptbxl"),
        upstreams=("ptbxl", "cpsc2018", "georgia"),
        networks=("resnet1d18", "resnet1d50", "resnet1d101", "lstm", "bilstm", "gru"),
        arms=("full",),
        sizes=(None,),
        values=("millivolts",),
        protocol="paper",
    ),
    "empty": empty_findings,
}


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Write a case's report once, and give its page."""
    pages: dict[str, Path] = {}

    def page(case: str) -> Path:
        if case not in pages:
            pages[case] = write_report(CASES[case](), tmp_path_factory.mktemp("report"))
        return pages[case]

    return page


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    with sync_playwright() as running:
        words = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = running.chromium.launch(executable_path=str(CHROMIUM), args=words)
        yield chromium
        chromium.close()


@pytest.fixture
def look(browser: Any, reports: Callable[[str], Path]) -> Iterator[Callable[..., Any]]:
    """Open a case's report; whatever the browser complains of fails the test."""
    complaints: list[str] = []
    opened = []

    def open_page(case: str, width: int = 1280, scheme: str = "light") -> Any:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        opened.append(page)
        target = reports(case).as_uri()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append("a dialog"), dialog.dismiss()))
        page.on(
            "request",
            lambda request: (
                request.url in (target, "data:,") or complaints.append(f"asked for {request.url}")
            ),
        )
        page.goto(target)
        return page

    yield open_page
    for page in opened:
        page.close()
    assert not complaints
