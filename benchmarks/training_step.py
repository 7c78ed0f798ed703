"""Records a second of a training step: the plain way against this project's, for each network.

    python benchmarks/training_step.py [--networks ...] [--quick]

The plain way is what a script would do: `Conv1d` as written on contiguous signals, in float64 and in float32,
and the optimizer as PyTorch makes it. Ours is the network as it comes (its memory format is `auto`) with a
fused optimizer, in float32 and in bfloat16. For recurrent networks the plain way in float32 is PyTorch's own
layer.

The share of the peak is that of the matrix products and convolutions, counted by PyTorch's flop counter, over
what a product of two large matrices reaches here in the same precision. The share of the bandwidth is that of
the bytes that all operations read and write, counted as if none stayed in a cache (so it may exceed 1), over
what a copy of a large tensor reaches. cuDNN's and oneDNN's recurrent layers are one operation each that the
counters cannot look into.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from timing import interleave, print_machine, print_table
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from ecg_tl.models import EcgNetwork, create_network, network_names
from ecg_tl.tasks.optimization import make_optimizer, parameter_groups

Work = Callable[[], object]
BATCH = {"resnet1d50": 16, "resnet1d101": 16}  # on a CPU, where a step in float64 takes many seconds
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
    parser.add_argument("--networks", nargs="+", default=network_names(), choices=network_names())
    parser.add_argument(
        "--batch", type=int, help="records a step; 64 (deep ResNets 16) on a CPU, 512 on a GPU"
    )
    parser.add_argument("--budget", type=float, default=14.0, help="seconds for each network and mode")
    parser.add_argument("--quick", action="store_true", help="short signals, few rounds: does it run?")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
    print_machine("training_step: records a second of a forward pass and of a whole step")
    samples, budget = (100, 0.0) if arguments.quick else (1000, arguments.budget)
    peaks = measure_peaks(device, 256 if arguments.quick else 1024 if device.type == "cpu" else 8192)
    rows: list[list[object]] = []
    for name in arguments.networks:
        batch = arguments.batch or (512 if device.type == "cuda" else BATCH.get(name, 64))
        rows += measure(name, 4 if arguments.quick else batch, samples, budget, device, peaks)
    columns = ["network", "batch", "way", "forward/s", "step/s"]
    columns += ["x float64", "x float32", "rounds' range", "of peak", "of bandwidth"]
    print_table(columns, rows)
    for key, value in peaks.items():
        print(f"{key}: {value / 1e9:,.0f} {'GB/s' if key == 'copy' else 'Gflop/s'}")
    if device.type == "cpu":
        print("On a GPU: not measured")


def measure(
    name: str, batch: int, samples: int, budget: float, device: torch.device, peaks: dict[str, float]
) -> list[list[object]]:
    """Return a network's rows of the table."""
    torch.manual_seed(0)
    reference = create_network(name, CLASSES, 12, samples).to(device)
    signal = torch.randn(batch, 12, samples, device=device)
    target = (torch.rand(batch, CLASSES, device=device) > 0.5).float()
    forwards: dict[str, Work] = {}
    steps: dict[str, Work] = {}
    for way in WAYS:
        forwards[way.name], steps[way.name] = work(reference, name, way, signal, target)
    forward = interleave(forwards, budget=budget / 4)
    step = interleave(steps, budget=budget)
    flops, moved = count(reference, signal, target)
    rows: list[list[object]] = []
    for way in WAYS:
        seconds = step.median(way.name)
        peak = peaks["bfloat16" if way.autocast else str(way.dtype).removeprefix("torch.")]
        moved_here = moved * (2 if way.dtype == torch.float64 else 0.5 if way.autocast else 1)
        counted = name in network_names("cnn")
        rows.append(
            [
                name,
                batch,
                way.name,
                batch / forward.median(way.name),
                batch / seconds,
                step.ratio(WAYS[0].name, way.name),
                step.ratio(WAYS[1].name, way.name),
                step.spread(WAYS[1].name, way.name),
                f"{flops / seconds / peak:.0%}" if counted else "-",
                f"{moved_here / seconds / peaks['copy']:.0%}" if counted else "-",
            ]
        )
    return rows


def work(reference: EcgNetwork, name: str, way: Way, signal: Tensor, target: Tensor) -> tuple[Work, Work]:
    """Return one way's forward pass and its whole training step."""
    network = copy.deepcopy(reference)
    if way.plain and name in network_names("cnn"):
        network = create_network(name, CLASSES, 12, signal.shape[-1], memory_format="contiguous")
        network.load_state_dict(reference.state_dict())
        network.to(signal.device)
    network.to(way.dtype)
    own_signal, own_target = signal.to(way.dtype), target.to(way.dtype)
    groups = parameter_groups(network, 1e-3, 0.01)
    optimizer = make_optimizer("adamw", groups, fused=not way.plain)

    def forward() -> Tensor:
        with torch.autocast(signal.device.type, torch.bfloat16, enabled=way.autocast):
            logits: Tensor = network(own_signal)
        return logits if way.dtype == torch.float64 else logits.float()

    def score() -> None:
        with torch.no_grad():
            forward()

    def step() -> None:
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(forward(), own_target).backward()
        optimizer.step()

    return score, step


def measure_peaks(device: torch.device, size: int) -> dict[str, float]:
    """Measure what a product of matrices reaches in each precision, in flop/s, and a copy, in bytes/s."""
    found: dict[str, float] = {}
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        timed = interleave({"product": lambda a=left, b=right: a @ b}, budget=1.0)
        found[str(dtype).removeprefix("torch.")] = 2 * size**3 / min(timed.seconds["product"])
    source = torch.empty(2**28 if device.type == "cuda" else 2**26, dtype=torch.float32, device=device)
    goal = torch.zeros_like(source)
    timed = interleave({"copy": lambda: goal.copy_(source)}, budget=1.0)
    found["copy"] = 2 * source.nbytes / min(timed.seconds["copy"])
    return found


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
    network = copy.deepcopy(network)
    bytes_moved = ByteCounter()
    with FlopCounterMode(display=False) as flops, bytes_moved:
        F.binary_cross_entropy_with_logits(network(signal), target).backward()
    return flops.get_total_flops(), bytes_moved.total


if __name__ == "__main__":
    main()
