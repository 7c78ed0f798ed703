"""What an overlap comes to: counted, named, and said in lines."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ecg_tl.store.traces import SHORTEST_TRACE, TRACE_LEADS

NAMED_IN_REPORTS = 100
"""How many of the records concerned are named; all are counted."""


@dataclass(frozen=True)
class PartOverlap:
    """Records of one part of a split that a checkpoint was trained on.

    Attributes:
        part: `train`, `validation` or `test`.
        records: How many the part has.
        pairs: For each of those concerned its id, and where the checkpoint met it: a dataset and an id.
    """

    part: str
    records: int
    pairs: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        return f"{len(self.pairs):,} of {self.records:,} {self.part} records"


@dataclass(frozen=True)
class DeclaredOverlap:
    """Records of one part of a split that are among what an upstream's authors say it was trained on.

    Attributes:
        part: `train`, `validation` or `test`.
        records: How many the part has.
        overlap: How many of them are among it.
        dataset: What the authors call it.
    """

    part: str
    records: int
    overlap: int
    dataset: str

    def __str__(self) -> str:
        return f"{self.overlap:,} of {self.records:,} {self.part} records ({self.dataset})"


@dataclass(frozen=True)
class OverlapReport:
    """What was compared, and what was found.

    Attributes:
        parts: Of the split at hand.
        allowed: Whether an overlap is no error.
        unknown: Upstreams that do not say what they were trained on, so that nothing could be compared.
        without_fingerprint: Records of these parts that are too short for a trace or a fingerprint, or have
            none of its leads: a copy of one under another name is not found.
        unshifted: Datasets of which an earlier version kept fingerprints and no traces: copies that begin
            elsewhere are not found among their records.
        declared: What nobody found, but the upstream's authors declare.
        declared_elsewhere: Datasets that they declare and that are others; records were not compared.
    """

    parts: tuple[PartOverlap, ...]
    allowed: bool
    unknown: tuple[str, ...] = ()
    without_fingerprint: int = 0
    declared: tuple[DeclaredOverlap, ...] = ()
    declared_elsewhere: tuple[str, ...] = ()
    unshifted: tuple[str, ...] = ()

    @property
    def records(self) -> int:
        """How many records were found to be concerned, over all parts."""
        return sum(len(part.pairs) for part in self.parts)

    @property
    def is_any(self) -> bool:
        """Whether there is an overlap, found or declared."""
        return bool(self.records or self.declared)

    def lines(self) -> list[str]:
        """Say in lines what a reader of the results must know; none where there is nothing."""
        lines = [f"training records not known, overlap not excluded: {name}" for name in self.unknown]
        if self.records:
            counts = " and ".join(str(part) for part in self.parts if part.pairs)
            lines.append(f"OVERLAP, allowed: {counts} are among what the upstream was trained on")
        if self.declared:
            counts = " and ".join(map(str, self.declared))
            lines.append(
                f"OVERLAP, allowed: {counts} are among what the upstream was trained on, as its authors "
                "declare"
            )
        if self.declared_elsewhere:
            lines.append(
                f"trained on {', '.join(self.declared_elsewhere)}, as its authors declare: these records are "
                "not at hand, and were not compared"
            )
        if self.without_fingerprint:
            total = sum(part.records for part in self.parts)
            lines.append(
                f"{self.without_fingerprint:,} of {total:,} records have no fingerprint (under "
                f"{SHORTEST_TRACE:g} s of {', '.join(TRACE_LEADS)}): overlap excluded by dataset and id alone"
            )
        lines += [
            f"fingerprints of an earlier version, copies that begin elsewhere not excluded: {name}"
            for name in self.unshifted
        ]
        return lines

    def _declared_dict(self) -> dict[str, Any]:
        if not self.declared and not self.declared_elsewhere:
            return {}
        return {
            "declared": [asdict(one) for one in self.declared],
            "declared_elsewhere": list(self.declared_elsewhere),
        }

    def as_dict(self) -> dict[str, Any]:
        """Give it in primitives, for a checkpoint or JSON."""
        return {
            "records": self.records,
            "allowed": self.allowed,
            "unknown": list(self.unknown),
            "without_fingerprint": self.without_fingerprint,
            **self._declared_dict(),
            **({"unshifted": list(self.unshifted)} if self.unshifted else {}),
            "parts": {
                part.part: {
                    "records": part.records,
                    "overlap": len(part.pairs),
                    "first": [
                        {"record_id": record_id, "trained_on": f"{dataset} {trained_id}"}
                        for record_id, dataset, trained_id in part.pairs[:NAMED_IN_REPORTS]
                    ],
                }
                for part in self.parts
            },
        }
