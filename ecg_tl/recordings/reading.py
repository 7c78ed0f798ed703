"""Anybody's recording, as a file names it, in millivolts: the one way from a path to a recording."""

from __future__ import annotations

from pathlib import Path

from ecg_tl.errors import RecordError
from ecg_tl.recordings.contents import ReadRecord
from ecg_tl.recordings.finding import HEADER_SUFFIX, find_format, is_wfdb
from ecg_tl.recordings.registry import formats
from ecg_tl.recordings.settings import ReadSettings


def read_record(path: Path, settings: ReadSettings | None = None) -> ReadRecord:
    """Read one record, whatever its format.

    Args:
        path: As `find_records` gave it.
        settings: What the user says of files that do not say it themselves.

    Raises:
        RecordError: If it is missing, cannot be read, does not say what it must, or is in other units than it
            is said to be.
    """
    settings = settings or ReadSettings()
    try:
        if not is_wfdb(path):
            _require_file(path)
        one = find_format(path)
        if one is None:
            raise RecordError(
                path,
                f"a file {path.suffix or 'without extension'} of no known format, and no header "
                f"{path.stem}{HEADER_SUFFIX} beside it",
                f"a WFDB record with its header, or a file of {_titles()}",
                "Fetch the header too, or convert the file.",
            )
        read = one.read(path, settings)
    except (OSError, ValueError) as error:  # a zero byte in the name is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise RecordError(
            path, reason, "a file that can be read", "Check the path and its permissions."
        ) from error
    if read.recording.values.shape[1] == 0:
        raise RecordError(path, "no samples", "a signal", "Leave the record out.")
    return read


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise RecordError(
            path, "a folder without records", f"WFDB headers (*{HEADER_SUFFIX}), or files of {_titles()}",
            "Check the path.",
        )  # fmt: skip
    if not path.is_file():
        found = "no regular file" if path.exists() else "no such file"
        raise RecordError(path, found, f"a record, or a header {path.name}{HEADER_SUFFIX}", "Check the path.")


def _titles() -> str:
    return ", ".join(one.title for one in formats() if one.name != "wfdb")
