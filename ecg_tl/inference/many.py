"""Many records: read ahead by several processes, and given to the network a batch at a time.

A network on a batch of one record has a fraction of its speed. The last digits of a record's probabilities
can differ from those that it has alone, as they do between batches of any sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import EcgTlError
from ecg_tl.inference.answer import BATCH, Answer, AnswerSettings, Prepared, conclude, prepare, run
from ecg_tl.inference.model import InferenceModel, ModelDescription
from ecg_tl.inference.windows import Windows
from ecg_tl.recordings import ReadSettings, read_record
from ecg_tl.store.parallel import count_workers, map_ordered

MOST_SENT = 2 * BATCH
"""Windows that a process which reads ahead sends: a day has thousands, and many records wait at once."""


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
) -> Iterator[Answered]:
    """Yield an answer for each record, in order.

    Few records are under way at any time: memory does not grow with their number. What is wrong with a record
    is its own outcome; the others go on.

    Args:
        model: The network.
        records: Paths.
        reading: How they are read.
        settings: How they become answers.
        workers: Processes that read; by default none but this one for few records, else one a core.

    Raises:
        SettingError: If the number of processes makes no sense.
        StoreError: If a process ended before its work was done.
    """
    description = model.description
    workers = count_workers(workers, len(records))
    read = partial(_read, description, reading, settings, most=MOST_SENT if workers > 1 else None)
    with closing(map_ordered(read, records, workers)) as ahead:
        waiting: list[Prepared | Answered] = []
        windows = 0
        for one in ahead:
            # What is too long to be sent is read here.
            prepared = _read(description, reading, settings, one) if isinstance(one, Path) else one
            assert not isinstance(prepared, Path), "only a process that reads ahead gives paths back"
            waiting.append(prepared)
            windows += len(prepared.windows) if isinstance(prepared, Prepared) else 0
            if windows >= BATCH:
                yield from _answer(model, waiting, settings)
                waiting, windows = [], 0
        yield from _answer(model, waiting, settings)


def _read(
    description: ModelDescription,
    reading: ReadSettings,
    settings: AnswerSettings,
    record: Path,
    *,
    most: int | None = None,
) -> Prepared | Answered | Path:
    """Bring a record to what the network takes; return its path if that is more than `most` windows."""
    try:
        prepared = prepare(description, record, read_record(record, reading), settings)
    except EcgTlError as error:
        return Answered(record, error)
    return prepared if most is None or len(prepared.windows) <= most else record


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
