"""The samples of WFDB signal files, whatever their format: bytes to the converter's steps.

Each is a few lines of NumPy, so that no library parses the header a second time, opens a file by a name that
stands in another one (the wfdb library would fetch `s3://...`), or allocates what a header announces.

Source of the formats: https://physionet.org/physiotools/wag/signal-5.htm. The tests compare each with what
the wfdb library reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Steps = NDArray[np.signedinteger[Any]]

BLOCK = 6 * 2**14
"""Samples a lead that are read at once: a long recording takes little more memory than its millivolts.
A whole number of groups in every format; and the decoder of FLAC fails on 16 million samples at once."""


@dataclass(frozen=True)
class Storage:
    """One way to store samples.

    Attributes:
        group: Bytes that hold one sample, two of them, ... up to as many as are packed together; empty where
            the bytes do not say (compressed files).
        not_measured: The step that says "no value"; None where all are values.
    """

    group: tuple[int, ...]
    not_measured: int | None

    def bytes_of(self, samples: int) -> int:
        """Return the size of so many samples, packed from the first on."""
        full, rest = divmod(samples, len(self.group))
        return full * self.group[-1] + (self.group[rest - 1] if rest else 0)


STORAGES: dict[int, Storage] = {
    8: Storage((1,), None),  # differences
    16: Storage((2,), -(2**15)),
    24: Storage((3,), -(2**23)),
    32: Storage((4,), -(2**31)),
    61: Storage((2,), -(2**15)),
    80: Storage((1,), -(2**7)),
    160: Storage((2,), -(2**15)),
    212: Storage((2, 3), -(2**11)),
    310: Storage((2, 4, 4), -(2**9)),
    311: Storage((2, 3, 4), -(2**9)),
    508: Storage((), -(2**7)),  # FLAC, as the next two
    516: Storage((), -(2**15)),
    524: Storage((), -(2**23)),
}
"""By WFDB's number."""

_WHOLE_BYTES = {8: "<i1", 16: "<i2", 32: "<i4", 61: ">i2", 80: "<u1", 160: "<u2"}
_ZERO = {80: 2**7, 160: 2**15}
"""The unsigned number that is a step of 0."""


def is_compressed(storage_format: int) -> bool:
    """Whether a file of this format must be decompressed to know its length."""
    return not STORAGES[storage_format].group


def samples_in(storage_format: int, size: int) -> int | None:
    """Return how many samples so many bytes are, or None if they do not say."""
    if is_compressed(storage_format):
        return None
    group = STORAGES[storage_format].group
    return max(0, size) // group[-1] * len(group)


def unpack(content: NDArray[np.uint8], storage_format: int, samples: int) -> Steps:
    """Turn bytes into steps.

    Args:
        content: `(STORAGES[storage_format].bytes_of(samples),)`.
        storage_format: Of those that are not compressed.
        samples: How many to return, over all leads of the file, interleaved.
    """
    if storage_format in _WHOLE_BYTES:
        numbers = content.view(_WHOLE_BYTES[storage_format])
        zero = _ZERO.get(storage_format)
        return numbers if zero is None else (numbers.astype(np.int32) - zero).astype(np.int16)
    group = STORAGES[storage_format].group
    groups = -(-samples // len(group))
    padded = np.zeros((groups, group[-1]), dtype=np.uint8)
    padded.reshape(-1)[: content.size] = content
    # Bytes of a group, first to last, as one number: least significant byte first.
    word = sum((padded[:, k].astype(np.int32) << 8 * k for k in range(3)), np.zeros(groups, dtype=np.int32))
    if storage_format == 24:
        return _signed(word, 24)
    if storage_format == 212:
        # The middle byte's low half belongs to the first sample, its high half to the second.
        second = padded[:, 2] | (word >> 12 & 0xF) << 8
        parts, bits = [word & 0xFFF, second], 12
    else:
        word |= padded[:, 3].astype(np.int32) << 24
        if storage_format == 310:
            third = (word >> 11 & 0x1F) | (word >> 27 & 0x1F) << 5
            parts = [word >> 1 & 0x3FF, word >> 17 & 0x3FF, third]
        else:
            parts = [word & 0x3FF, word >> 10 & 0x3FF, word >> 20 & 0x3FF]
        bits = 10
    return _signed(np.stack(parts, axis=1).reshape(-1)[:samples], bits).astype(np.int16)


def decompress(file: Path, storage_format: int, leads: int, first: int, length: int) -> Iterator[Steps]:
    """Yield the steps of a FLAC file from its sample `first` on, in blocks of `(samples, leads)`.

    They end before `length` if the file does.

    Raises:
        OSError, RuntimeError, ValueError: As the decoder says it, if the file is damaged or holds another
            number of leads or wider samples than the format says.
    """
    import soundfile

    with file.open("rb") as opened, soundfile.SoundFile(opened) as flac:
        if flac.format != "FLAC" or flac.channels != leads:
            raise ValueError(f"{flac.format} of {flac.channels} channels")
        bits = int(flac.subtype.removeprefix("PCM_").removeprefix("S"))
        if bits > storage_format - 500:
            raise ValueError(f"samples of type {flac.subtype}")
        flac.seek(first)
        while length > 0:
            block = flac.read(min(length, BLOCK), dtype="int32", always_2d=True)
            if len(block) == 0:
                return
            yield block >> 32 - bits
            length -= len(block)


def _signed(numbers: NDArray[np.int32], bits: int) -> NDArray[np.int32]:
    """Read the lowest `bits` of each as a two's complement."""
    unused = 32 - bits
    return numbers << unused >> unused
