"""What is said of a record beside its probabilities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Remark:
    """One thing that a reader of the probabilities must know.

    Attributes:
        kind: What sort of thing it is, for programs: `flat_lead`, `padded`, ...
        message: For people.
        is_warning: Whether it speaks against the probabilities; else it only says what was done. Under
            `--strict`, a warning refuses the record.
    """

    kind: str
    message: str
    is_warning: bool = True

    def as_dict(self) -> dict[str, str]:
        """Give it in primitives."""
        return {"kind": self.kind, "message": self.message}


def warnings_of(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """Return those that are warnings."""
    return tuple(remark for remark in remarks if remark.is_warning)


def notes_of(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """Return those that are none."""
    return tuple(remark for remark in remarks if not remark.is_warning)
