"""What all benchmarks share: interleaved timing, tables, and words about the machine."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from ecg_tl.acceleration import choose_precision, describe_device
from ecg_tl.errors import SettingError


@dataclass(frozen=True)
class Paired:
    """Seconds of several subjects, measured one after the other in every round.

    Attributes:
        seconds: Of each subject, one number a round.
    """

    seconds: dict[str, list[float]]

    def median(self, subject: str) -> float:
        """Median of a subject's seconds."""
        return statistics.median(self.seconds[subject])

    def ratio(self, baseline: str, subject: str) -> float:
        """How many times faster `subject` is: median over rounds of the ratio within the round.

        What else the machine does hits both halves of a round alike.
        """
        pairs = zip(self.seconds[baseline], self.seconds[subject], strict=True)
        return statistics.median(one / other for one, other in pairs)

    def spread(self, baseline: str, subject: str) -> str:
        """Least and greatest ratio of any round."""
        pairs = zip(self.seconds[baseline], self.seconds[subject], strict=True)
        ratios = [one / other for one, other in pairs]
        return f"{min(ratios):.2f}-{max(ratios):.2f}"


def interleave(
    subjects: Mapping[str, Callable[[], object]], *, budget: float, fewest: int = 3, most: int = 30
) -> Paired:
    """Time subjects in turns, after one turn that does not count.

    Args:
        subjects: What to time, by name.
        budget: Seconds after which no further round begins.
        fewest: Rounds in any case.
        most: Rounds at most.
    """
    for subject in subjects.values():
        subject()
    synchronize()
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    names = list(subjects)
    began = time.perf_counter()
    for turn in range(most):
        if turn >= fewest and time.perf_counter() - began > budget:
            break
        # Each round begins with another subject, so that none always follows the same one.
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            start = time.perf_counter()
            subjects[name]()
            synchronize()
            seconds[name].append(time.perf_counter() - start)
    return Paired(seconds)


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def print_machine(what: str) -> None:
    """Head a benchmark's output with the hardware, the versions and how busy the machine is."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "lightning", "numpy", "ecg-tl"))
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    print(f"# {what}\n")
    print(
        f"{_processor()}, {cores()} cores ({torch.get_num_threads()} threads), {gpu}{load}; "
        f"Python {platform.python_version()}, {packages}\n"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    known = [flag for flag in ("avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return f"{names[0] if names else platform.machine()} ({', '.join(known) or 'no avx512'})"


_MEASURE = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
seconds = time.perf_counter() - start
if done.returncode:
    sys.exit(done.stderr.decode(errors="replace")[-3000:] or f"status {done.returncode}")
scale = 1 if sys.platform == "darwin" else 1024
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * scale]))
"""


def measure_process(
    words: Sequence[str],
    text: str = "",
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[float, float]:
    """Return the seconds that a process took, and the bytes of the largest of it and its children.

    Args:
        words: Its command line.
        text: Of its standard input.
        folder: In which it works; this one's if None.
        environment: Of the process; this one's if None.

    Raises:
        SystemExit: If it fails; with the end of what it said.
    """
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *words],
        input=text,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}:\n{done.stderr}")
    seconds, peak = json.loads(done.stdout)
    return seconds, peak


def computes_in_bfloat16(network: str) -> bool:
    """Return whether this machine computes a network in bfloat16 at all."""
    try:
        choose_precision("auto", "bf16-mixed", describe_device(), network)
    except SettingError:
        return False
    return True


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table: text to the left, numbers to the right."""
    cells = [[cell_text(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]
    right = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(columns))]
    for line in (list(columns), None, *cells):
        if line is None:
            bars = (
                "-" * (width - 1) + (":" if flush else "-")
                for width, flush in zip(widths, right, strict=True)
            )
            print(f"| {' | '.join(bars)} |")
        else:
            padded = (
                text.rjust(width) if flush else text.ljust(width)
                for text, width, flush in zip(line, widths, right, strict=True)
            )
            print(f"| {' | '.join(padded)} |")
    print(flush=True)


def cell_text(cell: object) -> str:
    """Return a table's cell, a number with about three digits."""
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.1f}" if abs(cell) >= 10 else f"{cell:.2f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
