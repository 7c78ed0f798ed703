"""Records a second of `ecg-tl infer` on a folder, against a bare loop over the network.

    python benchmarks/inference.py [--records 10000] [--quick]

The bare loop has its signals in memory, as the network takes them, 64 at a time. `infer` finds the
records, reads them (WFDB, 12 leads of 10 s at 500 Hz), resamples, examines them and answers. Both are in this
process, in turns. Memory is that of whole commands that write a CSV, on a folder and on one of four times as
many records: the largest process of each. Few recordings are simulated, and linked to under many names.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from networks import save_network
from numpy.typing import NDArray
from timing import interleave, measure_process, print_machine, print_table

from ecg_tl.export.exporting import export
from ecg_tl.inference.answer import BATCH, AnswerSettings, prepare
from ecg_tl.inference.many import answer_records
from ecg_tl.inference.model import InferenceModel
from ecg_tl.inference.opening import open_model
from ecg_tl.recordings import ReadSettings, find_records, read_record
from ecg_tl.synthesis import synthesize

SIMULATED = 250
TARGET = 0.85


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["resnet1d18", "gru"])
    parser.add_argument("--records", type=int, default=1000, help="in the folder; a quarter is timed")
    parser.add_argument("--rounds", type=int, default=3)
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
        few, many = make_folders(folder, count)
        for network in networks:
            checkpoint = save_network(folder / f"{network}.ckpt", network)
            exported = export(checkpoint, "onnx", folder / f"{network}.onnx").path
            for kind, path in (("PyTorch", checkpoint), ("ONNX", exported)):
                model = open_model(path)
                records, _ = find_records([few])
                signals = as_taken(model, records)
                subjects = {
                    "bare": partial(run_bare, model, signals),
                    "infer": partial(run_infer, model, few),
                }
                timed = interleave(subjects, budget=0, fewest=rounds, most=rounds)
                share = timed.ratio("bare", "infer")
                bare, ours = (len(records) / timed.median(name) for name in ("bare", "infer"))
                spread = timed.spread("bare", "infer")
                speeds.append([network, kind, len(records), bare, ours, f"{share:.0%}", spread])
                peaks = [whole_command(path, records) / 1e6 for records in (few, many)]
                memory.append([network, kind, *peaks, 1000 * (peaks[1] - peaks[0]) / (count - len(records))])
    columns = ["network", "file", "records", "bare loop, records/s", "infer, records/s", "of bare loop"]
    print_table([*columns, "rounds' range"], speeds)
    columns = ["network", "file", f"{count // 4:,} records, peak MB", f"{count:,} records, peak MB"]
    print_table([*columns, "kB a record more"], memory)
    print(f"target: {TARGET:.0%} of the bare loop, memory that does not grow")


def make_folders(folder: Path, count: int) -> tuple[Path, Path]:
    """Make a folder of a quarter of so many records, and one of all."""
    source = folder / "simulated"
    synthesize("ptbxl", source, min(SIMULATED, count // 4), seed=1, progress=False)
    headers = sorted((source / "records500").rglob("*.hea"))
    made = []
    for name, records in (("few", count // 4), ("many", count)):
        made.append(folder / name)
        for number in range(records):
            header = headers[number % len(headers)]
            inner = made[-1] / str(number // len(headers))
            inner.mkdir(parents=True, exist_ok=True)
            for file in (header, header.with_suffix(".dat")):
                os.link(file, inner / file.name)
    return made[0], made[1]


def as_taken(model: InferenceModel, records: list[Path]) -> NDArray[np.float32]:
    """Return the records' signals as the network takes them."""
    settings, reading = AnswerSettings(), ReadSettings()
    prepared = [prepare(model.description, one, read_record(one, reading), settings) for one in records]
    return np.concatenate([one.windows.signal(slice(None)) for one in prepared])


def run_bare(model: InferenceModel, signals: NDArray[np.float32]) -> None:
    for start in range(0, len(signals), BATCH):
        model.logits(signals[start : start + BATCH])


def run_infer(model: InferenceModel, folder: Path) -> None:
    records, _ = find_records([folder])
    for _ in answer_records(model, records, ReadSettings(), AnswerSettings()):
        pass


def whole_command(model: Path, records: Path) -> float:
    """Return the bytes of the largest process of `ecg-tl infer`."""
    words = ["-m", "ecg_tl", "infer", str(model), str(records), "--csv", str(records.with_suffix(".csv"))]
    return measure_process([sys.executable, *words])[1]


if __name__ == "__main__":
    main()
