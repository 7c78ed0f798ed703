"""A dataset of any number of records without any files: each is made up when it is read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from ecg_tl.datasets.base import EcgDataset, LabelClass, LabelRule, Scan
from ecg_tl.datasets.vocabulary import Vocabulary
from ecg_tl.signals import LEADS, Recording

COPY_EVERY = 100
RATE = 100.0
_SAMPLES = 1000
_LATER = 300  # samples by which a copy begins later
_BEAT = 24
_CODES = (("NORM",), ("IMI",), ("NDT",), ("LVH",), ("CLBBB",), ("NORM", "IMI"))
_COUNT = "records.json"


def write_count(root: Path, records: int) -> None:
    """Make the folder of so many records."""
    root.mkdir(parents=True)
    (root / _COUNT).write_text(json.dumps(records))


def original_of(number: int) -> int:
    """Return of which record another is an excerpt, with noise; its own number if it is none."""
    return number - COPY_EVERY // 2 if number % COPY_EVERY == COPY_EVERY - 1 else number


@dataclass(frozen=True)
class ManyRecords(EcgDataset):
    """Beats of a shape and rhythm of their own, and noise, in twelve leads; one in a hundred is a copy."""

    name: ClassVar[str] = "many"
    title: ClassVar[str] = "made-up records"
    records: ClassVar[str] = "any number"
    licence: ClassVar[str] = "none"
    citation: ClassVar[str] = "none"
    source: ClassVar[str] = "none"
    vocabulary: ClassVar[Vocabulary] = Vocabulary("many", {})

    def source_files(self, root: Path) -> Iterable[Path]:
        """Name the one file."""
        yield root / _COUNT

    def scan(self, root: Path) -> Scan:
        """List as many records as the file says, with a table like PTB-XL's."""
        rows = np.arange(json.loads((root / _COUNT).read_text()))
        table = pd.DataFrame(
            {
                "record_id": rows.astype(str),
                "patient_id": pd.Series((rows // 2).astype(str).tolist(), dtype=object),
                "path": [f"records/{row:07}" for row in rows],
                "sampling_rate": RATE,
                "length": _SAMPLES,
                "fold": pd.Series((rows % 10 + 1).tolist(), dtype=object),
                "age": 60.0,
                "sex": pd.Series(["F"] * len(rows), dtype=object),
                "codes": [_CODES[row % len(_CODES)] for row in rows],
            }
        )
        return Scan(table)

    def read(self, root: Path, path: str) -> Recording:
        """Make a record up."""
        number = int(path.rpartition("/")[2])
        original = original_of(number)
        values = _signal(np.random.default_rng(original))
        if number == original:
            return Recording(values[:, :_SAMPLES], LEADS, RATE)
        noise = np.random.default_rng(number).standard_normal((len(LEADS), _SAMPLES), dtype=np.float32)
        return Recording(values[:, _LATER : _LATER + _SAMPLES] + np.float32(0.005) * noise, LEADS, RATE)

    def label_rule(self, task: str | None = None, root: Path | None = None) -> LabelRule:
        """Return the first four codes as classes."""
        self.check_task(task)
        return LabelRule(tuple(LabelClass(codes[0], frozenset(codes)) for codes in _CODES[:4]))


def _signal(rng: np.random.Generator) -> np.ndarray:
    """Return `float32 (leads, samples)` in mV, longer than a record."""
    length = _SAMPLES + _LATER
    signal = rng.standard_normal((len(LEADS), length + 2 * _BEAT), dtype=np.float32) * np.float32(0.04)
    spread = rng.choice([0.01, 0.03, 0.2], p=[0.3, 0.6, 0.1])
    intervals = rng.uniform(0.5, 1.2) * RATE * np.exp(rng.normal(0, spread, 60))
    shape = (rng.normal(size=(len(LEADS), _BEAT)) * np.hanning(_BEAT) * 0.6).astype(np.float32)
    for at in np.cumsum(np.maximum(intervals, _BEAT)).astype(int):
        if at < length:
            signal[:, at : at + _BEAT] += shape
    return signal[:, :length]
