"""A network exported as a program of torch.export; the code of this project's networks is not needed.

Such a file is a program, and like any other it must come from somebody who is trusted: torch says of its
loader that it may execute what is in the file. A checkpoint or an ONNX file cannot.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ecg_tl.errors import CheckpointError
from ecg_tl.inference.metadata import METADATA_KEY, check_graph_shapes, from_json, other_digest
from ecg_tl.inference.model import ModelDescription
from ecg_tl.limits import require_archive_growth

METADATA_FILE = f"{METADATA_KEY}.json"
"""Name under which `torch.export.save` and `torch.export.load` know the description."""


class ProgramModel:
    """A `.pt2` file written by `ecg-tl export --format torch`.

    Args:
        path: The file.

    Attributes:
        description: What it says of itself.

    Raises:
        CheckpointError: If the file is missing, damaged, of another project, or not what it says it is.
    """

    device_type = "cpu"

    def __init__(self, path: Path) -> None:
        # Before anything of the program is loaded: another project's is not touched.
        self.description: ModelDescription = from_json(_read_metadata(path), path)
        try:
            program = torch.export.load(path)
            self._module = program.module()
            (placeholder,) = (
                node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs
            )
            signal = placeholder.meta["val"]
            probability = program.graph.output_node().args[0][0].meta["val"]
        except Exception as error:  # the loader fails in any way that the file's bytes make it
            raise _damaged(path, error) from error
        _, leads, samples = _sizes(signal.shape, 3)
        check_graph_shapes(self.description, leads, samples, _sizes(probability.shape, 2)[1], path)

    def logits(self, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn signals `(batch, leads, samples)` in mV into uncalibrated logits `(batch, classes)`."""
        return self.outputs(signal)[1]

    def outputs(self, signal: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Turn signals into calibrated probabilities and uncalibrated logits, both `(batch, classes)`."""
        with torch.inference_mode():
            probability, logits = self._module(torch.from_numpy(np.ascontiguousarray(signal)))
        return probability.numpy(), logits.numpy()


def _read_metadata(path: Path) -> bytes | None:
    """Read the description out of the archive that a program is, after checking that the archive is whole."""
    if not path.is_file():
        raise CheckpointError(path, "no such file", "an exported network", "Check the path.")
    try:
        with zipfile.ZipFile(path) as archive:
            require_archive_growth(archive, path.stat().st_size, path, CheckpointError)
            broken = archive.testzip()
            if broken is not None:
                raise zipfile.BadZipFile(f"wrong checksum of {broken}")
            # Under `extra/` or `extra_files/`, by the version of torch.
            names = [name for name in archive.namelist() if name.rpartition("/")[2] == METADATA_FILE]
            text = archive.read(names[0]) if names else None
            said = None if text is None else re.search(rb'"digest": "(sha256:[0-9a-f]{64})"', text)
            if said is not None and said[1].decode() != (found := entries_digest(archive)):
                raise other_digest(found, said[1].decode(), path)
            return text
    except CheckpointError:
        raise
    except Exception as error:  # a damaged archive can fail in zlib, in struct, in the decoding of names
        raise _damaged(path, error) from None


def entries_digest(archive: zipfile.ZipFile) -> str:
    """Return the SHA-256 of an archive's entries, names and contents, without the description.

    Nor is torch's own number of the archive counted, which depends on the description.
    """
    digest = hashlib.sha256()
    for name in sorted(archive.namelist()):
        if name.rpartition("/")[2] not in (METADATA_FILE, "serialization_id"):
            digest.update(f"{name} {archive.getinfo(name).file_size}\n".encode() + archive.read(name))
    return f"sha256:{digest.hexdigest()}"


def _damaged(path: Path, error: Exception) -> CheckpointError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return CheckpointError(
        path,
        f"an empty, truncated or damaged file, or none of torch.export ({reason})",
        "a network written by `ecg-tl export --format torch`",
        "Copy or export it again, with this version of torch.",
    )


def _sizes(shape: torch.Size, dimensions: int) -> list[int | None]:
    # The batch's size is a symbol.
    sizes: list[int | None] = [size if isinstance(size, int) else None for size in shape]
    return sizes if len(sizes) == dimensions else [None] * dimensions
