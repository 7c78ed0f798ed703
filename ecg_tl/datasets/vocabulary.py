"""The codes that a dataset's labels are written in, and the diagnoses that they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Vocabulary:
    """A system of codes, of one dataset or of several.

    Attributes:
        name: What checkpoints call it, `code_system`.
        concepts: The diagnosis that each code names, where another vocabulary may name it too; see
            `ecg_tl.datasets.diagnoses`. None if the codes are whatever a user calls the columns: a column
            that is called like a diagnosis means it.
    """

    name: str
    concepts: Mapping[str, str] | None
