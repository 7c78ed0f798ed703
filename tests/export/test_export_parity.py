"""An exported file gives PyTorch's numbers, whatever the network, and is not kept if it does not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_networks import TINY, fitting
from untrained import CALIBRATION, CLASSES, NUM_SAMPLES, save_checkpoint

from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.export import exporting
from ecg_tl.export.exporting import export
from ecg_tl.export.formats import FORMATS, Format
from ecg_tl.export.parity import TOLERANCE, Parity, require_parity, synthetic_signals
from ecg_tl.inference.checkpoint_model import CheckpointModel
from ecg_tl.inference.opening import open_model
from ecg_tl.models import network_names

RNNS = network_names("rnn")


def options_of(network: str) -> dict[str, Any]:
    """Small sizes, so that an export takes seconds."""
    if network in RNNS:
        return {"hidden_size": 8}
    return {"network_options": TINY[network]} if network in TINY else {}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("network", network_names())
@pytest.mark.slow
def test_every_network_gives_the_same_numbers(network: str, format: Format, tmp_path: Path) -> None:
    samples = fitting(network, NUM_SAMPLES)
    checkpoint = save_checkpoint(tmp_path / "best.ckpt", network, num_samples=samples, **options_of(network))
    exported = export(checkpoint, format)
    assert exported.path == checkpoint.with_suffix(FORMATS[format].suffix)
    assert exported.parity.largest < TOLERANCE

    original, model = CheckpointModel(checkpoint), open_model(exported.path, trust_program=True)
    assert model.description == original.description
    rng = np.random.default_rng(1)
    for batch in (1, 3, 10):
        signal = rng.normal(size=(batch, 12, samples)).astype(np.float32)
        # Rounding grows with a logit, and those of a fresh network of 101 layers reach 16.
        np.testing.assert_allclose(model.logits(signal), original.logits(signal), rtol=3e-5, atol=2e-4)


@pytest.mark.parametrize("pooling", ["last", "mean", "attention"])
@pytest.mark.parametrize("network", RNNS)
def test_pooled_heads_give_the_same_numbers(network: str, pooling: str, tmp_path: Path) -> None:
    checkpoint = save_checkpoint(
        tmp_path / "best.ckpt", network, hidden_size=8, pooling=pooling, num_layers=2
    )
    assert export(checkpoint).parity.largest < TOLERANCE


@pytest.mark.parametrize("normalization", ["min_max", "z_score", "none"])
def test_every_normalization_is_in_the_graph(normalization: str, tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "best.ckpt", normalization=normalization, hidden_size=8)
    exported = export(checkpoint)
    assert exported.parity.largest < TOLERANCE
    # In millivolts, and a flat lead among them: the graph must normalise, and as the task does.
    signal = 3 * np.random.default_rng(0).normal(size=(2, 12, NUM_SAMPLES)).astype(np.float32)
    signal[0, 4] = 0.7
    found, wanted = (
        open_model(exported.path, trust_program=True).logits(signal),
        CheckpointModel(checkpoint).logits(signal),
    )
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    scaled = open_model(exported.path, trust_program=True).logits(2 * signal + 1)
    assert np.allclose(scaled, found, atol=1e-4) == (normalization != "none")  # it is what removes both


@pytest.mark.slow
@pytest.mark.parametrize("file", ["onnx_file", "program_file"])
def test_temperature_and_sigmoid_are_in_the_graph(file: str, request: pytest.FixtureRequest) -> None:
    model: Any = open_model(request.getfixturevalue(file), trust_program=True)
    signal = np.random.default_rng(0).normal(size=(4, 12, NUM_SAMPLES)).astype(np.float32)
    probability, logits = model.outputs(signal)
    assert probability.shape == logits.shape == (4, len(CLASSES))
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-logits / CALIBRATION.temperature)), rtol=1e-5)
    np.testing.assert_array_equal(model.logits(signal), logits)


def test_a_checkpoint_that_was_never_validated_keeps_its_probabilities(tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "best.ckpt", calibration=None, hidden_size=8)
    model: Any = open_model(export(checkpoint).path, trust_program=True)
    assert not model.description.calibrated
    probability, logits = model.outputs(np.ones((1, 12, NUM_SAMPLES), dtype=np.float32))
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-logits)), rtol=1e-5)


def test_synthetic_signals_reach_the_branches_of_normalisations(untrained_gru: Path) -> None:
    description = CheckpointModel(untrained_gru).description
    signals = synthetic_signals(description)
    assert signals.shape[1:] == (12, NUM_SAMPLES)
    assert signals.dtype == np.float32
    extent = np.ptp(signals, axis=-1)
    assert (extent > 0).all(axis=1).sum() > 20  # ECGs
    assert (extent == 0).all(axis=1).any()  # nothing
    assert ((extent == 0).sum(axis=1) == 1).any()  # one flat lead
    assert np.abs(signals).max() > 6  # beyond the clipping of fixed_scale
    assert synthetic_signals(replace(description, leads=("II", "V5"))).shape[1] == 2


class TestAFileWithOtherNumbers:
    def spoil(self, monkeypatch: pytest.MonkeyPatch, format: Format) -> None:
        kind = FORMATS[format]

        def make(graph: Any, description: Any) -> bytes:
            graph.temperature *= 1.01
            return kind.make(graph, description)

        monkeypatch.setitem(exporting.FORMATS, format, replace(kind, make=make))

    @pytest.mark.slow
    @pytest.mark.parametrize("format", FORMATS)
    def test_is_an_error_and_not_left_behind(
        self, format: Format, untrained_resnet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.spoil(monkeypatch, format)
        with pytest.raises(CheckpointError, match="other numbers in the exported file"):
            export(untrained_resnet, format, tmp_path / f"model{FORMATS[format].suffix}")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.slow
    def test_leaves_an_earlier_export_as_it_was(
        self, untrained_gru: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        earlier = export(untrained_gru, "onnx", tmp_path / "model.onnx").path.read_bytes()
        self.spoil(monkeypatch, "onnx")
        with pytest.raises(CheckpointError):
            export(untrained_gru, "onnx", tmp_path / "model.onnx")
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [earlier]

    @pytest.mark.parametrize("number", [float("nan"), 2 * TOLERANCE])
    def test_is_judged_by_probabilities_and_by_logits(self, number: float) -> None:
        for parity in (Parity(1, "simulated", number, 0.0), Parity(1, "simulated", 0.0, number)):
            with pytest.raises(CheckpointError):
                require_parity(parity, "model.onnx")
        require_parity(Parity(1, "simulated", TOLERANCE, TOLERANCE / 2), "model.onnx")

    def test_weights_that_are_not_finite_are_refused(self, tmp_path: Path) -> None:
        checkpoint = save_checkpoint(tmp_path / "best.ckpt", hidden_size=8)
        content = torch.load(checkpoint, weights_only=True)
        content["state_dict"]["network.fc.bias"][1] = float("nan")
        torch.save(content, checkpoint)
        with pytest.raises(CheckpointError):
            export(checkpoint)
        assert list(tmp_path.iterdir()) == [checkpoint]


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_how_to_install_it(
    package: str, untrained_gru: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SettingError, match=rf"no package {package}, .*pip install 'ecg-tl\[onnx\]'"):
        export(untrained_gru, "onnx", tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_torch_program_needs_no_onnx(
    untrained_resnet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("onnx", "onnxruntime", "onnxscript"):
        monkeypatch.setitem(sys.modules, package, None)
    assert export(untrained_resnet, "torch", tmp_path / "model.pt2").path.is_file()


def test_onnx_needs_no_onnxscript(
    untrained_gru: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert export(untrained_gru, "onnx", tmp_path / "model.onnx").path.is_file()
