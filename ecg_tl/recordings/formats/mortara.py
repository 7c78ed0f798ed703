"""XML of Mortara ELI electrocardiographs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ecg_tl.recordings.cart import LARGEST_TEXT, head_text, is_xml, read_cart, whole_rate
from ecg_tl.recordings.contents import ReadRecord
from ecg_tl.recordings.registry import Format, register
from ecg_tl.recordings.settings import ReadSettings

_TITLE = "Mortara XML"
_RATE = re.compile(r"SAMPLE_FREQ\s*=\s*[\"']\s*([\d.]+)")


def _read(path: Path, settings: ReadSettings) -> ReadRecord:
    """Read the channels; typical cycles are left out."""
    return read_cart(
        path,
        settings,
        _TITLE,
        "mortara_el250:MortaraEL250Parser",
        largest=LARGEST_TEXT,
        check=_require_whole_rate,
    )


def _require_whole_rate(path: Path, record: Any) -> None:
    for rate in _RATE.findall(head_text(path.read_bytes())):
        whole_rate(path, float(rate))


def _is_mortara(head: bytes) -> bool:
    return is_xml(head, "ECG") and re.search("channel|mortara", head_text(head), re.IGNORECASE) is not None


register(
    Format(
        "mortara",
        _TITLE,
        lambda head: (
            is_xml(head, "ECG") and any(word in head_text(head).upper() for word in ("CHANNEL", "MORTARA"))
        ),
        _read,
        suffixes=(),
    )
)
