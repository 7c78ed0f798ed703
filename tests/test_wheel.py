"""The program works from its wheel, in an empty folder and without the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "ecg_tl", "configs")
TINY = ["--upstream_records", "60", "--downstream_records", "60", "--progress", "false"]
NO_CACHES = shutil.ignore_patterns("__pycache__")


def pip(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder into which the wheel is installed, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "source").mkdir()
    for name in SOURCES:  # a copy: a build writes into its folder
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / "source" / name, ignore=NO_CACHES)
        else:
            shutil.copy(source, folder / "source")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder), str(folder / "source"))
    (wheel,) = folder.glob("*.whl")
    pip("install", "--no-deps", "--no-index", "--target", str(folder / "installed"), str(wheel))
    shutil.rmtree(folder / "source")
    return folder / "installed"


def python(installed: Path, here: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, *words], cwd=here, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ecg_tl(installed: Path, here: Path, *words: str) -> str:
    return python(installed, here, "-m", "ecg_tl", *words)


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_program(installed: Path) -> None:
    kept = {path.relative_to(installed / "ecg_tl") for path in (installed / "ecg_tl").rglob("*")}
    for folder, inside in ((REPOSITORY / "ecg_tl", Path()), (REPOSITORY / "configs", Path("configs"))):
        files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert files
        assert not {inside / path.relative_to(folder) for path in files} - kept
    assert {path.name for path in installed.iterdir() if path.suffix != ".dist-info"} <= {"ecg_tl", "bin"}


@pytest.mark.slow
def test_commands_work_from_the_wheel_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    where = python(installed, tmp_path, "-c", "import ecg_tl; print(ecg_tl.__file__)")
    assert Path(where.strip()).is_relative_to(installed)
    assert "ptbxl" in ecg_tl(installed, tmp_path, "data", "list")
    assert "132 runs" in ecg_tl(installed, tmp_path, "study", "plan", "paper")
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    # What its runs are called, and what was measured for it; no data, nothing else.
    assert sorted(files) == ["studies/paper/forecast.json", "studies/paper/plan.json"]


@pytest.mark.slow
def test_the_demo_works_from_the_wheel_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    printed = ecg_tl(installed, tmp_path, "demo", *TINY)
    assert "ecg-tl ask demo/60-60-0/cpsc2018" in printed
    assert (tmp_path / "demo" / "60-60-0" / "answer" / "report" / "index.html").is_file()
    assert len(list(tmp_path.glob("demo/*/answer/runs/*/result.json"))) == 5
