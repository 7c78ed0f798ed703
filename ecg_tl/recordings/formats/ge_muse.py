"""XML of GE MUSE (restecg.dtd)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ecg_tl.recordings.cart import LARGEST_TEXT, head_text, is_xml, read_cart, whole_rate
from ecg_tl.recordings.contents import ReadRecord
from ecg_tl.recordings.registry import Format, register
from ecg_tl.recordings.settings import ReadSettings

_TITLE = "GE MUSE XML"
_RATE = re.compile(
    r"<SampleBase>\s*([\d.]+)\s*</SampleBase>(?:\s*<SampleExponent>\s*(-?\d{1,2})\s*</SampleExponent>)?"
)


def _read(path: Path, settings: ReadSettings) -> ReadRecord:
    """Read the rhythm strip; of its eight stored leads the other four are computed, median beats left out."""
    return read_cart(
        path,
        settings,
        _TITLE,
        "ge_muse_xml:GEMuseXMLParser",
        largest=LARGEST_TEXT,
        check=_require_whole_rate,
    )


def _require_whole_rate(path: Path, record: Any) -> None:
    for base, exponent in _RATE.findall(head_text(path.read_bytes())):
        whole_rate(path, float(base) * 10.0 ** int(exponent or 0))


register(Format("ge_muse", _TITLE, lambda head: is_xml(head, "RestingECG", "MuseInfo"), _read, suffixes=()))
