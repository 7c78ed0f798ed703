"""How often copies that begin elsewhere are missed, and different recordings taken for one.

    python benchmarks/shifted_copies.py [FOLDER] [--quick]

FOLDER holds `ptb-xl`, `ludb`, `ptbdb` and, below `cinc2020`, records of the PhysioNet/CinC Challenges;
without it, simulated records are compared. Each record's copies are searched for among all records. For pairs
of different recordings, the share that would be taken for one is extrapolated: similarities over `TAIL`, or
the ten highest where that is fewer, are taken for exponentially distributed, which is cautious where they
fall off faster.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfilt, sosfiltfilt
from timing import print_machine, print_table

from ecg_tl.datasets import get_dataset
from ecg_tl.recordings.wfdb_recording import read_wfdb
from ecg_tl.signals import Recording
from ecg_tl.store.alignment import SAME_TRACE, SHORTEST_OVERLAP, Alignments, compare_traces, find_alignments
from ecg_tl.store.identity import recording_fingerprint
from ecg_tl.store.traces import TRACE_RATE, TRACE_SAMPLES, recording_trace, unpack_traces
from ecg_tl.synthesis.simulator import simulate

Signal = NDArray[np.float64]

LEADS = ("I", "II", "III", "V1", "V2")
SECONDS = 10.0
TAIL = 0.55
FEWEST = 10  # similarities that a tail is extrapolated from
EVERY_LAG = 60  # records that are compared at every lag
LEVELS = (0.55, 0.6, 0.7, 0.8)


def causal(signal: Signal, rate: float, order: int = 2) -> Signal:
    return np.asarray(sosfilt(butter(order, [0.5, 40], "bandpass", fs=rate, output="sos"), signal, axis=1))


def part(start: float, end: float) -> Callable[[Signal, float], tuple[Signal, float]]:
    return lambda signal, rate: (signal[:, round(start * rate) : round(end * rate)], rate)


def padded(signal: Signal, rate: float) -> tuple[Signal, float]:
    """Lay 10 s into 4,096 samples of 400 Hz, as CODE does."""
    return np.pad(signal, ((0, 0), (round(0.12 * rate), round(0.12 * rate)))), rate


def exchanged(*rows: tuple[int, float]) -> Callable[[Signal, float], tuple[Signal, float]]:
    return lambda signal, rate: (np.stack([factor * signal[row] for row, factor in rows]), rate)


def at_100_hz(signal: Signal, rate: float) -> tuple[Signal, float]:
    return np.rint(resample_poly(signal, 1, round(rate / 100), axis=1) * 100) / 100, 100.0


COPIES: dict[str, Callable[[Signal, float], tuple[Signal, float]]] = {
    "begins 2 ms later": part(0.002, SECONDS),
    "begins 10 ms later": part(0.01, SECONDS),
    "begins 1.3 s later": part(1.3, SECONDS),
    "middle 7 s": part(1.5, 8.5),
    "first 5 s": part(0, 5),
    "middle 5 s": part(2.5, 7.5),
    "second 5 s": part(5, SECONDS),
    "zeros on both sides": padded,
    "band-pass 0.5-40 Hz, causal, order 2": lambda signal, rate: (causal(signal, rate), rate),
    "band-pass 0.5-40 Hz, causal, order 4": lambda signal, rate: (causal(signal, rate, 4), rate),
    "low-pass 25 Hz, zero-phase": lambda signal, rate: (
        np.asarray(sosfiltfilt(butter(2, 25, fs=rate, output="sos"), signal, axis=1)),
        rate,
    ),
    "upside down": lambda signal, rate: (-signal, rate),
    "arms exchanged": exchanged((0, -1), (2, 1), (1, 1), (3, 1), (4, 1)),
    "left arm and leg exchanged": exchanged((1, 1), (0, 1), (2, -1), (3, 1), (4, 1)),
    "right arm and leg exchanged": exchanged((2, -1), (1, -1), (0, -1), (3, 1), (4, 1)),
    "V1 and V2 exchanged": exchanged((0, 1), (1, 1), (2, 1), (4, 1), (3, 1)),
    "100 Hz, 100 steps/mV": at_100_hz,
    "5 s from 2.2 s on, causal, 100 Hz, 100 steps/mV": lambda signal, rate: at_100_hz(
        causal(signal, rate)[:, round(2.2 * rate) : round(7.2 * rate)], rate
    ),
    "3 s from 4 s on": part(4, 7),
    "2.6 s from 3 s on": part(3, 5.6),
}

OTHERS = (
    "middle 5 s",
    "5 s from 2.2 s on, causal, 100 Hz, 100 steps/mV",
    "band-pass 0.5-40 Hz, causal, order 4",
    "low-pass 25 Hz, zero-phase",
    "3 s from 4 s on",
    "2.6 s from 3 s on",
)
"""What is made of each record, to be compared with all other records."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--quick", action="store_true", help="few simulated records: does it run?")
    arguments = parser.parse_args()
    print_machine("shifted_copies: copies that are missed, and others that are taken for one")
    names, recordings = (
        read(arguments.folder)
        if arguments.folder and not arguments.quick
        else simulated(24 if arguments.quick else 600)
    )
    traces = stack(recordings)
    print(f"{len(names):,} records; the same from a similarity of {SAME_TRACE}\n")
    print_table(("made of a record", "CPU ms"), costs(recordings[:200]))
    print()
    whole = find_alignments(traces, least=0.4)
    copies_within = known_copies(names, whole)
    print_table(
        ("copies of one recording", "copies", "missed", "lowest", "lowest 1 %"),
        (copies_row(name, change, recordings, traces) for name, change in COPIES.items()),
    )
    listed = ", ".join(f"{one} = {other}" for one, other in sorted(copies_within))
    print(f"\nThe same within the sample: {listed or 'none'}\n")
    print_table(
        (
            "different recordings",
            "pairs",
            "taken for one",
            "highest",
            *(f">= {level}" for level in LEVELS),
            "of 10 million, extrapolated",
        ),
        different_rows(names, recordings, traces, whole, copies_within),
    )
    print()
    print_table(
        ("at every lag", "pairs", "highest", f">= {TAIL}", "of these found by landmarks"),
        [every_lag(traces[: EVERY_LAG if not arguments.quick else 6])],
    )


def read(folder: Path) -> tuple[list[str], list[Recording]]:
    """Return the names and first 10 s of all records whose files are there."""
    names, recordings = [], []
    for name, place in (("ptbxl", "ptb-xl"), ("ludb", "ludb"), ("ptb", "ptbdb")):
        dataset = get_dataset(name)
        for row in dataset.scan(folder / place).records.to_dict("records"):
            if (folder / place / str(row["path"])).with_suffix(".hea").is_file():
                names.append(f"{name} {row['record_id']}")
                recordings.append(kept(dataset.read(folder / place, str(row["path"]))))
    for path in sorted((folder / "cinc2020").rglob("*.hea")):
        names.append(f"cinc {path.stem}")
        recordings.append(kept(read_wfdb(path.with_suffix(""))))
    return names, recordings


def simulated(records: int) -> tuple[list[str], list[Recording]]:
    conditions: list[set[str]] = [set(), {"AF"}, {"LBBB"}, {"SB"}]
    signals = simulate([conditions[number % 4] for number in range(records)], seed=1)
    rows = [0, 1, 2, 6, 7]
    return [str(n) for n in range(records)], [Recording(one[rows], LEADS, 500.0) for one in signals]


def kept(recording: Recording) -> Recording:
    rows = [recording.leads.index(lead) for lead in LEADS]
    values = recording.values[rows, : round(SECONDS * recording.sampling_rate)]
    return Recording(values, LEADS, recording.sampling_rate)


def stack(recordings: list[Recording]) -> NDArray[np.uint8]:
    return np.stack([recording_trace(recording) for recording in recordings])


def changed(recording: Recording, change: Callable[[Signal, float], tuple[Signal, float]]) -> Recording:
    values, rate = change(recording.values.astype(np.float64), recording.sampling_rate)
    return Recording(values.astype(np.float32), LEADS, rate)


def costs(recordings: list[Recording]) -> Iterator[tuple[str, str]]:
    for name, make in (("fingerprint", recording_fingerprint), ("trace", recording_trace)):
        make(recordings[0])
        started = time.process_time()
        for recording in recordings:
            make(recording)
        yield name, f"{1e3 * (time.process_time() - started) / len(recordings):.2f}"


def copies_row(
    name: str,
    change: Callable[[Signal, float], tuple[Signal, float]],
    recordings: list[Recording],
    traces: NDArray[np.uint8],
) -> tuple[str, ...]:
    copies = stack([changed(recording, change) for recording in recordings])
    found = between(traces, copies, least=0.3)
    similarity = np.zeros(len(traces))
    own = found.other - len(traces) == found.one
    similarity[found.one[own]] = found.similarity[own]
    missed = int((similarity < SAME_TRACE).sum())
    lowest, percentile = similarity.min(), np.percentile(similarity, 1)
    return name, f"{len(copies):,}", f"{missed:,}", f"{lowest:.3f}", f"{percentile:.3f}"


def between(one: NDArray[np.uint8], other: NDArray[np.uint8], least: float) -> Alignments:
    side = np.concatenate([np.zeros(len(one), np.int8), np.ones(len(other), np.int8)])
    return find_alignments(np.concatenate([one, other]), side, least)


def known_copies(names: list[str], found: Alignments) -> set[tuple[str, str]]:
    """Return the pairs that are the same recording from end to end, and so published twice."""
    same = (found.similarity > 0.98) & (np.abs(found.lag) < 0.1)
    return {(names[a], names[b]) for a, b in zip(found.one[same], found.other[same], strict=True)}


def different_rows(
    names: list[str],
    recordings: list[Recording],
    traces: NDArray[np.uint8],
    whole: Alignments,
    copies: set[tuple[str, str]],
) -> Iterator[tuple[str, ...]]:
    number = len(names)
    own = np.array(
        [(names[a], names[b]) in copies for a, b in zip(whole.one, whole.other, strict=True)], bool
    )
    yield different_row("10 s with 10 s", number * (number - 1) // 2, whole.similarity[~own])
    for name in OTHERS:
        excerpts = stack([changed(recording, COPIES[name]) for recording in recordings])
        found = between(traces, excerpts, least=0.4)
        other = found.other - number
        own = np.array(
            [
                a == b or (names[a], names[b]) in copies or (names[b], names[a]) in copies
                for a, b in zip(found.one, other, strict=True)
            ],
            bool,
        )
        yield different_row(f"10 s with {name}", number * (number - 1), found.similarity[~own])


def different_row(name: str, pairs: int, similarity: NDArray[np.float32]) -> tuple[str, ...]:
    share = "-"
    if len(similarity) >= FEWEST:
        begin = min(TAIL, float(np.sort(similarity)[-FEWEST]))
        over = similarity[similarity >= begin]
        beyond = len(over) / pairs * np.exp(-(SAME_TRACE - begin) / float(np.mean(over - begin)))
        share = f"{1e7 * beyond:.2f}"
    return (
        name,
        f"{pairs:,}",
        f"{int((similarity >= SAME_TRACE).sum())}",
        f"{similarity.max(initial=0):.3f}",
        *(f"{int((similarity >= level).sum()):,}" for level in LEVELS),
        share,
    )


def every_lag(traces: NDArray[np.uint8]) -> tuple[str, ...]:
    """Compare some records at every lag, to see what the search by landmarks leaves out."""
    unpacked = unpack_traces(traces)
    one, other = (rows.astype(np.int64) for rows in np.triu_indices(len(traces), 1))
    best = np.zeros(len(one), dtype=np.float32)
    farthest = TRACE_SAMPLES - int(SHORTEST_OVERLAP * TRACE_RATE)
    for lag in range(-farthest, farthest + 1, 2):
        similarity, _ = compare_traces(unpacked, one, other, np.full(len(one), float(lag)), TAIL)
        best = np.maximum(best, similarity)
    found = find_alignments(traces, least=TAIL)
    alike = {(a, b) for a, b, s in zip(one.tolist(), other.tolist(), best.tolist(), strict=True) if s >= TAIL}
    met = alike & set(zip(found.one.tolist(), found.other.tolist(), strict=True))
    return (
        f"{len(traces)} records",
        f"{len(one):,}",
        f"{best.max(initial=0):.3f}",
        f"{len(alike)}",
        f"{len(met)}",
    )


if __name__ == "__main__":
    main()
