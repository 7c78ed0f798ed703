"""What a model says of itself, and files that say nothing or nonsense."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import GRU, HALF_TRAINS, NUM_SAMPLES, SAMPLING_RATE, data_words, fit

from ecg_tl.checkpoints.digest import DIGEST
from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.inference.answer import AnswerSettings
from ecg_tl.inference.checkpoint_model import CheckpointModel
from ecg_tl.inference.model import ModelDescription
from ecg_tl.inference.opening import open_model
from ecg_tl.inference.output import as_json, explanations
from ecg_tl.signals import LEADS
from ecg_tl.store.reader import Store
from ecg_tl.tasks.restoring import restore_task


@pytest.fixture
def checkpoint(trained_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(trained_run / "checkpoints" / "best.ckpt", tmp_path))


def test_a_checkpoint_says_all_that_inference_needs(checkpoint: Path) -> None:
    description = open_model(checkpoint).description
    content = torch.load(checkpoint, weights_only=True)["ecg_tl"]
    assert description.class_names == ("NORM", "MI", "STTC", "HYP", "CD")
    assert "IMI" in description.class_codes["MI"]
    assert (description.leads, description.units) == (LEADS, "mV")
    assert (description.sampling_rate, description.num_samples) == (SAMPLING_RATE, NUM_SAMPLES)
    assert (description.network, description.dataset, description.crop) == ("gru", "ptbxl", "start")
    assert description.calibrated
    assert list(description.thresholds) == content["calibration"]["thresholds"]
    assert description.temperature == content["calibration"]["temperature"]
    assert description.version == content["versions"]["ecg-tl"]
    assert not description.lead_dropout
    assert description.signal_ranges is not None
    assert len(description.signal_ranges["deviation_mv"]) == 12


def test_the_description_survives_json(checkpoint: Path) -> None:
    description = open_model(checkpoint).description
    assert ModelDescription.from_dict(json.loads(json.dumps(description.as_dict())), "x") == description


def test_the_logits_are_the_tasks(checkpoint: Path) -> None:
    model = CheckpointModel(checkpoint)
    signal = np.random.default_rng(0).normal(0, 0.3, (3, 12, NUM_SAMPLES)).astype(np.float32)
    task = restore_task(checkpoint, read_checkpoint(checkpoint))
    with torch.no_grad():
        expected = task(torch.from_numpy(signal)).numpy()
    np.testing.assert_array_equal(model.logits(signal), expected)
    assert not model.task.training


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "trained_for_it"),
    [
        (("--data.augmentation.lead_dropout", "0.2"), True),
        (
            (
                *("--data.augmentation.lead_dropout", "0.2"),
                *("--data.augmentation.lead_dropout_probability", "0"),
            ),
            False,
        ),
    ],
)
def test_lead_dropout_is_remembered(
    words: tuple[str, ...],
    trained_for_it: bool,
    ptbxl_root: Path,
    ptbxl_store: Store,
    prepared: Path,
    tmp_path: Path,
) -> None:
    data = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]
    run = fit(data, tmp_path, *words, model=GRU)
    assert open_model(run / "checkpoints" / "last.ckpt").description.lead_dropout is trained_for_it


def _edit(checkpoint: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    content = torch.load(checkpoint, weights_only=True)
    del content[DIGEST]
    change(content)
    torch.save(content, checkpoint)
    return checkpoint


def test_an_older_checkpoint_lacks_what_came_later(checkpoint: Path) -> None:
    def age(content: dict[str, Any]) -> None:
        for name in ("crop", "augmentation", "signal_ranges", "code_system"):
            del content["ecg_tl"]["data"][name]
        for name in ("rule", "target"):
            content["ecg_tl"]["calibration"].pop(name, None)
        del content["ecg_tl_trained_on"]

    description = open_model(_edit(checkpoint, age)).description
    assert (description.crop, description.lead_dropout) == ("start", False)
    assert (description.signal_ranges, description.code_system) == (None, None)
    assert description.threshold_rule == "f1"


def test_an_older_code_test_checkpoint_cropped_in_the_middle(checkpoint: Path) -> None:
    def age(content: dict[str, Any]) -> None:
        del content["ecg_tl"]["data"]["crop"]
        content["ecg_tl"]["data"]["dataset"] = "code_test"

    assert open_model(_edit(checkpoint, age)).description.crop == "center"


def test_a_checkpoint_without_calibration_decides_at_one_half(checkpoint: Path) -> None:
    description = open_model(
        _edit(checkpoint, lambda content: content["ecg_tl"].update(calibration=None))
    ).description
    assert not description.calibrated
    assert description.thresholds == (0.5,) * 5
    assert (description.temperature, description.tuned) == (1.0, (False,) * 5)


@pytest.mark.parametrize("temperature", [0.05, 20.0, None])
def test_without_a_temperature_that_can_be_used_probabilities_are_uncalibrated(
    checkpoint: Path, temperature: float | None
) -> None:
    """None as this version writes it, or the end of the range that an earlier one wrote."""
    said = {"temperature": temperature} | ({"uncalibrated": "few records"} if temperature is None else {})
    edited = _edit(checkpoint, lambda content: content["ecg_tl"]["calibration"].update(said))
    description = open_model(edited).description
    assert (description.validated, description.calibrated, description.temperature) == (True, False, 1.0)
    assert ("few records" if temperature is None else "an end of its range") in str(description.uncalibrated)
    exported = description.as_dict()
    assert ModelDescription.from_dict(exported, "x") == description
    if temperature is not None:  # in an exported file of the earlier version
        for name in ("validated", "uncalibrated"):
            del exported[name]
        old = exported | {"temperature": temperature, "calibrated": True}
        assert ModelDescription.from_dict(old, "x") == description
    assert "probabilities not calibrated: " in explanations(description)[0]
    assert "thresholds for the greatest F1 on validation records" in explanations(description)[0]
    assert as_json([], description, edited, AnswerSettings())["calibration"]["temperature"] is None


TAMPERED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another project's": (lambda content: content.pop("ecg_tl"), "no description of itself"),
    "no data": (lambda content: content["ecg_tl"].update(data=None), "nothing about the data"),
    "classes": (lambda content: content["ecg_tl"]["class_names"].pop(), "thresholds"),
    "leads": (lambda content: content["ecg_tl"]["data"].update(leads=["I", "X"]), "leads I, X"),
    "fewer leads": (lambda content: content["ecg_tl"]["data"].update(leads=["I"]), "12 leads"),
    "rate": (lambda content: content["ecg_tl"]["data"].update(sampling_rate=-1), "sampling_rate -1"),
    "no rate": (lambda content: content["ecg_tl"]["data"].pop("sampling_rate"), "sampling_rate"),
    "samples": (lambda content: content["ecg_tl"]["data"].update(num_samples="x"), "num_samples 'x'"),
    "length": (lambda content: content["ecg_tl"]["data"].update(num_samples=5), "250 samples"),
    "units": (lambda content: content["ecg_tl"]["data"].update(units="uV"), "units 'uV'"),
    "threshold": (
        lambda content: content["ecg_tl"]["calibration"].update(thresholds=[float("nan")] * 5),
        "thresholds",
    ),
    "thresholds": (lambda content: content["ecg_tl"]["calibration"].update(thresholds=[0.5]), "1 thresholds"),
    "temperature": (lambda content: content["ecg_tl"]["calibration"].update(temperature=0), "temperature 0"),
    "ranges": (lambda content: content["ecg_tl"]["data"].update(signal_ranges=[1]), "signal_ranges"),
    "ranges of another kind": (
        lambda content: content["ecg_tl"]["data"].update(signal_ranges={"records": 1}),
        "signal_ranges",
    ),
    "ranges of fewer leads": (
        lambda content: content["ecg_tl"]["data"]["signal_ranges"]["frequency_hz"].pop(),
        "signal_ranges",
    ),
    "settings": (lambda content: content.pop("hyper_parameters"), "no settings"),
    "an absurd rate": (
        lambda content: content["ecg_tl"]["data"].update(sampling_rate=1e308),
        "sampling_rate",
    ),
    "absurd length": (lambda content: content["ecg_tl"]["data"].update(num_samples=10**20), "num_samples"),
    "weights that are no numbers": (
        lambda content: next(iter(content["state_dict"].values())).fill_(float("nan")),
        "outputs are no numbers",
    ),
    "weights": (
        lambda content: content["state_dict"].pop(next(iter(content["state_dict"]))),
        "make no network",
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_checkpoint_is_refused(name: str, checkpoint: Path) -> None:
    change, found = TAMPERED[name]
    with pytest.raises(CheckpointError) as error:
        open_model(_edit(checkpoint, change))
    assert error.value.where == str(checkpoint)
    assert found in error.value.found


@pytest.mark.parametrize("suffix", [".ckpt", ".onnx", ".pt2"])
@pytest.mark.parametrize("content", [b"", b"half of it", None])
def test_no_model_at_all(content: bytes | None, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=path.name):
        open_model(path)


def test_a_truncated_checkpoint(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:-2000])
    with pytest.raises(CheckpointError):
        open_model(checkpoint)


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="found a folder"):
        open_model(tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(checkpoint: Path) -> None:
    with pytest.raises(SettingError, match="cuda"):
        open_model(checkpoint, "cuda")


@pytest.mark.parametrize("content", [None, [], {}, {"format": 2}, {"format": 1}, {"format": 1, "leads": 3}])
def test_what_is_no_description(content: object) -> None:
    with pytest.raises(CheckpointError, match="a file"):
        ModelDescription.from_dict(content, "a file")


def test_every_entry_is_checked(checkpoint: Path) -> None:
    good = open_model(checkpoint).description.as_dict()
    for one in fields(ModelDescription):
        with pytest.raises(CheckpointError, match=one.name):
            ModelDescription.from_dict({**good, one.name: object()}, "a file")
