"""One export: write, compare with PyTorch, and only then give the file its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ecg_tl.errors import SettingError
from ecg_tl.export.formats import FORMATS, Format
from ecg_tl.export.graph import ExportedGraph
from ecg_tl.export.parity import Parity, Signals, compare_outputs, require_parity, synthetic_signals
from ecg_tl.files import written_whole
from ecg_tl.inference.checkpoint_model import CheckpointModel
from ecg_tl.inference.model import ModelDescription
from ecg_tl.outputs import check_outputs


@dataclass(frozen=True)
class Exported:
    """An exported file.

    Attributes:
        path: The file.
        description: What it says of itself.
        parity: How far it is from PyTorch.
    """

    path: Path
    description: ModelDescription
    parity: Parity


def export(
    checkpoint: Path,
    format: Format = "onnx",
    output: Path | None = None,
    read_signals: Callable[[ModelDescription], Signals] | None = None,
    records: Iterable[Path] = (),
) -> Exported:
    """Export a checkpoint, and check that the file gives the same numbers.

    The file appears under its name only when it has passed.

    Args:
        checkpoint: Written by `ecg-tl fit`.
        format: `onnx`, or `torch` for a program of torch.export.
        output: The file to write; beside the checkpoint and named as it by default.
        read_signals: Gives the signals to compare on, `(signals, leads, samples)` in mV, once the model is
            known; simulated ones by default.
        records: Files that `read_signals` reads, which the output may not be.

    Raises:
        CheckpointError: If the checkpoint cannot be read or says too little, or the numbers differ.
        SettingError: If a package is missing, or the output's name does not say its format.
        StoreError: If the file cannot be written.
    """
    kind = FORMATS[format]
    kind.require()
    output = checkpoint.with_suffix(kind.suffix) if output is None else output
    if output.suffix.lower() != kind.suffix or output.is_dir():
        raise SettingError(
            "--output",
            f"{output}, a folder" if output.is_dir() else str(output),
            f"a file that ends in {kind.suffix}, by which `ecg-tl infer` knows the format",
            "Correct the name.",
        )
    check_outputs({"--output": output}, [checkpoint, *records])
    model = CheckpointModel(checkpoint)
    description = model.description
    signals = synthetic_signals(description) if read_signals is None else read_signals(description)
    # Same suffix: torch's loader goes by it.
    with written_whole(output, suffix=kind.suffix) as temporary:
        temporary.write_bytes(kind.make(ExportedGraph(model.task, description.temperature), description))
        parity = compare_outputs(
            _runner(format, temporary),
            model.task,
            description.temperature,
            signals,
            "simulated" if read_signals is None else "recorded",
        )
        require_parity(parity, checkpoint)
    return Exported(output, description, parity)


def _runner(format: Format, path: Path) -> Callable[[Signals], tuple[Signals, Signals]]:
    """Open the file as `ecg-tl infer` would."""
    if format == "onnx":
        from ecg_tl.inference.onnx_model import OnnxModel

        return OnnxModel(path).outputs
    from ecg_tl.inference.program_model import ProgramModel

    return ProgramModel(path).outputs
