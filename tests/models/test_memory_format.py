"""Both memory layouts of a convolutional network compute the same, and share their checkpoints."""

import copy

import pytest
import torch
from torch import Tensor, nn

from ecg_tl.models import create_network
from ecg_tl.models.layout import choose_memory_format
from ecg_tl.models.resnet1d import ResNet1d

CPU = torch.device("cpu")
SAMPLES = 96


def pair(name: str, num_leads: int = 12) -> tuple[ResNet1d, ResNet1d]:
    """A network in each layout, with the same weights."""
    torch.manual_seed(0)
    plain, fast = (
        create_network(name, 4, num_leads, SAMPLES, memory_format=memory_format)
        for memory_format in ("contiguous", "channels_last")
    )
    assert isinstance(plain, ResNet1d)
    assert isinstance(fast, ResNet1d)
    fast.load_state_dict(plain.state_dict())
    return plain, fast


def gradients(network: nn.Module, signal: Tensor) -> dict[str, Tensor]:
    # A mean, as a loss is; in training mode, so that the batch's statistics are in it.
    nn.functional.softplus(network(signal)).mean().backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def without_kinks(network: nn.Module) -> None:
    """Put SiLU in the place of ReLU, whose gradient jumps where rounding changes a sign."""
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.ReLU):
            network.set_submodule(name, nn.SiLU())


def assert_agree(found: Tensor, plain: Tensor, exact: Tensor) -> None:
    """To 1e-5, or to what single precision allows: freshly drawn, a network of 101 layers amplifies rounding
    until the plain layout itself is 1e-4 away from double precision.
    """
    rounding = float((plain - exact).detach().abs().max())
    torch.testing.assert_close(found, plain, atol=max(1e-5, 4 * rounding), rtol=0)


@pytest.mark.parametrize(
    ("name", "training"),
    [("resnet1d18", False), ("resnet1d18", True), ("resnet1d50", True), ("resnet1d101", False)],
)
@pytest.mark.slow
def test_the_layouts_agree_in_single_precision(name: str, training: bool) -> None:
    plain, fast = (network.train(training) for network in pair(name))
    exact = copy.deepcopy(plain).double()
    signal = torch.randn(4, 12, SAMPLES)
    assert_agree(fast(signal), plain(signal), exact(signal.double()))
    for key, statistic in plain.state_dict().items():  # batch norms' running ones
        assert_agree(fast.state_dict()[key], statistic, exact.state_dict()[key])
    for network in (plain, fast, exact):
        without_kinks(network)
    of_plain, of_fast = gradients(plain, signal), gradients(fast, signal)
    of_exact = gradients(exact, signal.double())
    for key, gradient in of_plain.items():
        assert_agree(of_fast[key], gradient, of_exact[key])


def test_one_lead_takes_the_fast_layout_too() -> None:
    plain, fast = (network.eval() for network in pair("resnet1d18", num_leads=1))
    signal = torch.randn(2, 1, SAMPLES)
    torch.testing.assert_close(fast(signal), plain(signal), atol=1e-5, rtol=1e-5)
    # One channel lies alike in both: what follows must not take it for the slow layout.
    assert all(note_layouts(fast, signal).values())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet1d18", "resnet1d50"])
def test_the_layouts_agree_to_rounding_in_double_precision(name: str) -> None:
    plain, fast = (network.double() for network in pair(name))
    inputs = [torch.randn(8, 12, SAMPLES).double().requires_grad_() for _ in range(2)]
    inputs[1].data.copy_(inputs[0].data)
    expected, found = gradients(plain, inputs[0]), gradients(fast, inputs[1])
    assert expected.keys() == found.keys() == dict(plain.named_parameters()).keys()
    for key, gradient in expected.items():
        torch.testing.assert_close(found[key], gradient, atol=1e-12, rtol=1e-8, msg=key)
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad, atol=1e-12, rtol=1e-8)


def test_each_layout_loads_the_others_checkpoint() -> None:
    plain, fast = pair("resnet1d18")
    shapes = {key: value.shape for key, value in plain.state_dict().items()}
    assert shapes == {key: value.shape for key, value in fast.state_dict().items()}
    assert shapes["layer1.0.conv1.weight"] == (64, 64, 3)
    fast.head.weight.data.zero_()
    plain.load_state_dict(fast.state_dict())
    assert torch.equal(plain.head.weight, fast.head.weight)


def note_layouts(network: nn.Module, signal: Tensor) -> dict[str, bool]:
    """Say of each residual block and convolution inside whether its output is channels_last."""
    layouts: dict[str, bool] = {}

    def note(name: str) -> None:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            layouts[name] = output.is_contiguous(memory_format=torch.channels_last)

        network.get_submodule(name).register_forward_hook(hook)

    for name, module in network.named_modules():
        if name.startswith("layer") and isinstance(module, nn.Conv1d | nn.BatchNorm1d | nn.Sequential):
            note(name)
    network(signal)
    return layouts


@pytest.mark.slow
def test_channels_lie_side_by_side_all_the_way() -> None:
    """A layer that left the layout would not be wrong, only slow."""
    plain, fast = pair("resnet1d50")
    with torch.autocast("cpu", torch.bfloat16):
        layouts = note_layouts(fast, torch.randn(4, 12, SAMPLES))
    assert len(layouts) > 100
    assert all(layouts.values())
    assert not any(note_layouts(plain, torch.randn(4, 12, SAMPLES)).values())


def test_batch_norms_are_found_as_such_in_both_layouts() -> None:
    """SyncBatchNorm takes their place, and then takes pictures of height 1 as well."""
    for network in pair("resnet1d18"):
        norms = [name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm1d)]
        converted = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(network)).eval()
        assert all(isinstance(converted.get_submodule(name), nn.SyncBatchNorm) for name in norms)
        signal = torch.randn(2, 12, SAMPLES)
        torch.testing.assert_close(converted(signal), network.eval()(signal))


def test_auto_says_what_it_chose_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(choose_memory_format("contiguous", CPU)) == "contiguous (as set)"
    assert str(choose_memory_format("channels_last", CPU, torch.float64)) == "channels_last (as set)"
    assert choose_memory_format("auto", CPU).channels_last == torch.backends.mkldnn.is_available()
    assert not choose_memory_format("auto", CPU, torch.float64).channels_last
    assert choose_memory_format("auto", torch.device("cuda")).channels_last
    assert "nothing is known of mps" in str(choose_memory_format("auto", torch.device("mps")))
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert "lacks oneDNN" in str(choose_memory_format("auto", CPU))


def test_auto_follows_the_network_to_another_precision() -> None:
    network = create_network("resnet1d18", 3, 12, SAMPLES)
    assert isinstance(network, ResNet1d)
    assert network.chosen_memory_format().channels_last
    assert not network.double().chosen_memory_format().channels_last
    assert network.eval()(torch.randn(2, 12, SAMPLES).double()).dtype == torch.float64
