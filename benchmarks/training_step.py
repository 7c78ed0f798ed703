"""Records a second of a training step: the plain way against this project's, for the paper's networks.

    python benchmarks/training_step.py [--networks ...] [--quick]

The plain way is what a script would do: `Conv1d` as written on contiguous signals, in float64 and in float32,
and the optimizer as PyTorch makes it. Ours is the network as it comes (its memory format is `auto`) with a
fused optimizer and freed memory kept, in float32 and in bfloat16. For recurrent networks the plain way in
float32 is PyTorch's own layer. Every way has a process of its own, since some settings are a process's, and
they take turns.

The share of the peak is that of the matrix products and convolutions, counted by PyTorch's flop counter, over
what a product of two large matrices reaches here in the same precision. The share of the bandwidth is that of
the bytes that all operations read and write, counted as if none stayed in a cache (so it may exceed 1), over
what a copy of a large tensor reaches. cuDNN's and oneDNN's recurrent layers are one operation each that the
counters cannot look into, and they do not count the Fourier transforms of state-space models.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.nn.functional as F
from timing import computes_in_bfloat16, interleave, print_machine, print_table, synchronize
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from ecg_tl.allocation import keep_freed_memory
from ecg_tl.models import EcgNetwork, create_network, find_network, network_names
from ecg_tl.tasks.optimization import make_optimizer, parameter_groups

Work = Callable[[], object]
PAPERS = ("resnet1d18", "resnet1d50", "resnet1d101", "lstm", "bilstm", "gru")
"""Measured unless others are named: published networks of 90 million parameters are too slow for a CPU."""
BATCH = {"resnet1d50": 8, "resnet1d101": 8}  # on a CPU, where a step in float64 takes many seconds
CLASSES = 5


@dataclass(frozen=True)
class Way:
    """One way to train.

    Attributes:
        name: In the table.
        dtype: Of parameters and signals.
        autocast: Whether in bfloat16 where that is safe.
        plain: Whether as a script would do it.
    """

    name: str
    dtype: torch.dtype = torch.float32
    autocast: bool = False
    plain: bool = False


WAYS = (
    Way("float64, plain", torch.float64, plain=True),
    Way("float32, plain", plain=True),
    Way("float32, ours"),
    Way("bfloat16, ours", autocast=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=PAPERS, choices=network_names())
    parser.add_argument(
        "--batch", type=int, help="records a step; 32 (deep ResNets 8) on a CPU, 512 on a GPU"
    )
    parser.add_argument("--budget", type=float, default=3.0, help="seconds for each network and mode")
    parser.add_argument("--quick", action="store_true", help="short signals, few rounds: does it run?")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print_machine("training_step: records a second of a forward pass and of a whole step")
    samples, budget = (100, 0.0) if arguments.quick else (1000, arguments.budget)
    peaks = measure_peaks(device, 256 if arguments.quick else 1024 if device.type == "cpu" else 8192)
    rows: list[list[object]] = []
    workers = [start(way) for way in WAYS]
    for name in arguments.networks:
        batch = arguments.batch or (512 if device.type == "cuda" else BATCH.get(name, 32))
        job = Job(name, 4 if arguments.quick else batch, samples)
        rows += measure(job, workers, budget, device, peaks)
    for worker in workers:
        worker.send(None)
    columns = ["network", "batch", "way", "forward/s", "step/s"]
    columns += ["x float64", "x float32", "rounds' range", "of peak", "of bandwidth"]
    print_table(columns, rows)
    for key, value in peaks.items():
        print(f"{key}: {value / 1e9:,.0f} {'GB/s' if key == 'copy' else 'Gflop/s'}")
    if device.type == "cpu":
        print("On a GPU: not measured")


@dataclass(frozen=True)
class Job:
    """What is trained.

    Attributes:
        network: Its name.
        batch: Records a step.
        samples: Of each lead.
    """

    network: str
    batch: int
    samples: int


def measure(
    job: Job, workers: list[Connection], budget: float, device: torch.device, peaks: dict[str, float]
) -> list[list[object]]:
    """Return a network's rows of the table, in the ways that this machine can."""
    able = computes_in_bfloat16(job.network)
    ways = {way: worker for way, worker in zip(WAYS, workers, strict=True) if able or not way.autocast}
    for worker in ways.values():
        ask(worker, job)
    names = [way.name for way in ways]
    by_name = list(zip(names, ways.values(), strict=True))
    forward = interleave(
        {name: partial(ask, worker, "forward") for name, worker in by_name}, budget=budget / 4
    )
    step = interleave({name: partial(ask, worker, "step") for name, worker in by_name}, budget=budget)
    flops, moved = count(*make(job, device))
    rows: list[list[object]] = []
    for way in ways:
        seconds = step.median(way.name)
        peak = peaks["bfloat16" if way.autocast else str(way.dtype).removeprefix("torch.")]
        moved_here = moved * (2 if way.dtype == torch.float64 else 0.5 if way.autocast else 1)
        rows.append(
            [
                job.network,
                job.batch,
                way.name,
                job.batch / forward.median(way.name),
                job.batch / seconds,
                step.ratio(names[0], way.name),
                step.ratio(names[1], way.name),
                step.spread(names[1], way.name),
                f"{flops / seconds / peak:.0%}" if is_counted(job.network) else "-",
                f"{moved_here / seconds / peaks['copy']:.0%}" if is_counted(job.network) else "-",
            ]
        )
    return rows


def is_counted(network: str) -> bool:
    """Whether the counters see all of a network: layers of recurrent ones are one operation each to them."""
    return find_network(network).family in ("cnn", "transformer")


def start(way: Way) -> Connection:
    """Start the process of one way to train."""
    context = multiprocessing.get_context("spawn")
    connection, other = context.Pipe()
    context.Process(target=serve, args=(other, way), daemon=True).start()
    other.close()
    return connection


def ask(worker: Connection, what: Job | str) -> None:
    """Let a process make ready for a job, or do its `forward` or its `step`; wait until that is done."""
    worker.send(what)
    worker.recv()


def serve(connection: Connection, way: Way) -> None:
    """Do what is asked for, the one way."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    if device.type == "cpu" and not way.plain:
        keep_freed_memory()
    works: dict[str, Work] = {}
    while (what := connection.recv()) is not None:
        if isinstance(what, Job):
            works = work(what, way, device)
        else:
            works[what]()
            synchronize()
        connection.send("done")


def make(job: Job, device: torch.device, **options: Any) -> tuple[EcgNetwork, Tensor, Tensor]:
    """Return a network, the same for every way, signals and targets."""
    torch.manual_seed(0)
    network = create_network(job.network, CLASSES, 12, job.samples, **options).to(device)
    signal = torch.randn(job.batch, 12, job.samples, device=device)
    return network, signal, (torch.rand(job.batch, CLASSES, device=device) > 0.5).float()


def work(job: Job, way: Way, device: torch.device, *, capturable: bool = False) -> dict[str, Work]:
    """Return one way's forward pass and its whole training step, which may be one for a CUDA graph."""
    chooses = "memory_format" in find_network(job.network).options
    options = {"memory_format": "contiguous"} if way.plain and chooses else {}
    network, signal, target = make(job, device, **options)
    network.to(way.dtype)
    return work_of(network, signal.to(way.dtype), target.to(way.dtype), way, capturable=capturable)


def work_of(
    network: EcgNetwork, signal: Tensor, target: Tensor, way: Way, *, capturable: bool = False
) -> dict[str, Work]:
    """Return the forward pass and the training step of a network as it is."""
    optimizer = make_optimizer("adamw", parameter_groups(network, 1e-3, 0.01), fused=not way.plain)
    for group in optimizer.param_groups:
        group["capturable"] = capturable

    def forward() -> Tensor:
        with torch.autocast(signal.device.type, torch.bfloat16, enabled=way.autocast):
            logits: Tensor = network(signal)
        return logits if way.dtype == torch.float64 else logits.float()

    def score() -> None:
        with torch.no_grad():
            forward()

    def step() -> None:
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(forward(), target).backward()
        optimizer.step()

    return {"forward": score, "step": step}


def measure_peaks(device: torch.device, size: int) -> dict[str, float]:
    """Measure what a product of matrices reaches in each precision, in flop/s, and a copy, in bytes/s."""
    subjects: dict[str, Work] = {}
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        subjects[str(dtype).removeprefix("torch.")] = partial(torch.matmul, left, right)
    source = torch.empty(2**28 if device.type == "cuda" else 2**26, dtype=torch.float32, device=device)
    subjects["copy"] = partial(torch.zeros_like(source).copy_, source)
    # The best of many, over seconds: a peak is what nothing else disturbs.
    timed = interleave(subjects, budget=5.0, most=100)
    amounts = dict.fromkeys(subjects, 2 * size**3) | {"copy": 2 * source.nbytes}
    return {name: amount / min(timed.seconds[name]) for name, amount in amounts.items()}


class ByteCounter(TorchDispatchMode):
    """Adds up the bytes that operations read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count it; a view moves nothing."""
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            outputs = result if isinstance(result, tuple | list) else (result,)
            tensors = [each for each in (*args, *outputs) if isinstance(each, Tensor)]
            self.total += sum(tensor.nbytes for tensor in tensors)
        return result


def count(network: EcgNetwork, signal: Tensor, target: Tensor) -> tuple[int, int]:
    """Count flops, and bytes in float32, of a forward and a backward pass."""
    bytes_moved = ByteCounter()
    with FlopCounterMode(display=False) as flops, bytes_moved:
        F.binary_cross_entropy_with_logits(network(signal), target).backward()
    return flops.get_total_flops(), bytes_moved.total


if __name__ == "__main__":
    main()
