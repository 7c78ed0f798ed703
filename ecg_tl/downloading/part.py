"""What has come of a file, beside its final name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecg_tl.downloading.remote import RemoteFile
from ecg_tl.files import read_json, write_json


class Part:
    """What has come of a file, and what the server said of it.

    Attributes:
        path: The bytes that have come.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._notes = path.with_name(f"{path.name}.json")

    @property
    def size(self) -> int:
        """Bytes that have come."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def discard(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)

    def start(self, remote: RemoteFile, validator: str, total: int | None) -> None:
        """Begin anew with the first byte."""
        self.path.write_bytes(b"")
        notes = {"url": remote.url, "checksum": remote.checksum, "validator": validator, "total": total}
        write_json(self._notes, notes)

    def notes(self, remote: RemoteFile) -> dict[str, Any] | None:
        """Return what the server said, if this part can be gone on with: it is of the same file for sure."""
        try:
            notes = read_json(self._notes)
        except (OSError, ValueError):
            return None
        if not isinstance(notes, dict) or not self.size:
            return None
        same = notes.get("url") == remote.url and notes.get("checksum") == remote.checksum
        known = isinstance(notes.get("validator"), str) and isinstance(notes.get("total"), int | None)
        return notes if same and known and (notes["validator"] or remote.checksum) else None
