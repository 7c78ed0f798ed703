"""The kernels of S4 are impulse responses of the systems that they say, in every way they are computed."""

import copy

import pytest
import torch
from torch import Tensor

from ecg_tl.errors import SettingError
from ecg_tl.models.s4 import cpc_s4, s4
from ecg_tl.models.s4_layers import S4Kernel, S4Layer, bilinear_step, hippo_legs


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def whole(pairs: Tensor) -> Tensor:
    half = torch.view_as_complex(pairs.double())
    return torch.cat((half, half.conj()), dim=-1)


@pytest.mark.parametrize(("states", "length", "kernels"), [(8, 250, 2), (4, 2, 1), (16, 64, 2)])
def test_a_fresh_kernel_is_the_systems_impulse_response(states: int, length: int, kernels: int) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        kernel = S4Kernel(3, states, length, kernels)
    finally:
        torch.set_default_dtype(torch.float32)
    w, p, b = hippo_legs(states)
    dt = kernel.log_dt.exp()
    step = bilinear_step(w, p, dt)
    # C is stored times I - step ** length, so that the spectrum is that of the first `length` samples.
    one = torch.eye(states, dtype=torch.complex128)
    cut = one - torch.linalg.matrix_power(step, length)
    c = torch.linalg.solve(cut.mT, whole(kernel.C).unsqueeze(-1)).squeeze(-1)
    state = (
        torch.einsum("hnm,m->hn", (step + one) / 2, torch.cat((b, b.conj()))) * dt[:, None]
    )  # (I - dt/2 A)^-1 = (step + I) / 2
    expected = []
    for _ in range(length):
        expected.append(torch.einsum("chn,hn->ch", c, state).real)
        state = torch.einsum("hnm,hm->hn", step, state)
    torch.testing.assert_close(kernel(), torch.stack(expected, dim=-1), rtol=0, atol=1e-11)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("samples", [1, 7, 40])
def test_filtering_is_the_sum_over_all_lags(bidirectional: bool, samples: int) -> None:
    layer = S4Layer(3, 4, 40, bidirectional, 0.0).double()
    x = torch.randn(2, 3, samples, dtype=torch.float64)
    kernels = layer.kernel()
    expected = layer.D.T * x
    for t in range(samples):
        for lag in range(t + 1):
            expected[..., t] += kernels[0, :, lag] * x[..., t - lag]
        for lead in range(samples - t - 1) if bidirectional else ():
            expected[..., t] += kernels[1, :, lead] * x[..., t + 1 + lead]
    torch.testing.assert_close(layer._filter(x), expected)
    layer.fix_kernel()
    torch.testing.assert_close(layer._filter(x), expected)


def test_what_comes_later_changes_nothing_in_a_causal_network() -> None:
    network = cpc_s4(2, 3, 60, width=8, depth=2).eval()
    signal = torch.randn(1, 3, 60)
    changed = signal.clone()
    changed[..., 41:] += 1
    first, second = network.forward_tokens(signal), network.forward_tokens(changed)
    torch.testing.assert_close(first[:, :20], second[:, :20])
    assert not torch.allclose(first[:, 21:], second[:, 21:])


def test_the_kernel_is_in_single_precision_under_mixed_precision() -> None:
    network = s4(2, 3, 60, width=8, depth=1)
    layer = network.s4_layers[0]
    assert isinstance(layer, S4Layer)
    exact = layer.kernel()
    with torch.autocast("cpu", torch.bfloat16):
        assert layer._filter(torch.randn(1, 8, 60)).dtype == torch.float32
    half = copy.deepcopy(layer).to(torch.bfloat16)
    assert half.kernel().dtype == torch.float32
    torch.testing.assert_close(half.kernel(), exact, rtol=0.1, atol=0.1 * float(exact.detach().abs().max()))


def test_a_network_that_becomes_double_has_the_frequencies_of_a_double_one() -> None:
    kernel = S4Kernel(3, 4, 50, 1).double()
    assert torch.equal(kernel.nodes, kernel._nodes())


def test_only_what_is_published_as_trained_is_trained() -> None:
    trained = {name.rsplit(".", 1)[-1] for name, _ in S4Layer(3, 4, 10, True, 0.0).named_parameters()}
    assert trained == {"D", "C", "weight", "bias"}


def test_longer_signals_are_refused() -> None:
    with pytest.raises(SettingError, match="at most 60 samples"):
        s4(2, 3, 60, width=8, depth=1)(torch.zeros(1, 3, 61))
    with pytest.raises(SettingError, match="num_samples: found 61, expected at least 1 and at most 60"):
        cpc_s4(2, 3, 61, width=8, depth=1, longest=60)


def test_odd_states_are_refused() -> None:
    with pytest.raises(SettingError, match="states: found 3, expected an even number"):
        s4(2, states=3)
