"""Many records: answers in order, each record's fault its own, whoever reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fake_model import FakeModel
from tiny import NUM_SAMPLES

from ecg_tl.errors import CheckpointError, EcgTlError, RecordError
from ecg_tl.export.exporting import export
from ecg_tl.inference import many
from ecg_tl.inference.answer import Answer, AnswerSettings, answer
from ecg_tl.inference.many import answer_records
from ecg_tl.inference.opening import FEWEST_COPIED, Opening, open_model, opening_of_its_own
from ecg_tl.recordings import ReadSettings, read_record
from ecg_tl.signals import LEADS
from ecg_tl.store import parallel

READING, SETTINGS = ReadSettings(), AnswerSettings()
SECONDS = {20: 1800, 70: 25}  # of the others 10; a network takes 10
ABSENT = 33


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Recordings at 20 Hz, some long, one missing."""
    folder = tmp_path_factory.mktemp("records")
    rng = np.random.default_rng(0)
    paths = []
    for number in range(80):
        paths.append(folder / f"{number:02}.npz")
        signal = rng.normal(0, 0.3, (12, 20 * SECONDS.get(number, 10))).astype(np.float32)
        if number != ABSENT:
            np.savez(paths[-1], signal=signal, leads=LEADS, sampling_rate=20, units="mV")
    return paths


def network() -> FakeModel:
    return FakeModel(sampling_rate=20.0, num_samples=200)


def alone(model: FakeModel, record: Path) -> Answer | str:
    try:
        return answer(model, record, read_record(record, READING), SETTINGS)[0]
    except EcgTlError as error:
        return str(error)


def same(found: Answer | EcgTlError, expected: Answer | str) -> bool:
    if isinstance(found, EcgTlError) or isinstance(expected, str):
        return str(found) == expected
    pairs = zip(found.classes, expected.classes, strict=True)
    numbers = ((one.probability, other.probability) for one, other in pairs)
    rest = ("record", "seconds", "leads", "window_starts", "remarks")
    return all(getattr(found, name) == getattr(expected, name) for name in rest) and all(
        one == pytest.approx(other, abs=1e-6) for one, other in numbers
    )


def test_answers_are_those_of_each_record_alone_in_order(records: list[Path]) -> None:
    model = network()
    found = list(answer_records(model, records, READING, SETTINGS))
    assert [one.record for one in found] == records
    assert isinstance(found[ABSENT].found, RecordError)
    assert all(same(one.found, alone(network(), one.record)) for one in found)
    # A long record is run by itself; the others wait for each other.
    assert [len(batch) for batch in model.seen] == [20, 64, 64, 52, 60]
    assert found[70].windows is not None
    assert len(found[70].windows) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("opening", "answered_here"),
    [pytest.param(None, 77 + 180 + 3, id="read ahead"), pytest.param(network, 180 + 3, id="answer")],
)
def test_processes_change_nothing(
    opening: Opening | None, answered_here: int, records: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = list(answer_records(network(), records, READING, SETTINGS))
    monkeypatch.setattr(parallel, "SERIAL_BELOW", 1)
    monkeypatch.setattr(many, "MOST_SENT", 2)  # those of more windows are left to this process
    here = network()
    found = list(answer_records(here, records, READING, SETTINGS, workers=2, opening=opening))
    assert [one.record for one in found] == records
    for one, other in zip(found, expected, strict=True):
        assert same(one.found, str(other.found) if isinstance(other.found, EcgTlError) else other.found)
    assert sum(len(batch) for batch in here.seen) == answered_here


def unopenable() -> FakeModel:
    raise CheckpointError("file", "another one than a moment ago", "the same", "Run it again.")


@pytest.mark.slow
def test_a_network_that_cannot_be_opened_again_ends_it_all(
    records: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "SERIAL_BELOW", 1)
    with pytest.raises(CheckpointError, match="another one than a moment ago"):
        list(answer_records(network(), records, READING, SETTINGS, workers=2, opening=unopenable))


@pytest.mark.slow
def test_who_opens_a_network_of_its_own(trained_run: Path, tmp_path: Path) -> None:
    checkpoint = trained_run / "checkpoints" / "best.ckpt"
    model = open_model(checkpoint, "cpu")
    assert opening_of_its_own(model, checkpoint, FEWEST_COPIED - 1) is None
    again = opening_of_its_own(model, checkpoint, FEWEST_COPIED)
    signal = np.random.default_rng(0).normal(size=(3, 12, NUM_SAMPLES)).astype(np.float32)
    threads = torch.get_num_threads()
    assert again is not None
    np.testing.assert_allclose(again().logits(signal), model.logits(signal), atol=1e-5)
    torch.set_num_threads(threads)
    exported = export(checkpoint, "onnx", tmp_path / "network.onnx").path
    of_onnx = opening_of_its_own(open_model(exported), exported, 1)
    assert of_onnx is not None
    np.testing.assert_allclose(of_onnx().logits(signal), model.logits(signal), atol=1e-4)
    on_gpu = network()
    on_gpu.device_type = "cuda"
    assert opening_of_its_own(on_gpu, exported, FEWEST_COPIED) is None


def test_a_network_without_numbers_for_one_record_answers_the_others(records: list[Path]) -> None:
    model = network()
    good = model.logits

    def logits(signal: np.ndarray) -> np.ndarray:
        found = good(signal)
        found[min(2, len(found) - 1)] = np.nan
        return found

    model.logits = logits  # type: ignore[method-assign]
    found = list(answer_records(model, records[:5], READING, SETTINGS))
    assert [isinstance(one.found, CheckpointError) for one in found] == [False, False, True, False, False]


def test_no_records_at_all() -> None:
    assert list(answer_records(network(), [], READING, SETTINGS)) == []
