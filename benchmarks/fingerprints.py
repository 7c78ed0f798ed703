"""How often fingerprints miss copies and match what is no copy, measured on published records.

    python benchmarks/fingerprints.py FOLDER

FOLDER holds `ptb-xl` (with `records500` and, for some, `records100`), `ludb`, `ptbdb` and, below `cinc2020`,
records of the PhysioNet/CinC Challenges. Copies of PTB-XL are written in the challenges' format with other
rates, gains and lead orders, resampled by Fourier's method, which is not this project's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, resample, sosfiltfilt

from ecg_tl.datasets import get_dataset
from ecg_tl.datasets.base import EcgDataset
from ecg_tl.recordings.wfdb_recording import read_wfdb
from ecg_tl.signals import LEADS, Recording, select_leads
from ecg_tl.store.identity import FINGERPRINT_LEADS, MATCH_THRESHOLD, VALUES_PER_LEAD, recording_fingerprint
from ecg_tl.store.matching import find_matches
from ecg_tl.synthesis.wfdb_files import HeaderStyle, signal_lines, to_steps, write_header, write_matlab

Signal = NDArray[np.float32]

COPIES = (
    # sampling rate in Hz, steps a millivolt, factor on the signal
    (500, 200.0, 1.0),
    (1000, 4880.0, 1.0),
    (400, 1000.0, 1.0),
    (257, 1000.0, 1.3),
    (100, 100.0, 0.5),
)
CHANGES: dict[str, Callable[[Signal, float], Signal]] = {
    "high-pass at 0.5 Hz": lambda signal, rate: filtered(signal, rate, "highpass", 0.5),
    "low-pass at 40 Hz": lambda signal, rate: filtered(signal, rate, "lowpass", 40.0),
    "low-pass at 25 Hz": lambda signal, rate: filtered(signal, rate, "lowpass", 25.0),
    **{
        f"begins {milliseconds} ms later": lambda signal, rate, ms=milliseconds: signal[
            :, int(ms * rate / 1e3) :
        ]
        for milliseconds in (2, 4, 6, 10, 1000)
    },
}
STYLE = HeaderStyle(storage="16+24", gain="{gain:.0f}/mV")
LEVELS = (0.4, 0.5, 0.6, 0.7, MATCH_THRESHOLD)

Similarities = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    ptbxl, ids, patients, recordings = read(get_dataset("ptbxl"), folder / "ptb-xl")
    others = {
        name: read(get_dataset(name), folder / place)[0]
        for name, place in (("ludb", "ludb"), ("ptb", "ptbdb"))
    }
    headers = sorted((folder / "cinc2020").rglob("*.hea"))
    others["cinc2020"] = stack(read_wfdb(path.with_suffix("")) for path in headers)

    print(f"{len(ids)} records of PTB-XL; threshold {MATCH_THRESHOLD}\n")
    print(f"{'copies of one recording':<34}{'copies':>8}{'missed':>8}{'lowest':>9}{'1 %':>9}")
    at_100, ids_100, *_ = read(get_dataset("ptbxl", source_rate=100), folder / "ptb-xl")
    row_of = {record_id: row for row, record_id in enumerate(ids)}
    print_copies("records100", ptbxl[[row_of[record_id] for record_id in ids_100]], at_100)
    for rate, gain, factor in COPIES:
        name = f"{rate} Hz, {gain:g}/mV, signal x {factor:g}"
        print_copies(name, ptbxl, rewritten(recordings, rate, gain, factor))
    for name, change in CHANGES.items():
        print_copies(name, ptbxl, stack(changed(recording, change) for recording in recordings))

    print("\npairs of different recordings, and how many are as alike as this")
    print(f"{'':<28}{'pairs':>12}{'highest':>9}" + "".join(f"{f'>= {level:g}':>9}" for level in LEVELS))
    within = similarities(ptbxl, ptbxl)
    copies = within >= MATCH_THRESHOLD
    pairs = np.triu(np.ones_like(copies), 1)
    print_different("PTB-XL with itself", within[pairs & ~copies])
    same_patient = np.equal.outer(np.array(patients), np.array(patients))
    print_different("  of one patient", within[pairs & ~copies & same_patient])
    for row, name in enumerate(FINGERPRINT_LEADS):
        one_lead = similarities(only(ptbxl, [row]), only(ptbxl, [row]))
        print_different(f"  lead {name} alone", one_lead[pairs & ~copies])
    for name, prints in others.items():
        print_different(f"PTB-XL with {name}", similarities(ptbxl, prints).ravel())
    for one, other in combinations(others, 2):
        found = similarities(others[one], others[other])
        print_different(f"{one} with {other}", found[found < MATCH_THRESHOLD])

    found = [(ids[row], ids[column]) for row, column in np.argwhere(pairs & copies)]
    print(f"\nmatches within PTB-XL: {', '.join('/'.join(pair) for pair in found)}")
    matches = find_matches(others["ptb"], others["cinc2020"])
    ptb_paths = list(get_dataset("ptb").scan(folder / "ptbdb").records["path"])
    for one, other in zip(matches.one, matches.other, strict=True):
        print(f"matches of ptbdb with cinc2020: {ptb_paths[one]}/{headers[other].stem}")


def read(dataset: EcgDataset, root: Path) -> tuple[NDArray[np.int8], list[str], list[str], list[Recording]]:
    """Return the fingerprints, ids, patients and first 10 s of all records whose files are there."""
    kept, ids, patients = [], [], []
    started, seconds = time.perf_counter(), 0.0
    prints = []
    for row in dataset.scan(root).records.to_dict("records"):
        if not (root / str(row["path"])).with_suffix(".hea").is_file():
            continue
        recording = dataset.read(root, str(row["path"]))
        before = time.perf_counter()
        prints.append(recording_fingerprint(recording))
        seconds += time.perf_counter() - before
        samples = round(10 * recording.sampling_rate)
        standard = select_leads(recording, LEADS, row["path"])[:, :samples]
        kept.append(Recording(standard, LEADS, recording.sampling_rate))
        ids.append(str(row["record_id"]))
        patients.append(str(row["patient_id"]))
    total = time.perf_counter() - started
    print(
        f"{dataset.name}: {1e3 * seconds / len(ids):.2f} ms a fingerprint, {1e3 * total / len(ids):.2f} ms a "
        "record in all",
        file=sys.stderr,
    )
    return np.stack(prints), ids, patients, kept


def stack(recordings: Iterable[Recording]) -> NDArray[np.int8]:
    return np.stack([recording_fingerprint(recording) for recording in recordings])


def rewritten(recordings: Sequence[Recording], rate: int, gain: float, factor: float) -> NDArray[np.int8]:
    """Write each record anew in the challenges' format, leads in reverse order, and read it again."""
    leads = LEADS[::-1]
    prints = []
    with tempfile.TemporaryDirectory() as folder:
        for number, recording in enumerate(recordings):
            path = Path(folder) / f"HR{number:05d}"
            signal = recording.values[::-1] * np.float32(factor)
            samples = round(signal.shape[1] * rate / recording.sampling_rate)
            if rate != recording.sampling_rate:
                signal = resample(signal, samples, axis=1)
            steps = to_steps(signal, gain)
            write_matlab(path.with_suffix(".mat"), steps)
            lines = signal_lines(f"{path.name}.mat", leads, steps, STYLE, [gain] * 12, [0] * 12)
            write_header(path.with_suffix(".hea"), rate, samples, lines)
            prints.append(recording_fingerprint(read_wfdb(path)))
            for suffix in (".mat", ".hea"):
                path.with_suffix(suffix).unlink()
    return np.stack(prints)


def changed(recording: Recording, change: Callable[[Signal, float], Signal]) -> Recording:
    return Recording(change(recording.values, recording.sampling_rate), LEADS, recording.sampling_rate)


def filtered(signal: Signal, rate: float, kind: str, cutoff: float) -> Signal:
    """Filter forwards and backwards, which delays nothing, with second-order Butterworth filters."""
    return np.asarray(sosfiltfilt(butter(2, cutoff, kind, fs=rate, output="sos"), signal, axis=1), np.float32)


def only(prints: NDArray[np.int8], leads: Sequence[int]) -> NDArray[np.int8]:
    """Return fingerprints as of recordings that have these leads alone."""
    kept = np.zeros_like(prints).reshape(len(prints), -1, VALUES_PER_LEAD)
    kept[:, leads] = prints.reshape(kept.shape)[:, leads]
    return kept.reshape(prints.shape)


def similarities(one: NDArray[np.int8], other: NDArray[np.int8]) -> Similarities:
    """Return the mean cosine over common leads, `(records, records)`: `store.matching` without blocks."""
    x, y = (prints.reshape(len(prints), -1, VALUES_PER_LEAD).astype(np.float32) for prints in (one, other))
    units = [parts / np.maximum(np.linalg.norm(parts, axis=2, keepdims=True), 1) for parts in (x, y)]
    has = [parts.any(axis=2).astype(np.float32) for parts in (x, y)]
    total: Similarities = sum(units[0][:, lead] @ units[1][:, lead].T for lead in range(x.shape[1]))
    return total / np.maximum(has[0] @ has[1].T, 1)


def print_copies(name: str, originals: NDArray[np.int8], copies: NDArray[np.int8]) -> None:
    alike = np.array([similarities(x[None], y[None])[0, 0] for x, y in zip(originals, copies, strict=True)])
    missed = int((alike < MATCH_THRESHOLD).sum())
    percentile = np.percentile(alike, 1)
    print(f"{name:<34}{len(alike):>8}{missed:>8}{alike.min():>9.3f}{percentile:>9.3f}")


def print_different(name: str, alike: Similarities) -> None:
    counts = "".join(f"{int((alike >= level).sum()):>9}" for level in LEVELS)
    print(f"{name:<28}{alike.size:>12,}{alike.max():>9.3f}{counts}")


if __name__ == "__main__":
    main()
