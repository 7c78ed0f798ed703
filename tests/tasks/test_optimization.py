"""Parameter groups, optimizers and schedules."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_networks import TINY
from torch import nn
from torch.optim import SGD, Adam, AdamW

from ecg_tl.models import create_network
from ecg_tl.models.registry import network_names
from ecg_tl.tasks.loss import positive_weights
from ecg_tl.tasks.optimization import (
    make_optimizer,
    make_schedule,
    parameter_groups,
    planned_steps,
)


@pytest.mark.parametrize("name", network_names())
def test_every_parameter_is_in_exactly_one_group(name: str) -> None:
    network = create_network(name, 3, 12, 200, **TINY.get(name, {}))
    next(iter(network.parameters())).requires_grad = False  # freezing is no reason to be left out
    groups = parameter_groups(network, 1e-3, 0.1)
    counts = Counter(id(parameter) for group in groups for parameter in group["params"])
    assert counts == Counter({id(parameter): 1 for parameter in network.parameters()})
    assert len({group["name"] for group in groups}) == len(groups)
    assert groups[-1]["name"].startswith("head.")


@pytest.mark.parametrize("name", network_names())
def test_biases_and_norms_do_not_decay(name: str) -> None:
    network = create_network(name, 3, 12, 200, **TINY.get(name, {}))
    for group in parameter_groups(network, 1e-3, 0.1):
        decays = {parameter.ndim > 1 for parameter in group["params"]}
        assert decays == {group["weight_decay"] > 0}
        assert group["name"].endswith(".decay" if group["weight_decay"] else ".no_decay")
    norms = {id(p) for m in network.modules() if isinstance(m, nn.BatchNorm1d) for p in m.parameters()}
    assert not any(
        id(p) in norms for g in parameter_groups(network, 1e-3, 0.1) if g["weight_decay"] for p in g["params"]
    )


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(rate=st.floats(1e-5, 1.0), decay=st.floats(0.1, 1.0))
def test_learning_rates_fall_by_depth(rate: float, decay: float) -> None:
    network = create_network("resnet1d18", 2, 1, 64)
    groups = parameter_groups(network, rate, 0.0, decay)
    rates = {group["name"].split(".")[0]: group["lr"] for group in groups}
    names = list(network.layer_groups())
    assert list(rates) == names
    for depth, name in enumerate(reversed(names)):
        assert rates[name] == pytest.approx(rate * decay**depth)


def test_rates_by_depth_are_those_of_equal_parts_below_the_head() -> None:
    network = create_network("resnet1d18", 2, 1, 64, widths=(4, 4, 4, 4), features=4)
    groups = parameter_groups(network, 1e-3, 0.0, lr_by_depth=[1e-5, 1e-4])
    rates = {group["name"].split(".")[0]: group["lr"] for group in groups}
    assert rates == {
        **dict.fromkeys(("stem", "layer1", "layer2"), 1e-5),
        **dict.fromkeys(("layer3", "layer4", "fc1"), 1e-4),
        "head": 1e-3,
    }


def test_positives_weigh_as_there_are_more_negatives() -> None:
    targets = np.array([[1, 0, 1, np.nan]] + [[0, 0, 1, 1]] * 4 + [[0, 0, 0, 0]] * 4, dtype=np.float32)
    assert positive_weights(targets, "none").tolist() == [1, 1, 1, 1]
    assert positive_weights(targets, "balanced").tolist() == pytest.approx([8, 1, 0.8, 1])
    assert positive_weights(targets, "root").tolist() == pytest.approx([8**0.5, 1, 0.8**0.5, 1])
    rare = np.zeros((1000, 1), dtype=np.float32)
    rare[0] = 1
    assert positive_weights(rare, "balanced").tolist() == [100]


def test_the_optimizer_keeps_names_rates_and_decay() -> None:
    groups = parameter_groups(create_network("gru", 2, 1, 20, hidden_size=2), 0.01, 0.3, 0.5)
    for name, kind in (("adamw", AdamW), ("adam", Adam), ("sgd", SGD)):
        optimizer = make_optimizer(name, groups)
        assert type(optimizer) is kind
        made = [(g["name"], g["lr"], g["weight_decay"]) for g in optimizer.param_groups]
        assert made == [(g["name"], g["lr"], g["weight_decay"]) for g in groups]
    assert optimizer.param_groups[0]["momentum"] == 0.9
    assert optimizer.param_groups[0]["nesterov"]


def _rates(schedule: str, steps: int) -> list[list[float]]:
    optimizer = make_optimizer(
        "sgd", parameter_groups(create_network("gru", 2, 1, 20, hidden_size=2), 0.1, 0.0, 0.5)
    )
    scheduler = make_schedule(schedule, optimizer, steps)  # type: ignore[arg-type]  # parametrised
    rates = []
    for _ in range(steps):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return rates


def test_one_cycle_rises_to_each_groups_rate_and_falls_to_nothing() -> None:
    rates = torch.tensor(_rates("one_cycle", 100))
    peak = rates.max(dim=0).values
    assert peak.tolist() == pytest.approx([0.05, 0.05, 0.1, 0.1], rel=1e-3)
    assert 25 <= int(rates[:, 0].argmax()) <= 32
    assert (rates[-1] < 1e-3 * peak).all()


def test_cosine_falls_from_each_groups_rate_to_nothing() -> None:
    rates = torch.tensor(_rates("cosine", 100))
    assert rates[0].tolist() == pytest.approx([0.05, 0.05, 0.1, 0.1])
    assert (rates.diff(dim=0) < 0).all()
    assert (rates[-1] < 1e-2 * rates[0]).all()


def test_constant_stays() -> None:
    assert all(step == [0.05, 0.05, 0.1, 0.1] for step in _rates("constant", 5))


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
@pytest.mark.parametrize("steps", [1, 2, 3, 50])
def test_a_schedule_knows_for_how_many_steps_it_was_planned(schedule: str, steps: int) -> None:
    optimizer = make_optimizer(
        "adamw", parameter_groups(create_network("gru", 2, 1, 20, hidden_size=2), 0.1, 0.0)
    )
    made = make_schedule(schedule, optimizer, steps)  # type: ignore[arg-type]  # parametrised
    assert planned_steps(made) == max(steps, 2)
    assert planned_steps(None) is None
