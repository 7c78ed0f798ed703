"""The recordings that a table of labels names, in whatever way it names them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from unicodedata import normalize

from ecg_tl.datasets.identifiers import identifier
from ecg_tl.recordings.finding import HEADER_SUFFIX, records_among, without_suffix
from ecg_tl.recordings.folders import list_files
from ecg_tl.recordings.registry import formats
from ecg_tl.recordings.wfdb_header import header_path

_OTHER_SUFFIXES = (".xml", ".json", ".ecg", ".mat", ".txt")
"""Of recordings, beside those that formats register."""

_SHOWN = 5


class NamedRecords:
    """Finds the recordings of a folder by their names in a table.

    A name may be a path below the folder, with the ending or without it, or the name alone of a file that
    lies anywhere below. The folder is walked through only for names that are no paths.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, record: str) -> str:
        """Return the path of a record below the folder, of WFDB records without extension.

        Programs that write tables spell a name otherwise than the disk does: `7.0` for `7`, and the other of
        Unicode's ways to write `é`. A name under which there is nothing, or several files, comes back as it
        is.
        """
        spellings = (
            record,
            identifier(record) or record,
            *(normalize(form, record) for form in ("NFC", "NFD")),
        )
        spellings = tuple(spelling.removesuffix(HEADER_SUFFIX) for spelling in spellings)
        for spelling in spellings:
            if header_path(self._root / spelling).is_file():
                return spelling
        for spelling in spellings:
            file = self._root / spelling
            if file.is_file():
                return without_suffix(file).relative_to(self._root).as_posix()
        return next(
            (self._by_name[one][0] for one in spellings if len(self._by_name.get(one, ())) == 1), record
        )

    def ambiguous(self, record: str) -> tuple[str, ...]:
        """Return the files that a name may mean, if they are several."""
        found = self._by_name.get(record, [])
        return tuple(found) if len(found) > 1 else ()

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """The records below the folder by the ends of their paths, with the ending and without it."""
        endings = {suffix for one in formats() for suffix in one.suffixes} | set(_OTHER_SUFFIXES)
        found: dict[str, list[str]] = {}
        for file in list_files(self._root, ("",)).files:
            path = file.relative_to(self._root)
            name = path.as_posix()
            is_header = file.suffix.lower() == HEADER_SUFFIX
            record = name[: -len(file.suffix)] if is_header else name
            names = {file.name} if not is_header else set()
            if file.suffix.lower() in endings or not file.suffix:
                names.add(file.name[: len(file.name) - len(file.suffix)])
                names.add(name[: len(name) - len(file.suffix)])
            for one in names:
                found.setdefault(one, []).append(record)
        return {name: list(dict.fromkeys(_without_parts(records))) for name, records in found.items()}

    def unnamed(self, named: Iterable[str]) -> tuple[str, ...]:
        """Return the recordings below the folder that a table does not name.

        Only such as it names others of, by their endings: what a study or a prepared store leaves below the
        folder is no recording that somebody forgot.
        """
        named = set(named)
        endings = {
            HEADER_SUFFIX if header_path(self._root / one).is_file() else Path(one).suffix.lower()
            for one in named
        }
        files = list_files(self._root, tuple(endings)).files if endings else ()
        certain, others = records_among(file for file in files if file.suffix.lower() in endings)
        has_others = any(
            one.suffixes and ending in one.suffixes
            for one in formats()
            for ending in endings
            if not one.certain
        )
        found = [*certain, *(others if has_others else ())]
        return tuple(
            name for name in (one.relative_to(self._root).as_posix() for one in found) if name not in named
        )


def _without_parts(records: Iterable[str]) -> Iterable[str]:
    """Leave out the signal files of WFDB records, which have the names of their headers."""
    records = list(records)
    stems = {record for record in records if not Path(record).suffix}
    return [record for record in records if record in stems or str(Path(record).with_suffix("")) not in stems]


def first_few(names: Iterable[str]) -> str:
    """Name the first few of many."""
    listed = list(names)
    more = f" and {len(listed) - _SHOWN:,} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
