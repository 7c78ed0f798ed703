"""`ecg-tl study verify` reads every file of every finished run, and names what is not the run's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from fake_study import FakeStudy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg_tl.cli import main
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.settings import read_study

FILES = ("result.json", "metrics.csv", "test/predictions.csv")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two finished runs, of the ids that the study's plan has."""
    path = tmp_path / "study.yaml"
    down = {"data": {"class_path": "Cpsc2018DataModule"}}
    network = {"model": {"class_path": "RnnClassifier", "init_args": {"network": "gru"}}}
    content = {
        **{"name": "s", "folder": str(tmp_path / "out"), "seeds": [0, 1], "arms": {"scratch": {}}},
        **{"downstreams": {"down": down}, "networks": {"gru": network}, "second_opinion": False},
    }
    path.write_text(yaml.safe_dump(content))
    fake = FakeStudy(tmp_path / "out", digests=True)
    fake.add("scratch", 1.0, (0, 1), network="gru")
    for made, run in zip(fake.ids, make_plan(read_study(path)).runs, strict=True):
        folder = (tmp_path / "out" / "runs" / made).rename(tmp_path / "out" / "runs" / run.id)
        result = json.loads((folder / "result.json").read_text())
        (folder / "result.json").write_text(json.dumps({**result, "run": run.describe()}))
    return path


def test_a_study_as_its_runs_left_it(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "verify", str(study)]) == 0
    assert capsys.readouterr().out == "2 finished runs were read; 0 have a file that they did not leave so.\n"


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(FILES[1:]), position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_flipped_bit_is_found_and_named(
    study: Path, capsys: pytest.CaptureFixture[str], name: str, position: float, bit: int
) -> None:
    path = next(study.parent.glob(f"out/runs/*s1*/{name}"))
    before = path.read_bytes()
    damaged = bytearray(before)
    damaged[int(position * len(before))] ^= 1 << bit
    path.write_bytes(damaged)
    try:
        assert main(["study", "verify", str(study)]) == 1
    finally:
        path.write_bytes(before)
    said = capsys.readouterr()
    assert str(path) in said.err
    assert "2 finished runs were read; 1 have" in said.out


@pytest.mark.parametrize("name", FILES[1:])
def test_a_file_that_is_gone_is_named(study: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    path = next(study.parent.glob(f"out/runs/*s0*/{name}"))
    path.unlink()
    assert main(["study", "verify", str(study)]) == 1
    assert f"{path}: found no such file" in capsys.readouterr().err
