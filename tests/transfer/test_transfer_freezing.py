"""Freezing without a Trainer."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from trainings import small_resnet

from ecg_tl.tasks.optimization import make_optimizer, parameter_groups
from ecg_tl.transfer.freezing import freeze_batch_norm, set_trained, trained_parameters

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
