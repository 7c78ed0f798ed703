"""What an exported network carries inside its file: its description, as JSON under one key.

Nothing here imports torch or the packages of a format, so that writers and readers of all formats share it.
"""

from __future__ import annotations

import hashlib
import re

from ecg_tl.errors import CheckpointError
from ecg_tl.files import json_text, parse_json
from ecg_tl.inference.model import ModelDescription
from ecg_tl.limits import require_tree

METADATA_KEY = "ecg_tl"
"""Key of an ONNX file's metadata, and stem of the file inside of a torch program."""

INPUT = "signal"
OUTPUTS = ("probability", "logits")
"""`signal (batch, leads, samples)` in mV; `probability (batch, classes)` is calibrated, `logits` are not."""


BLANK_DIGEST = f"sha256:{'0' * 64}"
"""In a description, until the rest of the file is known."""

_DIGEST = re.compile(rb'"digest": "(sha256:[0-9a-f]{64})"')


def to_json(description: ModelDescription, digest: str = BLANK_DIGEST) -> str:
    """Write a description as it goes into a file, with the digest of the file."""
    return json_text({**description.as_dict(), "digest": digest}, indent=None, ensure_ascii=False)


def with_digest(content: bytes) -> bytes:
    """Fill in a file's blank digest: that of all its bytes while the digest is blank."""
    found = _DIGEST.search(content)
    assert found is not None
    return _replaced(content, found, f"sha256:{hashlib.sha256(content).hexdigest()}")


def require_file_digest(content: bytes, where: object) -> None:
    """Refuse a file whose bytes are not those that were written; older ones have no digest.

    Raises:
        CheckpointError: If they are others.
    """
    found = _DIGEST.search(content)
    if found is None:
        return
    digest = f"sha256:{hashlib.sha256(_replaced(content, found, BLANK_DIGEST)).hexdigest()}"
    if digest.encode() != found[1]:
        raise other_digest(digest, found[1].decode(), where)


def other_digest(found: str, said: str, where: object) -> CheckpointError:
    """Say that a file is not what was written."""
    return CheckpointError(
        where,
        f"content with the digest {found}",
        f"{said}, with which it was written",
        "The file is damaged or was altered: copy or export it again.",
    )


def _replaced(content: bytes, found: re.Match[bytes], digest: str) -> bytes:
    start, end = found.span(1)
    return content[:start] + digest.encode() + content[end:]


def from_json(text: str | bytes | None, where: object) -> ModelDescription:
    """Read what `to_json` wrote.

    Args:
        text: As found in the file; None if it was not there.
        where: The file, for errors.

    Raises:
        CheckpointError: If there is none, it is no JSON, or does not describe a network.
    """
    if text is None:
        raise CheckpointError(
            where,
            "no description of itself in its metadata",
            "a network written by `ecg-tl export`",
            "Export the checkpoint with ecg_tl; the classes and leads of other files are not known.",
        )
    try:
        content = parse_json(text)
    except ValueError as error:
        raise CheckpointError(
            where, f"metadata that are no JSON ({error})", "those that ecg_tl wrote", "Export it again."
        ) from None
    require_tree(content, where, CheckpointError)
    return ModelDescription.from_dict(content, where)


def check_graph_shapes(
    description: ModelDescription, leads: object, samples: object, classes: object, where: object
) -> None:
    """Check that a graph is the one which its metadata describe.

    Args:
        description: What the file says of itself.
        leads: Leads of the graph's input.
        samples: Samples of the graph's input.
        classes: Classes of the graph's outputs.
        where: The file, for errors.

    Raises:
        CheckpointError: If one of them differs.
    """
    found = (leads, samples, classes)
    said = (len(description.leads), description.num_samples, len(description.class_names))
    if found != said:
        raise CheckpointError(
            where,
            "a graph of {} leads, {} samples and {} classes".format(*found),
            "{}, {} and {}, as its metadata say".format(*said),
            "Export the checkpoint again.",
        )
