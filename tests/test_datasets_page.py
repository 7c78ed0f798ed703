"""`docs/datasets.md` says of every dataset what the registry says."""

from __future__ import annotations

from pathlib import Path

from ecg_tl.datasets import DATASETS
from ecg_tl.datasets.partners import partners_of

PAGE = Path(__file__).parents[1] / "docs" / "datasets.md"


def row(name: str) -> str:
    """Return what the page says of a dataset, from the registry."""
    reader = DATASETS[name].reader
    classes = []
    for task in reader.tasks:
        count = len(reader.known_classes(task))
        said = f"{count}" if count else "its files'"
        classes.append(said if len(reader.tasks) == 1 else f"`{task}` {said}")
    partners = ", ".join(f"`{partner}` ({how})" for partner, how in partners_of(name).items())
    return f"| `{name}` | {reader.records} | {reader.licence} | {', '.join(classes)} | {partners} |"


def test_the_page_has_a_row_of_every_dataset() -> None:
    page = PAGE.read_text(encoding="utf-8")
    table = [line for line in page.splitlines() if line.startswith("| `")]
    assert table == [row(name) for name in DATASETS]
