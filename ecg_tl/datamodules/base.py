"""The LightningDataModule that all datasets share: store, labels, split, batches on the device."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from lightning_utilities.core.rank_zero import rank_zero_info
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler, Sampler

from ecg_tl.datamodules.batches import ShardSampler, StoredBatch, StoreRows, as_is
from ecg_tl.datamodules.contracts import (
    NamedContract,
    find_contract,
    fit_scaling,
    refuse_beside_a_contract,
    require_augmentation_in_millivolts,
)
from ecg_tl.datamodules.crops import make_crops
from ecg_tl.datamodules.given_store import require_as_asked
from ecg_tl.datamodules.parts import DIVIDED_BY, Parts, divide
from ecg_tl.datamodules.query import parse_query
from ecg_tl.datamodules.residency import HeldSignals, Residency
from ecg_tl.datamodules.settings import SplitSettings
from ecg_tl.datasets.base import EcgDataset, LabelRule
from ecg_tl.errors import DatasetError, SettingError
from ecg_tl.limits import BATCH_SIZE, PROCESSES, SEED, WORKERS, require
from ecg_tl.preprocessing import Chain
from ecg_tl.signals import LEADS, MILLIVOLTS, Batch, check_leads
from ecg_tl.store.build import prepare
from ecg_tl.store.fingerprint import files_read
from ecg_tl.store.header_names import HeaderNames, names_file
from ecg_tl.store.ranges import training_ranges
from ecg_tl.store.reader import Store, open_store
from ecg_tl.store.settings import Resampling, Short, StoreSettings
from ecg_tl.transforms import Augmentation, augment, augmentation_generator, create_normalization

_VIEWS = 0x56494557
"""Parts the random numbers of views from those of batches, of the same seed and number."""


class EcgDataModule(LightningDataModule):
    """Records of one dataset as batches of `ecg_tl.signals.Batch`.

    What the network must know (`num_classes`, `class_names`, `num_leads`, `num_samples`, `normalization`) is
    known before `setup`, so that the command line can hand it to the model. Signals are in millivolts when
    they leave; the model normalises them, because a checkpoint must be able to do so by itself.

    Args:
        dataset: The dataset to read.
        root: Folder that holds its files.
        task: Which label rule; the dataset's default if None.
        store: A prepared store to use as it is, where the source files are not at hand.
        store_dir: Folder in which prepared stores are kept, and found again.
        contract: What the network asks of its input: name of a published upstream, a checkpoint that has a
            contract, or a contract written out. It decides leads, sampling rate, length, preprocessing and
            normalisation; see `docs/contracts.md`.
        leads: Which leads, in which order; all twelve if None, or the contract's.
        sampling_rate: In Hz, after resampling; 100 if None, or the contract's.
        num_samples: Length of every stored signal, after cropping or padding; 1000 if None, or the window of
            the contract. Of longer ones under a contract the network is given windows, as by `crop_seconds`.
        crop_seconds: Length of what the network takes of it, in seconds; the whole if None. In training each
            record gives a window, drawn anew in each epoch; where records are judged, all of its windows are,
            and the mean of their probabilities counts. Zeros that pad a short record are in no window, unless
            the record is shorter than that.
        crop_stride_seconds: From one window to the next where records are judged; None for as few as cover
            the record.
        resampling: `polyphase` filters before it decimates; `stride` takes every k-th sample, as the paper.
        short: Whether shorter records are padded with zeros (`pad`) or left out (`drop`).
        bad_records: Whether a record that cannot be read is listed and left out (`skip`) or stops (`error`).
        query: Keep only the records that fit this, such as `site == 1 and age >= 18`; see
            `ecg_tl.datamodules.query`.
        split: How records are divided.
        drop_unlabelled: Whether records without any class are left out; the dataset's default if None.
        single_choice: Whether each record has one of the classes and no other, so that the network chooses
            one; else each class is a question by itself. A record with several is an error then; one with
            none, or without an answer, is left out and counted.
        normalization: `fixed_scale`, `min_max`, `z_score` or `none`; see `ecg_tl.transforms`.
        normalization_options: `scale_mv` and `clip` of `fixed_scale`.
        augmentation: Applied to training batches, in millivolts.
        batch_size: Per process.
        seed: Of the order of training batches and of the augmentation; with the epoch it decides both.
        residency: Where signals are while training: `disk`, `memory`, `device`, or `auto`.
        num_workers: Loader processes; 0 is fastest unless signals come from a slow disk.
        prepare_workers: Processes that read records into the store; one a core if None.
        allow_overlap: Whether a checkpoint may be validated and tested on records that it, or its upstream,
            was trained on; the scores then say so.
    """

    def __init__(
        self,
        dataset: EcgDataset,
        root: str,
        task: str | None = None,
        store: str | None = None,
        store_dir: str = "data/stores",
        contract: str | dict[str, Any] | None = None,
        leads: Sequence[str] | None = None,
        sampling_rate: float | None = None,
        num_samples: int | None = None,
        crop_seconds: float | None = None,
        crop_stride_seconds: float | None = None,
        resampling: Resampling = "polyphase",
        short: Short = "pad",
        bad_records: Literal["skip", "error"] = "skip",
        query: str | None = None,
        split: SplitSettings = SplitSettings(),  # noqa: B008  (frozen)
        drop_unlabelled: bool | None = None,
        single_choice: bool = False,
        normalization: str = "fixed_scale",
        normalization_options: dict[str, float] | None = None,
        augmentation: Augmentation = Augmentation(),  # noqa: B008  (frozen)
        batch_size: int = 64,
        seed: int = 0,
        residency: Residency = "auto",
        num_workers: int = 0,
        prepare_workers: int | None = None,
        allow_overlap: bool = False,
    ) -> None:
        super().__init__()
        for limit, name, value in (
            (BATCH_SIZE, "batch_size", batch_size),
            (WORKERS, "num_workers", num_workers),
            (PROCESSES, "prepare_workers", 1 if prepare_workers is None else prepare_workers),
            (SEED, "seed", seed),
        ):
            require(limit, value, name, remedy="Correct the setting.")
        self.dataset = dataset
        self.task = dataset.check_task(task)
        self.root = Path(root)
        self.store_path = None if store is None else Path(store)
        self.store_dir = Path(store_dir)
        self.contract: NamedContract | None = None
        if contract is None:
            self.store_settings = StoreSettings(
                leads=check_leads(LEADS if leads is None else leads),
                sampling_rate=100 if sampling_rate is None else sampling_rate,
                num_samples=1000 if num_samples is None else num_samples,
                resampling=resampling,
                short=short,
            )
        else:
            refuse_beside_a_contract(sampling_rate, resampling, normalization, normalization_options)
            self.contract = find_contract(contract, leads)
            self.store_settings = self.contract.store_settings(num_samples)
            if crop_seconds is None and num_samples not in (None, self.contract.contract.num_samples):
                crop_seconds = self.contract.contract.seconds
        self.crops = make_crops(
            crop_seconds,
            crop_stride_seconds,
            self.store_settings.sampling_rate,
            self.store_settings.num_samples,
        )
        self.bad_records = bad_records
        if query is not None:
            parse_query(query)
        self.query = query
        self.split_settings = split
        self.drop_unlabelled = dataset.drop_unlabelled if drop_unlabelled is None else drop_unlabelled
        self.single_choice = single_choice
        self.normalization = (
            create_normalization(normalization, **(normalization_options or {})).describe()
            if self.contract is None
            else self.contract.normalization
        )
        require_augmentation_in_millivolts(augmentation, self.store_settings.units)
        self.augmentation = augmentation
        self.batch_size = batch_size
        self.seed = seed
        self._signals = HeldSignals(residency)
        self.num_workers = num_workers
        self.prepare_workers = prepare_workers
        self.allow_overlap = allow_overlap
        self._store: Store | None = None
        self._parts: Parts | None = None
        self.varied_elsewhere = False  # whether training records come as they are, for `view_of` to vary them
        self._rows: NDArray[np.int64] = np.zeros(1, np.int64)

    # What the model is built from -----------------------------------------------------------------------

    @cached_property
    def label_rule(self) -> LabelRule:
        """The rule that turns codes into targets."""
        if self.store_path is not None:
            return self._open().manifest.rule(self.task)
        return self.dataset.label_rule(self.task, self.root)

    @property
    def class_names(self) -> list[str]:
        """Short names of the classes, in the order of the targets' columns."""
        return list(self.label_rule.class_names)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.label_rule.classes)

    @property
    def leads(self) -> list[str]:
        """Names of the leads, in the order of the signals' rows."""
        return list(self.store_settings.leads)

    @property
    def num_leads(self) -> int:
        """Number of leads."""
        return len(self.store_settings.leads)

    @property
    def sampling_rate(self) -> float:
        """In Hz, as the network sees it."""
        return self.store_settings.sampling_rate

    @property
    def num_samples(self) -> int:
        """Samples a lead, as the network sees it."""
        return self.record_samples if self.crops is None else self.crops.samples

    @property
    def record_samples(self) -> int:
        """Samples a lead of a stored record, of which the network may see a part at a time."""
        return self.store_settings.num_samples

    # Preparation ----------------------------------------------------------------------------------------

    def prepare_data(self) -> None:
        """Build the store if there is none for these settings and these files."""
        if self.store_path is None:
            prepare(
                self.dataset,
                self.root,
                self.store_dir,
                self.store_settings,
                bad_records=self.bad_records,
                workers=self.prepare_workers,
            )

    def setup(self, stage: str | None = None) -> None:
        """Open the store, encode the labels and divide the records; the same for every stage."""
        if self._parts is not None:
            return
        store = self._open()
        self._parts = divide(
            store.columns(DIVIDED_BY) if self.query is None else store.records,
            self.label_rule,
            self.split_settings,
            query=self.query,
            drop_unlabelled=self.drop_unlabelled,
            single_choice=self.single_choice,
            where=store.path,
        )
        for line in self._parts.summary():
            rank_zero_info(f"{self.dataset.name}: {line}")

    @property
    def store(self) -> Store:
        """The opened store, after `prepare_data`."""
        return self._open()

    @property
    def parts(self) -> Parts:
        """The divided records, after `setup`."""
        if self._parts is None:
            raise RuntimeError("setup() comes before the parts of a datamodule are used")
        return self._parts

    def inputs(self) -> Iterator[Path]:
        """Yield what is read: the dataset's files, and the folders of its prepared stores.

        Of the root, the dataset's own files alone: it may be the folder that a user works in.
        """
        if self.store_path is not None:
            yield self.store_path
        else:
            yield from self.store_dir.glob(f"{glob.escape(self.dataset.name)}-*/")
        with suppress(DatasetError):  # whoever reads them says what is wrong
            headers = HeaderNames(self.root, names_file(self.store_dir, self.dataset.name, self.root))
            yield from map(Path, files_read(self.dataset, self.root, headers))

    def _open(self) -> Store:
        if self._store is None:
            if self.store_path is None:
                self._store = prepare(self.dataset, self.root, self.store_dir, self.store_settings)
            else:
                self._store = open_store(self.store_path)
                require_as_asked(self._store, self.dataset.name, self.store_settings)
        return self._store

    # Batches --------------------------------------------------------------------------------------------

    def _loader(self, rows: NDArray[np.int64], *, training: bool = False) -> DataLoader[StoredBatch]:
        store = self.store
        trainer = self.trainer
        device = None if trainer is None else trainer.strategy.root_device
        part = StoreRows(self._signals.bring(store, device), self.parts.targets, rows)
        rank, world = (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)
        if len(part) < world:
            # A process without a single batch leaves the others waiting where predictions are gathered.
            raise SettingError(
                "devices",
                f"{world} processes",
                f"at most {len(part)}, as many as a part of the split has records",
                "Use fewer devices or more records.",
            )
        sampler: Sampler[int] = (
            # A function of seed and epoch alone, with one process as with several. Lightning calls set_epoch.
            DistributedSampler(part, world, rank, shuffle=True, seed=self.seed)
            if training
            else ShardSampler(part, world, rank)
        )
        return DataLoader(
            part,
            batch_size=self.batch_size,
            sampler=sampler,
            collate_fn=as_is,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=device is not None and device.type == "cuda",
            # An iterator draws a seed for its workers: not from what a resumed training restores.
            generator=torch.Generator(),
        )

    def train_dataloader(self) -> DataLoader[StoredBatch]:
        """Training records in an order that the seed and the epoch decide."""
        return self._loader(self.parts.split.train, training=True)

    def val_dataloader(self) -> DataLoader[StoredBatch]:
        """Validation records, each once."""
        return self._loader(self.parts.split.validation)

    def test_dataloader(self) -> DataLoader[StoredBatch]:
        """Test records, each once."""
        return self._loader(self.parts.split.test)

    def predict_dataloader(self) -> DataLoader[StoredBatch]:
        """Every stored record that the query keeps, each once, labelled or not."""
        return self._loader(self.parts.selected)

    def batches_of(
        self,
        part: Literal["train", "validation", "test"],
        device: torch.device,
        *,
        whole: bool = False,
        as_judged: bool = False,
    ) -> Iterator[Batch]:
        """Give the batches of a part in millivolts on a device, outside of a trainer's own loops.

        Args:
            part: Whose records; those of `train` as they come in a training, and without a trainer not
                augmented.
            device: Where the batches are wanted.
            whole: Whether records come uncut, although the network takes windows; `windows_of` cuts them.
            as_judged: Whether records come as those that are judged, in a training as well: in order, each
                once over all processes, with all of its windows, and not augmented.
        """
        loaders = {
            "train": self.train_dataloader,
            "validation": self.val_dataloader,
            "test": self.test_dataloader,
        }
        for stored in self._loader(self.parts.split.parts()[part]) if as_judged else loaders[part]():
            moved = self.transfer_batch_to_device(self.on_before_batch_transfer(stored, 0), device, 0)
            if as_judged:
                yield self.windows_of(self._whole(moved))
            else:
                yield self._whole(moved) if whole else self.on_after_batch_transfer(moved, 0)

    def on_before_batch_transfer(self, batch: StoredBatch, dataloader_idx: int) -> StoredBatch:
        """Note what crops and augmentation of this batch depend on while the indices are still on the CPU."""
        self._rows = batch["index"].numpy().copy()
        return batch

    def on_after_batch_transfer(self, batch: StoredBatch, dataloader_idx: int) -> Batch:
        """Turn stored steps into millivolts on the device; crop and augment them if this is training."""
        training = self.trainer is not None and self.trainer.training
        if self.crops is not None and not training:
            return self.windows_of(self._whole(batch))
        stored = self._signals.of(batch)
        epoch = self.trainer.current_epoch if self.trainer is not None and training else 0
        if self.crops is not None:
            starts = self.crops.drawn(self._lengths[self._rows], self._rows, self.seed, epoch)
            stored = self.crops.cut(stored, starts)
        prepared = self._in_millivolts(batch, stored)
        if training and not self.augmentation.is_off and not self.varied_elsewhere:
            signal = prepared["signal"]
            # A record is in one batch an epoch: the first row tells a batch from all others.
            first_row = int(self._rows[0])
            generator = augmentation_generator(self.seed, epoch, first_row, device=signal.device)
            prepared["signal"] = augment(
                signal, self.augmentation, generator, sampling_rate=self.sampling_rate
            )
        return prepared

    def view_of(self, signal: Tensor, index: Tensor, view: int) -> Tensor:
        """Augment records, each by itself, so that a view of it is the same in any batch.

        Args:
            signal: `(records, leads, samples)` in millivolts.
            index: `int64 (records,)`: their rows in the store.
            view: Its number, from 0.
        """
        varied = [
            augment(
                one[None],
                self.augmentation,
                augmentation_generator(self.seed, view, row, _VIEWS, device=signal.device),
                sampling_rate=self.sampling_rate,
            )
            for one, row in zip(signal, index.tolist(), strict=True)
        ]
        return torch.cat(varied) if varied else signal

    def _whole(self, batch: StoredBatch) -> Batch:
        return self._in_millivolts(batch, self._signals.of(batch))

    def _in_millivolts(self, batch: StoredBatch, stored: Tensor) -> Batch:
        signal = stored.float() * self.store_settings.resolution
        return {"signal": signal, "target": batch["target"], "index": batch["index"]}

    def windows_of(self, batch: Batch) -> Batch:
        """Cut whole records into all windows that the network takes of them; without crops they stay.

        Args:
            batch: Of which `signal` has the length of stored records; its records are those of the last batch
                that was moved.
        """
        if self.crops is None:
            return batch
        starts, counts = self.crops.all_of(self._lengths[self._rows])
        records = torch.repeat_interleave(torch.arange(len(counts)), counts)
        signal = self.crops.cut(batch["signal"][records.to(batch["signal"].device)], starts)
        return {**batch, "signal": signal, "windows": counts}

    @cached_property
    def _lengths(self) -> NDArray[np.int64]:
        """Samples of each stored record that are no padding."""
        padded = self.store.column("padded_samples").to_numpy(np.int64)
        lengths: NDArray[np.int64] = self.record_samples - padded
        return lengths

    # Provenance -----------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Say what the network is trained on, in primitives, for its checkpoint. After `setup`."""
        manifest = self.store.manifest
        return {
            "dataset": self.dataset.name,
            "title": self.dataset.title,
            "licence": self.dataset.licence,
            "citation": self.dataset.citation,
            "task": self.task,
            "class_names": self.class_names,
            **({"single_choice": True} if self.single_choice else {}),
            "code_system": self.dataset.vocabulary.name,
            "class_codes": {c.name: sorted(c.codes) for c in self.label_rule.classes},
            "leads": self.leads,
            "sampling_rate": self.sampling_rate,
            "num_samples": self.num_samples,
            "units": self.store_settings.units,
            "normalization": dict(self.normalization),
            "resampling": self.store_settings.resampling,
            "crop": manifest.settings.crop,
            "augmentation": asdict(self.augmentation),
            "signal_ranges": self._signal_ranges,
            "store": self.store.path.name,
            "fingerprint": manifest.source.digest,
            "records_left_out": manifest.counts.left_out,
            "query": self.query,
            **({} if self.crops is None else {"windows": self.crops.describe()}),
            **({} if self.contract is None else self._described_contract),
            **self.parts.describe(),
        }

    @cached_property
    def fitted_scaling(self) -> Chain | None:
        """The contract's scaling with what it learns from the training records; None without a contract."""
        if self.contract is None:
            return None
        return fit_scaling(self.contract.contract.scaling, self.store, self.parts.split.train)

    @property
    def _described_contract(self) -> dict[str, Any]:
        assert self.contract is not None
        return {
            "contract": self.contract.fitted(self.fitted_scaling).to_json(),
            "preprocessing": self.contract.contract.stored.to_json(),
        }

    @cached_property
    def _signal_ranges(self) -> dict[str, Any] | None:
        """Where training signals lie, for inference to tell others apart; None of those not in millivolts."""
        if self.store_settings.units != MILLIVOLTS:
            return None
        ranges = training_ranges(self.store, self.parts.split.train)
        return None if ranges is None else ranges.as_dict()
