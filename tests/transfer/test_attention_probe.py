"""The recipe `attention_probe`: what it adds, trains, saves, and what becomes of its checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from tiny_networks import TINY, fitting
from trainings import Study, equal, weights

from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.models import NETWORKS, create_network
from ecg_tl.models.attention_pool import attend_as_stored, attend_to_tokens
from ecg_tl.tasks.restoring import restore_task
from ecg_tl.transfer.callback import TransferLearning
from ecg_tl.transfer.freezing import freeze_batch_norm, rest_dropout, set_trained

EPOCHS = 3


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_query_takes_the_place_of_what_a_network_pools(name: str) -> None:
    torch.manual_seed(0)
    options = TINY.get(name, {})
    network = create_network(name, 3, 12, fitting(name, 80), **options)
    before = {n: x.clone() for n, x in network.state_dict().items()}
    if not network.has_tokens:
        with pytest.raises(SettingError, match="which has none"):
            attend_to_tokens(network, 16)
        return
    attend_to_tokens(network, 16)
    groups = network.layer_groups()
    assert list(groups)[-1] == "head"
    assert sorted(n for names in groups.values() for n in names) == sorted(dict(network.named_parameters()))
    head = frozenset(groups["head"])
    assert {n for n in head if not n.startswith(network.head_name)} == {
        f"attention_pool.pooler.{part}" for part in ("query", "q.weight", "kv.weight")
    }
    signal = torch.randn(2, 12, network.num_samples)
    tokens = network.eval().forward_tokens(signal)
    assert tokens.shape[-1] % int(network.attention_pool.heads) == 0
    assert network.forward_features(signal).shape == (2, network.num_features) == (2, tokens.shape[-1])
    state = network.state_dict()
    assert all(equal(x, state[n]) for n, x in before.items() if not n.startswith(network.head_name))
    # Everything that is trained is used: a distributed training would wait for the rest.
    network.train()
    set_trained(network, head)
    freeze_batch_norm(network, head)
    rest_dropout(network, head)
    network(signal).square().sum().backward()
    assert {n for n, x in network.named_parameters() if x.grad is not None} == head
    again = create_network(name, 3, 12, fitting(name, 80), **options)
    attend_as_stored(again, state)
    again.load_state_dict(state)
    torch.testing.assert_close(again.eval()(signal), network.eval()(signal))


def train(study: Study, folder: Path, upstream: Path, ckpt_path: Path | None = None):
    data = study.data()
    task = study.task(data, "cnn", seed=0 if ckpt_path is None else 9)
    saver = ModelCheckpoint(folder / "kept", save_top_k=-1, filename="{epoch}")
    transfer = TransferLearning(str(upstream), recipe="attention_probe", options={"heads": 4})
    trainer = study.trainer(folder, transfer, saver, max_epochs=EPOCHS, enable_checkpointing=True)
    trainer.fit(task, data, ckpt_path=ckpt_path, weights_only=None if ckpt_path is None else True)
    return task, data, trainer


@pytest.mark.slow
def test_from_training_to_use(study: Study, cnn_upstream: Path, tmp_path: Path) -> None:
    task, data, trainer = train(study, tmp_path / "whole", cnn_upstream)
    upstream = torch.load(cnn_upstream, weights_only=True)["state_dict"]
    for name, tensor in weights(task).items():
        if not name.startswith(("fc2.", "attention_pool.")):
            assert equal(tensor, upstream[f"network.{name}"]), name
    assert task.transfer_report["training"]["recipe"] == "attention_probe"
    # A training that goes on ends with the same weights.
    resumed, _, _ = train(study, tmp_path / "again", cnn_upstream, tmp_path / "whole/kept/epoch=0.ckpt")
    assert all(equal(tensor, weights(task)[name]) for name, tensor in weights(resumed).items())
    # The file says what the network is, to whoever opens it, and to a task made as the config says.
    last = tmp_path / "whole" / "kept" / f"epoch={EPOCHS - 1}.ckpt"
    restored = restore_task(last, read_checkpoint(last))
    signal = torch.randn(3, 12, 100)
    with torch.no_grad():
        assert equal(restored(signal), task.eval()(signal))
    (scores,) = trainer.test(study.task(data, "cnn", seed=5), data, ckpt_path=last, weights_only=True)
    (expected,) = trainer.test(task, data)
    assert scores == expected
    # As an upstream it gives what another network has of it.
    transfer = TransferLearning(str(last), match={"allow_overlap": True})
    study.trainer(tmp_path / "next", transfer).fit(study.task(data, "cnn"), data)
    assert transfer.report is not None
    assert transfer.report.coverage == 1


@pytest.mark.slow
def test_tampered_tensors_are_refused_in_one_line(study: Study, cnn_upstream: Path, tmp_path: Path) -> None:
    train(study, tmp_path, cnn_upstream)
    path = tmp_path / "kept" / "epoch=0.ckpt"
    content = torch.load(path, weights_only=True)
    for name, tensor in (
        ("heads", torch.tensor(0)),
        ("heads", torch.tensor(3)),
        ("pooler.query", torch.ones(2)),
    ):
        spoiled = {
            **content,
            "state_dict": {**content["state_dict"], f"network.attention_pool.{name}": tensor},
        }
        with pytest.raises(CheckpointError, match="attention_pool"):
            restore_task(path, spoiled)


def test_a_head_of_the_upstream_has_no_place(cnn_upstream: Path) -> None:
    with pytest.raises(SettingError, match=r"match\.head: found keep beside `recipe: attention_probe`"):
        TransferLearning(str(cnn_upstream), recipe="attention_probe", match={"head": "keep"})
