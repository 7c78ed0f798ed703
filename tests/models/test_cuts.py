"""A network that is cut between two groups of layers computes what it computes whole."""

from __future__ import annotations

import pytest
import torch
from tiny_networks import TINY, fitting

from ecg_tl.models import NETWORKS, create_network
from ecg_tl.models.attention_pool import attend_to_tokens

WHOLE = ("cpc_s4", "gru", "lstm", "bilstm", "hubert_ecg", "inception1d", "openecg", "ribeiro_resnet")
"""Those that can be cut at the head alone."""


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_below_and_from_a_group_are_the_whole_bit_for_bit(name: str) -> None:
    torch.manual_seed(0)
    network = create_network(name, 3, 12, fitting(name, 80), **TINY.get(name, {})).eval()
    signal = torch.randn(2, 12, network.num_samples)
    groups = list(network.layer_groups())
    cuts = [group for group in groups[1:] if network.can_be_cut(group)]
    assert not network.can_be_cut(groups[0]) or len(groups) == 1
    assert cuts == (["head"] if name in WHOLE else groups[1:])
    with torch.no_grad():
        whole = network(signal)
        for group in cuts:
            below = network.forward_below(signal, group)
            assert torch.equal(network.forward_from(below, group), whole), group
            # Nothing of the layers above is used below, and the other way round.
            names = [n for one in groups[groups.index(group) :] for n in network.layer_groups()[one]]
            other = create_network(name, 3, 12, fitting(name, 80), **TINY.get(name, {})).eval()
            other.load_state_dict(
                {n: x for n, x in network.state_dict().items() if n not in names}, strict=False
            )
            assert torch.equal(other.forward_below(signal, group), below), group


def test_a_query_over_tokens_is_cut_at_the_head_alone() -> None:
    network = create_network("weimann_vit", 3, 12, 100, size="tiny").eval()
    attend_to_tokens(network, 4)
    signal = torch.randn(2, 12, 100)
    assert [group for group in network.layer_groups() if network.can_be_cut(group)] == ["head"]
    assert torch.equal(network.forward_from(network.forward_below(signal)), network(signal))
