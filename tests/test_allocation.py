from __future__ import annotations

import subprocess
import sys

import pytest

from ecg_tl.allocation import can_keep_freed_memory

PAGES_ASKED_FOR = """
import resource, sys, torch
from ecg_tl.allocation import keep_freed_memory

if sys.argv[1] == "kept":
    assert keep_freed_memory()

def step():
    blocks = [torch.ones(size * 2**20, dtype=torch.uint8) for size in (1, 3, 50, 100)]
    return sum(int(block[-1]) for block in blocks)

for _ in range(20):  # until freed blocks fit
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages_asked_for(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PAGES_ASKED_FOR, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(not can_keep_freed_memory(), reason="the C library is not glibc")
def test_a_step_finds_the_memory_of_the_last_one() -> None:
    assert pages_asked_for("kept") < 1000 < 10_000 < pages_asked_for("given back")
