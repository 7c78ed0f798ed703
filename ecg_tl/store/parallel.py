"""The same function over many records, on several processes, in order and with flat memory.

On `concurrent.futures`, whose own `Executor.map` submits every record at once before Python 3.14. What is
added to it is a bound on what is under way, the function sent once a process, and workers that end with their
parent.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from ecg_tl.errors import SettingError, StoreError
from ecg_tl.limits import WORKERS, shown

Item = TypeVar("Item")
Result = TypeVar("Result")

SERIAL_BELOW = 500
"""Records. Processes take half a second to start, and then save half of the second that so many take one."""

LARGEST_CHUNK = 32
"""Records a task: 0.8 MB of results at 12 x 1000 samples, and under a second until Ctrl-C is answered."""

MOST_WORKERS = 16
"""Unless asked for: beyond this the disk, not the parser, sets the pace on most machines."""

_function: Callable[[Any], Any] | None = None
"""What this worker process does; sent once a process instead of once a task."""


def count_workers(workers: int | None, items: int) -> int:
    """Return how many processes to use: 1 (none but this one) for few items, else as asked or one a core.

    Raises:
        SettingError: If less than one was asked for.
    """
    if workers is not None and (workers == 0 or not WORKERS.holds(workers)):
        expected = f"a whole number from 1 to {WORKERS.highest:,}"
        raise SettingError("workers", shown(workers), expected, "Give such a number, or leave it out.")
    if items < SERIAL_BELOW:
        return 1
    if workers is not None:
        return workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)


def map_ordered(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    largest_chunk: int = LARGEST_CHUNK,
) -> Generator[Result]:
    """Yield `function(item)` for each item, in order.

    Only a few chunks are ever under way, so that memory does not grow with a slow consumer. Close the
    iterator when leaving early (`contextlib.closing`): it ends the processes.

    Args:
        function: Picklable, as are items and results.
        items: What to do it with.
        workers: Processes; with 1 it all happens in this one.
        largest_chunk: Items that a process is given at once, at most.

    Raises:
        StoreError: If a process ended before its work was done.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    size = max(1, min(largest_chunk, len(items) // (4 * workers)))
    chunks = iter([items[start : start + size] for start in range(0, len(items), size)])
    # Never a plain fork: the calling process has threads (PyTorch's, a progress bar's), and a lock that one
    # of them holds at that moment would stay locked in the child for ever.
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context(method), initializer=_start_worker, initargs=(function,)
    )
    pending: deque[Future[list[Any]]] = deque()
    try:
        for chunk in chunks:
            pending.append(pool.submit(_run_chunk, chunk))
            if len(pending) > 2 * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    except BrokenProcessPool as error:
        raise StoreError(
            "worker processes",
            "one that ended abruptly",
            "all to finish their work",
            "Give fewer workers if memory ran out; in a script of your own, call this below "
            "`if __name__ == '__main__':`.",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def refuse_unguarded_script(what: str) -> None:
    """Refuse `what` while this is a worker process that is still importing its parent's script.

    A new worker imports the script that started it. If that does its work outside of
    `if __name__ == "__main__":`, every worker begins it once more, and waits for a lock that the parent
    holds until the workers answer: for ever.

    Raises:
        StoreError: If it is.
    """
    # By this flag multiprocessing itself refuses to start processes at that moment; it has no public name.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise StoreError(
            "worker processes",
            f"{what} again, while a worker imported the script that started it",
            "it once, in the script itself",
            "Put what the script does below `if __name__ == '__main__':`.",
        )


def _start_worker(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function
    # The processes share the cores out; with threads as well, BLAS waits for cores that are taken, and
    # `prepare` is four times as slow.
    threadpool_limits(1)
    # Ctrl-C reaches every process of the terminal; the main one answers for all.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A killed parent tells its workers nothing, and each keeps the queue open that the others wait on:
    # without this they would wait for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run_chunk(chunk: Sequence[Any]) -> list[Any]:
    assert _function is not None, "set by the initializer"
    return [_function(item) for item in chunk]
