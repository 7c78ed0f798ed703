"""Masks cover what they should."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.errors import SettingError
from ecg_tl.models.weimann_vit import weimann_vit
from ecg_tl.pretraining.draws import Draws
from ecg_tl.pretraining.masks import BlockMasks


@given(
    tokens=st.integers(2, 200),
    records=st.integers(1, 5),
    shares=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)).map(sorted),
    min_block=st.integers(1, 30),
    seed=st.integers(0, 2**20),
)
def test_every_token_is_kept_or_masked_once_and_kept_ones_lie_in_blocks(
    tokens: int, records: int, shares: list[float], min_block: int, seed: int
) -> None:
    masks = BlockMasks(shares[0], shares[1], min_block)
    kept, masked = masks.draw(tokens, records, torch.Generator().manual_seed(seed))
    together = torch.cat((kept, masked), dim=1).sort(dim=1).values
    assert torch.equal(together, torch.arange(tokens).expand(records, -1))
    assert (kept.diff(dim=1) > 0).all()
    assert (masked.diff(dim=1) > 0).all()
    count = kept.shape[1]
    assert 1 <= count <= tokens - 1
    assert shares[0] * tokens - 1 <= count <= max(shares[1] * tokens + 1, 1)
    sees = torch.zeros(records, tokens + 2, dtype=torch.int8).scatter(1, kept + 1, 1)
    for row in sees:
        edges = row.diff()
        lengths = torch.where(edges == -1)[0] - torch.where(edges == 1)[0]
        assert lengths.min() >= min(min_block, count)


@pytest.mark.slow
@given(epoch=st.integers(0, 1000), step=st.integers(0, 1000))
def test_masks_are_a_function_of_seed_epoch_and_step(epoch: int, step: int) -> None:
    masks = BlockMasks()
    one = masks.draw(40, 4, Draws(7, epoch, step).generator)
    again = masks.draw(40, 4, Draws(7, epoch, step).generator)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    others = [masks.draw(40, 4, d.generator) for d in (Draws(8, epoch, step), Draws(7, epoch + 1, step))]
    assert any(other[0].shape != one[0].shape or not torch.equal(other[0], one[0]) for other in others)


def test_two_processes_draw_what_one_draws_for_both() -> None:
    both = BlockMasks().draw(40, 8, Draws(1, 2, 3).generator)[0]
    for rank in range(2):
        draws = Draws(1, 2, 3, rank, 2)
        own = draws.own(BlockMasks().draw(40, 4 * draws.world, draws.generator)[0])
        assert torch.equal(own, both[rank::2])


def test_the_context_encoder_sees_nothing_of_what_is_masked() -> None:
    torch.manual_seed(0)
    network = weimann_vit(1, num_leads=2, num_samples=250, size="tiny").eval()
    kept, masked = BlockMasks(0.4, 0.5, 2).draw(10, 3, torch.Generator().manual_seed(1))
    signal = torch.randn(3, 2, 250)
    other = signal.clone()
    for row, tokens in enumerate(masked):
        for token in tokens.tolist():
            other[row, :, token * 25 : (token + 1) * 25] = 9.0
    with torch.no_grad():
        seen, again = (network.forward_kept_tokens(one, kept, 10) for one in (signal, other))
    assert seen.shape == (3, kept.shape[1], 32)
    assert torch.equal(seen, again)


def test_a_network_without_room_for_less_is_given_zeros() -> None:
    from ecg_tl.models import create_network
    from ecg_tl.models.base import TokenNetwork

    torch.manual_seed(0)
    network = create_network("xresnet1d50", 1, 2, 256).eval()
    assert isinstance(network, TokenNetwork)
    signal = torch.randn(2, 2, 256)
    with torch.no_grad():
        tokens = network.forward_tokens(signal)
        count = tokens.shape[1]
        everything = torch.arange(count).expand(2, -1)
        torch.testing.assert_close(network.forward_kept_tokens(signal, everything, count), tokens)
        half = everything[:, : count // 2]
        cut = signal.clone()
        cut[:, :, 128:] = 0.0
        wanted = network.forward_tokens(cut)[:, : count // 2]
        torch.testing.assert_close(network.forward_kept_tokens(signal, half, count), wanted)


@pytest.mark.parametrize("shares", [(0.0, 0.5), (0.5, 0.4), (0.5, 1.0)])
def test_shares_that_leave_nothing_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(SettingError, match="masks"):
        BlockMasks(*shares)
