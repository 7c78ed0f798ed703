"""Small trainings an hour: one process at a time with all cores, and several with their share.

    python benchmarks/study_throughput.py [--quick]

Each training is what a study runs: `train` with its logger, scores and checkpoints, here a small network on
few records. The processes stay and import PyTorch once, and the numbers of them take turns. With a GPU, they
share it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import logging
import multiprocessing
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import torch
from stores import write_noise_store
from timing import Paired, cores, interleave, print_machine, print_table

NETWORKS = {"gru": "RnnClassifier", "lstm": "RnnClassifier", "resnet1d18": "CnnClassifier"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["gru", "resnet1d18"], choices=list(NETWORKS))
    parser.add_argument("--runs", type=int, default=1, help="trainings a process for each measurement")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--records", type=int, default=250)
    parser.add_argument("--together", type=int, nargs="+", help="processes; 1 and 2 on a CPU, to 8 on a GPU")
    parser.add_argument("--quick", action="store_true", help="one run of each: does it run?")
    arguments = parser.parse_args()
    gpu = torch.cuda.is_available()
    print_machine("study_throughput: small trainings an hour")
    together = arguments.together or ([1, 2, 4, 8] if gpu else [1, cores()])
    runs, records, samples = (1, 100, 100) if arguments.quick else (arguments.runs, arguments.records, 1000)
    rounds = 1 if arguments.quick else arguments.rounds
    networks = ["gru"] if arguments.quick else arguments.networks
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as place, pools_of(together) as pools:
        store = write_noise_store(Path(place) / "store", records, samples).path
        for network in networks:
            words = command(network, store, samples, arguments.epochs)
            timed = measure(words, pools, runs, rounds, Path(place) / network)
            alone = timed.median(str(together[0])) / (runs * together[0])
            for processes in together:
                # As many a process in every measurement: all are busy to the end.
                count = runs * processes
                seconds = timed.median(str(processes))
                threads = max(1, cores() // processes)
                faster = alone * count / seconds
                rows.append([network, processes, threads, count, seconds, 3600 * count / seconds, faster])
    columns = ["network", "processes", "threads each", "runs", "seconds", "runs/hour", "x one at a time"]
    print_table(columns, rows)
    if not gpu:
        print("Several runs a GPU: not measured")


def command(network: str, store: Path, samples: int, epochs: int) -> list[str]:
    """Return the words of one training."""
    words = ["fit", "--data", "PtbXlDataModule", "--data.store", str(store)]
    words += ["--data.num_samples", str(samples), "--data.batch_size", "32"]
    words += ["--model", NETWORKS[network], "--model.network", network]
    words += ["--trainer.max_epochs", str(epochs), "--trainer.enable_progress_bar", "false"]
    return [*words, "--trainer.enable_model_summary", "false", "--pictures.records", "0"]


@contextlib.contextmanager
def pools_of(together: Sequence[int]) -> Iterator[dict[int, ProcessPoolExecutor]]:
    """Keep a pool of each number of processes, which share the cores out."""
    context = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        pools = {}
        for processes in together:
            threads = (max(1, cores() // processes),)
            pool = ProcessPoolExecutor(processes, context, initializer=start, initargs=threads)
            pools[processes] = stack.enter_context(pool)
        yield pools


def measure(
    words: list[str], pools: Mapping[int, ProcessPoolExecutor], runs: int, rounds: int, folder: Path
) -> Paired:
    """Time trainings in each pool, `runs` a process, by the number of processes."""
    numbers = itertools.count()
    subjects: dict[str, Callable[[], object]] = {
        str(processes): partial(train_all, pool, words, folder / str(processes), runs * processes, numbers)
        for processes, pool in pools.items()
    }
    # The first turn, which does not count, imports and makes the store's pages known.
    return interleave(subjects, budget=0, fewest=rounds, most=rounds)


def train_all(
    pool: ProcessPoolExecutor, words: list[str], folder: Path, runs: int, numbers: Iterator[int]
) -> None:
    """Train so many times, each in a folder of its own."""
    everything = [[*words, "--runs_dir", str(folder / str(next(numbers)))] for _ in range(runs)]
    list(pool.map(train_one, everything))


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
