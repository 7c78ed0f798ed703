"""WFDB records of several segments: one after another in time, each a record of its own.

A header of segments has a record line `name/NUMBER signals rate length`, and lines `segment samples` below.
Where the first of them has no samples it describes the layout: the segments that follow may have some of its
signals each, in any order. A segment `~` is a pause. Source: header(5) of WFDB, "Multi-segment records".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg_tl.errors import RecordError
from ecg_tl.limits import SAMPLES, VALUES, require
from ecg_tl.paths import path_below
from ecg_tl.recordings.wfdb_header import (
    SegmentLine,
    SeveralSegmentsError,
    header_path,
    read_header,
    read_segment_lines,
)
from ecg_tl.recordings.wfdb_recording import Amplitude, read_wfdb
from ecg_tl.signals import Recording

MOST_SEGMENTS = 100_000
"""A month of recordings with a new segment whenever a lead was reattached has some ten thousand."""

_PAUSE = "~"


@dataclass(frozen=True)
class Segments:
    """What a header of segments says.

    Attributes:
        sampling_rate: In Hz.
        length: In samples, over all segments.
        parts: The record of each segment, None for a pause, and its samples; the layout's is left out.
    """

    sampling_rate: float
    length: int
    parts: tuple[tuple[Path | None, int], ...]


def read_segments(record: Path) -> Segments:
    """Read a header of segments.

    Raises:
        RecordError: If it does not follow the format, or names records out of its folder.
    """
    path = header_path(record)
    rate, length, lines = read_segment_lines(record)
    if len(lines) > MOST_SEGMENTS:
        raise RecordError(path, f"{len(lines):,} segments", f"at most {MOST_SEGMENTS:,}", "Cut the record.")
    parts = tuple(_parts(path, record, lines))
    total = sum(samples for _, samples in parts)
    if total == 0 or (length and total != length):
        raise RecordError(
            path,
            f"segments of {total:,} samples together",
            f"the {length:,} of its record line" if length else "samples",
            "Fetch the header again, or leave the record out.",
        )
    require(SAMPLES, total, path, RecordError)
    return Segments(rate, total, parts)


def read_segmented(record: Path, segments: Segments, amplitude: Amplitude = "header") -> Recording:
    """Read all segments as one recording; pauses, and signals that a segment lacks, are NaN.

    Raises:
        RecordError: If a segment cannot be read, or has another rate or length than the header says, or no
            segment has a signal.
    """
    path = header_path(record)
    leads: list[str] = []
    pieces: list[tuple[int, Recording]] = []
    start = 0
    for part, samples in segments.parts:
        if part is not None and samples:
            recording = read_wfdb(part, amplitude)
            found = (recording.values.shape[1], recording.sampling_rate)
            if found != (samples, segments.sampling_rate):
                raise RecordError(
                    path,
                    f"{found[0]:,} samples at {found[1]:g} Hz in segment {part.name}",
                    f"{samples:,} at {segments.sampling_rate:g} Hz",
                    "Fetch the record again, or leave it out.",
                )
            if len(set(recording.leads)) < len(recording.leads):
                raise RecordError(path, f"a lead twice in segment {part.name}", "each once", "Leave it out.")
            leads += [lead for lead in recording.leads if lead not in leads]
            require(VALUES, len(leads) * segments.length, path, RecordError)
            pieces.append((start, recording))
        start += samples
    if not leads:
        raise RecordError(path, "pauses alone", "a segment with signals", "Leave the record out.")
    values = np.full((len(leads), segments.length), np.nan, dtype=np.float32)
    for start, recording in pieces:
        rows = [leads.index(lead) for lead in recording.leads]
        values[rows, start : start + recording.values.shape[1]] = recording.values
    return Recording(values, tuple(leads), segments.sampling_rate)


def segment_records(record: Path) -> tuple[Path, ...]:
    """Return the records of a header's segments, each once; none if it has none, or cannot be read."""
    try:
        read_header(record)
    except SeveralSegmentsError:
        with suppress(RecordError, OSError):  # said when it is read
            parts = read_segments(record).parts
            return tuple(dict.fromkeys(part for part, _ in parts if part is not None))
    except (RecordError, OSError):
        pass
    return ()


def wfdb_extent(record: Path) -> tuple[float, int]:
    """Return the rate in Hz and the length in samples of a record, of one segment or of several.

    Raises:
        RecordError: As `read_header` and `read_segments`.
    """
    try:
        header = read_header(record)
    except SeveralSegmentsError:
        segments = read_segments(record)
        return segments.sampling_rate, segments.length
    return header.sampling_rate, header.length


def _parts(path: Path, record: Path, lines: tuple[SegmentLine, ...]) -> Iterator[tuple[Path | None, int]]:
    for number, (name, samples) in enumerate(lines):
        if number == 0 and samples == 0 and len(lines) > 1:
            continue  # the layout
        if name == _PAUSE:
            yield None, samples
            continue
        below = path_below(name)
        if below is None or record.with_name(below) == record:
            raise RecordError(
                path,
                f"the segment {name[:80]!r}",
                "another record in the header's folder",
                "Fetch the header again, or leave the record out.",
            )
        yield record.with_name(below) if "/" not in below else record.parent / below, samples
