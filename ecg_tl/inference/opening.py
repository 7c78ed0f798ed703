"""A network that answers, from its file: a checkpoint or an exported network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from ecg_tl.errors import CheckpointError
from ecg_tl.inference.model import InferenceModel

ONNX_SUFFIX, PROGRAM_SUFFIX = ".onnx", ".pt2"
"""Of exported networks; any other file is taken for a checkpoint."""

LARGEST_COPIED = 200_000_000
"""Bytes of a file of which each of several processes opens its own network. A larger one is so slow that
reading records beside it costs nothing."""

FEWEST_COPIED = 5_000
"""Records from which on a checkpoint is opened in each process: PyTorch is imported there for seconds, in
which one network answers a thousand. An ONNX file is opened in one second."""

Opening = Callable[[], InferenceModel]
"""Opens a network once more, in another process."""


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


def opening_of_its_own(
    model: InferenceModel, path: Path, records: int, *, trust_program: bool = False
) -> Opening | None:
    """Return how each of several processes opens this network for itself; None where one is for all.

    One network on all cores waits for what is read beside it, and the other way round; one on each core,
    which reads what it answers, waits for nothing. A GPU, and memory for a large network, are there once.

    Args:
        model: The network.
        path: Of its file.
        records: How many it shall answer.
        trust_program: As `open_model`.
    """
    few = records < FEWEST_COPIED and path.suffix.lower() != ONNX_SUFFIX
    if few or model.device_type != "cpu" or path.stat().st_size > LARGEST_COPIED:
        return None
    return partial(_open_on_one_core, path, trust_program)


def _open_on_one_core(path: Path, trust_program: bool) -> InferenceModel:
    if path.suffix.lower() != ONNX_SUFFIX:
        import torch

        torch.set_num_threads(1)
    return _open(path, "cpu", trust_program, threads=1)


def _open(path: Path, accelerator: str, trust_program: bool, *, threads: int | None = None) -> InferenceModel:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise CheckpointError(path, found, "a checkpoint, or an exported model", "Check the path.")
    if path.suffix.lower() == ONNX_SUFFIX:
        from ecg_tl.inference.onnx_model import OnnxModel

        return OnnxModel(path, threads)
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
