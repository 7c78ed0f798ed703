"""What there is to know of a GPU, in one table: `make bench-gpu`, under ten minutes.

    python benchmarks/gpu.py [--quick]

- A training step of every network that takes twelve leads of ten seconds, in bfloat16: records a second, and
  its share of what a product of two large matrices and a copy of a large tensor reach here.
- The same step of small networks as a CUDA graph (kernels are launched at once) and under `torch.compile`.
- Training epochs of `ecg-tl fit`, store on the device, against a bare loop over the same steps.
- Several small trainings that share the GPU, against one at a time.

Where there is no GPU, all that can run on the CPU does, to see whether it runs. What does not run here has
its reason in the table. Bars: ResNet1d-18 at 150,000 records/s on an H200 and 110,000 on an H100, epochs at
90 % of the bare loop, 4 times the runs an hour.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import study_throughput
import torch
from stores import write_noise_store
from timing import interleave, print_machine, print_table
from trainer_overhead import alternating
from training_step import Job, Way, count, is_counted, make, measure_peaks, work

from ecg_tl.models import find_network, network_names
from ecg_tl.training import silence_noise

Row = list[object]
WAY = Way("bfloat16", autocast=True)
SMALL = ("resnet1d18", "gru", "lstm")
SMALL_BATCH = 64
LARGE = ("transformer",)
"""Families of which a step has fewer records."""
TOGETHER = (1, 4, 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=512, help="records a step of a network by itself")
    parser.add_argument("--budget", type=float, default=2.0, help="seconds for each measurement")
    parser.add_argument("--networks", nargs="+", default=network_names(), choices=network_names())
    parser.add_argument("--quick", action="store_true", help="few networks, short signals: does it run?")
    arguments = parser.parse_args()
    began = time.perf_counter()
    print_machine("gpu: training steps, epochs and runs on one device")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    silence_noise()
    logging.disable(logging.WARNING)
    peaks = measure_peaks(device, 8192 if device.type == "cuda" else 256)
    rows: list[Row] = []
    for row in measurements(arguments, device, peaks):
        rows.append(row)
        print(f"{time.perf_counter() - began:4.0f} s", *row, sep="  ", file=sys.stderr, flush=True)
    print_table(["what", "network", "how", "batch", "a second", "against", "x or share"], rows)
    for key, value in peaks.items():
        print(f"{key}: {value / 1e9:,.0f} {'GB/s' if key == 'copy' else 'Gflop/s'}")
    if device.type == "cpu":
        print("On a GPU: not measured")
    print(f"{time.perf_counter() - began:.0f} s in all")


def measurements(
    arguments: argparse.Namespace, device: torch.device, peaks: dict[str, float]
) -> Iterator[Row]:
    """Yield the rows of the table, as they are measured."""
    quick = arguments.quick
    samples, batch, budget = (100, 8, 0.0) if quick else (1000, arguments.batch, arguments.budget)
    for name in ["gru"] if quick else arguments.networks:
        fewer = batch // 8 if find_network(name).family in LARGE else batch
        yield from whole_step(Job(name, max(1, fewer), samples), device, peaks, budget)
        if device.type == "cuda":
            torch.cuda.empty_cache()
    for name in ["gru"] if quick else SMALL:
        yield from faster_steps(Job(name, 8 if quick else SMALL_BATCH, samples), device, budget)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        store = write_noise_store(folder / "store", 100 if quick else 20_000, samples).path
        for name in ("lstm",) if quick else ("resnet1d18", "lstm"):
            yield from epochs(name, store, samples, 20 if quick else batch, folder / "runs")
        few = write_noise_store(folder / "few", 100 if quick else 250, samples).path
        for name in ("gru",) if quick else ("gru", "resnet1d18"):
            yield from together(name, few, samples, (1, 2) if quick else TOGETHER, folder / name)


def whole_step(job: Job, device: torch.device, peaks: dict[str, float], budget: float) -> Iterator[Row]:
    """Yield a network's records a second, against the peaks of matrix products and of copies."""
    try:
        step = work(job, WAY, device)["step"]
        seconds = interleave({"step": step}, budget=budget).median("step")
        flops, moved = count(*make(job, device))
    except Exception as error:  # not for this shape, or for want of memory: the others are measured
        yield ["step", job.network, WAY.name, job.batch, "-", reason(error), "-"]
        return
    for against, share in (
        ("matrix peak", flops / seconds / peaks["bfloat16"]),
        ("copy peak", moved * 0.5 / seconds / peaks["copy"]),
    ):
        shown = f"{share:.0%}" if is_counted(job.network) else "-"
        yield ["step", job.network, WAY.name, job.batch, f"{job.batch / seconds:,.0f}", against, shown]


def faster_steps(job: Job, device: torch.device, budget: float) -> Iterator[Row]:
    """Yield records a second of a small network's step as it is, as a CUDA graph, and compiled."""
    plain = work(job, WAY, device)["step"]
    ways: dict[str, Callable[[], Callable[[], object]]] = {
        "CUDA graph": lambda: as_graph(work(job, WAY, device, capturable=True)["step"]),
        "compile": lambda: torch.compile(work(job, WAY, device)["step"]),
    }
    for name, make_way in ways.items():
        try:
            subjects = {"plain": plain, name: make_way()}
            timed = interleave(subjects, budget=budget)
        except Exception as error:  # no GPU, no compiler, an operation that cannot be captured
            yield ["small step", job.network, name, job.batch, "-", reason(error), "-"]
            continue
        speed = f"{job.batch / timed.median(name):,.0f}"
        yield [
            "small step",
            job.network,
            name,
            job.batch,
            speed,
            "as it is",
            f"{timed.ratio('plain', name):.2f}",
        ]


def as_graph(step: Callable[[], object]) -> Callable[[], object]:
    """Capture a step, so that it is launched at once.

    Raises:
        RuntimeError: If there is no GPU, or the step cannot be captured.
    """
    if not torch.cuda.is_available():
        raise RuntimeError("no GPU")
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(3):  # what is allocated and chosen once is not part of it
            step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def epochs(network: str, store: Path, samples: int, batch: int, runs: Path) -> Iterator[Row]:
    """Yield the records a second of training epochs, against a bare loop."""
    # Not every processor has LSTMs in bfloat16; it is the GPU's that is asked for.
    precision = "bf16-mixed" if torch.cuda.is_available() else "32-true"
    alternate = alternating(network, precision, store, samples, 2, runs, batch)
    trained, bare = alternate.trained[1:], alternate.bare[1:]
    share = statistics.median(one / other for one, other in zip(bare, trained, strict=True))
    speed = f"{len(alternate.signals) / statistics.median(trained):,.0f}"
    yield ["epoch", network, "ecg-tl fit", batch, speed, "bare loop", f"{share:.1%}"]


def together(
    network: str, store: Path, samples: int, numbers: tuple[int, ...], folder: Path
) -> Iterator[Row]:
    """Yield the trainings an hour of several processes that share the device, against one."""
    words = study_throughput.command(network, store, samples, epochs=2)
    timed = study_throughput.measure(words, list(numbers), 1, 1, folder)
    alone = 1 / timed.median("1")
    for number in numbers:
        each = number / timed.median(str(number))
        yield [
            "runs",
            network,
            f"{number} at a time",
            32,
            f"{each:.3f}",
            "one at a time",
            f"{each / alone:.2f}",
        ]


def reason(error: Exception) -> str:
    """Say in few words why something is not measured."""
    said = " ".join(str(error).split()) or type(error).__name__
    return f"not measured: {said[:60]}".replace("|", "/")


if __name__ == "__main__":
    main()
