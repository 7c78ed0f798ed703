"""A study that is killed, at any moment and as often as you like, comes to what it would have come to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from child_processes import importing
from tiny_study import outcome_of, states_of_files, study_to_kill

from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.run.attempts import read_attempts
from ecg_tl.study.run.launch import run_study
from ecg_tl.study.run.status import study_status

KILLS = 10
HERE = Path(__file__).parent


def run_script(name: str, *words: object, timeout: float = 550) -> str:
    """Run a script of this folder in a process of its own; return what it printed."""
    done = subprocess.run(
        [sys.executable, str(HERE / name), *map(str, words)],
        env=importing(HERE) | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
def test_killed_at_ten_random_moments(roots: Path, tmp_path: Path) -> None:
    # Every time the moments are others; so is what the processes are at, even after equal delays.
    seed = int(os.environ.get("ECG_TL_KILL_SEED", "0"))
    assert run_script("zygote.py", roots, tmp_path, KILLS, seed).strip() == str(KILLS)

    whole, killed = (study_to_kill(tmp_path / name, roots) for name in ("whole", "killed"))
    plan = make_plan(whole)
    assert [run.id for run in make_plan(killed).runs] == [run.id for run in plan.runs]
    assert outcome_of(killed) == outcome_of(whole)

    attempts = {}
    for name in ("whole", "killed"):
        for run in plan.runs:
            folder = tmp_path / name / "runs" / run.id
            attempts[name, run.id] = read_attempts(folder / "attempts.json").all
            assert not list(folder.rglob("*partial*"))
            assert not (folder / "error.txt").exists()
            assert [p.name for p in folder.rglob("*.ckpt")] == ["best.ckpt"] * (run.kind == "upstream")
    assert all(len(attempts["whole", run.id]) == 1 for run in plan.runs)
    # As many were cut off as could be at work when they were killed; some were between two runs.
    cut_off = sum(one.outcome == "cut off" for run in plan.runs for one in attempts["killed", run.id])
    assert 1 <= cut_off <= 2 * KILLS
    assert {status.state for status in study_status(killed, plan.runs)} == {"finished"}

    before = states_of_files(tmp_path / "killed")
    outcome = run_study(killed, plan, progress=False)
    assert outcome.finished == tuple(run.id for run in plan.runs)
    assert states_of_files(tmp_path / "killed") == before
