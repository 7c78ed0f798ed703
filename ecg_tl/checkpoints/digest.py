"""Whether a checkpoint is what was saved: the archive's checksums, and a digest of the weights.

PyTorch writes a checksum of each entry of its archive and never looks at it; a bit that flips on a disk then
changes what a network says, and nothing else.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ecg_tl.errors import CheckpointError
from ecg_tl.limits import require_archive_growth

DIGEST = "ecg_tl_digest"
"""Key of a checkpoint."""


def weights_digest(state: Mapping[str, Any]) -> str | None:
    """Return the SHA-256 of tensors: names, types, shapes and values; None of tensors that are spread."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name]
        if type(tensor) not in (Tensor, torch.nn.Parameter) or tensor.layout != torch.strided:
            return None
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        values = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(values.view(torch.uint8).numpy().data if values.numel() else b"")
    return f"sha256:{digest.hexdigest()}"


def require_weights_digest(checkpoint: Mapping[str, Any], where: object) -> None:
    """Refuse a checkpoint whose weights are not those that were saved; an older one has no digest.

    Raises:
        CheckpointError: If they are others.
    """
    said, state = checkpoint.get(DIGEST), checkpoint.get("state_dict")
    if said is None or not isinstance(state, Mapping):
        return
    found = weights_digest(state)
    if found != said:
        raise CheckpointError(
            where,
            f"weights with the digest {found}",
            f"{said}, with which they were saved",
            "The file is damaged or was altered: copy or train it again.",
        )


def require_whole_archive(path: Path) -> None:
    """Check the size and the checksum of every entry of an archive; other files pass.

    Raises:
        CheckpointError: If one is wrong, or the entries would take far more memory than the file has bytes.
        zipfile.BadZipFile: If the archive cannot be read, as may other errors, by what is damaged.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        require_archive_growth(archive, path.stat().st_size, path, CheckpointError)
        broken = archive.testzip()
    if broken is not None:
        raise CheckpointError(
            path, f"a wrong checksum of {broken}", "a whole checkpoint", "Copy or train it again."
        )
