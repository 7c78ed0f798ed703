"""What an exported network carries inside its file: its description, as JSON under one key.

Nothing here imports torch or the packages of a format, so that writers and readers of all formats share it.
"""

from __future__ import annotations

import json

from ecg_tl.errors import CheckpointError
from ecg_tl.files import json_text
from ecg_tl.inference.model import ModelDescription

METADATA_KEY = "ecg_tl"
"""Key of an ONNX file's metadata, and stem of the file inside of a torch program."""

INPUT = "signal"
OUTPUTS = ("probability", "logits")
"""`signal (batch, leads, samples)` in mV; `probability (batch, classes)` is calibrated, `logits` are not."""


def to_json(description: ModelDescription) -> str:
    """Write a description as it goes into a file."""
    return json_text(description.as_dict(), indent=None, ensure_ascii=False)


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
        content = json.loads(text)
    except ValueError as error:  # of which a JSONDecodeError and a UnicodeDecodeError are kinds
        raise CheckpointError(
            where, f"metadata that are no JSON ({error})", "those that ecg_tl wrote", "Export it again."
        ) from None
    return ModelDescription.from_dict(content, where)


def check_shapes(
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
