"""A network under each published contract is exported: its scaling is in the graph, the rest beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_networks import TINY

from ecg_tl.export.formats import make_onnx
from ecg_tl.export.graph import ExportedGraph
from ecg_tl.inference.model import ModelDescription
from ecg_tl.inference.onnx_model import OnnxModel
from ecg_tl.preprocessing import Chain, Step, TrainingScale
from ecg_tl.published import UPSTREAMS
from ecg_tl.tasks import EcgClassifier
from ecg_tl.transforms import ChainScaling


def fitted(step: Step, leads: int) -> Step:
    """Give a step what a training would have found in its records."""
    if not isinstance(step, TrainingScale) or step.is_fitted:
        return step
    numbers = leads if step.over == "lead" else 1
    return replace(step, mean=(0.1,) * numbers, deviation=(0.5,) * numbers)


@pytest.mark.slow
@pytest.mark.parametrize("name", UPSTREAMS)
def test_onnx_gives_the_numbers_of_pytorch_under_the_contract(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    entry = UPSTREAMS[name]
    contract = entry.contract
    classes = ("A", "B")
    task = EcgClassifier(
        network=entry.network,
        num_classes=2,
        num_leads=len(contract.leads),
        num_samples=contract.num_samples,
        class_names=classes,
        normalization={"name": "chain", "steps": contract.scaling.to_json()},
        network_options=TINY.get(entry.network, dict(entry.options)),
    ).eval()
    scaling = task.normalization
    assert isinstance(scaling, ChainScaling)
    scaling.fit(Chain(tuple(fitted(step, len(contract.leads)) for step in contract.scaling.steps)))
    description = ModelDescription(
        class_names=classes,
        thresholds=(0.5, 0.5),
        tuned=(False, False),
        leads=tuple(contract.leads),
        sampling_rate=contract.sampling_rate,
        num_samples=contract.num_samples,
        network=entry.network,
        preprocessing=contract.stored.to_json(),
        contract=name,
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(make_onnx(ExportedGraph(task, 1.0), description))
    model = OnnxModel(path)
    assert model.description == description
    signal = torch.randn(3, len(contract.leads), contract.num_samples).numpy()
    with torch.no_grad():
        expected = task(torch.from_numpy(signal)).numpy()
    np.testing.assert_allclose(model.logits(signal), expected, atol=2e-4, rtol=1e-3)
