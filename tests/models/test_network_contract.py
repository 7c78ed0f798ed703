"""One contract for all networks: a network that is registered is tested."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_networks import TINY, fitting

from ecg_tl.acceleration import describe_device
from ecg_tl.errors import SettingError
from ecg_tl.models import NETWORKS, EcgNetwork, create_network, network_names
from ecg_tl.models.base import TokenNetwork

PARAMETERS_AT_5_CLASSES = {
    "resnet1d18": 4_114_053,
    "resnet1d50": 17_010_821,
    "resnet1d101": 29_318_277,
    "lstm": 545_605,
    "bilstm": 1_091_205,
    "gru": 534_205,
    "ecg_fm": 90_377_093,
    "ecg_jepa": 85_071_365,
    "hubert_ecg": 92_801_925,
    "inception1d": 507_653,
    "merl_resnet18": 3_851_397,
    "net1d": 30_604_021,
    "openecg": 1_021_701,
    "resnet1d_wang": 473_349,
    "ribeiro_resnet": 6_925_989,
    "s4": 2_149_381,
    "cpc_s4": 2_935_301,
    "weimann_vit": 14_279_813,
    "xresnet1d50": 953_989,
    "xresnet1d101": 1_872_261,
}
RESNET_GROUPS = ["stem", "layer1", "layer2", "layer3", "layer4", "fc1", "head"]
NARROW = {"widths": (8, 8, 16, 16), "features": 16}
EVERY_VARIANT = [
    *((name, TINY.get(name, {})) for name in NETWORKS),
    *(("weimann_vit", {"size": "tiny", "pooling": pooling}) for pooling in ("mean", "attention")),
    ("xresnet1d50", {"variant": "ked"}),
    ("resnet1d18", NARROW),
    *(
        (name, {"pooling": pooling})
        for name in network_names("rnn")
        for pooling in ("last", "mean", "attention")
    ),
    ("bilstm", {"num_layers": 2, "hidden_size": 8, "pooling": "attention"}),
]


def variant_id(value: object) -> str:
    options = "-".join(map(str, value.values())) if isinstance(value, dict) else str(value)
    return options.replace(" ", "") or "default"


every_variant = pytest.mark.parametrize(("name", "options"), EVERY_VARIANT, ids=variant_id)


def make(name: str, options: dict[str, object], **sizes: int) -> EcgNetwork:
    sizes = {"num_classes": 3, "num_leads": 12, "num_samples": 80, **sizes}
    sizes["num_samples"] = fitting(name, sizes["num_samples"])
    return create_network(name, **sizes, **options)


def noise(network: EcgNetwork, records: int = 2) -> torch.Tensor:
    return torch.randn(records, network.num_leads, network.num_samples)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_every_registered_network_has_a_known_parameter_count() -> None:
    assert set(NETWORKS) == set(PARAMETERS_AT_5_CLASSES)


@pytest.mark.parametrize("name", NETWORKS)
def test_parameter_counts_are_the_published_ones(name: str) -> None:
    with torch.device("meta"):
        network = create_network(name, num_classes=5)
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS_AT_5_CLASSES[name]


@pytest.mark.slow
@every_variant
@pytest.mark.parametrize("sizes", [{}, {"num_classes": 1, "num_leads": 2, "num_samples": 51}])
def test_shapes(name: str, options: dict[str, object], sizes: dict[str, int]) -> None:
    network = make(name, options, **sizes).eval()
    signal = noise(network, 4)
    features = network.forward_features(signal)
    logits = network(signal)
    assert features.shape == (4, network.num_features)
    assert logits.shape == (4, sizes.get("num_classes", 3)) == (4, network.num_classes)
    torch.testing.assert_close(network.forward_head(features), logits)


@every_variant
def test_layer_groups_partition_the_parameters_and_end_with_the_head(
    name: str, options: dict[str, object]
) -> None:
    network = make(name, options)
    groups = network.layer_groups()
    grouped = [parameter for names in groups.values() for parameter in names]
    assert sorted(grouped) == sorted(name for name, _ in network.named_parameters())
    assert list(groups)[-1] == "head"
    assert groups["head"] == (f"{network.head_name}.weight", f"{network.head_name}.bias")
    assert network.get_parameter(groups["head"][0]) is network.head.weight


@pytest.mark.parametrize("name", ["resnet1d18", "resnet1d50", "resnet1d101"])
def test_groups_of_a_resnet_follow_the_signal(name: str) -> None:
    assert list(make(name, {}).layer_groups()) == RESNET_GROUPS


@pytest.mark.parametrize(
    ("options", "groups"),
    [
        ({}, ["rnn", "head"]),
        ({"pooling": "attention"}, ["rnn", "attention", "head"]),
        ({"num_layers": 3}, ["rnn.0", "rnn.1", "rnn.2", "head"]),
    ],
)
def test_groups_of_a_recurrent_network_follow_the_signal(
    options: dict[str, object], groups: list[str]
) -> None:
    assert list(make("bilstm", {"hidden_size": 4, **options}).layer_groups()) == groups


@pytest.mark.slow
@every_variant
def test_input_weights_are_those_that_the_leads_meet(name: str, options: dict[str, object]) -> None:
    few, many = (dict(make(name, options, num_leads=leads).named_parameters()) for leads in (2, 7))
    differing = tuple(key for key in few if few[key].shape != many[key].shape)
    assert make(name, options).input_weight_names == differing
    assert all(few[key].shape[1] == 2 for key in differing)


@pytest.mark.slow
@every_variant
def test_state_dict_round_trip(name: str, options: dict[str, object]) -> None:
    first, second = make(name, options).eval(), make(name, options).eval()
    signal = noise(first)
    assert not torch.equal(first(signal), second(signal))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(signal), second(signal))


@every_variant
def test_the_seed_decides_the_weights(name: str, options: dict[str, object]) -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(make(name, options).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@every_variant
def test_every_parameter_gets_a_gradient(name: str, options: dict[str, object]) -> None:
    network = make(name, options)
    network(noise(network, 4)).square().sum().backward()
    idle = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not idle


@pytest.mark.slow
@every_variant
def test_bfloat16_autocast_stays_close_to_float32(name: str, options: dict[str, object]) -> None:
    if NETWORKS[name].bfloat16_on_cpu == "lstm_kernel" and not describe_device("cpu").bfloat16_lstm:
        pytest.skip("PyTorch cannot compute an LSTM in bfloat16 on this processor")
    network = make(name, options).eval()
    signal = noise(network)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(signal)
    logits.float().sum().backward()
    exact = network(signal).detach()
    assert logits.dtype == torch.bfloat16
    torch.testing.assert_close(logits.float(), exact, atol=0.05 * float(exact.abs().max()) + 0.02, rtol=0.1)


@every_variant
def test_wrong_leads_are_named(name: str, options: dict[str, object]) -> None:
    with pytest.raises(SettingError, match=r"\(2, 8, 80\).*12 leads"):
        make(name, options)(torch.zeros(2, 8, 80))


def test_a_signal_without_a_batch_axis_is_refused() -> None:
    with pytest.raises(SettingError, match=r"\(12, 80\)"):
        make("resnet1d18", {})(torch.zeros(12, 80))


@every_variant
def test_other_lengths_work_or_are_refused(name: str, options: dict[str, object]) -> None:
    network = make(name, options).eval()
    for samples in (1, network.num_samples - 25, 95, 125, 50_000):
        signal = torch.randn(1, 12, samples)
        if samples not in network.lengths:
            with pytest.raises(SettingError, match=str(network.lengths)):
                network(signal)
        elif samples < 1000:
            assert network(signal).shape == (1, 3)


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from([name for name in NETWORKS if not name.endswith("101")]),
    num_classes=st.integers(1, 30),
    num_leads=st.integers(1, 15),
    num_samples=st.integers(1, 120),
)
def test_any_sizes_work(name: str, num_classes: int, num_leads: int, num_samples: int) -> None:
    refused = None
    try:
        network = create_network(name, num_classes, num_leads, num_samples, **TINY.get(name, {})).eval()
    except SettingError as error:
        refused = error
    if refused is not None:
        assert refused.where == "num_samples"
        assert name in ("ecg_fm", "hubert_ecg", "ecg_jepa", "weimann_vit", "openecg")
        return
    assert num_samples in network.lengths
    with torch.no_grad():
        assert network(torch.randn(2, num_leads, num_samples)).shape == (2, num_classes)


def test_names_survive_the_replacement_of_layers() -> None:
    network = make("resnet1d18", {})
    groups = network.layer_groups()
    converted = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)
    assert converted.layer_groups() == groups


@pytest.mark.parametrize("pooling", ["last", "mean", "attention"])
def test_pooled_heads_do_not_grow_with_the_signal(pooling: str) -> None:
    short, long = (make("gru", {"pooling": pooling}, num_samples=samples) for samples in (80, 160))
    assert short.num_features == long.num_features == 100


def test_last_is_where_each_direction_ends() -> None:
    network = make("bilstm", {"pooling": "last", "hidden_size": 5})
    signal = torch.randn(2, 12, 80)
    outputs, _ = network.rnn(signal.transpose(1, 2))
    expected = torch.cat([outputs[:, -1, :5], outputs[:, 0, 5:]], dim=1)
    torch.testing.assert_close(network.forward_features(signal), expected)


def test_attention_is_a_weighted_mean_over_time() -> None:
    network = make("lstm", {"pooling": "attention", "hidden_size": 5})
    torch.nn.init.zeros_(network.attention[2].weight)  # equal weights
    signal = torch.randn(2, 12, 80)
    expected = network.rnn(signal.transpose(1, 2))[0].mean(dim=1)
    torch.testing.assert_close(network.forward_features(signal), expected)


def test_submodules_are_named_as_torchvisions() -> None:
    names = {key for key, _ in make("resnet1d50", {}).named_parameters()}
    assert {"conv1.weight", "bn1.bias", "layer1.0.downsample.0.weight", "layer4.2.conv3.weight"} <= names
    assert "layer1.1.downsample.0.weight" not in names


def test_convolutions_start_with_kaiming_fan_out() -> None:
    weight = make("resnet1d18", {}).get_parameter("layer3.0.conv1.weight")  # 128 channels to 256, kernel 3
    assert weight.std().item() == pytest.approx((2 / (256 * 3)) ** 0.5, rel=0.02)


def test_families_share_the_networks_out() -> None:
    families = {entry.family for entry in NETWORKS.values()}
    assert sorted(network_names()) == sorted(n for family in families for n in network_names(family))
    assert network_names() == tuple(NETWORKS)
    assert network_names("rnn") == ("lstm", "bilstm", "gru")


@every_variant
def test_tokens_follow_each_other_in_time_or_are_refused(name: str, options: dict[str, object]) -> None:
    network = make(name, options).eval()
    signal = noise(network)
    if not network.has_tokens:
        with pytest.raises(SettingError, match="which has none"):
            network.forward_tokens(signal)
        return
    tokens = network.forward_tokens(signal)
    assert tokens.ndim == 3
    assert tokens.shape[0] == 2
    if isinstance(network, TokenNetwork):
        assert tokens.shape[2] == network.num_token_features
    with pytest.raises(SettingError, match="12 leads"):
        network.forward_tokens(torch.randn(2, 8, 80))


def test_pooled_tokens_are_what_features_are_made_of() -> None:
    signal = torch.randn(2, 12, 80)
    resnet = make("resnet1d18", NARROW).eval()
    pooled = torch.relu(resnet.fc1(resnet.forward_tokens(signal).mean(dim=1)))
    torch.testing.assert_close(resnet.forward_features(signal), pooled)
    gru = make("gru", {"pooling": "mean"})
    torch.testing.assert_close(gru.forward_features(signal), gru.forward_tokens(signal).mean(dim=1))


@every_variant
def test_an_export_changes_no_output(name: str, options: dict[str, object]) -> None:
    network = make(name, options).eval()
    exported = copy.deepcopy(network)
    exported.prepare_for_export()
    signal = noise(network)
    torch.testing.assert_close(exported(signal), network(signal), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"pooling": "mean"}])
def test_a_head_that_grows_with_the_signal_says_so(options: dict[str, object]) -> None:
    grows = len({make("lstm", options, num_samples=samples).num_features for samples in (80, 90)}) > 1
    assert (make("lstm", options).head_kind == "flatten") == grows


def test_widths_are_those_of_the_stages() -> None:
    network = make("resnet1d50", {"widths": (4, 8, 8, 16), "features": 6})
    assert network.num_features == 6
    assert network.get_parameter("layer3.0.conv2.weight").shape[0] == 8
    assert network.get_parameter("fc1.weight").shape == (6, 4 * 16)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("resnet34", {}, ", ".join(NETWORKS)),
        ("resnet1d81", {}, "Did you mean resnet1d18"),
        (
            "resnet1d18",
            {"hidden_size": 3},
            "options of resnet1d18: found hidden_size, expected only memory_format, widths, features",
        ),
        ("lstm", {"dropout": 0.5}, "only hidden_size, num_layers, pooling"),
        ("resnet1d50", {"memory_format": "fast"}, "one of auto, channels_last, contiguous"),
        ("lstm", {"pooling": "max"}, "one of flatten, last, mean, attention"),
        ("lstm", {"hiden_size": 5}, "Did you mean hidden_size"),
        ("gru", {"hidden_size": 0}, "hidden_size: found 0"),
        ("gru", {"hidden_size": 2.0}, "hidden_size: found 2.0, expected a whole number"),
        ("gru", {"hidden_size": "8"}, "hidden_size: found '8', expected a whole number"),
        ("resnet1d18", {"widths": [8, 8]}, "widths: found 2 of them, expected 4"),
        ("resnet1d18", {"widths": [8, 8, 8, 0]}, "widths: found 0"),
        ("resnet1d18", {"widths": 8}, "widths: found 8"),
        ("resnet1d18", {"features": 0}, "features: found 0"),
        ("gru", {"num_leads": 0}, "num_leads: found 0"),
        ("resnet1d18", {"num_classes": 0}, "num_classes: found 0"),
    ],
)
def test_wrong_settings_are_named(name: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        create_network(name, **{"num_classes": 2, **arguments})
