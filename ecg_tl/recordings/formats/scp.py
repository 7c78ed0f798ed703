"""SCP-ECG (EN 1064, ISO 11073-91064)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecg_tl.errors import RecordError
from ecg_tl.recordings.cart import read_cart
from ecg_tl.recordings.contents import ReadRecord
from ecg_tl.recordings.registry import Format, register
from ecg_tl.recordings.settings import ReadSettings

_TITLE = "SCP-ECG"


def _read(path: Path, settings: ReadSettings) -> ReadRecord:
    """Read the rhythm data of section 6."""
    return read_cart(path, settings, _TITLE, "scp_ecg:SCPECGParser", check=_refuse_shifted)


def _refuse_shifted(path: Path, record: Any) -> None:
    """Refuse leads that do not begin together: side by side they would be no ECG."""
    if len({lead.annotations.get("start_sample", "1") for lead in record.leads}) > 1:
        raise RecordError(
            path, "leads that begin one after another", "leads of one time", "Export simultaneous leads."
        )


def _is_scp(head: bytes) -> bool:
    """Tell a file whose section 0 follows the six bytes of checksum and size, and points to itself."""
    return len(head) >= 32 and head[8:10] == b"\0\0" and head[22:24] == b"\0\0" and head[28:32] == b"\7\0\0\0"


register(Format("scp", _TITLE, _is_scp, _read, suffixes=(".scp",)))
