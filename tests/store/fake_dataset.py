"""A dataset of NumPy files, importable by name so that worker processes can unpickle it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ecg_tl.datasets.base import EcgDataset, LabelClass, LabelRule, LeftOut, Scan, record_table
from ecg_tl.datasets.vocabulary import Vocabulary
from ecg_tl.errors import RecordError
from ecg_tl.signals import LEADS, Recording

INDEX = "index.json"


@dataclass(frozen=True)
class FakeDataset(EcgDataset):
    """Reads what `write_fake` writes.

    Attributes:
        gain: Multiplies the signals.
        delay: Seconds that each record takes.
        log: A folder in which each read leaves a file named after the process and the record.
    """

    gain: float = 1.0
    delay: float = 0.0
    log: Path | None = None

    name: ClassVar[str] = "fake"
    title: ClassVar[str] = "Fake ECGs"
    records: ClassVar[str] = "any number"
    licence: ClassVar[str] = "CC0-1.0"
    citation: ClassVar[str] = "nobody"
    source: ClassVar[str] = "nowhere"
    vocabulary: ClassVar[Vocabulary] = Vocabulary("fake", {})
    tasks: ClassVar[tuple[str, ...]] = ("default", "coarse")

    @property
    def options(self) -> dict[str, str | int | float | bool | None]:
        return {"gain": self.gain}

    def source_files(self, root: Path) -> Iterable[Path]:
        yield root / INDEX
        for row in json.loads((root / INDEX).read_text())["rows"]:
            yield root / f"{row['path']}.npy"

    def scan(self, root: Path) -> Scan:
        index = json.loads((root / INDEX).read_text())
        rows = [{**row, "codes": tuple(row["codes"]), "site": row["record_id"][-1]} for row in index["rows"]]
        left_out = tuple(LeftOut(record_id, "no header") for record_id in index["left_out"])
        return Scan(record_table(rows, root), left_out, ("made up",))

    def read(self, root: Path, path: str) -> Recording:
        if self.log is not None:
            (self.log / f"{os.getpid()}-{path}").touch()
        time.sleep(self.delay)
        file = root / f"{path}.npy"
        if not file.exists():
            raise RecordError(file, "no file", "the record's file", "Fetch it again.")
        values = np.load(file)
        if values.size and float(np.nanmax(np.abs(values), initial=0)) > 900:
            raise KeyboardInterrupt  # a record that presses Ctrl-C
        return Recording(values * np.float32(self.gain), LEADS[: len(values)], 500.0)

    def label_rule(self, task: str | None = None, root: Path | None = None) -> LabelRule:
        both = LabelClass("ANY", frozenset({"1", "2"}))
        single = (LabelClass("ONE", frozenset({"1"})), LabelClass("TWO", frozenset({"2"})))
        classes = (both,) if self.check_task(task) == "coarse" else single
        return LabelRule(classes, known_codes=frozenset({"3"}), negative=None)


def ecg(seed: int, samples: int = 5000, rate: float = 500.0) -> np.ndarray:
    """Twelve leads that obey Einthoven and Goldberger, `float32 (12, samples)` in mV."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(samples) / rate
    beats = np.exp(-(((seconds * rng.uniform(0.9, 1.5)) % 1 - 0.4) ** 2) / 2e-4)
    one, two = (rng.uniform(0.5, 1.5) * beats + 0.01 * rng.standard_normal(samples) for _ in range(2))
    limbs = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    chest = [rng.uniform(0.5, 2) * beats + 0.01 * rng.standard_normal(samples) for _ in range(6)]
    return np.asarray([*limbs, *chest], dtype=np.float32)


def write_fake(
    root: Path, signals: dict[str, np.ndarray | None], left_out: tuple[str, ...] = (), **columns: dict
) -> None:
    """Write records (None: the file is missing); `columns` overrides columns by record id."""
    root.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (record_id, values) in enumerate(signals.items()):
        if values is not None:
            np.save(root / f"{record_id}.npy", values)
        row = {
            "record_id": record_id,
            "patient_id": f"p{number // 2}",
            "path": record_id,
            "sampling_rate": 500.0,
            "length": 5000,
            "fold": number % 10 + 1,
            "age": float("nan") if number % 3 else 50.5,
            "sex": [None, "F", "M"][number % 3],
            "codes": [["1"], ["2", "3"], ["9"], []][number % 4],
        }
        rows.append(
            {**row, **{name: values[record_id] for name, values in columns.items() if record_id in values}}
        )
    (root / INDEX).write_text(json.dumps({"rows": rows, "left_out": left_out}))
