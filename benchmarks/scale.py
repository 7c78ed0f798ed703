"""What a large store costs: to prepare it, and a training that reads it from disk.

    python benchmarks/scale.py prepare [--records 350000 800000] [--folder FOLDER] [--workers N] [--shards K]
    python benchmarks/scale.py read [--records 35000 350000] [--folder FOLDER]

`prepare` reads made-up records (`many_records.py`, no files) of 12 leads and 1000 samples: seconds in all
and of the steps that the gathering process does by itself, its greatest memory (its workers hold a few
records each), and the copies that are found; the store is then opened by a process of its own. 350,000
records are 8.8 GB on the disk, 800,000 are 20 GB, which are removed again. With `--shards` they are prepared
in parts, and joined.

`read` takes stores of noise: 350,000 records are 8.4 GB, CODE-15 %'s size. A process opens the
store, divides its records and takes batches at random, as a training does; then `ecg-tl fit` trains a small
LSTM on two DDP ranks that read one store. "Own" memory is what a process has allocated (anonymous pages).
Mapped pages of the signals belong to the operating system's cache, which takes them back when it must, and
are there once however many processes map them; "copied" are those that a process changed, and so has for
itself. Linux only: `/proc/self/smaps`.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from scale_preparing import print_prepared
from stores import write_noise_store
from timing import print_machine, print_table

from ecg_tl.store.fingerprint import SIGNALS_FILE

BATCHES = 200
RANKS = 2


@dataclass(frozen=True)
class Memory:
    """Megabytes of this process.

    Attributes:
        own: Allocated.
        mapped: Pages of a store's signals.
        copied: Those of them that are no longer the file's.
    """

    own: float
    mapped: float
    copied: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("prepare", "read"), nargs="?", default="read")
    parser.add_argument("--workers", type=int, help="processes that read; one a core if not given")
    parser.add_argument("--shards", type=int, default=1, help="parts in which the store is prepared")
    parser.add_argument("--records", type=int, nargs="+", default=[10_000, 30_000])
    parser.add_argument("--folder", type=Path, help="where the stores are written, and removed again")
    parser.add_argument("--quick", action="store_true", help="few records: does it run?")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)  # a rank's store; see `train_on_ranks`
    parser.add_argument("--batches", type=int, help=argparse.SUPPRESS)  # that the rank trains on
    arguments = parser.parse_args()
    if arguments.train is not None:
        train(arguments.train, arguments.batches)
        return
    sizes = [500, 1000] if arguments.quick else arguments.records
    if arguments.what == "prepare":
        print_machine("scale: preparing made-up records")
        print_prepared(sizes, arguments.folder, arguments.workers, arguments.shards)
        return
    print_machine("scale: time a record and memory a process, residency disk")
    rows: list[list[object]] = []
    for records in sizes:
        place = Path(tempfile.mkdtemp(dir=arguments.folder))
        try:
            began = time.perf_counter()
            store = write_noise_store(place / "store", records).path
            written = time.perf_counter() - began
            shared = [records, f"{records * 24e-6:.2f}", f"{written:.1f}"]
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                opened, speed, memories = pool.submit(read, str(store)).result()
            times = [f"{opened:.2f}", f"{1e6 * opened / records:.1f}", f"{speed:,.0f}"]
            rows.append([*shared, "one reader", *times, *columns_of(memories)])
            if records < max(sizes):
                continue  # what a store's size costs a rank is what it costs a reader
            for rank, ranks in enumerate(train_on_ranks(store, 2 if arguments.quick else BATCHES // RANKS)):
                rows.append([*shared, f"rank {rank} of {RANKS}", "-", "-", "-", *columns_of(ranks)])
        finally:
            shutil.rmtree(place)
    columns = ["records", "GB", "written in s", "process", "opened in s", "µs/record", "read, records/s"]
    print_table(
        [*columns, "own MB before", "with the table", "after batches", "mapped MB", "copied MB"], rows
    )


def columns_of(memories: list[Memory]) -> list[float]:
    """Return the table's last columns from memory before, with the table, and after batches."""
    last = memories[-1]
    return [*(memory.own for memory in memories), last.mapped, last.copied]


def read(store: str) -> tuple[float, float, list[Memory]]:
    """Open a store and take batches from it; return seconds to open, records a second, and memory."""
    from ecg_tl.datamodules.ptbxl import PtbXlDataModule

    logging.disable(logging.INFO)
    memories = [memory()]
    began = time.perf_counter()
    data = PtbXlDataModule(store=store, residency="disk", batch_size=64)
    data.setup("fit")
    loader = data.train_dataloader()
    opened = time.perf_counter() - began
    memories.append(memory())
    began, count = time.perf_counter(), 0
    for number, batch in enumerate(loader):
        if number == BATCHES:
            break
        count += len(data.on_after_batch_transfer(batch, 0)["signal"])
    speed = count / (time.perf_counter() - began)
    return opened, speed, [*memories, memory()]


def train_on_ranks(store: Path, batches: int) -> list[list[Memory]]:
    """Train on two processes that read one store; return the memory of each."""
    # A process of its own, which Lightning starts once more for the other rank.
    command = [sys.executable, __file__, "--train", str(store), "--batches", str(batches)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    texts = [(store.parent / f"rank{rank}.json").read_text() for rank in range(RANKS)]
    return [[Memory(**numbers) for numbers in json.loads(text)] for text in texts]


def train(store: Path, batches: int) -> None:
    """Be one of the ranks."""
    from ecg_tl.training import train as fit

    words = ["fit", "--data", "PtbXlDataModule", "--data.store", str(store), "--data.residency", "disk"]
    words += ["--model", "RnnClassifier", "--model.network", "lstm", "--model.hidden_size", "16"]
    words += ["--trainer.accelerator", "cpu", "--trainer.devices", str(RANKS), "--trainer.strategy", "ddp"]
    words += ["--trainer.max_epochs", "1", "--trainer.limit_val_batches", "2", "--pictures.records", "0"]
    words += ["--trainer.limit_train_batches", str(batches)]
    words += ["--runs_dir", str(store.parent / "runs")]
    fit(words, callbacks=[MemoryOfRank(store.parent)])


class MemoryOfRank(Callback):
    """Writes how much memory this process has when training begins, and when it ends.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.memories = [memory()]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the table's memory."""
        self.memories.append(memory())

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the batches' memory, and write."""
        numbers = [asdict(one) for one in [*self.memories, memory()]]
        (self.folder / f"rank{trainer.global_rank}.json").write_text(json.dumps(numbers))


def memory() -> Memory:
    """Add up this process's pages."""
    own = mapped = copied = 0
    of_signals = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, _, rest = line.partition(":")
        if " " in name:  # the head of a mapping: addresses, permissions, ..., file
            of_signals = line.endswith(SIGNALS_FILE)
            continue
        own += int(rest.split()[0]) if name == "Anonymous" else 0
        mapped += int(rest.split()[0]) if of_signals and name == "Rss" else 0
        copied += int(rest.split()[0]) if of_signals and name == "Private_Dirty" else 0
    return Memory(own / 1e3, mapped / 1e3, copied / 1e3)


if __name__ == "__main__":
    main()
