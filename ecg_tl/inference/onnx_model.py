"""A network exported to ONNX, run by onnxruntime; torch is not needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.inference.metadata import (
    INPUT,
    METADATA_KEY,
    OUTPUTS,
    check_graph_shapes,
    from_json,
    require_file_digest,
)
from ecg_tl.inference.model import ModelDescription

_NO_FOLDER = "/no-folder-for-weights-outside-of-the-file"


class OnnxModel:
    """An ONNX file written by `ecg-tl export`.

    Args:
        path: The file.
        threads: That compute an answer; by default one a core.

    Attributes:
        description: What it says of itself.

    Raises:
        CheckpointError: If the file is missing, damaged, of another project, or not what it says it is.
        SettingError: If onnxruntime is not installed.
    """

    device_type = "cpu"

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._session = _open(path, threads)
        try:
            metadata = self._session.get_modelmeta().custom_metadata_map
        except UnicodeDecodeError as error:
            raise CheckpointError(
                path, f"metadata that are no text ({error})", "UTF-8", "Copy or export it again."
            ) from None
        self.description: ModelDescription = from_json(metadata.get(METADATA_KEY), path)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        found = (tuple(one.name for one in inputs), tuple(one.name for one in outputs))
        if found != ((INPUT,), OUTPUTS):
            raise CheckpointError(
                path,
                f"inputs {', '.join(found[0])} and outputs {', '.join(found[1])}",
                f"{INPUT}, and {' and '.join(OUTPUTS)}",
                "Export the checkpoint again.",
            )
        (_, leads, samples), (_, classes) = _sizes(inputs[0].shape, 3), _sizes(outputs[0].shape, 2)
        check_graph_shapes(self.description, leads, samples, classes, path)

    def logits(self, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn signals `(batch, leads, samples)` in mV into uncalibrated logits `(batch, classes)`."""
        return self.outputs(signal)[1]

    def outputs(self, signal: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Turn signals into calibrated probabilities and uncalibrated logits, both `(batch, classes)`."""
        probability, logits = self._session.run(list(OUTPUTS), {INPUT: np.ascontiguousarray(signal)})
        return probability, logits


def _open(path: Path, threads: int | None) -> Any:
    """Open a session of onnxruntime, which ships no types."""
    try:
        import onnxruntime
    except ImportError:
        raise SettingError(
            path,
            "no onnxruntime to run it",
            "the packages of the extra `onnx`",
            "Install them: pip install 'ecg-tl[onnx]'.",
        ) from None
    if not path.is_file():
        raise CheckpointError(path, "no such file", "an exported network", "Check the path.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0  # 0 is one a core
    options.log_severity_level = 4  # errors come as exceptions as well, without colours and file positions
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            path, error.strerror or str(error), "a file that can be read", "Check its permissions."
        ) from error
    require_file_digest(content, path)
    # Weights may be said to lie in other files: none of these is read.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NO_FOLDER)
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # one of a dozen classes, by what the bytes of a damaged file make it do
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            path,
            f"an empty, truncated or damaged file, or none of ONNX ({reason})",
            "a network written by `ecg-tl export`",
            "Copy or export it again.",
        ) from None


def _sizes(shape: list[Any], dimensions: int) -> list[Any]:
    return shape if len(shape) == dimensions else [None] * dimensions
