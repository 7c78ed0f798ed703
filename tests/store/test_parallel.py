from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ecg_tl.store.parallel import map_ordered

COUNT_THREADS = """
import numpy as np
from threadpoolctl import threadpool_info
from ecg_tl.store.parallel import map_ordered

def blas_threads(_):
    return max(pool["num_threads"] for pool in threadpool_info())

if __name__ == "__main__":
    print(set(map_ordered(blas_threads, range(600), 2)))
"""


def square(number: int) -> int:
    return number * number


def test_results_come_in_the_order_of_the_items_however_many_processes() -> None:
    for workers in (1, 2):
        assert list(map_ordered(square, range(600), workers)) == [number**2 for number in range(600)]


def test_a_process_has_one_thread_however_many_are_allowed(tmp_path: Path) -> None:
    script = tmp_path / "count_threads.py"
    script.write_text(COUNT_THREADS)
    allowed = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, str(script)], env=allowed, capture_output=True, text=True, check=False
    )
    assert done.stdout == "{1}\n", done.stderr
