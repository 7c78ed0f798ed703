"""Records a second of `ecg-tl infer` on a folder, against a bare loop over the network.

    python benchmarks/inference.py [--records 10000] [--rates 100 500] [--networks ...] [--quick]

The bare loop has its signals in memory, as the network takes them, 64 at a time. `ecg-tl infer` is the whole
command, that starts, finds the records, reads them (WFDB, 12 leads of 10 s), resamples those of another
rate than the network's, examines them, answers, and writes a CSV: once on a folder, and once on a quarter of
it, which tells its start from the rest, and whether memory grows. Both use every core that they find. Few
recordings are simulated, and linked to under many names.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from networks import save_network
from numpy.typing import NDArray
from timing import measure_process, print_machine, print_table

from ecg_tl.export.exporting import export
from ecg_tl.inference.answer import BATCH, AnswerSettings, prepare
from ecg_tl.inference.model import InferenceModel
from ecg_tl.inference.opening import open_model
from ecg_tl.recordings import ReadSettings, find_records, read_record
from ecg_tl.synthesis import synthesize

SIMULATED = 250
ALONE = 320
"""Records that the bare loop answers."""

RATES = {100: "records100", 500: "records500"}
"""Of the recordings, in Hz, and where `synthesize` puts those; the network's rate is 100 Hz."""

TARGET = 0.85


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["resnet1d18"])
    parser.add_argument("--records", type=int, default=2000, help="in the folder")
    parser.add_argument("--rates", type=int, nargs="+", default=[100], choices=list(RATES), help="in Hz")
    parser.add_argument("--rounds", type=int, default=3, help="of the bare loop")
    parser.add_argument("--quick", action="store_true", help="few records: does it run?")
    arguments = parser.parse_args()
    networks, count, rounds = arguments.networks, arguments.records, arguments.rounds
    if arguments.quick:
        networks, count, rounds = ["gru"], 40, 1
    print_machine("inference: records a second of `ecg-tl infer`, against a bare loop over the network")
    speeds: list[list[object]] = []
    memory: list[list[object]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        synthesize("ptbxl", folder / "simulated", min(SIMULATED, count // 4), seed=1, progress=False)
        for network in networks:
            checkpoint = save_network(folder / f"{network}.ckpt", network)
            exported = export(checkpoint, "onnx", folder / f"{network}.onnx").path
            for kind, path in (("PyTorch", checkpoint), ("ONNX", exported)):
                for rate in arguments.rates:
                    few, many = make_folders(folder / "simulated" / RATES[rate], folder / str(rate), count)
                    signals = as_taken(open_model(path), few)
                    before = bare_speed(path, signals, rounds)
                    seconds, peaks = zip(*(whole_command(path, one) for one in (few, many)), strict=True)
                    bare = statistics.mean([before, bare_speed(path, signals, rounds)])
                    whole = count / seconds[1]
                    going = (count - count // 4) / (seconds[1] - seconds[0])
                    speeds.append([network, kind, rate, bare, whole, going, f"{going / bare:.0%}"])
                    more = 1e-3 * (peaks[1] - peaks[0]) / (count - count // 4)
                    memory.append([network, kind, rate, *(peak / 1e6 for peak in peaks), more])
    columns = ["network", "file", "Hz", "bare loop, records/s", f"infer on {count:,}, records/s"]
    print_table([*columns, "without its start", "of bare loop"], speeds)
    columns = ["network", "file", "Hz", f"{count // 4:,} records, peak MB", f"{count:,} records, peak MB"]
    print_table([*columns, "kB a record more"], memory)
    print(f"target: {TARGET:.0%} of the bare loop, memory that does not grow")


def make_folders(source: Path, folder: Path, count: int) -> tuple[Path, Path]:
    """Make a folder of a quarter of so many records, and one of all, if they are not there."""
    headers = sorted(source.rglob("*.hea"))
    made = folder / "few", folder / "many"
    for place, records in zip(made, (count // 4, count), strict=True):
        for number in range(0 if place.exists() else records):
            header = headers[number % len(headers)]
            inner = place / str(number // len(headers))
            inner.mkdir(parents=True, exist_ok=True)
            for file in (header, header.with_suffix(".dat")):
                os.link(file, inner / file.name)
    return made


def as_taken(model: InferenceModel, folder: Path) -> NDArray[np.float32]:
    """Return the signals of a folder's first records as the network takes them."""
    settings, reading = AnswerSettings(), ReadSettings()
    records, _ = find_records([folder])
    prepared = [
        prepare(model.description, one, read_record(one, reading), settings) for one in records[:ALONE]
    ]
    return np.concatenate([one.windows.signal(slice(None)) for one in prepared])


def bare_speed(path: Path, signals: NDArray[np.float32], rounds: int) -> float:
    """Return the records a second of the network alone."""
    model = open_model(path)
    model.logits(signals[:BATCH])
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        for start in range(0, len(signals), BATCH):
            model.logits(signals[start : start + BATCH])
        seconds.append(time.perf_counter() - began)
    return len(signals) / statistics.median(seconds)


def whole_command(model: Path, records: Path) -> tuple[float, float]:
    """Return the seconds of `ecg-tl infer`, and the bytes of its largest process."""
    words = ["-m", "ecg_tl", "infer", str(model), str(records), "--csv", str(records.with_suffix(".csv"))]
    return measure_process([sys.executable, *words])


if __name__ == "__main__":
    main()
