"""Every benchmark runs and prints its table; what the figures are is no matter here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PARTS = {"timing", "stores", "networks", "many_records", "scale_preparing"}  # of the others
ON_REAL_RECORDS = {"fingerprints"}
OF_STATISTICS = {
    "interval_coverage",
    "null_studies",
    "repeated_splits",
    "verdicts",
    "ask_answers",
    "until_sure",
}  # not of speed
OF_FAULTS = {"fuzz"}
INSTALLING = {"peers"}
NAMES = sorted(
    {path.stem for path in BENCHMARKS.glob("*.py")}
    - PARTS
    - ON_REAL_RECORDS
    - OF_STATISTICS
    - OF_FAULTS
    - INSTALLING
)


def run(name: str, *words: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{name}.py"), *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_prints_a_table(name: str) -> None:
    said = run(name, "--quick")
    assert said.startswith(f"# {name}: ")
    assert "cores" in said.splitlines()[2]
    assert any(line.startswith("| -") for line in said.splitlines())


@pytest.mark.slow
def test_a_made_up_store_is_prepared_in_shards_and_its_copies_are_found() -> None:
    said = run("scale", "prepare", "--quick", "--shards", "2")
    rows = [line.split("|")[1:-1] for line in said.splitlines() if line.startswith("| 1,000")]
    prepared, opened = ([cell.strip() for cell in row] for row in rows)
    assert prepared[:2] == ["1,000", "2"]
    assert prepared[-3:] == ["10", "0", "0"]  # copies, missed, others joined
    assert len(opened) == 8


@pytest.mark.slow
def test_the_coverage_of_intervals_is_simulated() -> None:
    lines = run("interval_coverage", "--studies", "2").splitlines()
    assert lines[0].startswith("| patients |")
    assert len(lines) > 10
    assert all(line.count("|") == lines[0].count("|") for line in lines)


def test_all_that_was_asked_for_is_there() -> None:
    asked = ("training_step", "trainer_overhead", "feeding", "prepare", "study_throughput", "startup")
    assert {*asked, "finished_study"} <= set(NAMES)


@pytest.mark.slow
def test_peers_that_cannot_be_installed_are_left_out_with_the_reason() -> None:
    said = run("peers", "--quick", PIP_NO_INDEX="1", PIP_FIND_LINKS="", PIP_CONFIG_FILE=os.devnull)
    rows = [line for line in said.splitlines() if line.startswith("| ")]
    assert [row.split()[1] for row in rows[2:]] == ["ecg-tl", "plain"]
    assert all(row.count("|") == rows[0].count("|") for row in rows)
    for name in ("deepecgkit", "torch_ecg"):
        assert f"\n{name}: left out, " in said


@pytest.mark.slow
@pytest.mark.skipif(
    "ECG_TL_PEERS" not in os.environ, reason="half a gigabyte is installed if ECG_TL_PEERS is set"
)
def test_peers_are_compared_where_they_can_be_installed(tmp_path: Path) -> None:
    said = run(
        "peers", "--quick", "--programs", "deepecgkit", "torch_ecg", "--environment", str(tmp_path / "e")
    )
    left_out = [line for line in said.splitlines() if ": left out, " in line]
    if left_out:
        pytest.skip("; ".join(left_out))
    rows = [line for line in said.splitlines() if line.startswith("| ")]
    assert [row.split()[1] for row in rows[2:]] == ["deepecgkit", "torch_ecg"]
    assert all(0 <= float(row.split("|")[column]) <= 1 for row in rows[2:] for column in (6, 7))
