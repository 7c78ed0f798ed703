"""MFER, the format of Japanese electrocardiographs (ISO 22077)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecg_tl.recordings.cart import damaged, read_cart
from ecg_tl.recordings.contents import ReadRecord
from ecg_tl.recordings.registry import Format, register
from ecg_tl.recordings.settings import ReadSettings

_TITLE = "MFER"

_BLOCK, _SEQUENCES, _TYPE, _WAVEFORM, _CHANNEL, _GROUP, _END = 0x04, 0x06, 0x0A, 0x1E, 0x3F, 0x67, 0x80
"""Tags of ISO 22077-1."""

_WIDTHS = {2: 4, 3: 1, 5: 1, 6: 4, 7: 4, 8: 8}
"""Bytes of a sample by its type; two of the others."""


def _read(path: Path, settings: ReadSettings) -> ReadRecord:
    """Read one recording."""
    return read_cart(path, settings, _TITLE, "mfer:MFERParser", exact_rate=_exact_rate, check=_require_size)


def _exact_rate(path: Path, record: Any) -> float | None:
    rates = set(record.raw_metadata.get("sampling_rates", ()))
    rate = rates.pop() if len(rates) == 1 else None
    # An interval such as 0.002 s is no binary fraction.
    return None if rate is None or abs(rate - round(rate)) < 1e-3 else float(rate)


def _require_size(path: Path, record: Any) -> None:
    """Refuse waveforms of more bytes than their blocks have: channels would be parted wrongly."""
    try:
        stored = _bytes_by_width(path.read_bytes())
    except IndexError:  # it ends within a tag, behind all that the library has read
        stored = None
    frames = record.raw_metadata["frames"]
    whole = all(one["channels"] == len(record.leads) for one in frames)
    if stored is None or not whole or len({len(lead.samples) for lead in record.leads}) != 1:
        return
    samples = sum(one["channels"] * one["samples"] for one in frames)
    found = sum(size // width for width, size in stored)
    if found != samples:
        raise damaged(path, _TITLE, f"{found:,} samples stored, and {samples:,} in its blocks")


def _bytes_by_width(data: bytes) -> list[tuple[int, int]] | None:
    """Return width of a sample and bytes of each waveform; None where channels or groups have their own."""
    position, width, found = 0, 2, []
    while position < len(data) and data[position] != _END:
        tag, position = data[position], position + 1
        if tag == 0:
            continue
        if tag == _CHANNEL:
            while data[position] & 0x80:  # a number of several bytes
                position += 1
            position += 1
        size, position = data[position], position + 1
        if size == 0x80 or tag == _GROUP:
            return None
        if size > 0x80:
            after = position + (size & 0x7F)
            size, position = int.from_bytes(data[position:after], "big"), after
        value, position = data[position : position + size], position + size
        if tag == _CHANNEL and set(value[:1]) & {_TYPE, _BLOCK, _SEQUENCES}:
            return None
        if tag == _TYPE:
            width = _WIDTHS.get(value[0], 2) if value else 2
        elif tag == _WAVEFORM:
            found.append((width, size))
    return found


def _is_mfer(head: bytes) -> bool:
    return head[:1] == b"@" and head[2:6] == b"MFR "


register(Format("mfer", _TITLE, _is_mfer, _read, suffixes=(".mwf", ".mfer")))
