"""Small trainings an hour: one process at a time with all cores, and several with their share.

    python benchmarks/study_throughput.py [--quick]

Each training is what a study runs: `train` with its logger, scores and checkpoints, here a small network on
few records. The processes stay and import PyTorch once. With a GPU, they share it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import multiprocessing
import os
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from stores import write_noise_store
from timing import cores, print_machine, print_table

NETWORKS = {"gru": "RnnClassifier", "lstm": "RnnClassifier", "resnet1d18": "CnnClassifier"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["gru", "resnet1d18"], choices=list(NETWORKS))
    parser.add_argument("--runs", type=int, default=2, help="trainings for each measurement")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--records", type=int, default=250)
    parser.add_argument("--together", type=int, nargs="+", help="processes; 1 and 2 on a CPU, to 8 on a GPU")
    parser.add_argument("--quick", action="store_true", help="one run of each: does it run?")
    arguments = parser.parse_args()
    gpu = torch.cuda.is_available()
    print_machine("study_throughput: small trainings an hour")
    together = arguments.together or ([1, 2, 4, 8] if gpu else [1, cores()])
    runs, records, samples = (1, 100, 100) if arguments.quick else (arguments.runs, arguments.records, 1000)
    networks = ["gru"] if arguments.quick else arguments.networks
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as place:
        store = write_noise_store(Path(place) / "store", records, samples).path
        for network in networks:
            alone = 0.0
            for processes in together:
                # As many a process in every measurement: all are busy to the end.
                count = runs * processes
                seconds = measure(network, processes, count, store, Path(place), samples, arguments.epochs)
                hourly = 3600 * count / seconds
                alone = alone or hourly
                threads = max(1, cores() // processes)
                rows.append([network, processes, threads, count, seconds, hourly, hourly / alone])
    columns = ["network", "processes", "threads each", "runs", "seconds", "runs/hour", "x one at a time"]
    print_table(columns, rows)
    if not gpu:
        print("Several runs a GPU: not measured")


def measure(
    network: str, processes: int, runs: int, store: Path, folder: Path, samples: int, epochs: int
) -> float:
    """Return the seconds that so many trainings take on so many processes."""
    threads = max(1, cores() // processes)
    words = ["fit", "--data", "PtbXlDataModule", "--data.store", str(store)]
    words += ["--data.num_samples", str(samples), "--data.batch_size", "32"]
    words += ["--model", NETWORKS[network], "--model.network", network]
    words += ["--trainer.max_epochs", str(epochs), "--trainer.enable_progress_bar", "false"]
    words += ["--trainer.enable_model_summary", "false", "--pictures.records", "0"]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=start, initargs=(threads,)) as pool:
        # A first one each: imports, and pages of the store.
        places = [str(folder / f"{network}-{processes}" / str(number)) for number in range(runs + processes)]
        everything = [[*words, "--runs_dir", place] for place in places]
        list(pool.map(train_one, everything[runs:]))
        began = time.perf_counter()
        list(pool.map(train_one, everything[:runs]))
        return time.perf_counter() - began


def start(threads: int) -> None:
    """Prepare a process."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    torch.set_num_threads(threads)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)


def train_one(words: list[str]) -> None:
    """Train, silently."""
    from ecg_tl.training import silence_noise, train

    silence_noise()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        train(words)


if __name__ == "__main__":
    main()
