"""The recipe `lora`: the upstream stays, what is added is trained, and who reads it sees whole weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from trainings import Study, equal, weights

from ecg_tl.checkpoints.reading import read_checkpoint, read_upstream
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.models import create_network
from ecg_tl.models.low_rank import add_low_rank, is_low_rank, merged_copy, merged_state
from ecg_tl.tasks.restoring import restore_task
from ecg_tl.transfer.callback import TransferLearning

EPOCHS = 3


@pytest.fixture(params=["gru", "cnn"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def upstream(kind: str, gru_upstream: Path, cnn_upstream: Path) -> Path:
    return gru_upstream if kind == "gru" else cnn_upstream


def train(study: Study, folder: Path, upstream: Path, kind: str, *callbacks: Any, ckpt_path=None, **settings):
    data = study.data()
    options = {"optimizer": "adamw", "schedule": "one_cycle"}
    task = study.task(data, kind, seed=0 if ckpt_path is None else 9, **options)
    epochs = settings.pop("epochs", EPOCHS)
    saver = ModelCheckpoint(folder / "kept", save_top_k=-1, filename="{epoch}")
    transfer = TransferLearning(str(upstream), recipe="lora", **settings)
    trainer = study.trainer(folder, transfer, *callbacks, saver, max_epochs=epochs, enable_checkpointing=True)
    trainer.fit(task, data, ckpt_path=ckpt_path, weights_only=None if ckpt_path is None else True)
    task.eval()
    return task, transfer, sorted((folder / "kept").glob("*.ckpt")), trainer, data


def signals(samples: int = 100) -> torch.Tensor:
    return torch.randn(4, 12, samples, generator=torch.Generator().manual_seed(5))


def features(network: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = network.eval().forward_features(signals())
    return found


# Before the first step ----------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(
    rank=st.integers(1, 40),
    alpha=st.floats(0, 100),
    name=st.sampled_from(["gru", "lstm", "bilstm"]),
    pooling=st.sampled_from(["mean", "attention", "last"]),
)
def test_a_network_begins_as_it_was_bit_for_bit(rank, alpha, name, pooling):
    network = create_network(name, 3, hidden_size=5, num_layers=2, pooling=pooling)
    before, state = features(network), {n: t.clone() for n, t in network.state_dict().items()}
    groups = list(network.layer_groups())
    add_low_rank(network, ["*"], rank, alpha)
    assert all(equal(weight_of(network, name), tensor) for name, tensor in state.items())
    assert list(network.layer_groups()) == groups  # what is added belongs to the group of its weight
    names = [name for names in network.layer_groups().values() for name in names]
    assert sorted(names) == sorted(name for name, _ in network.named_parameters())
    whole = merged_state(network.state_dict(), "here")
    assert whole.keys() == state.keys()
    assert all(equal(whole[name], tensor) for name, tensor in state.items())
    if pooling != "attention":  # whose product with a single row is rounded otherwise from call to call
        assert equal(features(merged_copy(network)), features(network))
        assert equal(features(network), before)
    merged_copy(network)
    assert all(equal(weight_of(network, name), tensor) for name, tensor in state.items())  # after the copy
    torch.testing.assert_close(features(network), before, rtol=0, atol=1e-6)


def weight_of(network: Any, name: str) -> torch.Tensor:
    """What a layer computes with."""
    layer, _, last = name.rpartition(".")
    weight: torch.Tensor = getattr(network.get_submodule(layer), last)
    return weight


@pytest.mark.slow
def test_a_convolutional_network_begins_as_its_upstream_bit_for_bit(study, cnn_upstream, tmp_path):
    task = train(study, tmp_path, cnn_upstream, "cnn", epochs=0)[0]
    plain = study.task(study.data(), "cnn").network
    plain.load_state_dict(plain.state_dict() | backbone(read_upstream(cnn_upstream).weights))
    assert any(is_low_rank(name) for name, _ in task.network.named_parameters())
    assert equal(features(task.network), features(plain))


def backbone(state: Any) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.startswith(("fc.", "fc2."))}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rank": 0}, "rank"),
        ({"rank": 1.5}, "rank"),
        ({"alpha": float("nan")}, "alpha"),
        ({"layers": []}, "layers"),
        ({"layers": "fc1"}, "layers"),
        ({"depth": 3}, "found depth, expected rank, alpha, layers"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, said):
    with pytest.raises(SettingError, match=said):
        TransferLearning("x.ckpt", recipe="lora", options=options)


def test_options_of_another_recipe_and_a_penalty_on_what_stays_are_refused():
    with pytest.raises(SettingError, match="none, for `full` has none"):
        TransferLearning("x.ckpt", options={"rank": 4})
    with pytest.raises(SettingError, match="l2_sp"):
        TransferLearning("x.ckpt", recipe="lora", train={"l2_sp": 0.1})


def test_layers_are_chosen_by_pattern_and_a_pattern_without_a_layer_names_those_that_there_are():
    network = create_network("gru", 3, hidden_size=5, num_layers=2, pooling="mean")
    with pytest.raises(SettingError, match=r"found conv\*, expected layers out of rnn.weight_ih_l0"):
        add_low_rank(network, ["conv*"], 2, 2)
    add_low_rank(network, ["rnn.weight_hh*"], 2, 2)
    added = {name.split(".")[2] for name, _ in network.named_parameters() if is_low_rank(name)}
    assert added == {"weight_hh_l0", "weight_hh_l1"}


# The training -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_upstream_stays_and_what_is_added_is_trained(study, upstream, kind, tmp_path):
    task, transfer, kept, _, _ = train(study, tmp_path, upstream, kind, options={"rank": 2})
    whole = backbone(read_upstream(upstream).weights)
    state = task.network.state_dict()
    for name, tensor in whole.items():  # batch norms' statistics among them
        layer, _, last = name.rpartition(".")
        original = f"{layer}.parametrizations.{last}.original"
        assert equal(state[original if original in state else name], tensor), name
    ups = [tensor for name, tensor in state.items() if name.endswith(".0.up")]
    assert ups
    assert all(bool((up != 0).any()) for up in ups)
    trained = {n: p.numel() for n, p in task.network.named_parameters() if p.requires_grad}
    assert all(is_low_rank(name) or name.startswith(task.network.head_name) for name in trained)
    training = transfer.report.as_dict()["training"]
    every = sum(parameter.numel() for parameter in task.network.parameters())
    assert training == {
        "recipe": "lora",
        "parameters": sum(trained.values()),
        "at_first": sum(trained.values()),
        "of": every,
        "share": sum(trained.values()) / every,
    }
    # A checkpoint has the parts, in which a training goes on.
    names = read_checkpoint(kept[-1])["state_dict"]
    assert any(is_low_rank(name.removeprefix("network.")) for name in names)


@pytest.mark.slow
def test_who_reads_the_checkpoint_gets_the_network_that_was_trained_bit_for_bit(
    study, upstream, kind, tmp_path
):
    task, _, kept, trainer, data = train(study, tmp_path, upstream, kind)
    with torch.no_grad():
        expected = task(signals())
        for network in (merged_copy(task.network), restored(study, data, kept[-1], kind).network):
            assert not any("parametrizations" in name for name in network.state_dict())
            assert equal(network.eval()(task.normalization(signals())), expected)
    again = study.task(data, kind, seed=4)
    trainer.test(again, data, ckpt_path=str(kept[-1]), weights_only=True, verbose=False)
    assert equal(again.predictions["test"].logits, logits_of_test(trainer, task, data))
    assert equal(again.eval()(signals()), expected)
    # As an upstream of another training.
    next_task = train(study, tmp_path / "next", kept[-1], kind, epochs=0, match={"allow_overlap": True})[0]
    assert equal(features(next_task.network), features(task.network))


def logits_of_test(trainer, task, data) -> torch.Tensor:
    trainer.test(task, data, verbose=False)
    logits: torch.Tensor = task.predictions["test"].logits
    return logits


def restored(study: Study, data: Any, path: Path, kind: str) -> Any:
    if kind == "gru":
        return restore_task(path, read_checkpoint(path))
    task = study.task(data, kind, seed=4)  # a class of the tests, which no name stands for
    state = merged_state(read_checkpoint(path)["state_dict"], path)
    task.load_state_dict(state)
    return task


@pytest.mark.slow
def test_a_training_that_goes_on_ends_with_the_same_weights(study, upstream, kind, tmp_path):
    averages = [(EMAWeightAveraging(decay=0.9),) if kind == "gru" else () for _ in range(2)]
    whole, _, kept, _, _ = train(study, tmp_path / "whole", upstream, kind, *averages[0])
    again = train(study, tmp_path / "again", upstream, kind, *averages[1], ckpt_path=kept[0])[0]
    expected, found = weights(whole), weights(again)
    assert expected.keys() == found.keys()
    assert all(equal(tensor, expected[name]) for name, tensor in found.items())


@pytest.mark.slow
def test_another_recipe_does_not_go_on_from_its_checkpoint(study, gru_upstream, tmp_path):
    kept = train(study, tmp_path, gru_upstream, "gru", epochs=1)[2]
    data = study.data()
    trainer = study.trainer(tmp_path / "other", TransferLearning(str(gru_upstream)), max_epochs=2)
    with pytest.raises(CheckpointError, match="rnn"):
        trainer.fit(study.task(data, "gru"), data, ckpt_path=str(kept[0]), weights_only=True)


@settings(max_examples=30, deadline=None)
@given(
    part=st.sampled_from(["original", "0.up", "0.down", "0.scale"]),
    how=st.sampled_from(["gone", "other", "text"]),
)
def test_parts_that_do_not_fit_each_other_are_refused(part, how):
    network = create_network("gru", 3, hidden_size=5, pooling="mean")
    add_low_rank(network, ["rnn.weight_hh*"], 2, 2)
    state: dict[str, Any] = dict(network.state_dict())
    name = f"rnn.parametrizations.weight_hh_l0.{part}"
    if how == "gone" and part != "original":  # then what is left is a tensor that nobody expects
        del state[name]
    elif how == "text":
        state[name] = "x"
    else:
        state[name] = torch.zeros(3, 7)
    with pytest.raises(CheckpointError, match=r"rnn\.weight_hh_l0"):
        merged_state(state, "a file")
