"""A training that was cut off and goes on: the right groups are trained, and it ends where it would have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from trainings import Study, equal, weights

from ecg_tl.errors import CheckpointError
from ecg_tl.tasks import RnnClassifier
from ecg_tl.transfer.callback import TransferLearning
from ecg_tl.transforms import Augmentation

EPOCHS = 4
GROUPS = ("rnn.0", "rnn.1", "rnn.2", "head")


class Watch(Callback):
    """Notes which groups have gradients at each batch, and the signals."""

    def __init__(self) -> None:
        self.trained: dict[int, set[frozenset[str]]] = {}
        self.signals: dict[int, list[torch.Tensor]] = {}

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        parameters = dict(pl_module.network.named_parameters())
        groups = pl_module.network.layer_groups()
        trained = frozenset(g for g, names in groups.items() if parameters[names[0]].requires_grad)
        self.trained.setdefault(trainer.current_epoch, set()).add(trained)
        self.signals.setdefault(trainer.current_epoch, []).append(batch["signal"].clone())


class DroppingGru(RnnClassifier):
    """Draws from PyTorch's own generator at every step, as dropout does."""

    def training_step(self, batch, batch_idx):
        return super().training_step({**batch, "signal": F.dropout(batch["signal"], 0.2)}, batch_idx)


def train(
    study: Study,
    folder: Path,
    upstream: Path,
    kind: str = "gru",
    ckpt_path: Path | None = None,
    callbacks: tuple[Callback, ...] = (),
    save: dict[str, Any] | None = None,
    **settings: Any,
):
    data = study.data(augmentation=Augmentation(gaussian_noise=0.05, amplitude_scale=0.2))
    options = {"schedule": "one_cycle", "optimizer": "adamw"}
    task = study.task(data, "cnn" if kind == "cnn" else "gru", seed=0 if ckpt_path is None else 9, **options)
    if kind == "dropping":
        task.__class__ = DroppingGru
    watch = Watch()
    saver = ModelCheckpoint(folder / "kept", save_top_k=-1, filename="{epoch}-{step}", **(save or {}))
    transfer = TransferLearning(
        str(upstream), **({"recipe": "gradual", "warmup_steps": 3, "l2_sp": 0.01} | settings)
    )
    trainer = study.trainer(
        folder, transfer, *callbacks, saver, watch, max_epochs=EPOCHS, enable_checkpointing=True
    )
    trainer.fit(task, data, ckpt_path=ckpt_path, weights_only=None if ckpt_path is None else True)
    return task, watch, sorted((folder / "kept").glob("*.ckpt"), key=lambda p: int(p.stem.split("step=")[1]))


def at_epoch(epoch: int) -> frozenset[str]:
    return frozenset(GROUPS[len(GROUPS) - 1 - epoch :])


@pytest.mark.slow
@pytest.mark.parametrize("when", ["after validation", "at the epoch's end"])
@pytest.mark.parametrize("kind", ["gru", "cnn", "dropping"])
def test_from_an_epochs_end_it_ends_with_the_same_weights(
    study, gru_upstream, cnn_upstream, tmp_path, kind, when
):
    upstream = cnn_upstream if kind == "cnn" else gru_upstream
    save = {"save_on_train_epoch_end": when == "at the epoch's end"}
    whole, watched, kept = train(study, tmp_path / "whole", upstream, kind, save=save)
    assert len(kept) == EPOCHS
    expected = weights(whole)
    for epoch in range(EPOCHS - 1) if kind == "gru" else [1]:  # each is the end of a phase
        task, watch, _ = train(study, tmp_path / f"from-{epoch}", upstream, kind, kept[epoch], save=save)
        assert sorted(watch.signals) == list(range(epoch + 1, EPOCHS))
        for later in watch.signals:
            assert watch.trained[later] == watched.trained[later]
            pairs = zip(watch.signals[later], watched.signals[later], strict=True)
            assert all(equal(one, other) for one, other in pairs)
        assert all(equal(tensor, expected[name]) for name, tensor in weights(task).items()), epoch


@pytest.mark.slow
def test_in_the_middle_of_an_epoch_nothing_goes_on(study, gru_upstream, tmp_path):
    _, watched, kept = train(study, tmp_path / "whole", gru_upstream, save={"every_n_train_steps": 2})
    steps = sum(map(len, watched.signals.values())) // EPOCHS
    assert watched.trained == {epoch: {at_epoch(epoch)} for epoch in range(EPOCHS)}
    middle = [path for path in kept if int(path.stem.split("step=")[1]) % steps]
    assert {int(path.stem.split("step=")[1]) // steps for path in middle} == set(range(EPOCHS))
    for path in middle[1::2]:
        epoch = int(path.stem.split("step=")[1]) // steps
        with pytest.raises(CheckpointError, match=f"the middle of epoch {epoch + 1}, expected"):
            train(study, tmp_path / path.stem, gru_upstream, ckpt_path=path)


@pytest.mark.slow
def test_frozen_weights_stay_bit_equal_over_a_resumption(study, gru_upstream, tmp_path):
    _, _, kept = train(study, tmp_path / "whole", gru_upstream, recipe="linear_probe")
    task, _, _ = train(study, tmp_path / "again", gru_upstream, ckpt_path=kept[1], recipe="linear_probe")
    upstream = torch.load(gru_upstream, weights_only=True)["state_dict"]
    for name, tensor in weights(task).items():
        assert name.startswith("fc.") or equal(tensor, upstream[f"network.{name}"]), name


@pytest.mark.slow
def test_an_average_of_weights_goes_on_as_it_was(study, gru_upstream, tmp_path):
    averages = [EMAWeightAveraging(decay=0.9) for _ in range(2)]
    whole, _, kept = train(study, tmp_path / "whole", gru_upstream, callbacks=(averages[0],))
    task, _, _ = train(study, tmp_path / "again", gru_upstream, ckpt_path=kept[1], callbacks=(averages[1],))
    for (name, one), other in zip(weights(task).items(), weights(whole).values(), strict=True):
        assert equal(one, other), name


@pytest.mark.slow
def test_the_upstream_need_not_be_there(study, gru_upstream, tmp_path):
    moved = tmp_path / "moved.ckpt"
    moved.write_bytes(gru_upstream.read_bytes())
    whole, _, kept = train(study, tmp_path / "whole", moved)
    moved.unlink()
    task, _, _ = train(study, tmp_path / "again", moved, ckpt_path=kept[0])
    assert all(equal(one, weights(whole)[name]) for name, one in weights(task).items())


@pytest.mark.slow
def test_a_checkpoint_after_transfer_is_plain_weights(study, gru_upstream, tmp_path):
    _, _, kept = train(study, tmp_path, gru_upstream)
    for path in kept:
        torch.load(path, weights_only=True)
