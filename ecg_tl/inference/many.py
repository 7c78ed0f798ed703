"""Many records, given to the network a batch at a time, on several processes.

A network on a batch of one record has a fraction of its speed. The last digits of a record's probabilities
can differ from those that it has alone, as they do between batches of any sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import EcgTlError
from ecg_tl.inference.answer import BATCH, Answer, AnswerSettings, Prepared, conclude, prepare, run
from ecg_tl.inference.model import InferenceModel, ModelDescription
from ecg_tl.inference.opening import Opening
from ecg_tl.inference.windows import Windows
from ecg_tl.recordings import ReadSettings, read_record
from ecg_tl.store.parallel import count_workers, map_ordered

MOST_SENT = 2 * BATCH
"""Windows of a record that another process sends: a day has thousands, and many records wait at once."""


@dataclass(frozen=True)
class Answered:
    """What became of a record.

    Attributes:
        record: Its path.
        found: The answer, or why there is none.
        windows: What the network was given, for pictures; None where there is no answer.
    """

    record: Path
    found: Answer | EcgTlError
    windows: Windows | None = None


def answer_records(
    model: InferenceModel,
    records: Sequence[Path],
    reading: ReadSettings,
    settings: AnswerSettings,
    *,
    workers: int | None = None,
    opening: Opening | None = None,
) -> Iterator[Answered]:
    """Yield an answer for each record, in order.

    Few records are under way at any time: memory does not grow with their number. What is wrong with a record
    is its own outcome; the others go on.

    Args:
        model: The network.
        records: Paths.
        reading: How they are read.
        settings: How they become answers.
        workers: Processes beside this one; by default none for few records, else one a core.
        opening: How each of these opens a network of its own, to answer what it reads; if None they read
            ahead, and this process answers.

    Raises:
        SettingError: If the number of processes makes no sense.
        StoreError: If a process ended before its work was done.
        CheckpointError: If the network cannot be opened once more.
    """
    workers = count_workers(workers, len(records))
    read = partial(_read, model.description, reading, settings)
    if workers > 1 and opening is not None:
        groups = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]
        answer_group = partial(_answer_group, opening, reading, settings, MOST_SENT)
        with closing(map_ordered(answer_group, groups, workers, largest_chunk=1)) as answered:
            for one in chain.from_iterable(answered):
                yield from [one] if isinstance(one, Answered) else _answer(model, [read(one)], settings)
        return
    read_ahead = partial(_read_unless_long, read, MOST_SENT) if workers > 1 else read
    with closing(map_ordered(read_ahead, records, workers)) as ahead:
        ready = (read(one) if isinstance(one, Path) else one for one in ahead)
        yield from _in_batches(model, ready, settings)


def _answer_group(
    opening: Opening, reading: ReadSettings, settings: AnswerSettings, most: int, records: Sequence[Path]
) -> list[Answered | Path]:
    """Answer records with a network of this process; give those of more than `most` windows back."""
    model = _open_once(opening)
    read = partial(_read, model.description, reading, settings)
    found: list[Answered | Path] = []
    short: list[Prepared | Answered] = []
    for one in (_read_unless_long(read, most, record) for record in records):
        if isinstance(one, Path):
            found += [*_in_batches(model, short, settings), one]
            short = []
        else:
            short.append(one)
    return [*found, *_in_batches(model, short, settings)]


@lru_cache(maxsize=1)
def _open_once(opening: Opening) -> InferenceModel:
    return opening()


def _in_batches(
    model: InferenceModel, ready: Iterable[Prepared | Answered], settings: AnswerSettings
) -> Iterator[Answered]:
    """Answer records in order, as soon as there are windows enough."""
    waiting: list[Prepared | Answered] = []
    windows = 0
    for one in ready:
        waiting.append(one)
        windows += len(one.windows) if isinstance(one, Prepared) else 0
        if windows >= BATCH:
            yield from _answer(model, waiting, settings)
            waiting, windows = [], 0
    yield from _answer(model, waiting, settings)


def _read(
    description: ModelDescription, reading: ReadSettings, settings: AnswerSettings, record: Path
) -> Prepared | Answered:
    """Bring a record to what the network takes."""
    try:
        return prepare(description, record, read_record(record, reading), settings)
    except EcgTlError as error:
        return Answered(record, error)


def _read_unless_long(
    read: Callable[[Path], Prepared | Answered], most: int, record: Path
) -> Prepared | Answered | Path:
    """Read a record; return its path if that is more than `most` windows."""
    ready = read(record)
    return record if isinstance(ready, Prepared) and len(ready.windows) > most else ready


def _answer(
    model: InferenceModel, group: Sequence[Prepared | Answered], settings: AnswerSettings
) -> Iterator[Answered]:
    """Answer some records: the short ones together, a long one by itself."""
    short = [one for one in group if isinstance(one, Prepared) and len(one.windows) < BATCH]
    logits: dict[int, NDArray[np.float64]] = {}
    if short:
        signals = np.concatenate([one.windows.signal(slice(None)) for one in short])
        together = model.logits(signals).astype(np.float64)
        ends = np.cumsum([len(one.windows) for one in short])
        logits = {id(one): part for one, part in zip(short, np.split(together, ends[:-1]), strict=True)}
    for one in group:
        if isinstance(one, Answered):
            yield one
            continue
        own = logits.get(id(one))
        try:
            found = conclude(
                one, run(model, one.windows) if own is None else own, model.description, settings
            )
        except EcgTlError as error:
            yield Answered(one.record, error)
            continue
        yield Answered(one.record, found, one.windows)
