"""The records of one or several datasets, with or without labels, as batches of signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from lightning_utilities.core.rank_zero import rank_zero_info, rank_zero_warn
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from ecg_tl.contamination.training_sets import TrainingSet
from ecg_tl.datamodules.batches import ShardSampler, StoredBatch, as_is
from ecg_tl.datamodules.crops import make_crops
from ecg_tl.datamodules.residency import Residency, choose_residency
from ecg_tl.errors import SettingError
from ecg_tl.limits import BATCH_SIZE, RECORDS, SEED, WORKERS, require
from ecg_tl.pretraining.labelled import Labelled
from ecg_tl.pretraining.records import TRANSDUCTIVE, Chosen, Records, Rows, choose_records, has_labels
from ecg_tl.pretraining.sampling import MixedRows, WeightedSampler
from ecg_tl.pretraining.sources import SHARED, lengths_of, make_source, weight_of
from ecg_tl.signals import LEADS, Batch
from ecg_tl.store.settings import Resampling, Short
from ecg_tl.transforms import create_normalization

LOOKED_AT = 256
"""Training records on which features are looked at where no dataset has a validation part."""


class PretrainingData(LightningDataModule):
    """Signals of several datasets, sampled by stated weights.

    Signals are in millivolts when they leave, whole as they are stored: the model asks for one crop of them
    or two, and varies these. Targets are there for the linear probe alone, and never in a batch.

    Args:
        sources: For each dataset a table: its name as `dataset`, its `root` (or its `store`), its `weight`
            (the share of an epoch, relative to the others'; the number of its records if left out), and its
            other settings, such as `query` and `split`.
        records: `train`, `train+unlabelled` or `transductive`: see `ecg_tl.pretraining.records`.
        exclude: Parts of datasets whose records, and all records of whose patients, are never fed: `test of
            ludb`. Validation and test parts of `sources` are kept out without being named.
        excluded_data: Datasets that `exclude` names and that are not trained on; tables as in `sources`.
        records_per_epoch: Over all datasets; as many as there are if None.
        store_dir: Folder in which prepared stores are kept, and found again.
        leads: Which leads, in which order.
        sampling_rate: In Hz, after resampling.
        num_samples: Of a stored record; longer ones are cut, shorter ones padded.
        crop_seconds: Length of the crops that the network sees, each drawn anew in each epoch, as of a
            datamodule; the whole record if None.
        resampling: As of a datamodule.
        short: As of a datamodule.
        bad_records: As of a datamodule.
        normalization: As of a datamodule.
        normalization_options: As of a datamodule.
        batch_size: Per process.
        seed: Of the order of records; with the epoch it decides it.
        residency: Where signals are while training: `disk`, `memory`, `device`, or `auto`.
        num_workers: Loader processes.
        prepare_workers: Processes that read records into the stores; one a core if None.

    Raises:
        SettingError: If a setting makes no sense, or a dataset has no such setting.
    """

    def __init__(
        self,
        sources: list[dict[str, Any]] | None = None,
        records: Records = "train+unlabelled",
        exclude: list[str] | None = None,
        excluded_data: list[dict[str, Any]] | None = None,
        records_per_epoch: int | None = None,
        store_dir: str = "data/stores",
        leads: Sequence[str] = LEADS,
        sampling_rate: float = 100,
        num_samples: int = 1000,
        crop_seconds: float | None = None,
        resampling: Resampling = "polyphase",
        short: Short = "pad",
        bad_records: Literal["skip", "error"] = "skip",
        normalization: str = "fixed_scale",
        normalization_options: dict[str, float] | None = None,
        batch_size: int = 64,
        seed: int = 0,
        residency: Residency = "auto",
        num_workers: int = 0,
        prepare_workers: int | None = None,
    ) -> None:
        super().__init__()
        if not sources:
            raise SettingError("sources", "no dataset", "at least one", "Name one: `--data ludb`.")
        for limit, name, value in (
            (BATCH_SIZE, "batch_size", batch_size),
            (WORKERS, "num_workers", num_workers),
            (SEED, "seed", seed),
            (RECORDS, "records_per_epoch", 1 if records_per_epoch is None else records_per_epoch),
        ):
            require(limit, value, name, remedy="Correct the setting.")
        given = locals()
        shared = {name: given[name] for name in SHARED}
        self.sources = [make_source(one, shared) for one in sources]
        self.weights = [weight_of(one) for one in sources]
        self.crops = make_crops(crop_seconds, None, sampling_rate, num_samples)
        self.others = [make_source(one, shared) for one in excluded_data or []]
        self.records: Records = records
        self.exclude = list(exclude or [])
        self.records_per_epoch = records_per_epoch
        self.normalization = create_normalization(normalization, **(normalization_options or {})).describe()
        self.batch_size = batch_size
        self.seed = seed
        self.residency = residency
        self.num_workers = num_workers
        self._chosen: list[Chosen] | None = None
        self._held: dict[str, Tensor | NDArray[np.int16]] = {}
        self._samples: dict[str, Rows] = {}
        self._part = "train"
        self._positions: NDArray[np.int64] = np.zeros(0, np.int64)

    # What the model is built from -----------------------------------------------------------------------

    @property
    def leads(self) -> list[str]:
        """Names of the leads, in the order of the signals' rows."""
        return self.sources[0].leads

    @property
    def num_leads(self) -> int:
        """Number of leads."""
        return len(self.leads)

    @property
    def sampling_rate(self) -> float:
        """In Hz."""
        return self.sources[0].sampling_rate

    @property
    def num_samples(self) -> int:
        """Samples a lead of a crop, as the network sees it."""
        return self.record_samples if self.crops is None else self.crops.samples

    @property
    def record_samples(self) -> int:
        """Samples a lead of a stored record."""
        return self.sources[0].record_samples

    # Preparation ----------------------------------------------------------------------------------------

    def prepare_data(self) -> None:
        """Build the stores that are not there."""
        for source in (*self.sources, *self.others):
            source.prepare_data()

    def setup(self, stage: str | None = None) -> None:
        """Open the stores and choose the records; the same for every stage."""
        if self._chosen is not None:
            return
        self._chosen = choose_records(self.sources, self.records, self.exclude, self.others)
        for source, one in zip(self.sources, self._chosen, strict=True):
            rank_zero_info(
                f"{source.dataset.name}: {len(one.train):,} records to train on ({one.unlabelled:,} without "
                f"a label), {one.excluded:,} held out with their patients, of {len(source.store):,}"
            )
        if self.records == TRANSDUCTIVE:
            rank_zero_warn(
                "records: transductive. Records on which a downstream is validated and tested are among "
                "those that are trained on, without their labels; the checkpoint and its results say so."
            )

    @property
    def chosen(self) -> list[Chosen]:
        """The records of each dataset, after `setup`."""
        if self._chosen is None:
            raise RuntimeError("setup() comes before the records of a pre-training are used")
        return self._chosen

    # Batches --------------------------------------------------------------------------------------------

    def _rows(self, part: str) -> list[Rows]:
        if part == "train":
            return [one.train for one in self.chosen]
        rows = [one.validation for one in self.chosen]
        if any(len(one) for one in rows):
            return rows
        # No dataset has a validation part: features are looked at on some of what is trained on.
        return [one.train[:LOOKED_AT] for one in self.chosen]

    def _mixed(self, part: str) -> MixedRows:
        rows = self._rows(part)
        stores = [source.store for source in self.sources]
        trainer = self.trainer
        device = None if trainer is None else trainer.strategy.root_device
        bytes_used = sum(
            len(one) * store.manifest.signals_bytes // max(len(store), 1)
            for one, store in zip(rows, stores, strict=True)
        )
        held = self._held.get(part)
        residency = (
            "device" if isinstance(held, Tensor) else choose_residency(self.residency, bytes_used, device)
        )
        if residency == "disk":
            return MixedRows([store.signals() for store in stores], rows)
        if held is None:
            held = np.concatenate([store.signals()[one] for store, one in zip(stores, rows, strict=True)])
            if residency == "device":
                held = torch.from_numpy(held)
        if isinstance(held, Tensor):
            held = held.to(device or torch.device("cpu"))
            self._held[part] = held
            return MixedRows([None] * len(rows), rows)
        self._held[part] = held
        starts = np.cumsum([0, *(len(one) for one in rows)])
        pieces = [held[low:high] for low, high in pairwise(starts)]
        return MixedRows(pieces, [np.arange(len(one)) for one in rows])

    def train_dataloader(self) -> DataLoader[StoredBatch]:
        """Training records in an order that the seed and the epoch decide."""
        part = self._mixed("train")
        trainer = self.trainer
        rank, world = (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)
        sampler = WeightedSampler(
            part,
            world,
            rank,
            seed=self.seed,
            weights=self.share_weights(),
            size=len(part) if self.records_per_epoch is None else self.records_per_epoch,
        )
        return DataLoader(
            part,
            batch_size=self.batch_size,
            sampler=sampler,
            # A last batch of one record has no other to be told from, and no statistics.
            drop_last=len(sampler) >= self.batch_size,
            collate_fn=as_is,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            generator=torch.Generator(),
        )

    def val_dataloader(self) -> DataLoader[StoredBatch]:
        """Records on which features are looked at, each once."""
        part = self._mixed("validation")
        trainer = self.trainer
        rank, world = (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)
        return DataLoader(
            part,
            batch_size=self.batch_size,
            sampler=ShardSampler(part, world, rank),  # type: ignore[arg-type]  # asks for its length alone
            collate_fn=as_is,
            generator=torch.Generator(),
        )

    def share_weights(self) -> list[float]:
        """Return the weight of each dataset."""
        return [
            len(one.train) if weight is None else weight
            for one, weight in zip(self.chosen, self.weights, strict=True)
        ]

    def on_before_batch_transfer(self, batch: StoredBatch, dataloader_idx: int) -> StoredBatch:
        """Note what crops of this batch depend on while the indices are still on the CPU."""
        training = self.trainer is not None and self.trainer.training
        self._part = "train" if training else "validation"
        self._positions = batch["index"].numpy().copy()
        return batch

    def on_after_batch_transfer(self, batch: StoredBatch, dataloader_idx: int) -> Batch:
        """Turn stored steps into millivolts on the device."""
        held = self._held.get(self._part)
        stored = held[batch["index"]] if isinstance(held, Tensor) else batch["signal"]
        return {
            "signal": stored.float() * self.sources[0].store_settings.resolution,
            "target": batch["target"],
            "index": batch["index"],
        }

    def crop(self, signal: Tensor, epoch: int, number: int) -> Tensor:
        """Cut a crop out of each record of the last batch: a function of seed, epoch, record and number.

        Args:
            signal: `(batch, leads, samples of a record)`.
            epoch: Counted from 0.
            number: Of the crop, where an objective takes several.
        """
        if self.crops is None:
            return signal
        lengths = self._lengths(self._part)[self._positions]
        seed = (
            self.seed
            if number == 0
            else int(np.random.SeedSequence((self.seed, number)).generate_state(1)[0])
        )
        return self.crops.cut(signal, self.crops.drawn(lengths, self._positions, seed, epoch))

    def middle(self, signal: Tensor) -> Tensor:
        """Cut the middle out of each record of the last batch, `(batch, leads, samples of a record)`."""
        return self.middle_of(signal, self._lengths(self._part)[self._positions])

    def middle_of(self, signal: Tensor, lengths: Rows) -> Tensor:
        """Cut the middle out of records `(batch, leads, samples of a record)` of so many samples each."""
        if self.crops is None:
            return signal
        starts = np.maximum(lengths - self.crops.samples, 0) // 2
        return self.crops.cut(signal, torch.from_numpy(starts))

    def _lengths(self, part: str) -> Rows:
        """Return the samples of each record that are no padding."""
        if part not in self._samples:
            pairs = zip(self.sources, self._rows(part), strict=True)
            self._samples[part] = np.concatenate([lengths_of(source)[rows] for source, rows in pairs])
        return self._samples[part]

    def looked_at(self, position: int) -> tuple[NDArray[np.float32], str]:
        """Return the middle of a record of `val_dataloader`, `(leads, samples)` in mV, and its name."""
        for source, rows in zip(self.sources, self._rows("validation"), strict=True):
            if position < len(rows):
                row = int(rows[position])
                signal = torch.from_numpy(np.array(source.store.signals()[[row]])).float()
                middle = self.middle_of(signal * source.store_settings.resolution, lengths_of(source)[[row]])
                return middle[
                    0
                ].numpy(), f"{source.dataset.name} {source.store.column('record_id').iloc[row]}"
            position -= len(rows)
        raise IndexError(position)

    def labelled(self) -> Labelled | None:
        """Return the first dataset that has labels, for the linear probe; None if none has."""
        for source, one in zip(self.sources, self.chosen, strict=True):
            if has_labels(source):
                source.setup()
                train = np.intersect1d(source.parts.split.train, one.train)
                return Labelled(self, source, train)
        return None

    # Provenance -----------------------------------------------------------------------------------------

    def training_sets(self) -> tuple[TrainingSet, ...]:
        """Return what was fed, one set a dataset."""
        return tuple(
            TrainingSet(
                source.dataset.name,
                tuple(map(str, source.store.column("record_id").to_numpy()[one.train])),
                torch.from_numpy(np.array(source.store.fingerprints()[one.train])),
                labels=False,
                traces=torch.from_numpy(np.array(source.store.traces()[one.train])),
            )
            for source, one in zip(self.sources, self.chosen, strict=True)
        )

    def describe_records(self) -> dict[str, Any]:
        """Say which records were fed, in primitives."""
        return {
            "records": self.records,
            "crop": None if self.crops is None else self.crops.describe(),
            "exclude": list(self.exclude),
            "records_per_epoch": self.records_per_epoch,
            "sources": [
                {
                    "dataset": source.dataset.name,
                    "records": len(one.train),
                    "unlabelled": one.unlabelled,
                    "excluded": one.excluded,
                    "weight": weight,
                    "store": source.store.path.name,
                    "query": source.query,
                    "split": asdict(source.split_settings),
                }
                for source, one, weight in zip(self.sources, self.chosen, self.share_weights(), strict=True)
            ],
        }

    def describe(self) -> dict[str, Any]:
        """Say what the network is trained on, in primitives, for its checkpoint. After `setup`."""
        first, datasets = self.sources[0], [source.dataset for source in self.sources]
        chosen = self.chosen
        return {
            "dataset": "+".join(one.name for one in datasets),
            "title": "; ".join(one.title for one in datasets),
            "licence": "; ".join(one.licence for one in datasets),
            "citation": "; ".join(one.citation for one in datasets),
            "task": "none",
            "class_names": [],
            "code_system": "none",
            "class_codes": {},
            "leads": self.leads,
            "sampling_rate": self.sampling_rate,
            "num_samples": self.num_samples,
            "units": "mV",
            "normalization": dict(self.normalization),
            "resampling": first.store_settings.resampling,
            "crop": first.store.manifest.settings.crop,
            "store": "+".join(source.store.path.name for source in self.sources),
            "fingerprint": "+".join(source.store.manifest.source.digest for source in self.sources),
            "records_left_out": sum(source.store.manifest.counts.left_out for source in self.sources),
            "query": None,
            "split": self.records,
            "split_hash": "none",
            "selects_on_test": False,
            "records": {
                "train": sum(len(one.train) for one in chosen),
                "validation": sum(len(one.validation) for one in chosen),
                "test": 0,
            },
            "support": {"train": {}, "validation": {}, "test": {}},
            "unlabelled": sum(one.unlabelled for one in chosen),
            "unlabelled_dropped": False,
        }
