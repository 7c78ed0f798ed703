"""Records a second and peak memory of `prepare` against a serial loop, for each way of storing records.

    python benchmarks/prepare.py [--formats ...] [--quick]

Simulated 12-lead records of 10 s at 500 Hz (HDF5: 400 Hz): WFDB in PTB-XL's layout, the same as FLAC, MATLAB
files of the CinC challenges, and HDF5 as CODE publishes it. The loop only reads (`wfdb.rdsamp`; h5py, one
tracing at a time); `prepare` reads, checks, resamples, fingerprints and writes the store. Both run in
a process of their own, whose start counts, and take turns. Peak memory is that of the largest process.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import wfdb
from timing import Paired, cores, measure_process, print_machine, print_table

from ecg_tl.synthesis import synthesize

SERIAL = """
import sys, wfdb
for path in sys.stdin.read().split():
    wfdb.rdsamp(path)
"""
SERIAL_HDF5 = """
import sys, h5py
for path in sys.stdin.read().split():
    with h5py.File(path) as file:
        tracings = file["tracings"]
        for number in range(len(tracings)):
            tracings[number]
"""
PREPARE = """
import sys
from ecg_tl.cli import main
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Format:
    """A way of storing records.

    Attributes:
        dataset: In whose layout they are simulated.
        serial: The script of the loop, which is given paths.
        pattern: Of the files that it reads.
        keeps_suffix: Whether it is given their whole names.
        rounds: By the number of records, unless others are asked for.
    """

    dataset: str
    serial: str
    pattern: str
    keeps_suffix: bool = False
    rounds: Mapping[int, int] = field(default_factory=lambda: {500: 1})


FORMATS = {
    "wfdb": Format("ptbxl", SERIAL, "records500/**/*.hea", rounds={500: 2, 2000: 1}),
    "flac": Format("ptbxl", SERIAL, "records500/**/*.hea"),
    "matlab": Format("georgia", SERIAL, "**/*.hea"),
    "hdf5": Format("code15", SERIAL_HDF5, "*.hdf5", keeps_suffix=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=list(FORMATS))
    parser.add_argument("--records", type=int, nargs="+", help="by default 500, and 2,000 of WFDB as well")
    parser.add_argument("--rounds", type=int, help="by default 2 of 500 WFDB records, else 1")
    parser.add_argument("--quick", action="store_true", help="few records: does it run?")
    arguments = parser.parse_args()
    print_machine("prepare: records a second, against a serial loop that only reads")
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as place:
        folders = {
            (name, count): Path(place) / f"{name}-{count}"
            for name in arguments.formats
            for count in ([20] if arguments.quick else arguments.records or FORMATS[name].rounds)
        }
        with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn")) as pool:
            list(pool.map(simulate, *zip(*folders, strict=True), folders.values()))
        for (name, count), folder in folders.items():
            rounds = 1 if arguments.quick else arguments.rounds or FORMATS[name].rounds.get(count, 1)
            rows.append([name, count, *compare(name, count, rounds, folder)])
    columns = ["format", "records", "serial, records/s", "prepare, records/s", "x serial", "rounds' range"]
    print_table([*columns, "serial, peak MB", "prepare, peak MB"], rows)
    if arguments.quick:
        print("fewer than 500 records are read without worker processes")


def simulate(name: str, count: int, folder: Path) -> None:
    """Write so many records in a format."""
    root = folder / "records"
    synthesize(FORMATS[name].dataset, root, count, seed=count, progress=False)
    if name == "flac":
        for header in sorted(root.glob(FORMATS[name].pattern)):  # all, before any is written anew
            write_as_flac(header)


def compare(name: str, count: int, rounds: int, folder: Path) -> list[object]:
    """Return a row of the table, from its third column on."""
    root, form = folder / "records", FORMATS[name]
    script = folder / "prepare.py"
    script.write_text(PREPARE)
    files = sorted(root.glob(form.pattern))
    paths = "\n".join(str(path if form.keeps_suffix else path.with_suffix("")) for path in files)
    taken: dict[str, list[tuple[float, float]]] = {"serial": [], "prepare": []}
    for turn in range(rounds):
        words = ["data", "prepare", form.dataset, "--root", str(root), "--store_dir", str(folder / str(turn))]
        # The one is first as often as the other: machines slow down under work.
        for way in ("serial", "prepare") if turn % 2 else ("prepare", "serial"):
            command, text = ([str(script), *words], "") if way == "prepare" else (["-c", form.serial], paths)
            taken[way].append(measure_process([sys.executable, *command], text))
    timed = Paired({way: [seconds for seconds, _ in each] for way, each in taken.items()})
    serial, ours = timed.median("serial"), timed.median("prepare")
    ratios = timed.ratio("serial", "prepare"), timed.spread("serial", "prepare")
    memory = [max(peak for _, peak in each) / 1e6 for each in taken.values()]
    return [count / serial, count / ours, *ratios, *memory]


def write_as_flac(header: Path) -> None:
    """Write a WFDB record anew in WFDB's compressed format, under its name."""
    record = wfdb.rdrecord(str(header.with_suffix("")), physical=False)
    header.with_suffix(".dat").unlink()
    wfdb.wrsamp(
        header.stem,
        fs=record.fs,
        units=record.units,
        sig_name=record.sig_name,
        d_signal=record.d_signal,
        fmt=["516"] * len(record.sig_name),
        adc_gain=record.adc_gain,
        baseline=record.baseline,
        write_dir=str(header.parent),
    )


if __name__ == "__main__":
    main()
