"""A graph as ONNX, or as a program of torch.export.

ONNX is written by torch's TorchScript-based exporter, not by the one that stands on torch.export. The latter
goes through all steps of a recurrent layer: a GRU over 250 samples takes it 40 s on one core, the former a
tenth of a second, for the same numbers. It also needs the package onnxscript. The former is deprecated, and
there up to torch 2.13 at least.

For a program of torch.export there is no such choice: over 1000 samples, tracing an LSTM takes half a minute,
a GRU over one.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import torch
from torch import Tensor

from ecg_tl.errors import SettingError
from ecg_tl.export.graph import ExportedGraph
from ecg_tl.inference.metadata import INPUT, METADATA_KEY, OUTPUTS, to_json, with_digest
from ecg_tl.inference.model import ModelDescription

Format = Literal["onnx", "torch"]

OPSET = 17
"""Of 2022: old enough for every runtime in use, and all that the networks need."""


@dataclass(frozen=True)
class ExportFormat:
    """One kind of file.

    Attributes:
        suffix: By which `ecg-tl infer` knows it.
        title: For people.
        make: Turns a graph and its description into the file's bytes.
        require: Raises a `SettingError` if packages that it takes are missing.
    """

    suffix: str
    title: str
    make: Callable[[ExportedGraph, ModelDescription], bytes]
    require: Callable[[], None]


def make_onnx(graph: ExportedGraph, description: ModelDescription) -> bytes:
    """Make an ONNX file with the description in its metadata."""
    import onnx

    buffer = io.BytesIO()
    batch: dict[str, dict[int, str]] = {name: {0: "batch"} for name in (INPUT, *OUTPUTS)}
    with warnings.catch_warnings():
        # The exporter says that it is deprecated, that shapes compared while tracing become constants (all of
        # them but the batch's are meant to), and that recurrent layers may not take other batch sizes: the
        # parity check runs batches of two sizes.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (_example(description),),
            buffer,  # type: ignore[arg-type]  # this exporter takes buffers, the other paths alone
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_axes=batch,
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    onnx.helper.set_model_props(model, {METADATA_KEY: to_json(description)})
    model.producer_name, model.producer_version = "ecg_tl", description.version
    model.doc_string = _summary(description)
    onnx.checker.check_model(model)
    return with_digest(model.SerializeToString())


def make_program(graph: ExportedGraph, description: ModelDescription) -> bytes:
    """Make a program of torch.export with the description in an extra file."""
    from ecg_tl.inference.program_model import METADATA_FILE, entries_digest

    batch: Any = torch.export.Dim("batch", min=1)
    with torch.no_grad(), warnings.catch_warnings():
        # Recurrent layers of torch list their weights anew whenever they run.
        warnings.filterwarnings("ignore", message="The tensor attributes .* were assigned during export")
        program = torch.export.export(graph, (_example(description),), dynamic_shapes=({0: batch},))
    said = to_json(description)
    for _ in range(2):  # the digest is of all entries but the description
        buffer = io.BytesIO()
        torch.export.save(program, buffer, extra_files={METADATA_FILE: said})
        with zipfile.ZipFile(buffer) as archive:
            said = to_json(description, entries_digest(archive))
    return buffer.getvalue()


def require_onnx() -> None:
    """Check that ONNX files can be written and run.

    Raises:
        SettingError: If a package is missing; says what to install.
    """
    try:
        for package in ("onnx", "onnxruntime"):
            import_module(package)
    except ImportError as error:
        raise SettingError(
            "--format onnx",
            f"no package {error.name}",
            "the packages of the extra `onnx`",
            "Install them: pip install 'ecg-tl[onnx]'.",
        ) from None


FORMATS: dict[Format, ExportFormat] = {
    "onnx": ExportFormat(".onnx", f"ONNX, opset {OPSET}", make_onnx, require_onnx),
    "torch": ExportFormat(".pt2", "program of torch.export", make_program, lambda: None),
}


def _example(description: ModelDescription) -> Tensor:
    # Of two records: a batch of one would be taken for a size that never changes.
    return torch.zeros(2, len(description.leads), description.num_samples)


def _summary(description: ModelDescription) -> str:
    squashed = "softmax, as one of the classes is chosen" if description.single_choice else "sigmoid"
    return (
        f"{INPUT}: (batch, {len(description.leads)} leads, {description.num_samples} samples), float32, "
        f"{description.units} at {description.sampling_rate:g} Hz; leads {' '.join(description.leads)}. "
        f"{OUTPUTS[0]}: (batch, {len(description.class_names)} classes), "
        f"{'calibrated' if description.calibrated else 'uncalibrated'}; {OUTPUTS[1]}: before "
        f"temperature and {squashed}; classes {', '.join(description.class_names)}. All the rest is JSON, "
        f"under the metadata key {METADATA_KEY}. Research software, no medical device."
    )
