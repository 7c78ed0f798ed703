"""Crops: drawn from seed, epoch and record alone; where records are judged, all windows without padding."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ecg_tl.datamodules import EcgDataModule
from ecg_tl.datamodules.crops import Crops, make_crops
from ecg_tl.datamodules.settings import SplitSettings
from ecg_tl.errors import SettingError
from ecg_tl.store.resample import window_starts
from ecg_tl.tasks import EcgClassifier
from ecg_tl.tasks.predictions import join_windows
from ecg_tl.transforms import Augmentation

MakeData = Callable[..., EcgDataModule]

FORTY = SplitSettings(train_records=40)
NOISE = Augmentation(gaussian_noise=0.5, gaussian_noise_probability=1.0)


def drawn(data: EcgDataModule, epoch: int, rank: int = 0, world: int = 1) -> dict[int, Tensor]:
    """The training signals of an epoch, by record."""
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    trainer = {"global_rank": rank, "world_size": world, "training": True, "current_epoch": epoch}
    data.trainer = cast(Any, SimpleNamespace(**trainer, strategy=strategy))
    loader = data.train_dataloader()
    cast(Any, loader.sampler).set_epoch(epoch)
    found = {}
    for stored in loader:
        batch = data.on_after_batch_transfer(data.on_before_batch_transfer(stored, 0), 0)
        found |= dict(zip(batch["index"].tolist(), batch["signal"], strict=True))
    data.trainer = None
    return found


def same(one: dict[int, Tensor], other: dict[int, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(x, other[row]) for row, x in one.items())


def test_a_records_crop_depends_on_seed_epoch_and_record_alone(ptbxl: MakeData) -> None:
    settings: dict[str, Any] = {"crop_seconds": 4, "split": FORTY}
    data = ptbxl(**settings)
    first = drawn(data, 0)
    assert len(first) == 40
    assert same(drawn(ptbxl(batch_size=7, **settings), 0), first)
    assert same(drawn(ptbxl(residency="device", **settings), 0), first)
    halves = [drawn(ptbxl(**settings), 0, rank, 2) for rank in range(2)]
    assert same({row: first[row] for row in sorted(first)}, halves[0] | halves[1])
    assert not same(drawn(data, 1), first)
    assert not same(drawn(ptbxl(seed=1, **settings), 0), first)
    augmented = drawn(ptbxl(augmentation=NOISE, **settings), 0)
    assert not same(augmented, first)


def recorded(data: EcgDataModule) -> list[int]:
    """Samples of each stored record that are no padding."""
    return [400 - padded for padded in data.store.records["padded_samples"].tolist()]


@pytest.mark.slow
def test_crops_lie_anywhere_in_what_was_recorded_and_nowhere_else(cpsc2018: MakeData) -> None:
    data = cpsc2018(crop_seconds=4, num_samples=400)
    assert (data.num_samples, data.record_samples) == (100, 400)
    steps = torch.from_numpy(np.array(data.store.signals())).float() * 0.001
    lengths = recorded(data)
    assert min(lengths) < 300
    assert max(lengths) == 400
    starts = set()
    for epoch in range(3):
        for row, signal in drawn(data, epoch).items():
            windows = steps[row].unfold(1, 100, 1)[:, : lengths[row] - 99].permute(1, 0, 2)
            fits = (windows - signal).abs().amax(dim=(1, 2)) < 1e-6
            assert fits.any(), row
            starts.add(int(fits.nonzero()[0]))
    assert len(starts) > 30
    assert max(starts) > 250


def test_all_windows_of_what_was_recorded_are_judged(cpsc2018: MakeData) -> None:
    data = cpsc2018(crop_seconds=4, num_samples=400)
    whole = {int(r): s for b in data.batches_of("test", torch.device("cpu"), whole=True)
             for r, s in zip(b["index"], b["signal"], strict=True)}  # fmt: skip
    assert all(signal.shape == (12, 400) for signal in whole.values())
    for batch in data.batches_of("test", torch.device("cpu")):
        signals = batch["signal"].split(batch["windows"].tolist())
        for row, windows in zip(batch["index"].tolist(), signals, strict=True):
            length = recorded(data)[row]
            wanted = [whole[row][:, start : start + 100] for start in window_starts(length, 100)]
            assert torch.equal(windows, torch.stack(wanted))
            assert max(window_starts(length, 100)) + 100 == max(length, 100)


@given(total=st.integers(1, 500), length=st.integers(1, 200), stride=st.none() | st.integers(1, 200))
def test_windows_cover_a_signal(total: int, length: int, stride: int | None) -> None:
    starts = window_starts(total, length, stride)
    assert starts[0] == 0
    assert starts[-1] == max(total - length, 0)
    assert all(0 < b - a <= (stride or length) for a, b in pairwise(starts))
    if stride is None:
        assert len(starts) == max(-(-total // length), 1)


@given(rows=st.lists(st.integers(0, 10**8), min_size=1, unique=True), seed=st.integers(0, 2**63 - 1))
def test_draws_are_within_each_record(rows: list[int], seed: int) -> None:
    lengths = np.array([1 + row % 300 for row in rows])
    starts = Crops(100, 300).drawn(lengths, np.array(rows), seed, 3).numpy()
    assert (starts >= 0).all()
    assert (starts <= np.maximum(lengths - 100, 0)).all()


def test_draws_are_even_over_records_and_over_epochs() -> None:
    rows, lengths = np.arange(20_000), np.full(20_000, 103)
    for epoch in (0, 1):
        counts = np.bincount(Crops(100, 103).drawn(lengths, rows, 0, epoch).numpy(), minlength=4)
        assert abs(counts / 20_000 - 0.25).max() < 0.02
    one = np.concatenate([Crops(100, 103).drawn(lengths[:1], rows[:1], 0, epoch) for epoch in range(2000)])
    assert abs(np.bincount(one, minlength=4) / 2000 - 0.25).max() < 0.05


def test_a_records_logit_is_that_of_the_mean_probability() -> None:
    logits = torch.randn(7, 3, generator=torch.Generator().manual_seed(0)) * 3
    joined = join_windows(logits, torch.tensor([4, 1, 2]))
    wanted = [part.double().sigmoid().mean(dim=0) for part in logits.split([4, 1, 2])]
    torch.testing.assert_close(joined.double().sigmoid(), torch.stack(wanted), rtol=1e-6, atol=0)
    torch.testing.assert_close(joined[1], logits[4])
    far = join_windows(torch.tensor([[-200.0], [-210.0], [90.0], [95.0]]), torch.tensor([2, 2]))
    torch.testing.assert_close(far, torch.tensor([[-200.6931], [90.6863]]), rtol=1e-5, atol=0)


def test_without_crops_nothing_is_new(ptbxl: MakeData) -> None:
    data = ptbxl()
    assert "windows" not in data.describe()
    assert (data.num_samples, data.record_samples) == (250, 250)


def test_a_task_takes_windows_as_the_data_has_them(ptbxl: MakeData) -> None:
    data = ptbxl(crop_seconds=4, crop_stride_seconds=2)
    task = EcgClassifier.for_data(data, "gru", network_options={"hidden_size": 4}).eval()
    assert task.network.num_samples == 100
    batch = next(data.batches_of("test", torch.device("cpu")))
    assert set(batch["windows"].tolist()) == {4}
    assert task.judge(batch).shape == batch["target"].shape
    assert data.describe()["windows"] == {
        "record_samples": 250,
        "stride_samples": 50,
        "aggregation": "mean of probabilities",
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop_seconds": 11}, "crop_seconds: found 11 s, which is 275 samples at 25 Hz, expected from 1 to"),
        ({"crop_seconds": 0.001}, "crop_seconds: found 0.001 s, which is 0 samples"),
        ({"crop_seconds": -1}, "crop_seconds: found duration -1"),
        ({"crop_seconds": float("nan")}, "crop_seconds: found duration nan"),
        ({"crop_stride_seconds": 2}, "crop_stride_seconds: found 2, expected crops"),
        ({"crop_seconds": 4, "crop_stride_seconds": 0}, "crop_stride_seconds: found duration 0"),
    ],
)  # fmt: skip
def test_durations_that_make_no_sense_are_refused(settings: dict[str, float], message: str) -> None:
    given = {"crop_seconds": None, "crop_stride_seconds": None, **settings}
    with pytest.raises(SettingError, match=message):
        make_crops(given["crop_seconds"], given["crop_stride_seconds"], 25.0, 250)
