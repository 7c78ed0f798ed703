"""Which recordings paths and folders hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ecg_tl.recordings.folders import list_files
from ecg_tl.recordings.registry import Format, format_of, formats, read_head
from ecg_tl.recordings.wfdb_header import header_path
from ecg_tl.recordings.wfdb_segments import segment_records

HEADER_SUFFIX = ".hea"


def find_records(paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """List the records that paths name: files as they are, folders with all records below them.

    A folder's records are those whose content is unmistakable: WFDB records and files of carts. If it has
    none, they are its tables and arrays. (Collections of records have tables of labels.)

    Returns:
        The records, WFDB records without extension, each once; and what was passed over, in lines. What is
        not there is listed as it is named: reading it is an error of that record alone.
    """
    found: list[Path] = []
    passed_over = []
    for path in paths:
        if not path.is_dir() or is_wfdb(path):
            found.append(without_suffix(path))
            continue
        listing = list_files(path, ("",))
        passed_over += [f"{where} could not be listed: {why.lower()}" for where, why in listing.unreadable]
        certain, others = records_among(listing.files)
        found += certain or others or [path]
        if certain and others:
            passed_over.append(
                f"{path} holds records: its {len(others)} table(s) or array(s) were passed over"
            )
    return list(dict.fromkeys(found)), passed_over


def record_files(records: Iterable[Path]) -> Iterator[Path]:
    """Give the files that records are read from, as far as they can be found.

    Args:
        records: As `find_records` gave them.
    """
    wfdb = next(one for one in formats() if one.name == "wfdb")
    for record in records:
        yield from wfdb.files(record) if is_wfdb(record) else (record,)


def find_format(path: Path) -> Format | None:
    """Return the format of a record that is there; None if it is none that is known.

    Args:
        path: Of the record, of WFDB records without extension.

    Raises:
        OSError: If the file cannot be read.
    """
    if is_wfdb(path):
        return next(one for one in formats() if one.name == "wfdb")
    return format_of(read_head(path), path.suffix)


def is_wfdb(path: Path) -> bool:
    """Tell whether a WFDB header of this name is there."""
    return bool(path.name) and header_path(path).is_file()


def without_suffix(path: Path) -> Path:
    """Name a WFDB record by its header's stem, whichever of its files was named."""
    if is_wfdb(path):
        return path
    stem = path.with_suffix("")
    ending = path.suffix.lower()
    others = {suffix for one in formats() if one.name != "wfdb" for suffix in one.suffixes}
    return stem if ending and ending not in others and is_wfdb(stem) else path


def records_among(files: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Return the recordings among files: those that are for certain, and those that may be."""
    files = list(files)
    headers = {file.with_suffix("") for file in files if file.suffix.lower() == HEADER_SUFFIX}
    certain: list[Path] = []
    segments: set[Path] = set()
    others: list[Path] = []
    for file in files:
        stem = file.with_suffix("")
        if stem in headers:  # a header, or what it names
            if file.suffix.lower() == HEADER_SUFFIX:
                certain.append(stem)
                segments.update(_segments(stem, file))
            continue
        try:
            one = format_of(read_head(file), file.suffix)
        except OSError:
            one = None
        if one is None or (not one.certain and file.suffix.lower() not in one.suffixes):
            continue
        (certain if one.certain else others).append(file)
    return [record for record in certain if record not in segments], others


def _segments(record: Path, header: Path) -> tuple[Path, ...]:
    """Return the records that a header of segments names: they are parts of its own."""
    try:
        first = read_head(header).split(b"\n", 1)[0].split()
    except OSError:
        return ()
    return segment_records(record) if first and b"/" in first[0] else ()
