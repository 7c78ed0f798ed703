"""EDF and EDF+, the formats of sleep laboratories and many recorders: https://www.edfplus.info/specs/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecg_tl.errors import RecordError
from ecg_tl.recordings.cart import damaged, read_cart
from ecg_tl.recordings.contents import ReadRecord
from ecg_tl.recordings.registry import Format, register
from ecg_tl.recordings.settings import ReadSettings

_TITLE = "EDF"
_FIXED = 256  # bytes of a header before what it says of each signal


def _read(path: Path, settings: ReadSettings) -> ReadRecord:
    """Read one recording; signals of another rate than the ECG's are left out."""
    return read_cart(path, settings, _TITLE, "edf:EDFParser", exact_rate=_exact_rate, check=_check)


def _exact_rate(path: Path, record: Any) -> float | None:
    rates = set(record.raw_metadata.get("exact_sampling_rates", {}).values())
    return rates.pop() if len(rates) == 1 else None


def _refuse_pauses(path: Path, record: Any) -> None:
    if record.file_format.version == "EDF+D":
        raise RecordError(
            path,
            "EDF+D, which may pause between its data records",
            "a recording without pauses (EDF or EDF+C)",
            "Export it as EDF+C.",
        )


def _check(path: Path, record: Any) -> None:
    _refuse_pauses(path, record)
    _refuse_further_records(path)


def _refuse_further_records(path: Path) -> None:
    """Refuse a file that goes on behind the number of data records that its header says."""
    with path.open("rb") as file:
        head = file.read(_FIXED)
        signals = int(head[252:256])
        file.seek(_FIXED + 216 * signals)
        samples = [int(file.read(8)) for _ in range(signals)]
    records, size = int(head[236:244]), path.stat().st_size
    said = int(head[184:192]) + 2 * records * sum(samples)
    if records >= 0 and size > said:  # -1 while it is being recorded
        raise damaged(path, _TITLE, f"{size:,} bytes, not {said:,}: {records} data records")


def _is_edf(head: bytes) -> bool:
    return head[:8] == b"0       " and head[236:256].strip().replace(b" ", b"").isascii() and len(head) >= 256


register(Format("edf", _TITLE, _is_edf, _read, suffixes=(".edf", ".rec")))
