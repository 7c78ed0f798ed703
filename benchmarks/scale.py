"""What a large store costs a training that reads it from disk: time a record, and memory a process.

    python benchmarks/scale.py [--records 35000 350000] [--folder FOLDER] [--quick]

Stores of noise, 12 leads of 1000 samples: 350,000 records are 8.4 GB, CODE-15 %'s size. A process opens the
store, divides its records and takes batches at random, as a training does; then two processes do so at the
same time. "Own" memory is what a process has allocated (anonymous pages); mapped pages of the store belong to
the operating system's cache, which takes them back when it must, and are there once however many processes
map them. Linux only: `/proc/self/smaps_rollup`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from stores import write_noise_store
from timing import print_machine, print_table

BATCHES = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, nargs="+", default=[10_000, 40_000])
    parser.add_argument("--folder", type=Path, help="where the stores are written, and removed again")
    parser.add_argument("--quick", action="store_true", help="few records: does it run?")
    arguments = parser.parse_args()
    print_machine("scale: time a record and memory a process, residency disk")
    rows: list[list[object]] = []
    for records in [500, 1000] if arguments.quick else arguments.records:
        place = Path(tempfile.mkdtemp(dir=arguments.folder))
        try:
            began = time.perf_counter()
            store = str(write_noise_store(place / "store", records).path)
            written = time.perf_counter() - began
            context = multiprocessing.get_context("spawn")
            for readers in (1, 2):
                with ProcessPoolExecutor(readers, context) as pool:
                    found = list(pool.map(read, [store] * readers))
                rows += [[records, records * 24e-6, written, readers, *numbers] for numbers in found]
        finally:
            shutil.rmtree(place)
    columns = ["records", "GB", "written in s", "readers", "opened in s", "µs/record", "own MB: PyTorch"]
    print_table([*columns, "with the table", "after batches", "mapped MB", "records/s"], rows)


def read(store: str) -> list[float]:
    """Open a store and take batches from it; return seconds, megabytes and records a second."""
    import logging

    from ecg_tl.datamodules.ptbxl import PtbXlDataModule

    logging.disable(logging.INFO)
    before, _ = memory()
    began = time.perf_counter()
    data = PtbXlDataModule(store=store, residency="disk", batch_size=64)
    data.setup("fit")
    loader = data.train_dataloader()
    opened = time.perf_counter() - began
    records = len(data.store)
    divided, _ = memory()
    began, count = time.perf_counter(), 0
    for number, batch in enumerate(loader):
        if number == BATCHES:
            break
        count += len(data.on_after_batch_transfer(batch, 0)["signal"])
    speed = count / (time.perf_counter() - began)
    after, mapped = memory()
    return [opened, 1e6 * opened / records, before, divided, after, mapped, speed]


def memory() -> tuple[float, float]:
    """Return the memory that this process allocated, and what it maps of files, in megabytes."""
    sizes: dict[str, int] = {}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        name, size = line.split()[:2]
        sizes[name.rstrip(":")] = int(size)
    own = sizes["Anonymous"]
    return own / 1e3, (sizes["Rss"] - own) / 1e3


if __name__ == "__main__":
    main()
