"""What the search for recordings that a large store holds twice takes: time, memory, and what it misses.

    python benchmarks/duplicates.py [--records 20000 100000] [--quick]

Traces are made up: beats of a shape of their own, at intervals of their own, and noise. One record in a
hundred is an excerpt of another, noisier, from a random instant on. Memory is the greatest of one process.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from numpy.typing import NDArray
from timing import print_machine, print_table

from ecg_tl.store.copies import first_of_recording
from ecg_tl.store.traces import LANDMARKS, TRACE_RATE, TRACE_SAMPLES, Traces, pack

LEADS = 3
COPY_EVERY = 100
LONGER = 2 * TRACE_SAMPLES  # recorded, of which a trace keeps a part
_AT_ONCE = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--quick", action="store_true", help="few records: does it run?")
    arguments = parser.parse_args()
    print_machine("duplicates: the search for recordings that a store holds twice")
    rows = []
    for records in [400] if arguments.quick else arguments.records:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as own:
            rows.append(own.submit(measure, records).result())
    print_table(("records", "CPU s", "CPU ms a record", "MB", "copies", "missed", "others joined"), rows)


def measure(records: int) -> tuple[str, ...]:
    """Search one made-up store."""
    traces, original = made_up(records)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    first = first_of_recording(traces, different_hashes(records))
    seconds = time.process_time() - started
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    is_copy = original != np.arange(records)
    missed = int((first[is_copy] != original[is_copy]).sum())
    others = int((first[~is_copy] != original[~is_copy]).sum())
    unit = 1e6 if sys.platform == "darwin" else 1e3
    print(f"{records}: {before / unit:.0f} MB before", file=sys.stderr)
    return (
        f"{records:,}",
        f"{seconds:.1f}",
        f"{1e3 * seconds / records:.2f}",
        f"{after / unit:,.0f}",
        f"{int(is_copy.sum()):,}",
        f"{missed:,}",
        f"{others:,}",
    )


def different_hashes(records: int) -> NDArray[np.uint8]:
    """Return `(records, 16)`: of stored signals of which no two are equal."""
    return np.stack([np.arange(records), np.zeros(records, int)], axis=1).astype("<i8").view(np.uint8)


def made_up(records: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return traces, and of each record the row of which it is an excerpt; its own if of none."""
    rng = np.random.default_rng(seed)
    made, original = [], np.arange(records)
    for start in range(0, records, _AT_ONCE):
        count = min(_AT_ONCE, records - start)
        signal, beats = _signals(count, rng)
        begin = np.zeros(count, dtype=np.int64)
        copies = np.arange(COPY_EVERY - 1, count, COPY_EVERY)
        of = copies - rng.integers(1, COPY_EVERY - 1, len(copies))
        signal[copies] = signal[of] + rng.normal(0, 0.05, signal[of].shape).astype(np.float32)
        beats[copies] = beats[of]
        begin[copies] = rng.integers(1, TRACE_SAMPLES // 2, len(copies))
        original[start + copies] = start + of
        made.append(_traces(signal, beats, begin))
    return np.concatenate(made), original


def _signals(count: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return `(records, leads, LONGER)` and instants of beats `(records, beats)`, in samples."""
    mean = rng.uniform(0.5, 1.2, (count, 1)) * TRACE_RATE
    spread = rng.choice([0.01, 0.03, 0.2], (count, 1), p=[0.3, 0.6, 0.1])
    intervals = mean * np.exp(rng.normal(0, spread, (count, 44)))
    beats = np.cumsum(intervals, axis=1)
    shape = (rng.normal(size=(count, LEADS, 24)) * np.hanning(24) * 3).astype(np.float32)
    signal = rng.standard_normal((count, LEADS, LONGER + 64), dtype=np.float32) * np.float32(0.8)
    at = np.minimum(beats.astype(np.int64), LONGER + 30)
    for record in range(count):
        # Beats are farther apart than they are long.
        signal[record][:, at[record][:, None] + np.arange(24)] += shape[record][:, None, :]
    return signal[:, :, :LONGER], beats + 12


def _traces(
    signal: NDArray[np.float32], beats: NDArray[np.float64], begin: NDArray[np.int64]
) -> NDArray[np.uint8]:
    columns = begin[:, None, None] + np.arange(TRACE_SAMPLES)
    kept = np.take_along_axis(signal, np.broadcast_to(columns, (len(signal), LEADS, TRACE_SAMPLES)), axis=2)
    middle = np.median(np.abs(kept), axis=2, keepdims=True)
    values = np.rint(7 * kept / np.sqrt(kept**2 + (middle / 2) ** 2)).astype(np.int8)
    marks = beats - begin[:, None]
    marks = np.sort(np.where((marks >= 0) & (marks < TRACE_SAMPLES), marks, np.nan), axis=1)[:, :LANDMARKS]
    landmarks = np.repeat(marks[:, None, :], LEADS, axis=1)
    return pack(Traces(values, np.full((len(signal), LEADS), TRACE_SAMPLES), landmarks))


if __name__ == "__main__":
    main()
