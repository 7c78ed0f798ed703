"""What leaves the loaders: millivolts, in an order that seed and epoch decide, on one process or several."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler

from ecg_tl.datamodules import EcgDataModule
from ecg_tl.datamodules.residency import MEMORY_LIMIT_BYTES, choose_residency
from ecg_tl.datamodules.settings import SplitSettings
from ecg_tl.errors import SettingError
from ecg_tl.signals import Batch
from ecg_tl.store.reader import Store
from ecg_tl.transforms import Augmentation

MakeData = Callable[..., EcgDataModule]

FORTY = SplitSettings(train_records=40)  # a multiple of the batch: nothing is left over, nothing repeated
STRONG = Augmentation(
    gaussian_noise=0.5, gaussian_noise_probability=1.0, amplitude_scale=0.5, amplitude_scale_probability=1.0
)


def attach(
    data: EcgDataModule, *, rank: int = 0, world: int = 1, training: bool = False, epoch: int = 0
) -> EcgDataModule:
    """Let the datamodule see what it asks of a Trainer."""
    data.trainer = cast(
        Any,
        SimpleNamespace(
            global_rank=rank,
            world_size=world,
            training=training,
            current_epoch=epoch,
            strategy=SimpleNamespace(root_device=torch.device("cpu")),
        ),
    )
    return data


def batches(data: EcgDataModule, loader: DataLoader[Any], epoch: int = 0) -> list[Batch]:
    """Pass through a loader as Lightning does."""
    if isinstance(loader.sampler, DistributedSampler):
        loader.sampler.set_epoch(epoch)
    return [data.on_after_batch_transfer(data.on_before_batch_transfer(batch, 0), 0) for batch in loader]


def order(data: EcgDataModule, epoch: int = 0) -> list[int]:
    return torch.cat([b["index"] for b in batches(data, data.train_dataloader(), epoch)]).tolist()


@pytest.mark.slow
def test_a_batch_has_the_documented_schema(ptbxl: MakeData) -> None:
    data = ptbxl(leads=["V2", "I", "aVR"])
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        batch = batches(data, loader)[0]
        size = len(batch["index"])
        assert set(batch) == {"signal", "target", "index"}
        assert batch["signal"].shape == (size, 3, 250)
        assert batch["target"].shape == (size, 5)
        dtypes = {name: value.dtype for name, value in batch.items()}
        assert dtypes == {"signal": torch.float32, "target": torch.float32, "index": torch.int64}
        assert set(batch["target"].unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("residency", ["disk", "memory", "device", "auto"])
def test_signals_are_the_stored_ones_in_millivolts_wherever_they_live(
    residency: str, ptbxl: MakeData, ptbxl_store: Store
) -> None:
    data = ptbxl(residency=residency)
    steps = ptbxl_store.signals()
    targets = data.label_rule.targets(ptbxl_store.records["codes"].tolist())
    seen = 0
    for batch in batches(data, data.predict_dataloader()):
        rows = batch["index"].numpy()
        torch.testing.assert_close(
            batch["signal"], torch.from_numpy(steps[rows] / np.float32(1000)), rtol=0, atol=1e-6
        )
        assert np.array_equal(batch["target"].numpy(), targets[rows])
        seen += len(rows)
    assert seen == 60
    # An R peak is about a millivolt: steps taken for millivolts would be a thousand times that.
    assert 0.3 < float(np.abs(steps).max()) / 1000 < 10


@pytest.mark.parametrize("residency", ["memory", "device"])
def test_residency_changes_nothing_but_the_place(residency: str, ptbxl: MakeData) -> None:
    expected, found = (
        batches(data, data.train_dataloader(), epoch=3)
        for data in (ptbxl(residency="disk"), ptbxl(residency=residency))
    )
    for one, other in zip(expected, found, strict=True):
        assert all(torch.equal(one[key], other[key]) for key in ("signal", "target", "index"))


def test_signals_on_the_device_do_not_travel_with_the_batch(ptbxl: MakeData) -> None:
    data = ptbxl(residency="device")
    assert next(iter(data.train_dataloader()))["signal"].numel() == 0


def test_auto_takes_memory_while_there_is_some() -> None:
    cpu = torch.device("cpu")
    assert choose_residency("auto", 1000, cpu) == "memory"
    assert choose_residency("auto", MEMORY_LIMIT_BYTES + 1, None) == "disk"
    assert choose_residency("disk", 1000, cpu) == "disk"


def test_the_order_is_a_function_of_seed_and_epoch(ptbxl: MakeData) -> None:
    data, same, other = ptbxl(seed=4), ptbxl(seed=4, residency="disk"), ptbxl(seed=5)
    torch.manual_seed(1)
    first = [order(data, epoch) for epoch in range(3)]
    torch.manual_seed(2)
    # Epoch 2 before epoch 1, as after a resumption: what came before does not matter.
    assert [order(same, epoch) for epoch in (2, 0)] == [first[2], first[0]]
    assert len({tuple(rows) for rows in first}) == 3
    assert order(other) != first[0]
    assert all(sorted(rows) == sorted(data.parts.split.train.tolist()) for rows in first)


@pytest.mark.parametrize("epoch", [0, 7])
def test_two_processes_train_on_the_batches_of_one(epoch: int, ptbxl: MakeData) -> None:
    alone = attach(ptbxl(batch_size=16, split=FORTY))
    ranks = [attach(ptbxl(batch_size=8, split=FORTY), rank=rank, world=2) for rank in range(2)]
    whole = [set(b["index"].tolist()) for b in batches(alone, alone.train_dataloader(), epoch)]
    halves = [batches(rank, rank.train_dataloader(), epoch) for rank in ranks]
    together = [
        set(one["index"].tolist()) | set(other["index"].tolist()) for one, other in zip(*halves, strict=True)
    ]
    assert together == whole


@pytest.mark.parametrize("world", [1, 2, 3])
def test_evaluation_sees_each_record_once(world: int, ptbxl: MakeData) -> None:
    seen: dict[str, list[int]] = {"validation": [], "test": [], "all": []}
    for rank in range(world):
        data = attach(ptbxl(batch_size=4), rank=rank, world=world)
        loaders = (data.val_dataloader(), data.test_dataloader(), data.predict_dataloader())
        for part, loader in zip(seen, loaders, strict=True):
            shard = torch.cat([b["index"] for b in batches(data, loader)]).tolist()
            assert shard == sorted(shard)
            seen[part] += shard
    assert sorted(seen["validation"]) == sorted(data.parts.split.validation.tolist())
    assert sorted(seen["test"]) == sorted(data.parts.split.test.tolist())
    assert sorted(seen["all"]) == list(range(60))


def test_lightning_does_not_shard_the_shards(ptbxl: MakeData) -> None:
    # Under DDP it puts its own sampler around all that are no DistributedSampler: records would be lost.
    data = ptbxl()
    loaders = (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())
    assert all(isinstance(loader.sampler, DistributedSampler) for loader in loaders)


def test_more_processes_than_records_are_refused(ptbxl: MakeData) -> None:
    data = attach(ptbxl(), world=20)
    data.train_dataloader()
    with pytest.raises(SettingError, match="20 processes"):
        data.val_dataloader()


def _training_signals(data: EcgDataModule, epoch: int) -> dict[int, torch.Tensor]:
    attach(data, training=True, epoch=epoch)
    return {
        row: signal
        for batch in batches(data, data.train_dataloader(), epoch)
        for row, signal in zip(batch["index"].tolist(), batch["signal"], strict=True)
    }


def test_augmentation_is_a_function_of_seed_and_epoch(ptbxl: MakeData) -> None:
    data = ptbxl(augmentation=STRONG, seed=1)
    first = _training_signals(data, 2)
    torch.manual_seed(99)
    again = _training_signals(ptbxl(augmentation=STRONG, seed=1), 2)
    assert all(torch.equal(first[row], again[row]) for row in first)
    for other in (_training_signals(data, 3), _training_signals(ptbxl(augmentation=STRONG, seed=2), 2)):
        assert not any(torch.equal(first[row], other[row]) for row in first)


def test_every_record_of_a_batch_is_varied_on_its_own(ptbxl: MakeData) -> None:
    plain, varied = _training_signals(ptbxl(), 0), _training_signals(ptbxl(augmentation=STRONG), 0)
    noise = [varied[row] - plain[row] for row in sorted(plain)]
    assert all(n.abs().max() > 0.1 for n in noise)
    assert not any(torch.equal(noise[0], n) for n in noise[1:])


def test_nothing_but_training_is_augmented(ptbxl: MakeData) -> None:
    data, plain = attach(ptbxl(augmentation=STRONG), training=False), ptbxl()
    for name in ("train_dataloader", "val_dataloader", "test_dataloader", "predict_dataloader"):
        for one, other in zip(
            batches(data, getattr(data, name)()), batches(plain, getattr(plain, name)()), strict=True
        ):
            assert torch.equal(one["signal"], other["signal"])
