"""Freezing without a Trainer."""

from __future__ import annotations

import pytest
import torch
from tiny_networks import TINY, fitting
from torch import nn
from trainings import small_resnet

from ecg_tl.models import NETWORKS, create_network
from ecg_tl.models.stochastic_depth import StochasticDepth
from ecg_tl.tasks.optimization import make_optimizer, parameter_groups
from ecg_tl.transfer.freezing import freeze_batch_norm, rest_dropout, set_trained, trained_parameters

GROUPS = ("stem", "layer1", "layer2", "layer3", "layer4", "fc1", "head")


def of(network, *groups):
    """Name all parameters of these groups."""
    return trained_parameters(network, frozenset(groups), lambda name: True)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_what_is_frozen_after_it_was_trained_does_not_move(name):
    """A gradient of zero would do: weight decay, moments and momentum go on moving such a parameter."""
    network = small_resnet(5)
    optimizer = make_optimizer(name, parameter_groups(network, 0.1, 0.5))
    network(torch.randn(4, 12, 100)).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    assert set_trained(network, of(network, "head"))
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    network(torch.randn(4, 12, 100)).square().mean().backward()
    optimizer.step()
    for parameter_name, parameter in network.named_parameters():
        moved = not torch.equal(parameter, before[parameter_name])
        assert moved == parameter_name.startswith("fc2."), parameter_name


def test_it_says_whether_anything_changed():
    network = small_resnet(5)
    assert not set_trained(network, of(network, *GROUPS))
    assert set_trained(network, of(network, "head", "fc1"))
    assert not set_trained(network, of(network, "head", "fc1"))
    assert {n.split(".")[0] for n, p in network.named_parameters() if p.requires_grad} == {"fc1", "fc2"}
    assert set_trained(network, of(network, *GROUPS))


def test_batch_norms_follow_their_groups_back_and_forth():
    network = nn.SyncBatchNorm.convert_sync_batchnorm(small_resnet(5))
    norms = {n: m for n, m in network.named_modules() if isinstance(m, nn.SyncBatchNorm)}
    freeze_batch_norm(network, of(network, "layer4", "head"))
    assert {n for n, m in norms.items() if m.training} == {n for n in norms if n.startswith("layer4")}
    freeze_batch_norm(network, of(network, *GROUPS))
    assert all(m.training for m in norms.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_while_the_head_alone_is_trained_features_are_those_of_evaluation(name):
    """Whatever a network drops at random, and wherever in it that is."""
    options = {**TINY.get(name, {}), **({"stochastic_depth": 0.9} if NETWORKS[name].residual else {})}
    torch.manual_seed(0)
    network = create_network(name, 3, 12, fitting(name, 80), **options)
    signal = torch.randn(3, 12, network.num_samples)
    expected = network.eval().forward_features(signal)
    network.train()
    head = of(network, "head")
    freeze_batch_norm(network, head)
    rest_dropout(network, head)
    torch.testing.assert_close(network.forward_features(signal), expected, rtol=0, atol=0)
    rest_dropout(network, of(network, *network.layer_groups()))
    drops = [m for m in network.modules() if isinstance(m, StochasticDepth | nn.modules.dropout._DropoutNd)]
    assert all(module.training for module in drops)


def test_dropping_follows_its_group():
    network = create_network("resnet1d18", 3, stochastic_depth=0.5, widths=(8, 8, 8, 8), features=8)
    rest_dropout(network, of(network, "layer4", "fc1", "head"))
    drops = [n for n, m in network.named_modules() if isinstance(m, StochasticDepth) and m.training]
    assert drops == ["layer4.0.stochastic_depth", "layer4.1.stochastic_depth"]
