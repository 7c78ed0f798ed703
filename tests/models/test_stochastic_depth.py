"""Residual branches are dropped at random in training, record by record, and never otherwise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_networks import TINY, fitting

from ecg_tl.errors import SettingError
from ecg_tl.models import NETWORKS, EcgNetwork, create_network
from ecg_tl.models.stochastic_depth import StochasticDepth, has_residual_blocks, set_stochastic_depth

RESIDUAL = [name for name, entry in NETWORKS.items() if entry.residual]


def make(name: str, **options: Any) -> EcgNetwork:
    torch.manual_seed(0)
    small = {**TINY.get(name, {}), **options}
    return create_network(name, 3, 12, fitting(name, 80), **small)


@pytest.mark.slow
def test_who_has_residual_branches_says_so() -> None:
    for name in NETWORKS:
        assert has_residual_blocks(make(name)) == NETWORKS[name].residual, name
    assert {"resnet1d18", "xresnet1d101", "net1d", "s4", "ecg_fm", "hubert_ecg", "weimann_vit"} <= {*RESIDUAL}


@pytest.mark.slow
@pytest.mark.parametrize("name", RESIDUAL)
def test_records_differ_in_training_and_not_in_evaluation(name: str) -> None:
    plain, deep = make(name), make(name, stochastic_depth=0.5)
    assert plain.state_dict().keys() == deep.state_dict().keys()
    signal = torch.randn(1, 12, plain.num_samples).expand(16, -1, -1)
    assert torch.equal(plain.eval()(signal), deep.eval()(signal))
    for module in deep.modules():
        module.training = isinstance(module, StochasticDepth)
    assert len(deep(signal).unique(dim=0)) > 1
    state = torch.get_rng_state()
    first = deep(signal)
    torch.set_rng_state(state)
    assert torch.equal(deep(signal), first)


def test_what_is_kept_is_scaled_so_that_the_mean_stays() -> None:
    torch.manual_seed(0)
    branch = StochasticDepth()
    branch.rate = 0.25
    passed = branch(torch.ones(20_000, 2, 3))
    assert passed.unique().tolist() == pytest.approx([0, 4 / 3])
    assert torch.equal(passed, passed[:, :1, :1].expand(-1, 2, 3))
    assert float(passed.mean()) == pytest.approx(1, abs=0.02)


def test_rates_rise_with_depth() -> None:
    network = make("resnet1d18", stochastic_depth=0.4)
    rates = [m.rate for m in network.modules() if isinstance(m, StochasticDepth)]
    assert rates == pytest.approx([0.05 * n for n in range(1, 9)])
    set_stochastic_depth(network, 0)
    assert not any(m.rate for m in network.modules() if isinstance(m, StochasticDepth))


def test_a_rate_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(SettingError, match="stochastic_depth: found 1"):
        make("resnet1d18", stochastic_depth=1.0)
    with pytest.raises(SettingError, match="options of gru"):
        make("gru", stochastic_depth=0.1)
