"""`ecg-tl export`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from jsonargparse import ArgumentParser

from ecg_tl import terminal
from ecg_tl.commands.arguments import argument_errors
from ecg_tl.export.exporting import Exported, export
from ecg_tl.export.formats import FORMATS, Format
from ecg_tl.export.parity import recorded_signals
from ecg_tl.inference import NOTICE
from ecg_tl.inference.metadata import INPUT, OUTPUTS
from ecg_tl.recordings import find_records, record_files


def run(words: Sequence[str]) -> int:
    """Run `export`."""
    parser = _parser()
    with argument_errors("export", words[1:], [], ("checkpoint", "format", "output", "records")):
        settings = parser.parse_args(list(words[1:]))
    format: Format = settings.format
    records = [Path(path) for path in settings.records or []]
    # Shown on terminals alone, where a minute without a word would look like a hang.
    waiting = "exporting" if format == "onnx" else "exporting; recurrent layers take torch a minute or two"
    with terminal.console(stderr=True).status(waiting):
        exported = export(
            Path(settings.checkpoint),
            format,
            None if settings.output is None else Path(settings.output),
            None if not records else lambda description: recorded_signals(records, description),
            records=record_files(find_records(records)[0]),
        )
    _print(exported, format)
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="ecg-tl export",
        description="Write normalisation, network, temperature, and sigmoid or softmax of a checkpoint as "
        "one graph for signals in millivolts, with its classes, leads, sampling rate, units and thresholds "
        "inside of the file. The file is kept if it gives the numbers that PyTorch gives.",
        exit_on_error=False,
    )
    parser.add_argument("checkpoint", type=str, help="A checkpoint written by `ecg-tl fit`.")
    parser.add_argument(
        "--format",
        choices=list(get_args(Format)),
        default="onnx",
        help="onnx, or torch for a program of torch.export.",
    )
    parser.add_argument(
        "--output", type=str, default=None, help="The file; beside the checkpoint by default (.onnx, .pt2)."
    )
    parser.add_argument(
        "--records",
        type=str,
        nargs="+",
        default=None,
        help="Records (files or folders, as `ecg-tl infer` takes them) to compare on; simulated ones by "
        "default.",
    )
    return parser


def _print(exported: Exported, format: Format) -> None:
    description, path = exported.description, exported.path
    classes = len(description.class_names)
    lines = {
        "file": f"{path}, {path.stat().st_size / 1e6:.1f} MB, {FORMATS[format].title}",
        "input": f"{INPUT} (batch, {len(description.leads)}, {description.num_samples}), float32, "
        f"{description.units} at {description.sampling_rate:g} Hz, leads {' '.join(description.leads)}",
        "output": f"{OUTPUTS[0]} (batch, {classes}), "
        + ("calibrated" if description.calibrated else f"uncalibrated: {description.uncalibrated}")
        + f"; {OUTPUTS[1]} (batch, {classes}), uncalibrated",
        "parity": str(exported.parity),
    }
    console = terminal.console()
    for topic, line in lines.items():
        console.print(f"{topic:<7} {line}", markup=False, soft_wrap=True)
    console.print(NOTICE)
