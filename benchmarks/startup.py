"""Seconds until a command has answered.

    python benchmarks/startup.py [--quick]

What is kept from one time to the next (help, what was measured for a plan) is kept in a folder of its own,
and the first turn, which does not count, fills it: "anew" is the same command with nothing kept.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from networks import save_network
from timing import interleave, print_machine, print_table

from ecg_tl.export.exporting import export
from ecg_tl.help_texts import CACHE_FOLDER
from ecg_tl.signals import LEADS

COMMANDS = ("--help", "data list", "fit --help")
LONG = ("ecg-tl fit --help", "ecg-tl study plan paper")
"""What takes long while nothing is kept."""

TARGET = 1.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="one round: does it run?")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    print_machine("startup: seconds until a command has answered")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        subjects = {
            "python -c pass": start(folder, "-c", "pass"),
            "python -c 'import torch'": start(folder, "-c", "import torch"),
        }
        subjects |= {f"ecg-tl {words}": start(folder, "-m", "ecg_tl", *words.split()) for words in COMMANDS}
        plan = (
            "study",
            "plan",
            "paper",
            "--data_root",
            str(folder / "none"),
            "--folder",
            str(folder / "study"),
        )
        subjects |= {"ecg-tl study plan paper": start(folder, "-m", "ecg_tl", *plan)}
        subjects |= {"ecg-tl infer NETWORK.onnx RECORD": start(folder, "-m", "ecg_tl", *inferring(folder))}
        # Before anything is kept; what they import has been read from the disk by `inferring`.
        timed = {f"{name}, anew": [once(subjects[name])] for name in LONG}
        timed |= interleave(subjects, budget=0, fewest=rounds, most=rounds).seconds
    spans = {name: f"{min(all_):.2f}-{max(all_):.2f}" for name, all_ in timed.items()}
    print_table(
        ["command", "seconds", "range"],
        [[name, statistics.median(timed[name]), spans[name]] for name in timed],
    )
    print(f"target: under {TARGET} s for what is not anew")


def inferring(folder: Path) -> tuple[str, ...]:
    """Make a network as an ONNX file and a record; return the words that ask the one of the other."""
    checkpoint, network = folder / "gru.ckpt", folder / "gru.onnx"
    save_network(checkpoint, "gru", num_samples=1000)
    export(checkpoint, "onnx", network)
    np.save(folder / "record.npy", np.random.default_rng(0).normal(0, 0.2, (12, 1000)).astype(np.float32))
    return (
        *("infer", str(network), str(folder / "record.npy"), "--leads", ",".join(LEADS)),
        *("--sampling_rate", "100", "--units", "mV"),
    )


def once(work: Callable[[], object]) -> float:
    """Return the seconds of something."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def start(folder: Path, *words: str) -> Callable[[], object]:
    """Return a function that runs Python with these arguments."""
    kept = os.environ | {CACHE_FOLDER: str(folder / "cache")}
    return lambda: subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, env=kept)


if __name__ == "__main__":
    main()
