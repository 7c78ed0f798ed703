"""WFDB signal files: the one place that turns them into millivolts.

12 leads of 10 s at 500 Hz take 1 ms in format 16, which every published dataset here uses, against 4 ms and
no checksums through the wfdb library.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NoReturn

import numpy as np

from ecg_tl.errors import RecordError
from ecg_tl.limits import require_growth
from ecg_tl.recordings.wfdb_header import Header, SignalLine, read_header
from ecg_tl.recordings.wfdb_samples import BLOCK, STORAGES, Steps, decompress, is_compressed, unpack
from ecg_tl.signals import Recording

Amplitude = Literal["steps", "header"]
"""What the size of a step is taken from: the header, or nothing, `MILLIVOLTS_PER_STEP` being right."""

MILLIVOLTS_PER_STEP = 0.001
"""Of a record whose header says something else; see `datasets.ludb`."""

_MAT4_INT16 = 30
"""Type word of a little-endian int16 matrix in a MATLAB level 4 file, whose header is five such words."""

_FETCH = "Fetch the record again, or leave it out."


def read_wfdb(record: Path, amplitude: Amplitude = "header", header: Header | None = None) -> Recording:
    """Read a WFDB record, named without extension, whole and at its own rate, in millivolts.

    Samples that the file marks as not measured are NaN. Every lead's checksum is compared with the header's,
    where the header gives one.

    Args:
        record: Its path.
        amplitude: `header` converts as the header says; `steps` takes a step of every lead as 1 µV, and the
            step 0 as 0 mV, whatever the header says.
        header: Its header, where that was read before.

    Raises:
        RecordError: If a file is missing, truncated or damaged, a checksum differs, a unit is none of
            voltage, or the header cannot be read (`read_header`).
    """
    header = header or read_header(record)
    signals = header.signals
    scales, baselines = [MILLIVOLTS_PER_STEP] * len(signals), [0] * len(signals)
    if amplitude == "header":
        scales = [signal.millivolts_per_step(header.path) for signal in signals]
        baselines = [signal.baseline for signal in signals]
    _check_growth(header)
    values = np.empty((len(signals), header.length), dtype=np.float32)
    sums = [0] * len(signals)
    for rows, start, steps in _read_files(header):
        stop = start + steps.shape[1]
        for row, total in zip(rows, steps.sum(axis=1, dtype=np.int64).tolist(), strict=True):
            sums[row] += total
        not_measured = STORAGES[signals[rows[0]].storage_format].not_measured
        has_gaps = not_measured is not None and steps.min() == not_measured  # the lowest of its format
        for row, lead in zip(rows, steps, strict=True):
            part = values[row, start:stop]
            np.multiply(lead - np.float64(baselines[row]), scales[row], out=part, casting="same_kind")
            if has_gaps:
                part[lead == not_measured] = np.nan
    _check_sums(header, sums)
    return Recording(values, tuple(signal.lead for signal in signals), header.sampling_rate)


def _read_files(header: Header) -> Iterator[tuple[list[int], int, Steps]]:
    """Yield the leads of each file, the first sample of a block, and the steps of it, `(leads, samples)`."""
    rows_of: dict[str, list[int]] = {}
    for row, signal in enumerate(header.signals):
        rows_of.setdefault(signal.file_name, []).append(row)  # interleaved in this order
    for name in rows_of:
        if not (header.path.parent / name).is_file():
            raise RecordError(
                header.path, f"no file {name}, which it names", "the file of its signals", _FETCH
            )
    for name, rows in rows_of.items():
        file = header.path.parent / name
        first = header.signals[rows[0]]
        formats = sorted({header.signals[row].storage_format for row in rows})
        if len(formats) > 1:
            raise RecordError(
                header.path, f"formats {', '.join(map(str, formats))} of {name}", "one a file", _FETCH
            )
        read = _read_compressed if is_compressed(first.storage_format) else _read_bytes
        start = 0
        last = np.array([header.signals[row].first_step for row in rows])
        try:
            for steps in read(header, file, first, len(rows)):
                if first.storage_format == 8:
                    steps = steps.cumsum(axis=0, dtype=np.int64) + last
                    last = steps[-1]
                yield rows, start, np.ascontiguousarray(steps.T)
                start += len(steps)
        except OSError as error:
            raise RecordError(
                file, f"a file that cannot be read ({error.strerror or error})", "a readable file", _FETCH
            ) from error
        if start < header.length:
            _truncated(header, file, f"{start} samples", str(header.length), len(rows))


def _read_bytes(header: Header, file: Path, first: SignalLine, leads: int) -> Iterator[Steps]:
    """Yield blocks of `(samples, leads)`."""
    storage = STORAGES[first.storage_format]
    needed = first.byte_offset + storage.bytes_of(leads * header.length)
    size = file.stat().st_size
    if size < needed:
        _truncated(header, file, f"{size} bytes", str(needed), leads)
    if file.suffix == ".mat":
        _check_mat4(file, leads, header.length, first.byte_offset)
    a_frame = first.samples_a_frame
    # Frames that are read at once: as BLOCK, a whole number of groups.
    most = max(6, BLOCK // a_frame // 6 * 6)
    for start in range(0, header.length // a_frame, most):
        count = min(most, header.length // a_frame - start) * a_frame * leads
        content = np.fromfile(
            file,
            dtype=np.uint8,
            count=storage.bytes_of(count),
            offset=first.byte_offset + storage.bytes_of(start * a_frame * leads),
        )
        if content.size < storage.bytes_of(count):  # it became shorter in the meantime
            return
        frames = unpack(content, first.storage_format, count).reshape(-1, leads, a_frame)
        yield frames.swapaxes(1, 2).reshape(-1, leads)


def _read_compressed(header: Header, file: Path, first: SignalLine, leads: int) -> Iterator[Steps]:
    """Yield blocks of `(samples, leads)`."""
    try:
        yield from decompress(file, first.storage_format, leads, first.byte_offset, header.length)
    except (RuntimeError, ValueError) as error:
        raise RecordError(
            file,
            f"a file that cannot be decompressed ({' '.join(str(error).split())[:200]})",
            f"{leads} leads in format {first.storage_format}",
            _FETCH,
        ) from error


def _check_growth(header: Header) -> None:
    """Refuse a compressed file that would take far more memory than it has bytes."""
    for name in {s.file_name for s in header.signals if is_compressed(s.storage_format)}:
        file = header.path.parent / name
        leads = sum(signal.file_name == name for signal in header.signals)
        if file.is_file():
            require_growth(4 * leads * header.length, file.stat().st_size, file, RecordError)


def _truncated(header: Header, file: Path, found: str, expected: str, leads: int) -> NoReturn:
    raise RecordError(
        file,
        found,
        f"{expected} for {leads} leads of {header.length} samples",
        f"The file is truncated. {_FETCH}",
    )


def _check_mat4(file: Path, leads: int, length: int, offset: int) -> None:
    """Compare a MATLAB level 4 file's own header with what the WFDB header says of it."""
    words = np.fromfile(file, dtype="<i4", count=5).tolist()
    if (
        len(words) == 5
        and words[0] == _MAT4_INT16
        and words[1:4] == [leads, length, 0]
        and words[4] + 20 == offset
    ):
        return
    raise RecordError(
        file,
        f"a file that starts with the words {words}",
        f"a MATLAB 4 file of {leads} x {length} int16 whose samples start at byte {offset}",
        f"The file is damaged. {_FETCH}",
    )


def _check_sums(header: Header, sums: list[int]) -> None:
    if header.has_filled_checksums:
        return
    wrong = [signal for signal, total in zip(header.signals, sums, strict=True) if _differs(signal, total)]
    if wrong:
        raise RecordError(
            header.path.parent / wrong[0].file_name,
            f"samples of lead {', '.join(signal.lead for signal in wrong)} with another checksum",
            f"the checksum in {header.path.name}",
            f"The file is damaged. {_FETCH}",
        )


def _differs(signal: SignalLine, total: int) -> bool:
    # Headers give the sum as a signed or as an unsigned 16-bit number.
    return signal.checksum is not None and (total - signal.checksum) % 65536 != 0
