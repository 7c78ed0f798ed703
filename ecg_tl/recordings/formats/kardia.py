"""JSON of AliveCor Kardia (KardiaMobile, KardiaMobile 6L)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecg_tl.recordings.cart import LARGEST_TEXT, head_text, read_cart
from ecg_tl.recordings.contents import ReadRecord
from ecg_tl.recordings.registry import Format, register
from ecg_tl.recordings.settings import ReadSettings

_TITLE = "Kardia JSON"


def _read(path: Path, settings: ReadSettings) -> ReadRecord:
    """Read the raw leads, not the enhanced ones."""
    return read_cart(
        path,
        settings,
        _TITLE,
        "alivecor_kardia:AliveCorKardiaParser",
        largest=LARGEST_TEXT,
        exact_rate=_exact_rate,
    )


def _exact_rate(path: Path, record: Any) -> float | None:
    return float(record.raw_metadata["raw"]["frequency"])


def _is_kardia(head: bytes) -> bool:
    text = head_text(head).lstrip()
    return text.startswith("{") and '"recordedAt"' in text


register(Format("kardia", _TITLE, _is_kardia, _read, suffixes=()))
