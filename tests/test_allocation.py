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


WEIGHTS_AFTER_STEPS = """
import hashlib, sys, torch
from ecg_tl.allocation import keep_freed_memory
from ecg_tl.models import create_network

if sys.argv[1] == "kept":
    assert keep_freed_memory()
digest = hashlib.sha256()
for name in ("lstm", "resnet1d18"):
    torch.manual_seed(0)
    network = create_network(name, 5, 12, 250)
    optimizer = torch.optim.AdamW(network.parameters())
    signal = torch.randn(8, 12, 250)
    for _ in range(3):
        optimizer.zero_grad()
        network(signal).square().sum().backward()
        optimizer.step()
    for tensor in network.state_dict().values():
        digest.update(tensor.numpy().tobytes())
print(digest.hexdigest())
"""

pytestmark = pytest.mark.skipif(not can_keep_freed_memory(), reason="the C library is not glibc")


def said(script: str, how: str) -> str:
    done = subprocess.run([sys.executable, "-c", script, how], capture_output=True, text=True, check=True)
    return done.stdout


def pages_asked_for(how: str) -> int:
    return int(said(PAGES_ASKED_FOR, how))


@pytest.mark.slow
def test_a_step_finds_the_memory_of_the_last_one() -> None:
    assert pages_asked_for("kept") < 1000 < 10_000 < pages_asked_for("given back")


@pytest.mark.slow
def test_what_is_computed_is_the_same_to_the_last_bit() -> None:
    assert said(WEIGHTS_AFTER_STEPS, "kept") == said(WEIGHTS_AFTER_STEPS, "given back")
