"""Real records of every kind, as their datasets publish them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fake_model import FakeModel

from ecg_tl.cli import main
from ecg_tl.datasets.ludb import Ludb
from ecg_tl.inference.answer import Answer, AnswerSettings, answer
from ecg_tl.inference.windows import Windows
from ecg_tl.recordings import ReadSettings, find_records, read_record
from ecg_tl.signals import LEADS
from ecg_tl.store.conform import StoredSignal, conform
from ecg_tl.store.settings import StoreSettings

pytestmark = pytest.mark.realdata


def ask(path: Path, said: ReadSettings = ReadSettings()) -> tuple[Answer, Windows]:  # noqa: B008  (frozen)
    (record,), _ = find_records([path])
    return answer(FakeModel(), record, read_record(record, said), AnswerSettings())


def warnings(said: Answer) -> list[str]:
    return [remark.kind for remark in said.warnings]


def test_a_georgia_file(sample_data: Path) -> None:
    said, windows = ask(sample_data / "cinc2020" / "WFDB_Ga" / "E00001.mat")
    assert (said.seconds, said.sampling_rate, said.leads) == (10.0, 500.0, LEADS)
    assert said.remarks == ()
    recording = read_record(said.record, ReadSettings()).recording
    stored = conform(recording, StoreSettings(crop="start"), said.record)
    assert isinstance(stored, StoredSignal)
    np.testing.assert_array_equal(windows.steps[0], stored.steps)


def test_a_ptb_record_of_15_leads_at_1000_hz(sample_data: Path) -> None:
    said, windows = ask(sample_data / "ptbdb" / "patient001" / "s0010_re.xyz")
    assert said.sampling_rate == 1000.0
    assert said.leads == (*LEADS, "vx", "vy", "vz")
    assert windows.steps.shape == (4, 12, 1000)
    assert said.seconds == 38.4
    assert said.window_starts[-1] == pytest.approx(28.4)
    assert warnings(said) == []


def test_a_ludb_record_in_lower_case(sample_data: Path) -> None:
    path = sample_data / "ludb" / "data" / "1"
    assert "avr" in path.with_suffix(".hea").read_text()
    said, _ = ask(path)
    assert said.leads == LEADS
    assert warnings(said) == ["lead_relations", "normalised"]
    assert "--amplitude steps" in said.warnings[1].message
    steps, windows = ask(path, ReadSettings(amplitude="steps"))
    assert warnings(steps) == []
    stored = conform(Ludb().read(path.parent, path.name), StoreSettings(crop="start"), path)
    assert isinstance(stored, StoredSignal)
    np.testing.assert_array_equal(windows.steps[0], stored.steps)


def test_a_cpsc_recording_of_52_s(sample_data: Path) -> None:
    said, windows = ask(sample_data / "cinc2020" / "WFDB_CPSC2018_2" / "Q1847")
    assert said.seconds == pytest.approx(51.908)
    assert len(windows) == 6
    assert [remark.kind for remark in said.remarks] == ["windows"]
    assert said.classes[0].probability == pytest.approx(said.window_probabilities[:, 0].mean())


def test_a_ningbo_record_with_a_flat_lead(sample_data: Path) -> None:
    said, _ = ask(sample_data / "cinc2020" / "WFDB_Ningbo" / "JS20004")
    assert "flat_lead" in warnings(said)


@pytest.mark.slow
def test_all_of_them_through_the_command(
    trained_run: Path, sample_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(sample_data / "cinc2020"), str(sample_data / "ptbdb")]
    model = str(trained_run / "checkpoints" / "best.ckpt")
    assert main(["infer", model, *folders, "--json", "-"]) == 0
    records = json.loads(capsys.readouterr().out)["records"]
    assert len(records) == len(list((sample_data / "cinc2020").rglob("*.hea"))) + 3
    assert all(record["status"] == "ok" for record in records)
