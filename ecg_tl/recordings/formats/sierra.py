"""XML of Philips PageWriter, TraceMasterVue and IntelliSpace ECG (Sierra ECG 1.03 to 1.04.02)."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import Any

import numpy as np

from ecg_tl.limits import most_bytes
from ecg_tl.recordings.cart import LARGEST_TEXT, damaged, head_text, is_xml, read_cart, whole_rate
from ecg_tl.recordings.contents import ReadRecord
from ecg_tl.recordings.registry import Format, register
from ecg_tl.recordings.settings import ReadSettings

_TITLE = "Philips Sierra XML"
_WAVEFORMS = re.compile(r"<parsedwaveforms[^>]*\bXLI\b[^>]*>([^<]*)<", re.IGNORECASE)
_RATE = re.compile(r"samplespersecond\s*=\s*[\"']\s*([\d.]+)", re.IGNORECASE)
_CODE_BITS = 10
_HEADER_BYTES = 8


def _read(path: Path, settings: ReadSettings) -> ReadRecord:
    """Read the rhythm strip; representative beats are left out."""
    if path.stat().st_size <= LARGEST_TEXT:
        _require_growth(path)
    return read_cart(
        path, settings, _TITLE, "sierra_xml:SierraXMLParser", largest=LARGEST_TEXT, check=_require_whole_rate
    )


def _require_whole_rate(path: Path, record: Any) -> None:
    for rate in _RATE.findall(head_text(path.read_bytes())):
        whole_rate(path, float(rate))


def _require_growth(path: Path) -> None:
    """Refuse compressed samples that would take far more memory than the file has bytes.

    The library decompresses without a bound; each code of 10 bits may stand for 768 bytes.
    """
    for text in _WAVEFORMS.findall(head_text(path.read_bytes())):
        try:
            packed = base64.b64decode("".join(text.split()))
        except (binascii.Error, ValueError):  # said when it is read
            continue
        grown = start = 0
        while start + _HEADER_BYTES <= len(packed):
            size = int.from_bytes(packed[start : start + 4], "little")
            start += _HEADER_BYTES
            grown += unpacked_bytes(packed[start : start + size])
            start += size
        if grown > most_bytes(len(packed)):
            raise damaged(path, _TITLE, f"{len(packed):,} bytes of samples that would grow to {grown:,}")


def unpacked_bytes(packed: bytes) -> int:
    """Return how many bytes an LZW stream of 10-bit codes stands for, without making them."""
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8))
    whole = bits[: bits.size // _CODE_BITS * _CODE_BITS].reshape(-1, _CODE_BITS)
    codes = whole @ (1 << np.arange(_CODE_BITS - 1, -1, -1))
    lengths = [1] * 256
    last = total = 0
    for code in codes.tolist():
        if code > (1 << _CODE_BITS) - 2:
            break
        length = lengths[code] if code < len(lengths) else last + 1
        if last and len(lengths) < (1 << _CODE_BITS) - 1:
            lengths.append(last + 1)
        total += length
        last = length
    return total


register(Format("sierra", _TITLE, lambda head: is_xml(head, "restingecgdata"), _read, suffixes=()))
