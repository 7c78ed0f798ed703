"""A study on a Ray cluster."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from test_killed_study import run_script
from tiny_study import Done, study_on_two_nodes, tiny_study

from ecg_tl.errors import SettingError
from ecg_tl.study.design.folder import StudyFolder
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.run.attempts import read_attempts
from ecg_tl.study.run.launch import run_study


@pytest.mark.slow
def test_a_node_that_is_killed(
    roots: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # That a node is gone is noticed within a second or two, not within half a minute.
    monkeypatch.setitem(os.environ, "RAY_health_check_initial_delay_ms", "1000")
    monkeypatch.setitem(os.environ, "RAY_health_check_period_ms", "1000")
    monkeypatch.setitem(os.environ, "RAY_health_check_failure_threshold", "3")
    output = run_script("ray_cluster.py", tmp_path, roots, prepared)
    assert "killed with 0 finished" in output
    assert "3 finished, 0 failed" in output

    settings = study_on_two_nodes(tmp_path, roots, prepared)
    folder = StudyFolder(tmp_path)
    attempts = [
        [one.outcome for one in read_attempts(folder.run(run.id).attempts).all]
        for run in make_plan(settings).runs
    ]
    # Each has one result, by one attempt; the run on the node that was killed had one before it.
    assert [outcomes.count("finished") for outcomes in attempts] == [1, 1, 1]
    assert sorted(attempts, key=len) == [["finished"], ["finished"], ["cut off", "finished"]]
    epochs = [len((folder.run(run.id).metrics).read_text().splitlines()) for run in make_plan(settings).runs]
    assert epochs == [41, 41, 41]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").is_file(), reason="sockets are read from Linux's /proc")
def test_a_cluster_of_its_own_listens_on_the_loopback_address_alone() -> None:
    addresses = run_script("ray_ports.py").split()
    assert addresses
    assert set(addresses) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_without_ray(roots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "ecg_tl.study.run.executors.ray", raising=False)
    settings = tiny_study(tmp_path, roots)
    with pytest.raises(SettingError, match=r"pip install 'ecg-tl\[ray\]'"):
        run_study(settings, make_plan(settings), executor="ray")


def test_nothing_to_do_needs_no_ray(finished: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    outcome = run_study(finished.settings, finished.plan, executor="ray")
    assert len(outcome.finished) == len(finished.plan.runs)
