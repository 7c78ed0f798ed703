"""WFDB signal files: the one place that turns them into millivolts.

Format 16, which every published dataset here uses, is read with NumPy (1 ms for 12 leads of 10 s at 500 Hz,
against 4 ms and no checksums through the wfdb library); all other formats go through that library.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg_tl.datasets.wfdb_header import Header, SignalLine, read_header
from ecg_tl.errors import RecordError
from ecg_tl.signals import Recording

_NOT_MEASURED = -(2**15)
"""The step of format 16 that says "no value", https://physionet.org/physiotools/wag/signal-5.htm"""

_MAT4_INT16 = 30
"""Type word of a little-endian int16 matrix in a MATLAB level 4 file, whose header is five such words."""

_FETCH = "Fetch the record again, or leave it out."


def read_recording(record: Path) -> Recording:
    """Read a WFDB record, named without extension, whole and at its own rate, in millivolts.

    Samples that the file marks as not measured are NaN. Every lead's checksum is compared with the header's,
    where the header gives one.

    Raises:
        RecordError: If a file is missing, truncated or damaged, a checksum differs, a unit is none of
            voltage, or the header cannot be read (`read_header`).
    """
    header = read_header(record)
    scales = np.array([signal.millivolts_per_step(header.path) for signal in header.signals])
    for name in _rows_by_file(header):
        if not (header.path.parent / name).is_file():
            raise RecordError(
                header.path, f"no file {name}, which it names", "the file of its signals", _FETCH
            )
    if all(signal.storage_format == 16 for signal in header.signals):
        steps = _read_format_16(header)
        _check_sums(header, steps)
        baselines = np.array([signal.baseline for signal in header.signals], dtype=np.float64)
        values = (steps - baselines[:, None]) * scales[:, None]
        values[steps == _NOT_MEASURED] = np.nan
    else:
        gains = np.array([signal.gain for signal in header.signals])
        values = _read_with_library(header, record) * (scales * gains)[:, None]
    leads = tuple(signal.lead for signal in header.signals)
    return Recording(values.astype(np.float32), leads, header.sampling_rate)


def _rows_by_file(header: Header) -> dict[str, list[int]]:
    """Return which leads lie in which file, interleaved in this order."""
    rows: dict[str, list[int]] = {}
    for row, signal in enumerate(header.signals):
        rows.setdefault(signal.file_name, []).append(row)
    return rows


def _read_format_16(header: Header) -> NDArray[np.int16]:
    """Return the converter's steps, `int16 (leads, samples)`."""
    read = []
    for name, rows in _rows_by_file(header).items():
        file = header.path.parent / name
        offset = header.signals[rows[0]].byte_offset
        count = len(rows) * header.length
        try:
            size = file.stat().st_size
            if size < offset + 2 * count:
                raise RecordError(
                    file,
                    f"{size} bytes",
                    f"{offset + 2 * count} for {len(rows)} leads of {header.length} samples",
                    f"The file is truncated. {_FETCH}",
                )
            if file.suffix == ".mat":
                _check_mat4(file, len(rows), header.length, offset)
            flat = np.fromfile(file, dtype="<i2", count=count, offset=offset)
        except OSError as error:
            raise RecordError(
                file, f"a file that cannot be read ({error.strerror or error})", "a readable file", _FETCH
            ) from error
        read.append((rows, flat.reshape(header.length, len(rows)).T))
    steps = np.empty((len(header.signals), header.length), dtype=np.int16)
    for rows, part in read:
        steps[rows] = part
    return steps


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


def _read_with_library(header: Header, record: Path) -> NDArray[np.float64]:
    """Return the signals in the header's units, `float64 (leads, samples)`."""
    import wfdb

    try:
        read = wfdb.rdrecord(str(record), physical=False)
        steps = read.d_signal.T
        values: NDArray[np.float64] = read.dac().T
    except Exception as error:  # the library names no set of errors for damaged files; none may leak
        storage = ", ".join(sorted({str(signal.storage_format) for signal in header.signals}))
        raise RecordError(
            header.path,
            f"signals of format {storage} that cannot be read ({type(error).__name__}: {error})",
            f"{len(header.signals)} leads of {header.length} samples",
            _FETCH,
        ) from error
    _check_sums(header, steps)
    return values


def _check_sums(header: Header, steps: NDArray[np.signedinteger]) -> None:
    sums = steps.sum(axis=1, dtype=np.int64)
    wrong = [
        signal for signal, total in zip(header.signals, sums.tolist(), strict=True) if _differs(signal, total)
    ]
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
