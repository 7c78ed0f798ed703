"""How long the paper's whole grid takes here: its runs as the study plans them, paces of whole trainings.

    python benchmarks/paper_grid.py [--networks ...] [--together 1 8] [--quick]

Each network is trained by `ecg-tl fit` for a few epochs on a store of noise, at the paper's batch size. What
an epoch takes for each training and each validation record, what every epoch takes beside (a checkpoint) and
what a training takes before its first one is laid over the runs of `configs/study/paper.yaml`, with as many
records as each dataset was published with: a third of them validates, and is the test set. Records are taken
to be in memory. With `--together` so many processes train the same network at the same time on one device,
as `ecg-tl study run --runs_per_gpu` does, and share the hours.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from stores import write_noise_store
from timing import cores, print_machine, print_table, synchronize

from ecg_tl.datasets import get_dataset
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.runs import Run
from ecg_tl.study.design.settings import read_study
from ecg_tl.training import silence_noise, train

NETWORKS = {
    "resnet1d18": "CnnClassifier",
    "resnet1d50": "CnnClassifier",
    "resnet1d101": "CnnClassifier",
    "lstm": "RnnClassifier",
    "bilstm": "RnnClassifier",
    "gru": "RnnClassifier",
}
BATCH = 256
"""The paper's."""


@dataclass(frozen=True)
class Pace:
    """Seconds of a network's training.

    Attributes:
        train: Of an epoch, for each training record.
        validate: Of an epoch, for each validation record.
        beside: Of an epoch, whatever its records.
        start: Before the first epoch, and after the last.
    """

    train: float
    validate: float
    beside: float
    start: float


class Watch(Callback):
    """Notes when the parts of each epoch end."""

    def __init__(self) -> None:
        self.epochs: list[list[float]] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        """Begin an epoch."""
        self.epochs.append([_now()])

    def on_validation_start(self, trainer: Any, *_: Any) -> None:
        """Note the end of the training batches."""
        if not trainer.sanity_checking:
            self.epochs[-1].append(_now())

    def on_validation_end(self, trainer: Any, *_: Any) -> None:
        """Note the end of the validation."""
        if not trainer.sanity_checking:
            self.epochs[-1].append(_now())

    def on_fit_end(self, *_: Any) -> None:
        """Note the end."""
        self.epochs.append([_now()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--records", type=int, default=20_000, help="of the store that paces are measured on")
    parser.add_argument("--together", type=int, nargs="+", default=[1], help="runs at a time")
    parser.add_argument("--quick", action="store_true", help="one network, few short records: does it run?")
    arguments = parser.parse_args()
    print_machine("paper_grid: hours of the paper's whole grid")
    silence_noise()
    logging.disable(logging.WARNING)
    quick = arguments.quick
    records, samples = (100, 100) if quick else (arguments.records, 1000)
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as place:
        store = write_noise_store(Path(place) / "store", records, samples).path
        for number in arguments.together:
            paces: dict[str, Pace] = {}
            for name in ["gru"] if quick else arguments.networks:
                batch, runs = 20 if quick else BATCH, Path(place) / f"{name}-{number}"
                paces[name] = measure_together(name, store, samples, runs, batch, number)
            rows += [[number, *row] for row in table(paces, number)]
    columns = ["at a time", "network", "training/s", "validation/s", "s an epoch beside", "s a run", "hours"]
    print_table(columns, rows)


def table(paces: Mapping[str, Pace], together: int = 1) -> list[list[object]]:
    """Return a row for each network, and one for all.

    Args:
        paces: Of each network's training.
        together: Trainings at a time, each at that pace.
    """
    runs = make_plan(read_study("paper", ["--second_opinion", "false"])).runs
    rows: list[list[object]] = []
    total = 0.0
    for name, pace in paces.items():
        hours = sum(seconds_of(run, pace) for run in runs if run.network == name) / 3600 / together
        speeds = f"{1 / pace.train:,.0f}", f"{1 / pace.validate:,.0f}"
        rows.append([name, *speeds, f"{pace.beside:.2f}", f"{pace.start:.1f}", hours])
        total += hours
    return [*rows, ["all of them", "", "", "", "", total]]


def seconds_of(run: Run, pace: Pace) -> float:
    """Return what a run of the grid takes at such a pace."""
    epochs = int(run.config["trainer"]["max_epochs"])
    records = int(get_dataset(run.dataset).records.split()[0].replace(",", ""))
    held_out = round(0.33 * records)
    trained = records - held_out if run.size is None else run.size
    return pace.start + epochs * (trained * pace.train + held_out * pace.validate + pace.beside)


def measure_together(
    network: str, store: Path, samples: int, folder: Path, batch: int, number: int, epochs: int = 3
) -> Pace:
    """Train so many times at once, a process each, and return the mean pace of each of them."""
    if number == 1:
        return measure(network, store, samples, folder, batch, epochs)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(number)
    with ProcessPoolExecutor(number, context, initializer=_begin, initargs=(barrier, number)) as pool:
        folders = [folder / str(one) for one in range(number)]
        train_one = partial(_measure_with_others, network, store, samples, batch=batch, epochs=epochs)
        paces = [astuple(pace) for pace in pool.map(train_one, folders)]
    return Pace(*(statistics.mean(values) for values in zip(*paces, strict=True)))


_others: Any = None
"""In a process that trains beside others: the barrier at which they meet before they begin."""


def _begin(barrier: Any, number: int) -> None:
    global _others
    _others = barrier
    torch.set_num_threads(max(1, cores() // number))
    silence_noise()
    logging.disable(logging.WARNING)


def _measure_with_others(
    network: str, store: Path, samples: int, runs: Path, *, batch: int, epochs: int
) -> Pace:
    _others.wait(timeout=300)
    return measure(network, store, samples, runs, batch, epochs)


def measure(network: str, store: Path, samples: int, runs: Path, batch: int, epochs: int = 3) -> Pace:
    """Train, and see how long that takes; the first epoch, with its warm-up, counts as the start."""
    watch = Watch()
    words = ["fit", "--data", "PtbXlDataModule", "--data.store", str(store)]
    words += ["--data.num_samples", str(samples), "--data.batch_size", str(batch)]
    words += ["--data.split.kind", "paper", "--data.allow_overlap", "true"]
    words += ["--model", NETWORKS[network], "--model.network", network]
    words += ["--trainer.max_epochs", str(epochs), "--trainer.num_sanity_val_steps", "0"]
    words += ["--trainer.enable_model_summary", "false", "--trainer.enable_progress_bar", "false"]
    words += ["--pictures.records", "0", "--runs_dir", str(runs)]
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        cli = train(words, callbacks=[watch])
    took = time.perf_counter() - began
    split = cli.datamodule.parts.split
    *begins, (end,) = watch.epochs
    ends = [each[0] for each in begins[1:]] + [end]
    counted: Sequence[tuple[list[float], float]] = list(zip(begins, ends, strict=True))[1:]
    train_s = statistics.median(each[1] - each[0] for each, _ in counted)
    validate_s = statistics.median(each[2] - each[1] for each, _ in counted)
    beside = statistics.median(last - each[2] for each, last in counted)
    return Pace(
        train_s / len(split.train),
        validate_s / len(split.validation),
        beside,
        took - sum(last - each[0] for each, last in counted),
    )


def _now() -> float:
    synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    main()
