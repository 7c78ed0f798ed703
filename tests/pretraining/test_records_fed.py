"""Which records a pre-training is fed: read from its own batches."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import Callback
from small import data, module, trainer

from ecg_tl.errors import SettingError
from ecg_tl.pretraining.data import PretrainingData
from ecg_tl.pretraining.sampling import MixedRows, WeightedSampler
from ecg_tl.synthesis import synthesize


class Fed(Callback):
    """Notes the records of each training batch, by dataset."""

    def __init__(self) -> None:
        self.records: list[tuple[int, str]] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        of = trainer.datamodule
        sources = [
            (number, str(record))
            for number, (source, one) in enumerate(zip(of.sources, of.chosen, strict=True))
            for record in source.store.records["record_id"].to_numpy()[one.train]
        ]
        self.records += [sources[position] for position in batch["index"].tolist()]


def fed_by(of: PretrainingData, folder: Path, epochs: int = 1) -> list[tuple[int, str]]:
    fed = Fed()
    trainer(folder, fed, max_epochs=epochs, limit_val_batches=0).fit(module("jepa", of, probe_every=0), of)
    return fed.records


def ids(of: PretrainingData, source: int, *parts: str) -> set[str]:
    one = of.sources[source]
    rows = np.concatenate([one.parts.split.parts()[part] for part in parts])
    return {str(record) for record in one.parts.record_ids[rows]}


@pytest.fixture(scope="module")
def ptb_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 records in PTB's layout, of patients of whom some have several."""
    root = tmp_path_factory.mktemp("several") / "ptb"
    synthesize("ptb", root, 40, seed=4, progress=False)
    return root


def test_nothing_of_validation_and_test_is_fed(ludb_root: Path, stores: Path, tmp_path: Path) -> None:
    of = data(ludb_root, stores)
    fed = {record for _, record in fed_by(of, tmp_path)}
    assert fed <= ids(of, 0, "train")
    assert not fed & ids(of, 0, "validation", "test")
    (kept,) = of.training_sets()
    assert fed <= set(kept.record_ids)


def test_no_record_of_a_held_out_patient_is_fed(ptb_root: Path, stores: Path) -> None:
    of = data(ptb_root, stores, sources=[{"dataset": "ptb", "root": str(ptb_root)}])
    of.prepare_data()
    of.setup()
    table = of.sources[0].store.records
    patients = table.set_index("record_id")["patient_id"]
    assert patients.duplicated().any()
    held = set(patients[list(ids(of, 0, "validation", "test"))])
    (kept,) = of.training_sets()
    assert len(kept.record_ids)
    assert not held & set(patients[list(kept.record_ids)])


@pytest.mark.slow
def test_the_same_recordings_in_another_dataset_are_held_out(
    ludb_root: Path, stores: Path, tmp_path: Path
) -> None:
    both = [{"dataset": "ludb", "root": str(ludb_root), "split": {"seed": seed}} for seed in (0, 1)]
    of = data(ludb_root, stores, sources=both)
    fed = {record for _, record in fed_by(of, tmp_path)}
    held = ids(of, 0, "validation", "test") | ids(of, 1, "validation", "test")
    assert held > ids(of, 0, "validation", "test")
    assert fed
    assert not fed & held


def test_what_exclude_names_is_held_out(ludb_root: Path, stores: Path) -> None:
    elsewhere = {"dataset": "ludb", "root": str(ludb_root), "split": {"seed": 1}}
    of = data(ludb_root, stores, exclude=["test of ludb"], excluded_data=[elsewhere])
    of.prepare_data()
    of.setup()
    (kept,) = of.training_sets()
    test = of.others[0].parts
    assert not {str(one) for one in test.record_ids[test.split.test]} & set(kept.record_ids)
    assert set(kept.record_ids) < ids(of, 0, "train")


@pytest.mark.parametrize("name", ["test of ptbxl", "ludb", "holdout of ludb", "test of"])
def test_what_exclude_names_must_be_there(ludb_root: Path, stores: Path, name: str) -> None:
    of = data(ludb_root, stores, exclude=[name])
    of.prepare_data()
    with pytest.raises(SettingError, match="exclude"):
        of.setup()


def test_test_records_are_fed_under_their_own_name_alone(ludb_root: Path, stores: Path) -> None:
    of = data(ludb_root, stores, records="transductive")
    of.prepare_data()
    of.setup()
    (kept,) = of.training_sets()
    of.sources[0].setup()
    assert set(kept.record_ids) > ids(of, 0, "test")
    assert of.describe_records()["records"] == "transductive"


def test_records_without_labels_are_fed(ludb_root: Path, stores: Path) -> None:
    labelled = {"dataset": "ludb", "root": str(ludb_root), "drop_unlabelled": True}
    for records, more in (("train", False), ("train+unlabelled", True)):
        of = data(ludb_root, stores, sources=[labelled], records=records)
        of.prepare_data()
        of.setup()
        assert (of.chosen[0].unlabelled > 0) == more


@pytest.mark.slow
@given(
    sizes=st.lists(st.integers(1, 20), min_size=1, max_size=3),
    weights=st.lists(st.floats(0.1, 10), min_size=3, max_size=3),
    size=st.integers(2, 60),
    world=st.sampled_from([1, 2]),
    seed=st.integers(0, 1000),
)
def test_datasets_give_their_share_and_records_come_equally_often(
    sizes: list[int], weights: list[float], size: int, world: int, seed: int
) -> None:
    part = MixedRows([None] * len(sizes), [np.arange(one) for one in sizes])
    given_weights = weights[: len(sizes)]
    ranks = [
        WeightedSampler(part, world, rank, seed=seed, weights=given_weights, size=size)
        for rank in range(world)
    ]
    total = size // world * world
    counts: Counter[int] = Counter()
    for epoch in range(5):
        for one in ranks:
            one.set_epoch(epoch)
        shards = [list(one) for one in ranks]
        assert len({len(shard) for shard in shards}) == 1
        given_here = [position for shard in shards for position in shard]
        assert sorted(given_here) == sorted(ranks[0].order(epoch).tolist())
        counts.update(given_here)
    starts = part.starts
    for number, weight in enumerate(given_weights):
        share = sum(counts[position] for position in range(starts[number], starts[number + 1]))
        assert abs(share - 5 * total * weight / sum(given_weights)) <= 5
        of_records = [counts[position] for position in range(starts[number], starts[number + 1])]
        assert max(of_records) - min(of_records) <= 1
