"""How far the groups have moved, and what TensorBoard shows of it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from trainings import small_resnet

from ecg_tl.models import create_network
from ecg_tl.transfer.callback import TransferLearning
from ecg_tl.transfer.movement import cka_by_group, features_by_group, l2_by_group, linear_cka


def state_of(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 100))
def test_cka_is_one_up_to_rotation_and_scale(seed, scale):
    torch.manual_seed(seed)
    features, other = torch.randn(20, 6), torch.randn(20, 9)
    rotation = torch.linalg.qr(torch.randn(6, 6))[0]
    assert linear_cka(features, scale * features @ rotation + 3) == pytest.approx(1, abs=1e-5)
    assert 0 <= linear_cka(features, other) < 1
    assert linear_cka(features, other) == pytest.approx(linear_cka(other, features))


def test_cka_agrees_with_its_definition():
    torch.manual_seed(0)
    one, other = torch.randn(30, 4).double(), torch.randn(30, 7).double()
    x, y = one - one.mean(0), other - other.mean(0)
    expected = (y.T @ x).norm() ** 2 / ((x.T @ x).norm() * (y.T @ y).norm())
    assert linear_cka(one, other) == pytest.approx(float(expected))


def test_features_that_are_the_same_for_all_records_have_no_cka():
    assert linear_cka(torch.ones(5, 3), torch.randn(5, 3)) is None


def test_distances_are_those_of_each_group():
    network = small_resnet(5)
    start = state_of(network)
    with torch.no_grad():
        network.fc1.bias += 2.0
        network.fc2.weight += 1.0
    names = [name for name, _ in network.named_parameters() if not name.startswith("fc2")]
    moved = l2_by_group(network, start, names)
    assert list(moved) == ["stem", "layer1", "layer2", "layer3", "layer4", "fc1"]
    assert moved["fc1"] == pytest.approx(2.0 * 16**0.5)
    assert {moved[group] for group in moved if group != "fc1"} == {0.0}


@pytest.mark.parametrize(
    ("network", "groups"),
    [
        (small_resnet(5), ["stem", "layer1", "layer2", "layer3", "layer4", "fc1"]),
        (create_network("gru", 5, 12, 50, hidden_size=4, pooling="attention"), ["rnn", "attention"]),
        (create_network("bilstm", 5, 12, 50, hidden_size=4, num_layers=2), ["rnn.1"]),
    ],
)
def test_every_group_has_features(network, groups):
    signals = torch.randn(6, 12, 50 if hasattr(network, "rnn") else 100)
    start = state_of(network)
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    features = features_by_group(network, signals)
    assert list(features) == groups
    assert all(tensor.shape[0] == 6 and tensor.ndim == 2 for tensor in features.values())
    assert cka_by_group(network, start, signals) == pytest.approx(dict.fromkeys(groups, 1.0))
    assert network.training
    assert all(torch.equal(buffer, before[name]) for name, buffer in network.named_buffers())
    assert not any(module._forward_hooks for module in network.modules())


def test_features_move_where_weights_do():
    network = small_resnet(5)
    start, signals = state_of(network), torch.randn(12, 12, 100)
    torch.nn.init.normal_(network.layer4[0].conv1.weight)
    alike = cka_by_group(network, start, signals)
    assert alike["layer3"] == pytest.approx(1.0)
    assert alike["layer4"] < 0.99


@pytest.fixture(scope="module")
def events(study, cnn_upstream, tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    data = study.data()
    transfer = TransferLearning(str(cnn_upstream), recipe="gradual", warmup_steps=5)
    study.trainer(folder, transfer, max_epochs=3).fit(study.task(data, "cnn", lr_decay=0.5), data)
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def values(events, tag):
    return [event.value for event in events.Scalars(tag)]


def test_trainable_parameters_are_shown_at_each_epoch(events):
    network = small_resnet(9)
    sizes = {
        group: sum(network.get_parameter(name).numel() for name in names)
        for group, names in network.layer_groups().items()
    }
    assert values(events, "trainable_parameters/head") == [sizes["head"]] * 3
    assert values(events, "trainable_parameters/fc1") == [0, sizes["fc1"], sizes["fc1"]]
    assert values(events, "trainable_parameters/stem") == [0, 0, 0]


def test_learning_rates_are_shown_at_each_epoch(events):
    assert values(events, "learning_rate/head") == pytest.approx([1e-2 / 6, 1e-2, 1e-2])
    assert values(events, "learning_rate/fc1") == pytest.approx([0, 5e-3 / 6, 5e-3])  # lr_decay 0.5
    assert values(events, "learning_rate/layer4") == pytest.approx([0, 0, 2.5e-3 / 6])
    assert values(events, "learning_rate/stem") == [0, 0, 0]


def test_movement_is_shown_at_each_epoch(events):
    assert values(events, "moved_l2/stem") == [0, 0, 0]
    fc1 = values(events, "moved_l2/fc1")
    assert fc1[0] == 0 < fc1[1] < fc1[2]
    assert values(events, "moved_cka/layer3") == pytest.approx([1, 1, 1])
    cka = values(events, "moved_cka/fc1")
    assert cka[0] == pytest.approx(1)
    assert cka[2] < 1 - 1e-6
    assert "moved_l2/head" not in events.Tags()["scalars"]


def test_the_report_is_shown(events):
    (text,) = events.Tensors("transfer_report/text_summary")
    shown = text.tensor_proto.string_val[0].decode()
    assert "| layer4 |" in shown
    assert "100.0% of the backbone's parameters loaded" in shown


@pytest.mark.slow
def test_tracking_can_be_left_out(study, gru_upstream, tmp_path):
    data = study.data()
    trainer = study.trainer(tmp_path, TransferLearning(str(gru_upstream), track=False))
    trainer.fit(study.task(data), data)
    trainer.save_checkpoint(tmp_path / "after.ckpt")
    (state,) = [
        s for name, s in torch.load(tmp_path / "after.ckpt", weights_only=True)["callbacks"].items()
        if "TransferLearning" in name
    ]  # fmt: skip
    assert state["start"] == {}
    accumulator = EventAccumulator(str(tmp_path))
    accumulator.Reload()
    assert not [tag for tag in accumulator.Tags()["scalars"] if tag.startswith("moved")]
