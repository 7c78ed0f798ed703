"""ISHNE, the format of Holter recorders: Badilini, Ann Noninvasive Electrocardiol 3, 263 (1998)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecg_tl.recordings.cart import damaged, read_cart
from ecg_tl.recordings.contents import ReadRecord
from ecg_tl.recordings.registry import Format, register
from ecg_tl.recordings.settings import ReadSettings

_TITLE = "ISHNE"


def _read(path: Path, settings: ReadSettings) -> ReadRecord:
    """Read one recording."""
    return read_cart(path, settings, _TITLE, "ishne_holter:ISHNEHolterParser", check=_require_length)


def _require_length(path: Path, record: Any) -> None:
    """Compare the samples with what the header says, which some writers count over all leads.

    Raises:
        RecordError: If there are fewer.
    """
    found, said = record.raw_metadata["samples_per_lead"], record.raw_metadata["ecg_size"]
    if found < said and found * len(record.leads) != said:
        raise damaged(path, _TITLE, f"{found:,} of the {said:,} samples a lead that its header says")


register(Format("ishne", _TITLE, lambda head: head.startswith(b"ISHNE1.0"), _read, suffixes=()))
