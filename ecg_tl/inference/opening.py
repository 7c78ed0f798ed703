"""A network that answers, from its file: a checkpoint or an exported network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ecg_tl.errors import CheckpointError
from ecg_tl.inference.model import InferenceModel

ONNX_SUFFIX, PROGRAM_SUFFIX = ".onnx", ".pt2"
"""Of exported networks; any other file is taken for a checkpoint."""


def open_model(path: str | Path, accelerator: str = "auto", *, trust_program: bool = False) -> InferenceModel:
    """Open a checkpoint written by `ecg-tl fit`, or a network exported by `ecg-tl export`.

    Args:
        path: Of the file; one that ends in `.onnx` or `.pt2` is an exported network.
        accelerator: `auto` takes a GPU for a checkpoint if there is one; `cpu`, `cuda`.
        trust_program: Whether a `.pt2` file may be loaded: loading one can execute what is in it.

    Raises:
        CheckpointError: If the file is missing, damaged, of another project, does not describe itself, gives
            no numbers, or is a program that was not said to be trusted.
    """
    path = Path(path)
    model = _open(path, accelerator, trust_program)
    _try_out(model, path)
    return model


def _open(path: Path, accelerator: str, trust_program: bool) -> InferenceModel:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise CheckpointError(path, found, "a checkpoint, or an exported model", "Check the path.")
    if path.suffix.lower() == ONNX_SUFFIX:
        from ecg_tl.inference.onnx_model import OnnxModel

        return OnnxModel(path)
    if path.suffix.lower() == PROGRAM_SUFFIX:
        if not trust_program:
            raise CheckpointError(
                path,
                "a program of torch.export, which can execute anything when it is loaded",
                "an ONNX file or a checkpoint, which cannot",
                "If it comes from somebody you trust, add `--trust_program`.",
            )
        from ecg_tl.inference.program_model import ProgramModel

        return ProgramModel(path)
    from ecg_tl.inference.checkpoint_model import CheckpointModel

    return CheckpointModel(path, accelerator)


def _try_out(model: InferenceModel, path: Path) -> None:
    """Run a signal of zeros, so that a fault of the network is the file's and not the first record's."""
    said = model.description
    try:
        logits = model.logits(np.zeros((1, len(said.leads), said.num_samples), dtype=np.float32))
    except Exception as error:  # onnxruntime and torch raise whatever an operator meets
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise _malformed_network(path, f"a network that cannot be run ({reason})") from error
    if logits.shape != (1, len(said.class_names)):
        raise _malformed_network(path, f"outputs of shape {logits.shape}")
    if not np.isfinite(logits).all():
        raise _malformed_network(path, "a network whose outputs are no numbers, even for zeros")


def _malformed_network(path: Path, found: str) -> CheckpointError:
    return CheckpointError(
        path,
        found,
        "one logit a class",
        "Give the checkpoint of a training that did not diverge, or an intact file.",
    )
