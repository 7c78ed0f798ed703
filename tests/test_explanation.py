"""Integrated gradients: they add up, find what a network looks at, and leave no trace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ecg_tl.errors import SettingError
from ecg_tl.explanation import flat_line, integrated_gradients
from ecg_tl.tasks import CnnClassifier, EcgClassifier, RnnClassifier
from ecg_tl.transforms import create_normalization

LEADS, SAMPLES = 3, 80


def data(normalization: str = "fixed_scale") -> dict[str, Any]:
    return {
        "num_classes": 2,
        "num_leads": LEADS,
        "num_samples": SAMPLES,
        "class_names": ["A", "B"],
        "normalization": create_normalization(normalization).describe(),
    }


def make_task(kind: str, normalization: str = "fixed_scale") -> EcgClassifier:
    torch.manual_seed(0)
    task: EcgClassifier = (
        CnnClassifier("resnet1d18", **data(normalization))
        if kind == "cnn"
        else RnnClassifier(kind, hidden_size=6, **data(normalization))
    )
    with torch.no_grad():
        task.network.head.weight.mul_(10)  # as far from indifferent as a trained network
    return task


def make_signal(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    beats = np.exp(-0.5 * ((np.arange(SAMPLES) % 25 - 12) / 1.5) ** 2)
    return (beats * np.array([[1.0], [-0.5], [0.3]]) + 0.05 * rng.standard_normal((LEADS, SAMPLES))).astype(
        "f4"
    )


def logit_difference(task: EcgClassifier, signal: np.ndarray, class_index: int) -> float:
    """Of the signal and of a flat line at its medians."""
    with torch.no_grad():
        seen = task.eval().normalization(torch.from_numpy(signal)[None])
        logits = task.network(torch.cat([seen, flat_line(seen)]))
    return float(logits[0, class_index] - logits[1, class_index])


@pytest.mark.parametrize("kind", ["cnn", "lstm", "bilstm", "gru"])
@pytest.mark.parametrize("class_index", [0, 1])
def test_attributions_add_up_to_the_difference_of_the_logits(kind: str, class_index: int) -> None:
    task, signal = make_task(kind), make_signal()
    attribution = integrated_gradients(task, signal, class_index, steps=64)
    assert attribution.shape == signal.shape
    assert attribution.dtype == np.float32
    difference = logit_difference(task, signal, class_index)
    assert abs(difference) > 0.05, "there is something to explain"
    assert attribution.sum() == pytest.approx(difference, rel=0.05, abs=0.005)


@pytest.mark.parametrize("normalization", ["fixed_scale", "z_score", "min_max", "none"])
def test_they_add_up_under_every_normalisation(normalization: str) -> None:
    task, signal = make_task("gru", normalization), make_signal()
    attribution = integrated_gradients(task, signal, 0)
    assert attribution.sum() == pytest.approx(logit_difference(task, signal, 0), rel=0.01, abs=1e-4)


class OneWave(nn.Module):
    """A network whose logit 0 is the squared mean of one stretch of one lead, and whose logit 1 is 0."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        mean = signal[:, 1, 30:40].mean(dim=1)
        return torch.stack([mean.square(), 0 * mean], dim=1)


def test_they_lie_where_the_network_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    task, signal = make_task("cnn", "none"), make_signal()
    monkeypatch.setattr(task.network, "forward", OneWave().forward)
    attribution = integrated_gradients(task, signal, 0)
    assert np.abs(attribution[1, 30:40]).max() > 0
    attribution[1, 30:40] = 0
    assert not attribution.any()
    assert not integrated_gradients(task, signal, 1).any()


def test_a_lead_that_is_flat_has_none() -> None:
    signal = make_signal()
    signal[2] = 0.7
    attribution = integrated_gradients(make_task("gru"), signal, 0)
    assert not attribution[2].any()
    assert attribution[0].any()


@pytest.mark.parametrize("kind", ["cnn", "gru"])
def test_a_training_does_not_notice(kind: str) -> None:
    task = make_task(kind).train()
    task.network.head.eval()  # as a frozen layer is
    task.network.head.weight.requires_grad_(False)
    task(torch.from_numpy(make_signal())[None].repeat(2, 1, 1)).sum().backward()
    before = {name: tensor.clone() for name, tensor in task.state_dict().items()}
    gradients = {name: None if p.grad is None else p.grad.clone() for name, p in task.named_parameters()}
    modes = [module.training for module in task.modules()]
    state = torch.get_rng_state()
    with torch.inference_mode():  # as Lightning validates
        integrated_gradients(task, make_signal(), 0)
        assert torch.is_inference_mode_enabled()
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in task.modules()] == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in task.state_dict().items())
    for name, parameter in task.named_parameters():
        kept = gradients[name]
        assert parameter.grad is None if kept is None else torch.equal(parameter.grad, kept)
        assert parameter.requires_grad == (parameter is not task.network.head.weight)


def test_a_tensor_made_under_inference_is_explained_as_an_array() -> None:
    task, signal = make_task("gru"), make_signal()
    with torch.inference_mode():
        tensor = torch.from_numpy(signal) * 1
        found = integrated_gradients(task, tensor, 0)
    np.testing.assert_allclose(found, integrated_gradients(task, signal, 0))


@pytest.mark.parametrize(
    ("signal", "class_index", "named"),
    [
        (
            np.zeros((2, SAMPLES)),
            0,
            r"signal to explain: found shape \(2, 80\), expected \(3 leads, 80 samples\)",
        ),
        (np.zeros((3, 40)), 0, "80 samples"),
        (np.full((3, SAMPLES), np.nan), 0, "no numbers"),
        (np.zeros((3, SAMPLES)), 2, "class to explain: found number 2"),
        (np.zeros((3, SAMPLES)), -1, "class to explain"),
    ],
)
def test_what_cannot_be_explained_is_refused(signal: np.ndarray, class_index: int, named: str) -> None:
    task = make_task("gru").train()
    with pytest.raises(SettingError, match=named):
        integrated_gradients(task, signal, class_index)
    assert task.training
