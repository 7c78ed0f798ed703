"""What an ECG can be, and what a file may grow to when it is read: bounds on numbers from outside.

A number is checked where it enters, before anything of its size is made. The bounds are far beyond what is
recorded anywhere, so that they refuse damage and malice and nothing else. Nothing here imports torch.
"""

from __future__ import annotations

import numbers
import os
import struct
import types
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from ecg_tl.errors import EcgTlError, SettingError


@dataclass(frozen=True)
class Limit:
    """What a number may be.

    Attributes:
        name: Of the number, in errors.
        lowest: Least value.
        highest: Greatest value.
        unit: Behind the value in errors; may be empty.
        whole: Whether it must be a whole number.
    """

    name: str
    lowest: float
    highest: float
    unit: str = ""
    whole: bool = False

    def holds(self, value: object) -> bool:
        """Whether `value` is a number within the limit; NaN, infinity and booleans are not."""
        kind = numbers.Integral if self.whole else numbers.Real
        if isinstance(value, bool) or not isinstance(value, kind):
            return False
        number: Any = value  # compared as it is: a whole number may be beyond every float
        return bool(self.lowest <= number <= self.highest)

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        unit = f" {self.unit}" if self.unit else ""
        return f"{kind} from {self.lowest:,.10g} to {self.highest:,.10g}{unit}"


# What an ECG can be --------------------------------------------------------------------------------------

# A QRS complex has its energy at 5 to 40 Hz: below 10 Hz nothing of it is left. Research recorders of late
# potentials and pacemaker spikes reach 75 kHz.
SAMPLING_RATE = Limit("sampling_rate", 10.0, 100_000.0, "Hz")

# Body surface maps have up to 256 electrodes; a night in a sleep laboratory has fewer signals than that.
LEADS = Limit("leads", 1, 512, whole=True)

# The longest recorders are worn for 30 days.
DURATION = Limit("duration", 1e-3, 31 * 86_400.0, "s")

# The longest recorders take 1,000 samples a second at most: 31 days of them.
SAMPLES = Limit("samples", 1, 31 * 86_400 * 1000, whole=True)

# Leads times samples that are held in memory at once: 24 hours of 12 leads at 1 kHz, 4 GB as float32.
VALUES = Limit("values", 1, 2**30, whole=True)

# Of the signal that a network takes at once: ten minutes at 1 kHz, and more than any is trained on.
NETWORK_SAMPLES = Limit("num_samples", 1, 1_000_000, whole=True)

# SCP-ECG has 71 statements, the vocabularies of cart makers some hundreds.
CLASSES = Limit("num_classes", 1, 10_000, whole=True)

# A training's settings. Beyond these it learns nothing, or fails.
LEARNING_RATE = Limit("learning_rate", 1e-12, 100.0)
WEIGHT_DECAY = Limit("weight_decay", 0.0, 100.0)
LR_DECAY = Limit("lr_decay", 1e-6, 10.0)
PENALTY = Limit("l2_sp", 0.0, 1e6)
SHARE = Limit("share", 0.0, 1.0)
EPOCHS = Limit("epochs", 1, 10_000_000, whole=True)
STEPS = Limit("steps", 0, 10**9, whole=True)
COUNT = Limit("count", 0, 10_000_000, whole=True)
HIDDEN_SIZE = Limit("hidden_size", 1, 10_000, whole=True)
NUM_LAYERS = Limit("num_layers", 1, 100, whole=True)

# Each is a process; the largest nodes have some hundred cores.
WORKERS = Limit("num_workers", 0, 1024, whole=True)
PROCESSES = Limit("prepare_workers", 1, 1024, whole=True)


# A year of the largest archive of a country has some million recordings.
RECORDS = Limit("records", 1, 100_000_000, whole=True)

# Records a step. The largest GPUs hold some ten thousand.
BATCH_SIZE = Limit("batch_size", 1, 1_000_000, whole=True)

# What NumPy, PyTorch and Python all take.
RESAMPLES = Limit("resamples", 0, 1_000_000, whole=True)
SEED = Limit("seed", 0, 2**63 - 1, whole=True)


def require(
    limit: Limit,
    value: object,
    where: object,
    error: type[EcgTlError] = SettingError,
    remedy: str = "Correct it, or give an intact file.",
) -> None:
    """Refuse a number that is beyond a limit.

    Args:
        limit: What it may be.
        value: As read; anything at all.
        where: The file or setting that it came from.
        error: What to raise.
        remedy: What to do about it.

    Raises:
        EcgTlError: Of the kind `error`, if it is no number, or beyond the limit.
    """
    if not limit.holds(value):
        named = str(where).rpartition(".")[2] == limit.name  # by the place already
        found = shown(value) if named else f"{limit.name} {shown(value)}"
        raise error(where, found, str(limit), remedy)


def require_settings(section: str = "", /, **settings: tuple[Limit, object]) -> None:
    """Refuse settings that make no sense, where they are taken; the line names the setting.

    Args:
        section: Of a config, in which they are; empty where that is the caller's to say.
        **settings: For each what it may be, and what it is.

    Raises:
        SettingError: For the first that is no number, or beyond its limit.
    """
    for name, (limit, value) in settings.items():
        if not limit.holds(value):
            where = f"{section}.{name}" if section else name
            raise SettingError(where, shown(value), str(limit), f"Correct {name}.")


def require_each_once(where: object, values: Iterable[object]) -> None:
    """Refuse a list in which something is named twice: it was meant to be something else.

    Raises:
        SettingError: Names the first such value; paths are compared without links.
    """
    seen = set()
    for value in values:
        key = os.path.realpath(value) if isinstance(value, os.PathLike) else value
        if key in seen:
            raise SettingError(where, f"{shown(str(value))} twice", "each once", "Remove it, or correct it.")
        seen.add(key)


def shown(value: object, longest: int = 60) -> str:
    """Give a value from outside as text of at most `longest` characters, whatever it is."""
    try:
        text = str(value) if isinstance(value, int | float) else repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits; a structure without an end
        text = f"a {type(value).__name__}"
    return text if len(text) <= longest else f"{text[:longest]}..."


# What a file may grow to ---------------------------------------------------------------------------------

# An ECG shrinks to a tenth at most, deflate to a thousandth at most: a small file may be all zeros, a large
# one that grows a hundredfold is made to fill the memory.
MOST_GROWTH = 100
ALWAYS_ALLOWED = 64 * 2**20
MOST_BYTES = 8 * 2**30


def most_bytes(file_bytes: int) -> int:
    """Return how many bytes a file of `file_bytes` may grow to when it is read."""
    return max(file_bytes, min(max(MOST_GROWTH * file_bytes, ALWAYS_ALLOWED), MOST_BYTES))


def require_growth(
    read_bytes: int, file_bytes: int, where: object, error: type[EcgTlError] = SettingError
) -> None:
    """Refuse a file that would take far more memory than it has bytes.

    Args:
        read_bytes: What it says that it holds: of an archive all entries, of an array its shape.
        file_bytes: Its size on disk.
        where: The file.
        error: What to raise.

    Raises:
        EcgTlError: Of the kind `error`.
    """
    if not 0 <= read_bytes <= most_bytes(file_bytes):
        raise error(
            where,
            f"{shown(read_bytes)} bytes in a file of {file_bytes:,}",
            f"at most {most_bytes(file_bytes):,}",
            "Give an intact file; a longer recording can be cut into several.",
        )


def require_archive_growth(
    archive: zipfile.ZipFile, file_bytes: int, where: object, error: type[EcgTlError] = SettingError
) -> None:
    """Refuse a zip archive whose entries, as its directory says, would grow beyond `most_bytes`.

    `zipfile` reads no more of an entry than the directory says.
    """
    require_growth(sum(entry.file_size for entry in archive.infolist()), file_bytes, where, error)


ARCHIVE_FAULTS: tuple[type[Exception], ...] = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    MemoryError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
)
"""What reading an entry of a damaged or hostile zip archive raises, `OSError` aside.

By what is damaged: its own marks, the stream of any of its compressions, the sizes, the name, or the array
that the entry is said to be. `NotImplementedError` is a `RuntimeError`.
"""
with suppress(ImportError):  # of a Python that was built without
    from lzma import LZMAError

    ARCHIVE_FAULTS += (LZMAError,)


# Of which type a value is ------------------------------------------------------------------------------


def fits_type(value: object, kind: Any) -> bool:
    """Whether a value is of a declared type; of a type that no file can hold, nothing is."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if origin in (Union, types.UnionType):
        return any(fits_type(value, one) for one in arguments)
    if isinstance(value, Mapping):
        return origin in (dict, Mapping) and all(
            fits_type(name, arguments[0]) and fits_type(one, arguments[1]) for name, one in value.items()
        )
    if isinstance(value, list | tuple):
        return origin in (list, tuple, Sequence) and all(fits_type(one, arguments[0]) for one in value)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e300
    return type(value) is (type(None) if kind is None else kind)


def in_words(kind: Any) -> str:
    """Name a declared type as an error does."""
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a name"}.get(
        kind, str(kind).replace("typing.", "").replace("collections.abc.", "")
    )


# How large a tree of settings or metadata may be ---------------------------------------------------------

# The deepest config of this project has nine levels, the largest metadata of a dataset some thousand values.
MOST_LEVELS = 64
MOST_NODES = 1_000_000


def require_tree(
    content: object,
    where: object,
    error: type[EcgTlError] = SettingError,
    most_nodes: float = MOST_NODES,
) -> None:
    """Refuse lists and mappings that have no end, are nested too deep, or are too many with all repetitions.

    YAML lets a value be used again by an alias: a few lines can stand for billions of values, or for a value
    that holds itself.

    Args:
        content: As parsed.
        where: Its file.
        error: What to raise.
        most_nodes: Values with all repetitions; infinity where there are none, as in JSON.

    Raises:
        EcgTlError: Of the kind `error`.
    """
    sizes: dict[int, int] = {}  # of branches that are counted; by identity, so that an alias counts once
    above: set[int] = set()
    waiting: list[tuple[object, bool]] = [(content, False)]
    while waiting:
        node, counted = waiting.pop()
        below = _branches(node)
        if below is None or (id(node) in sizes and not counted):
            continue
        if counted:
            above.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes.get(id(one), 1) for one in below)
            if sizes[id(node)] > most_nodes:
                raise _no_tree(where, error, f"more than {most_nodes:,} values, with all repetitions")
            continue
        if id(node) in above:
            raise _no_tree(where, error, "a value that holds itself")
        if len(above) >= MOST_LEVELS:
            raise _no_tree(where, error, f"values nested more than {MOST_LEVELS} deep")
        above.add(id(node))
        waiting.append((node, True))
        waiting.extend((one, False) for one in below)


def _branches(node: object) -> list[object] | None:
    if isinstance(node, Mapping):
        return [*node.keys(), *node.values()]
    return list(node) if isinstance(node, list | tuple | set | frozenset) else None


def _no_tree(where: object, error: type[EcgTlError], found: str) -> EcgTlError:
    return error(where, found, "settings or metadata of ordinary size", "Give an intact file.")
