"""MFER, the format of Japanese electrocardiographs (ISO 22077)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecg_tl.recordings.cart import read_cart
from ecg_tl.recordings.contents import ReadRecord
from ecg_tl.recordings.registry import Format, register
from ecg_tl.recordings.settings import ReadSettings

_TITLE = "MFER"


def _read(path: Path, settings: ReadSettings) -> ReadRecord:
    """Read one recording."""
    return read_cart(path, settings, _TITLE, "mfer:MFERParser", exact_rate=_exact_rate)


def _exact_rate(path: Path, record: Any) -> float | None:
    rates = set(record.raw_metadata.get("sampling_rates", ()))
    rate = rates.pop() if len(rates) == 1 else None
    # An interval such as 0.002 s is no binary fraction.
    return None if rate is None or abs(rate - round(rate)) < 1e-3 else float(rate)


def _is_mfer(head: bytes) -> bool:
    return head[:1] == b"@" and head[2:6] == b"MFR "


register(Format("mfer", _TITLE, _is_mfer, _read, suffixes=(".mwf", ".mfer")))
