"""WFDB headers, read as text: the one parser, whatever the format of the signals.

Scanning a collection means reading tens of thousands of headers, at 3 ms each with the wfdb library; the
plain text parse here takes 0.15 ms. It also reads what that library refuses (a record line that names
`A0001.mat`, a name with a dot) or mistakes (it drops the `µ` of `µV`, a factor of a million, and reads a gain
of `4E2` as 4).

Source of the format: https://physionet.org/physiotools/wag/header-5.htm. `fillers` has what is written where
a value is not known.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ecg_tl.errors import RecordError
from ecg_tl.limits import LEADS, SAMPLES, SAMPLING_RATE, VALUES, require, shown
from ecg_tl.paths import path_below
from ecg_tl.recordings.fillers import are_checksums_filled
from ecg_tl.recordings.wfdb_samples import STORAGES, is_compressed, samples_in
from ecg_tl.signals import millivolts_per, standard_lead

DEFAULT_SAMPLING_RATE = 250.0
"""In Hz; what the format defines where a record line gives none."""

LARGEST_HEADER = 2**20
"""In bytes. The format allows 255 characters a line; 1 MB is a line each for 4,000 leads."""

LARGEST_STEP = 1000.0
SMALLEST_STEP = 1e-12
"""Of a converter, in mV. PTB-XL+ has steps of 1.6e-7 mV; a step of 1 V holds no ECG."""

_FETCH = "Fetch the record again, or leave it out."
_CONVERT = "Convert the record (WFDB's `xform` writes one rate and no skew), or leave it out."

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RATE = re.compile(rf"({_NUMBER})(?:/{_NUMBER}(?:\({_NUMBER}\))?)?", re.ASCII)
_STORAGE = re.compile(r"(\d{1,9})(?:x(\d{1,9}))?(?::(\d{1,9}))?(?:\+(\d{1,15}))?", re.ASCII)
_GAIN = re.compile(rf"({_NUMBER})(?:\(([-+]?\d{{1,18}})\))?(?:/(\S+))?", re.ASCII)
_INTEGER = re.compile(r"[-+]?\d{1,18}", re.ASCII)
_SEGMENTS = re.compile(r"[^/]+/(\d+)", re.ASCII)
_LINE_END = re.compile(r"\r\n|\n|\r")


SegmentLine = tuple[str, int]
"""A line of a header of segments: the segment's record, and its samples."""


class SeveralSegmentsError(RecordError):
    """A header that names segments where one record was asked for; `wfdb_segments` reads it."""


@dataclass(frozen=True)
class SignalLine:
    """One lead's line of a header.

    Attributes:
        file_name: Of the file that holds the samples, beside the header or in a folder below.
        storage_format: WFDB's number of it: 16 is two-byte little-endian integers.
        samples_a_frame: How many follow each other before the next signal's, 1 in nearly all records.
        byte_offset: Bytes before the first sample (24 in the challenges' `.mat` files).
        gain: Steps of the converter per unit.
        baseline: The step that is zero volts.
        unit: As written; `mV` where the header says none, as the format defines.
        first_step: The first sample, as the header says; formats of differences begin with it.
        checksum: Sum of the samples modulo 65,536, or None if the header gives none.
        lead: Its name, in standard spelling.
    """

    file_name: str
    storage_format: int
    samples_a_frame: int
    byte_offset: int
    gain: float
    baseline: int
    unit: str
    first_step: int
    checksum: int | None
    lead: str

    def millivolts_per_step(self, where: object) -> float:
        """Return the size of one step in mV.

        Raises:
            RecordError: If the unit is none of voltage, or no ECG is recorded in such steps.
        """
        step = millivolts_per(self.unit, where) / self.gain
        if not SMALLEST_STEP <= abs(step) <= LARGEST_STEP:
            raise RecordError(
                where,
                f"steps of {step:.3g} mV in lead {self.lead}",
                f"{SMALLEST_STEP:g} to {LARGEST_STEP:g} mV",
                "Correct the gain in the header.",
            )
        return step


@dataclass(frozen=True)
class Header:
    """What one `.hea` file says.

    Attributes:
        path: Of the file.
        sampling_rate: In Hz, of samples; a record line counts frames.
        length: In samples a lead.
        signals: One a lead, in the file's order, all with as many samples a frame.
        comments: Lines after `#`, without it and without blanks around them.
    """

    path: Path
    sampling_rate: float
    length: int
    signals: tuple[SignalLine, ...]
    comments: tuple[str, ...]

    @property
    def has_filled_checksums(self) -> bool:
        """Whether the checksums are a filler, so that nothing can be compared with them."""
        return are_checksums_filled([signal.checksum for signal in self.signals])

    def comment(self, field: str) -> str | None:
        """Return the value of a comment `field: value`, or None; `#Dx:`, `# dx:`, `#<Dx>:` are one field."""
        return comment_fields(self.comments).get(field.lower())


def comment_fields(comments: Iterable[str]) -> dict[str, str]:
    """Return the comments of the form `field: value`, fields in lower case; of a repeated field the first."""
    fields: dict[str, str] = {}
    for comment in comments:
        field, colon, value = comment.partition(":")
        if colon:
            fields.setdefault(field.strip().strip("<>").lower(), value.strip())
    return fields


def header_path(record: Path) -> Path:
    """Return the header of a record named without extension (names may hold dots)."""
    return record.with_name(record.name + ".hea")


def read_header(record: Path) -> Header:
    """Read the header of a record named without extension.

    A record line without a length is answered from the size of the signal file, as the format defines.

    Raises:
        RecordError: If there is no header, or it does not follow the format, or it describes what is not
            read: several segments, signals of several rates, skewed signals, an uncalibrated lead, files out
            of its folder, or numbers that no ECG has.
    """
    path = header_path(record)
    lines, comments = _split_comments(_read_text(path))
    if not lines:
        _refuse(path, "no record line" if comments else "an empty file", "a WFDB header")
    signal_count, sampling_rate, length = _parse_record_line(path, lines[0], len(lines) - 1)
    if len(lines) - 1 != signal_count:
        _refuse(path, f"{len(lines) - 1} signal lines", f"the {signal_count} that its record line announces")
    signals = tuple(_parse_signal_line(path, line, number) for number, line in enumerate(lines[1:], start=1))
    samples_a_frame = _samples_a_frame(path, signals)
    sampling_rate *= samples_a_frame
    if not SAMPLING_RATE.holds(sampling_rate):
        _refuse(path, f"a sampling rate of {sampling_rate:g} Hz", str(SAMPLING_RATE))
    length = length * samples_a_frame or _length_by_size(path, signals)
    require(SAMPLES, length, path, RecordError)
    require(VALUES, length * signal_count, path, RecordError)
    return Header(path, sampling_rate, length, signals, comments)


def read_segment_lines(record: Path) -> tuple[float, int, tuple[SegmentLine, ...]]:
    """Read a header of segments: its rate in Hz, its length in samples (0 if not given), and its lines.

    Raises:
        RecordError: If it is none.
    """
    path = header_path(record)
    lines, _ = _split_comments(_read_text(path))
    fields = lines[0].split() if lines else []
    segments = _SEGMENTS.fullmatch(fields[0]) if fields else None
    if segments is None or len(lines) - 1 != int(segments[1][:9]):
        found = f"{len(lines) - 1} segment lines below {shown(lines[0])}" if lines else "an empty file"
        _refuse(path, found, "as many segments as the record line says")
    _, rate, length = _parse_numbers(path, lines[0])
    named: list[SegmentLine] = []
    for line in lines[1:]:
        words = line.split()
        if len(words) < 2 or not _INTEGER.fullmatch(words[1]) or int(words[1]) < 0:
            _refuse(path, repr(line[:80]), "a segment and its number of samples")
        named.append((words[0], int(words[1])))
    return rate, length, tuple(named)


def _refuse(path: Path, found: str, expected: str) -> NoReturn:
    raise RecordError(path, found, expected, "Fetch the header again, or leave the record out.")


def _read_text(path: Path) -> str:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # to open a named pipe is to wait for its writer
            _refuse(path, "a file that cannot be read (no regular file)", "a readable header")
        if status.st_size > LARGEST_HEADER:
            _refuse(path, f"{status.st_size:,} bytes", f"a header, at most {LARGEST_HEADER:,}")
        content = path.read_bytes()
    except FileNotFoundError:
        raise RecordError(path, "no such file", "the record's header", _FETCH) from None
    except (OSError, ValueError) as error:  # a zero byte in the name is a ValueError
        reason = getattr(error, "strerror", None) or error
        _refuse(path, f"a file that cannot be read ({reason})", "a readable header")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _split_comments(text: str) -> tuple[list[str], tuple[str, ...]]:
    lines = [line.strip() for line in _LINE_END.split(text)]
    comments = tuple(line[1:].strip() for line in lines if line.startswith("#"))
    return [line for line in lines if line and not line.startswith("#")], comments


def _parse_record_line(path: Path, line: str, lines_below: int) -> tuple[int, float, int]:
    """Return the number of signals, the sampling rate in Hz and the length in samples (0 if not given).

    The name is not compared with the file's: some published headers say `A0001.mat` for `A0001`, others have
    a folder before it.
    """
    fields = line.split()
    segments = _SEGMENTS.fullmatch(fields[0])
    # `mitdb/100` in `100.hea` is a folder and a name, unless lines for a hundred segments follow.
    if segments and not (segments[1] == path.stem and lines_below != int(segments[1][:18])):
        found = f"a record of several segments ({shown(fields[0])})"
        remedy = "Fetch the header again, or leave the record out."
        raise SeveralSegmentsError(path, found, "a record of one segment", remedy)
    return _parse_numbers(path, line)


def _parse_numbers(path: Path, line: str) -> tuple[int, float, int]:
    """Return what follows the name in a record line."""
    expected = "a record line: name, number of signals, sampling rate, number of samples"
    fields = line.split()
    if len(fields) < 2 or not _INTEGER.fullmatch(fields[1]):
        _refuse(path, repr(line[:80]), expected)
    signal_count = int(fields[1])
    if signal_count < 1:
        _refuse(path, f"{signal_count} signals", "at least one")
    require(LEADS, signal_count, path, RecordError)
    sampling_rate = DEFAULT_SAMPLING_RATE
    if len(fields) > 2:
        rate = _RATE.fullmatch(fields[2])
        if rate is None:
            _refuse(path, repr(line[:80]), expected)
        sampling_rate = float(rate[1])
        if not SAMPLING_RATE.holds(sampling_rate):
            _refuse(path, f"a sampling rate of {fields[2][:40]} Hz", str(SAMPLING_RATE))
    length = 0
    if len(fields) > 3:
        if not _INTEGER.fullmatch(fields[3]) or int(fields[3]) < 0:
            _refuse(path, repr(line[:80]), expected)
        length = int(fields[3])
        if length:
            require(SAMPLES, length, path, RecordError)
    return signal_count, sampling_rate, length


def _parse_signal_line(path: Path, line: str, number: int) -> SignalLine:
    # file, format, gain, resolution, zero, first value, checksum, block size, description
    fields = line.split(None, 8)
    storage = _STORAGE.fullmatch(fields[1]) if len(fields) > 1 else None
    gain = _GAIN.fullmatch(fields[2]) if len(fields) > 2 else None
    if storage is None or (gain is None and len(fields) > 2) or not all(map(_INTEGER.fullmatch, fields[3:8])):
        _refuse(path, repr(line[:80]), f"the description of signal {number}: file, format, gain, ... , lead")
    if int(storage[1]) not in STORAGES:
        known = ", ".join(map(str, STORAGES))
        _refuse(path, f"the format {storage[1]} of signal {number}", f"one of {known}")
    samples_a_frame = int(storage[2] or 1)
    several = samples_a_frame != 1
    if int(storage[3] or 0) != 0 or samples_a_frame < 1 or (several and is_compressed(int(storage[1]))):
        expected = "no skew, and one sample a frame if it is compressed"
        raise RecordError(path, f"the layout {fields[1]!r} of signal {number}", expected, _CONVERT)
    file_name = path_below(fields[0])
    if file_name is None:
        _refuse(path, f"the file {fields[0][:80]!r} of signal {number}", "a file in the header's folder")
    steps_per_unit = float(gain[1]) if gain else 0.0
    if gain is None or steps_per_unit in (0.0, float("inf"), float("-inf")):
        raise RecordError(
            path,
            f"no gain for signal {number}, so it is not calibrated",
            "steps per mV of every signal",
            "If the format's 200 steps/mV are right, write 200/mV there; else leave the record out.",
        )
    converter_zero = int(fields[4]) if len(fields) > 4 else 0
    return SignalLine(
        file_name=file_name,
        storage_format=int(storage[1]),
        samples_a_frame=samples_a_frame,
        byte_offset=int(storage[4] or 0),
        gain=steps_per_unit,
        baseline=int(gain[2]) if gain[2] else converter_zero,
        unit=gain[3] or "mV",
        first_step=int(fields[5]) if len(fields) > 5 else 0,
        checksum=int(fields[6]) if len(fields) > 6 else None,
        lead=standard_lead(fields[8]) if len(fields) > 8 else f"signal {number}",
    )


def _samples_a_frame(path: Path, signals: tuple[SignalLine, ...]) -> int:
    numbers = sorted({signal.samples_a_frame for signal in signals})
    if len(numbers) > 1:
        found = f"signals of several rates ({' and '.join(map(str, numbers[:5]))} samples a frame)"
        raise RecordError(path, found, "one rate for all signals", _CONVERT)
    return numbers[0]


def _length_by_size(path: Path, signals: tuple[SignalLine, ...]) -> int:
    first = signals[0]
    file = path.parent / first.file_name
    try:
        size = file.stat().st_size
    except OSError:
        raise RecordError(
            path, f"no file {first.file_name}, which it names", "the file of its signals", _FETCH
        ) from None
    stored = samples_in(first.storage_format, size - first.byte_offset)
    if stored is None:
        _refuse(path, "no number of samples", f"it in the record line, for format {first.storage_format}")
    length = stored // sum(signal.file_name == first.file_name for signal in signals)
    length -= length % first.samples_a_frame
    if length < 1:
        raise RecordError(file, f"{size} bytes, no samples", "samples", _FETCH)
    require(SAMPLES, length, file, RecordError)
    return length
