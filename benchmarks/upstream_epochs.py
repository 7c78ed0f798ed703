"""Seconds and memory of one fine-tuning epoch of each published upstream's network, on two cores.

    python benchmarks/upstream_epochs.py [--upstreams ...] [--records 2000] [--quick]

Every network trains on records of its own contract's shape with its published sizes; weights are drawn, which
costs the same as loaded ones. An epoch is timed over a few steps and scaled to the records asked for, since a
whole one of the largest takes an hour. Each network has a process of its own, so that the peak of its memory
is its own: parameters, gradients, AdamW's two moments, and what the backward pass keeps.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

import torch
import torch.nn.functional as F
from timing import print_machine, print_table

from ecg_tl.models import EcgNetwork, create_network
from ecg_tl.published import UPSTREAMS, find_upstream
from ecg_tl.tasks.optimization import make_optimizer, parameter_groups

CLASSES = 5
CORES = 2
BATCH = 16
TINY = {"net1d", "ecg_fm", "hubert_ecg", "ecg_jepa", "weimann_vit", "openecg"}
"""Networks with a size for trying things out, which is what `--quick` takes."""


@dataclass(frozen=True)
class Measured:
    """What one network took.

    Attributes:
        parameters: Numbers that are trained.
        leads: Of its input.
        samples: Of its input.
        seconds: Of one step of training, the median.
        peak: Of the process's memory, in bytes.
        before: That memory before the network was made, in bytes.
    """

    parameters: int
    leads: int
    samples: int
    seconds: float
    peak: int
    before: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--upstreams", nargs="+", default=list(distinct()), choices=list(UPSTREAMS))
    parser.add_argument("--records", type=int, default=2000, help="records of an epoch")
    parser.add_argument("--batch", type=int, default=BATCH, help="records a step")
    parser.add_argument("--steps", type=int, default=3, help="steps that are timed, after one that is not")
    parser.add_argument("--quick", action="store_true", help="small networks, one step: does it run?")
    arguments = parser.parse_args()
    print_machine(f"upstream_epochs: one epoch of fine-tuning on {arguments.records:,} records")
    rows: list[list[object]] = []
    names = ["openecg", "merl-resnet18"] if arguments.quick else arguments.upstreams
    for name in names:
        batch, steps = (2, 1) if arguments.quick else (arguments.batch, arguments.steps)
        found = in_own_process(name, batch, steps, arguments.quick)
        rows.append(
            [
                name,
                f"{found.parameters / 1e6:.1f} M",
                f"{found.leads} x {found.samples}",
                f"{batch / found.seconds:.1f}",
                f"{found.seconds * arguments.records / batch:,.0f}",
                f"{found.peak / 2**30:.2f}",
                f"{(found.peak - found.before) / 2**30:.2f}",
            ]
        )
    columns = ["upstream", "parameters", "input", "records/s", "epoch, s", "peak, GiB", "of it its own"]
    print_table(columns, rows)


def distinct() -> Iterator[str]:
    """Name one upstream of each network and size."""
    seen = set()
    for name, entry in UPSTREAMS.items():
        key = (entry.network, tuple(sorted(entry.options.items())), len(entry.contract.leads))
        if key not in seen:
            seen.add(key)
            yield name


def in_own_process(name: str, batch: int, steps: int, quick: bool) -> Measured:
    """Measure a network in a process that has nothing else in its memory."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=measure, args=(theirs, name, batch, steps, quick))
    process.start()
    theirs.close()
    try:
        measured: Measured = ours.recv()
    except EOFError:
        raise SystemExit(f"{name}: the process ended without a measurement; was there memory?") from None
    process.join()
    return measured


def measure(answer: Connection, name: str, batch: int, steps: int, quick: bool) -> None:
    """Train a few steps, and send what they took."""
    torch.set_num_threads(CORES)
    torch.manual_seed(0)
    entry = find_upstream(name)
    contract = entry.contract
    options = dict(entry.options)
    if quick and entry.network in TINY:
        options["size"] = "tiny"
    before = peak_bytes()
    network = create_network(entry.network, CLASSES, len(contract.leads), contract.num_samples, **options)
    signals = torch.randn(batch, len(contract.leads), contract.num_samples)
    targets = torch.randint(0, 2, (batch, CLASSES)).float()
    seconds = sorted(timed_steps(network, signals, targets, steps))[steps // 2]
    count = sum(one.numel() for one in network.parameters())
    shape = len(contract.leads), contract.num_samples
    answer.send(Measured(count, *shape, seconds, peak_bytes(), before))


def timed_steps(
    network: EcgNetwork, signals: torch.Tensor, targets: torch.Tensor, steps: int
) -> Iterator[float]:
    """Train on the same batch, and give the seconds of each step but the first."""
    network.train()
    optimizer = make_optimizer("adamw", parameter_groups(network, 1e-4, 0.01), fused=True)
    for step in range(steps + 1):
        start = time.perf_counter()
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(network(signals), targets).backward()
        optimizer.step()
        if step:
            yield time.perf_counter() - start


def peak_bytes() -> int:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
