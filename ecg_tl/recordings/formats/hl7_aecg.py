"""HL7 annotated ECG (ANSI/HL7 V3 ECG)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecg_tl.recordings.cart import LARGEST_TEXT, is_xml, read_cart
from ecg_tl.recordings.contents import ReadRecord
from ecg_tl.recordings.registry import Format, register
from ecg_tl.recordings.settings import ReadSettings

_TITLE = "HL7 aECG"


def _read(path: Path, settings: ReadSettings) -> ReadRecord:
    """Read the first rhythm series; representative beats are left out."""
    return read_cart(
        path, settings, _TITLE, "hl7_aecg:HL7aECGParser", largest=LARGEST_TEXT, exact_rate=_exact_rate
    )


def _exact_rate(path: Path, record: Any) -> float | None:
    rate = record.raw_metadata["rhythm_time"].get("sampling_rate_exact")
    if rate is None or abs(rate - round(rate)) < 1e-3:  # 0.002 s is no binary fraction
        return None
    return float(rate)


register(Format("hl7_aecg", _TITLE, lambda head: is_xml(head, "AnnotatedECG"), _read, suffixes=()))
