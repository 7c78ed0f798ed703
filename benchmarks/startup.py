"""Seconds until a command has answered.

python benchmarks/startup.py [--quick]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable

from timing import interleave, print_machine, print_table

COMMANDS = ("--help", "data list", "fit --help")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round: does it run?")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    print_machine("startup: seconds until a command has answered")
    subjects = {
        "python -c pass": start("-c", "pass"),
        "python -c 'import torch'": start("-c", "import torch"),
    }
    subjects |= {f"ecg-tl {words}": start("-m", "ecg_tl", *words.split()) for words in COMMANDS}
    timed = interleave(subjects, budget=0, fewest=rounds, most=rounds)
    spans = {name: f"{min(all_):.2f}-{max(all_):.2f}" for name, all_ in timed.seconds.items()}
    print_table(
        ["command", "seconds", "range"], [[name, timed.median(name), spans[name]] for name in subjects]
    )


def start(*words: str) -> Callable[[], object]:
    """Return a function that runs Python with these arguments."""
    return lambda: subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
