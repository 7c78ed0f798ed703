"""Digests of a store's files in blocks, so that a flipped bit or a page that was never written is seen."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ecg_tl.files import json_text

BLOCK_BYTES = 4 * 2**20
"""A block names 175 records of 12 x 1000 samples; 8 GB are 2,000 blocks, 70 kB of the manifest."""

_DIGEST_BYTES = 16
_MOST_THREADS = 8


@dataclass(frozen=True)
class FileDigest:
    """Digests of one file.

    Attributes:
        block_bytes: Of every block but the last.
        blocks: BLAKE2b of each block, 32 hex digits.
    """

    block_bytes: int
    blocks: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"block_bytes": self.block_bytes, "blocks": list(self.blocks)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FileDigest:
        """Read what `to_json` wrote.

        Raises:
            KeyError: If something is missing.
            TypeError: If something is of another type.
            ValueError: If the block size is none.
        """
        block_bytes, blocks = values["block_bytes"], values["blocks"]
        if type(block_bytes) is not int or not 4096 <= block_bytes <= 2**30:
            raise ValueError("the size of blocks")
        if not isinstance(blocks, list) or not all(isinstance(block, str) for block in blocks):
            raise TypeError("digests that are no texts")
        return cls(block_bytes, tuple(blocks))


class BlockHasher:
    """Digests bytes as they come, as `digest_file` digests the file that they make."""

    def __init__(self, block_bytes: int = BLOCK_BYTES) -> None:
        self.block_bytes = block_bytes
        self._blocks: list[str] = []
        self._current = blake2b(digest_size=_DIGEST_BYTES)
        self._filled = 0

    def update(self, content: bytes) -> None:
        """Take the next bytes."""
        view = memoryview(content)
        while len(view):
            part = view[: self.block_bytes - self._filled]
            self._current.update(part)
            self._filled += len(part)
            view = view[len(part) :]
            if self._filled == self.block_bytes:
                self._close()

    def digest(self) -> FileDigest:
        """Return the digests of all bytes so far; no more may come."""
        if self._filled:
            self._close()
        return FileDigest(self.block_bytes, tuple(self._blocks))

    def _close(self) -> None:
        self._blocks.append(self._current.hexdigest())
        self._current = blake2b(digest_size=_DIGEST_BYTES)
        self._filled = 0


def digest_file(path: Path, block_bytes: int = BLOCK_BYTES) -> FileDigest:
    """Digest a file on several threads, which hash at the same time.

    Raises:
        OSError: If it cannot be read.
    """
    starts = range(0, path.stat().st_size, block_bytes)
    threads = min(_MOST_THREADS, os.cpu_count() or 1, max(1, len(starts)))

    def digest(start: int) -> str:
        with path.open("rb") as handle:
            handle.seek(start)
            return blake2b(handle.read(block_bytes), digest_size=_DIGEST_BYTES).hexdigest()

    with ThreadPoolExecutor(threads) as pool:
        return FileDigest(block_bytes, tuple(pool.map(digest, starts)))


def damaged_blocks(path: Path, expected: FileDigest) -> list[int]:
    """Return the numbers of the blocks that are not what they were when the file was written.

    Raises:
        OSError: If it cannot be read.
    """
    found = digest_file(path, expected.block_bytes).blocks
    longer, shorter = max(len(found), len(expected.blocks)), min(len(found), len(expected.blocks))
    differing = [n for n in range(shorter) if found[n] != expected.blocks[n]]
    return differing + list(range(shorter, longer))


OWN_DIGEST = "digest"
"""Field of a JSON file that holds the digest of all others."""


def with_own_digest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON values with the digest of themselves."""
    return {**values, OWN_DIGEST: digest_of_values(values)}


def is_as_written(values: Mapping[str, Any]) -> bool:
    """Say whether what `with_own_digest` gave is unchanged; so is what never had a digest."""
    return values.get(OWN_DIGEST) is None or values[OWN_DIGEST] == digest_of_values(values)


def digest_of_values(values: Mapping[str, Any]) -> str:
    """Digest JSON values but their own digest, whatever the order of keys and the blanks between them."""
    own = {name: value for name, value in values.items() if name != OWN_DIGEST}
    written = json.loads(json_text(own, indent=None))  # as a reader finds them
    canonical = json.dumps(written, sort_keys=True)
    return blake2b(canonical.encode(), digest_size=_DIGEST_BYTES).hexdigest()
