"""The errors that users meet.

Each names the file or field, what was found there, what was expected and what to do about it. The command
line prints the message alone and exits with status 2; a traceback means a fault of the program.
"""

from __future__ import annotations


class EcgTlError(Exception):
    """Base of all errors that are somebody's data, settings or disk, not a fault of the program.

    Args:
        where: The file, folder, record or setting that is wrong.
        found: What was found there.
        expected: What was expected instead.
        remedy: What to do about it, a sentence of its own.
    """

    def __init__(self, where: object, found: str, expected: str, remedy: str) -> None:
        super().__init__(where, found, expected, remedy)
        self.where = str(where)
        self.found = found
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}, expected {self.expected}. {self.remedy}"


class SettingError(EcgTlError):
    """A setting, or two settings together, that cannot be carried out."""


class DatasetError(EcgTlError):
    """A dataset's folder, table or label file that cannot be used: nothing can be read."""


class RecordError(EcgTlError):
    """One record that cannot be used; the others can. The store's policy decides what follows."""


class StoreError(EcgTlError):
    """A prepared store that is missing, incomplete, damaged or cannot be written."""


class CheckpointError(EcgTlError):
    """A checkpoint that cannot be read, or that does not fit the data or the network at hand."""


class DownloadError(EcgTlError):
    """A file that cannot be fetched, or that is not the one that was published."""
