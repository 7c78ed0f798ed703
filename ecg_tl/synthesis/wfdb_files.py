"""WFDB records as the published datasets hold them: 16-bit samples and a text header.

The header's form: https://physionet.org/physiotools/wag/header-5.htm. Written here rather than by the wfdb
library, which has no way to choose the spelling of a gain, a byte offset or a MATLAB file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class HeaderStyle:
    """How one dataset spells the lines of its headers.

    Attributes:
        storage: Format field: `16`, or `16+24` behind the 24 bytes of a MATLAB v4 header.
        gain: Gain field; `{gain}` and `{baseline}` are filled in.
        resolution: Bits of the converter.
        signed: Whether checksums are written from -32768 to 32767 or from 0 to 65535.
        newline: At the end of each line.
    """

    storage: str = "16"
    gain: str = "{gain:g}/mV"
    resolution: int = 16
    signed: bool = True
    newline: str = "\n"


def to_steps(
    signal: NDArray[np.float32], gain: float | NDArray[np.float64], baseline: int | NDArray[np.int64] = 0
) -> NDArray[np.int16]:
    """Convert `(leads, samples)` in millivolts to the converter's steps.

    -32768 is left out: WFDB reads it as "not measured".
    """
    steps = np.rint(signal * np.asarray(gain)) + baseline
    clipped: NDArray[np.int16] = np.clip(steps, -32767, 32767).astype(np.int16)
    return clipped


def write_samples(path: Path, steps: NDArray[np.int16]) -> None:
    """Write `(leads, samples)` as interleaved little-endian 16-bit integers (WFDB format 16)."""
    path.write_bytes(np.ascontiguousarray(steps.T).astype("<i2", copy=False).tobytes())


def write_matlab(path: Path, steps: NDArray[np.int16]) -> None:
    """Write `(leads, samples)` as the variable `val` of a MATLAB v4 file: 24 bytes, then the samples.

    The type 30 says little-endian, 16-bit integers, full matrix.
    """
    leads, samples = steps.shape
    head = np.array([30, leads, samples, 0, len("val") + 1], dtype="<i4").tobytes() + b"val\0"
    path.write_bytes(head + np.ascontiguousarray(steps.T).astype("<i2", copy=False).tobytes())


def signal_lines(
    file_name: str,
    leads: Sequence[str],
    steps: NDArray[np.int16],
    style: HeaderStyle,
    gain: Sequence[float],
    baseline: Sequence[int],
) -> list[str]:
    """Return a header's line for each lead, with its first sample and its checksum."""
    sums = steps.astype(np.int64).sum(axis=1) % 65536
    if style.signed:
        sums = (sums + 32768) % 65536 - 32768
    return [
        f"{file_name} {style.storage} {style.gain.format(gain=gain[row], baseline=baseline[row])} "
        f"{style.resolution} 0 {int(steps[row, 0])} {int(sums[row])} 0 {lead}"
        for row, lead in enumerate(leads)
    ]


def write_header(
    path: Path,
    sampling_rate: int,
    samples: int,
    lines: Sequence[str],
    comments: Sequence[str] = (),
    newline: str = "\n",
) -> None:
    """Write `path` (`.hea`): the record line, a line a lead, and comments as they are given."""
    text = [f"{path.stem} {len(lines)} {sampling_rate} {samples}", *lines, *comments]
    path.write_bytes((newline.join(text) + newline).encode())
