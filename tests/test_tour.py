"""The notebook of the documentation runs as it is, and holds what it showed."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import ecg_tl

TOUR = Path(__file__).parents[1] / "docs" / "tour.ipynb"
LARGEST_BYTES = 400_000


def cells() -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(TOUR, 4).cells if cell.cell_type == "code"]


def test_the_notebook_is_kept_with_its_outputs_and_pictures_and_is_small() -> None:
    outputs = [output for cell in cells() for output in cell.outputs]
    assert [cell.execution_count for cell in cells()] == list(range(1, len(cells()) + 1))
    assert not [output for output in outputs if output.output_type == "error"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3
    assert sum("text/html" in output.get("data", {}) for output in outputs) >= 2
    assert TOUR.stat().st_size < LARGEST_BYTES
    assert "site-packages" not in TOUR.read_text(encoding="utf-8")  # a warning, with a path of some machine


def test_the_notebook_uses_what_import_ecg_tl_gives() -> None:
    source = "\n".join(cell.source for cell in cells())
    assert not re.findall(r"from ecg_tl|import ecg_tl\.", source)


def test_the_notebook_shows_what_is_there_today() -> None:
    shown = "".join(output["text"] for output in cells()[0].outputs)
    assert str(ecg_tl.list_datasets()) in shown
    assert str(ecg_tl.list_networks("resnet1d*")) in shown


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    notebook = nbformat.read(TOUR, 4)
    NotebookClient(
        notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    assert (tmp_path / "study" / "report" / "index.html").is_file()
    kinds = [[output.output_type for output in cell.outputs] for cell in notebook.cells if "outputs" in cell]
    assert sum("display_data" in kind or "execute_result" in kind for kind in kinds) >= 5
