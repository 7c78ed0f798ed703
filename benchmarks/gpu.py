"""What there is to know of a GPU, in one table: `make bench-gpu`, under ten minutes.

    python benchmarks/gpu.py [--parts steps graphs compile epochs runs grid] [--quick]

- `steps`: a training step of every network that takes twelve leads of ten seconds, in bfloat16: records a
  second, and its share of what a product of two large matrices and a copy of a large tensor reach here.
- `graphs`, `compile`: the same step of small networks as one CUDA graph, with its passes as CUDA graphs (as
  `ecg-tl fit` has them), and under `torch.compile`.
- `epochs`: training epochs of `ecg-tl fit`, store on the device, against epochs of a bare loop over the same
  steps, both with CUDA graphs, and both without.
- `runs`: several small trainings that share the GPU, against one at a time.
- `grid`: hours of the paper's whole grid, from paces of whole trainings, one and several at a time
  (`paper_grid.py`).

Where there is no GPU, all that can run on the CPU does, to see whether it runs. What does not run here has
its reason in the table. Bars: ResNet1d-18 at 150,000 records/s on an H200 and 110,000 on an H100, epochs at
90 % of the bare loop, 4 times the runs an hour, the grid in an hour.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import paper_grid
import study_throughput
import torch
from stores import write_noise_store
from timing import interleave, print_machine, print_table
from trainer_overhead import alternating
from training_step import Job, Way, count, is_counted, make, measure_peaks, work, work_of

from ecg_tl.cuda_graph import install
from ecg_tl.models import find_network, network_names
from ecg_tl.training import silence_noise

Row = list[object]
Step = Callable[[], object]
MakeStep = Callable[[Job, torch.device], Step]
WAY = Way("bfloat16", autocast=True)
SMALL = ("resnet1d18", "gru", "lstm")
SMALL_BATCH = 64
LARGE = ("transformer",)
"""Families of which a step has fewer records."""
FULL_BATCHES = (512, 2048)
"""At which a ResNet1d-18 keeps a large GPU busy."""
TOGETHER = (1, 8)
GRID_TOGETHER = (1, 6)
PARTS = ("steps", "graphs", "compile", "epochs", "runs", "grid")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=512, help="records a step of a network by itself")
    parser.add_argument("--budget", type=float, default=2.0, help="seconds for each measurement")
    parser.add_argument("--networks", nargs="+", default=network_names(), choices=network_names())
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="all if not given")
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
    quick, parts = arguments.quick, arguments.parts
    samples, batch, budget = (100, 8, 0.0) if quick else (1000, arguments.batch, arguments.budget)
    small = ["gru"] if quick else SMALL
    for name in () if "steps" not in parts else ["gru"] if quick else arguments.networks:
        fewer = batch // 8 if find_network(name).family in LARGE else batch
        yield from whole_step(Job(name, max(1, fewer), samples), device, peaks, budget)
        if device.type == "cuda":
            torch.cuda.empty_cache()
    if "graphs" in parts:
        for name in small:
            yield from faster_steps(Job(name, 8 if quick else SMALL_BATCH, samples), GRAPHS, device, budget)
        for full in () if quick else FULL_BATCHES:
            yield from faster_steps(Job("resnet1d18", full, samples), GRAPHS, device, budget)
    for name in small if "compile" in parts else ():
        yield from faster_steps(Job(name, 8 if quick else SMALL_BATCH, samples), COMPILED, device, budget)
    with tempfile.TemporaryDirectory() as place:
        yield from trainings(arguments, samples, batch, Path(place))


def trainings(arguments: argparse.Namespace, samples: int, batch: int, folder: Path) -> Iterator[Row]:
    """Yield the rows of whole trainings."""
    quick, parts = arguments.quick, arguments.parts
    store = write_noise_store(folder / "store", 100 if quick else 20_000, samples).path
    for name in () if "epochs" not in parts else ("lstm",) if quick else ("resnet1d18", "lstm"):
        for graph in (True, False) if torch.cuda.is_available() else (False,):
            yield from epochs(name, store, samples, 20 if quick else batch, graph, folder / "runs")
    if "grid" in parts:
        for number in (1,) if quick else GRID_TOGETHER:
            paces = {}
            for name in ("gru",) if quick else paper_grid.NETWORKS:
                own, runs = 20 if quick else paper_grid.BATCH, folder / f"grid{number}" / name
                paces[name] = paper_grid.measure_together(name, store, samples, runs, own, number)
            for name, speed, _, beside, start, hours in paper_grid.table(paces, number):
                each = f": {beside} s beside an epoch, {start} beside a run" if beside else ""
                how = f"{number} at a time{each}"
                yield ["grid", name, how, paper_grid.BATCH, speed, "hours", f"{hours:.2f}"]
    few = write_noise_store(folder / "few", 100 if quick else 250, samples).path
    for name in () if "runs" not in parts else ("gru",) if quick else ("gru", "resnet1d18"):
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


def faster_steps(
    job: Job, ways: Mapping[str, MakeStep], device: torch.device, budget: float
) -> Iterator[Row]:
    """Yield records a second of a step in other ways, against the step as it is."""
    plain = work(job, WAY, device)["step"]
    for name, make_step in ways.items():
        try:
            timed = interleave({"plain": plain, name: make_step(job, device)}, budget=budget)
        except Exception as error:  # no GPU, no compiler, an operation that cannot be captured
            yield ["small step", job.network, name, job.batch, "-", reason(error), "-"]
            continue
        speed, ratio = f"{job.batch / timed.median(name):,.0f}", f"{timed.ratio('plain', name):.2f}"
        yield ["small step", job.network, name, job.batch, speed, "as it is", ratio]


def graph_of_step(job: Job, device: torch.device) -> Step:
    """Capture a whole step, optimizer and all, so that it is launched at once.

    Raises:
        RuntimeError: If there is no GPU, or the step cannot be captured.
    """
    require_gpu()
    step = work(job, WAY, device, capturable=True)["step"]
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(3):  # what is allocated and chosen once is not part of it
            step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def replay(kept: object = step) -> None:  # the graph reads the memory of the step's tensors
        graph.replay()

    return replay


def graphs_of_passes(job: Job, device: torch.device) -> Step:
    """Return the step with its passes forward and backward as graphs, as a training has them.

    Raises:
        RuntimeError: If there is no GPU, or the passes cannot be captured.
    """
    require_gpu()
    network, *batch = make(job, device)
    passes = install(network)
    step = work_of(network, *batch, WAY)["step"]
    for _ in range(3):
        step()
    if passes.refusal is not None:
        raise RuntimeError(passes.refusal)
    return step


def require_gpu() -> None:
    """Refuse a machine without a GPU.

    Raises:
        RuntimeError: If there is none.
    """
    if not torch.cuda.is_available():
        raise RuntimeError("no GPU")


GRAPHS: Mapping[str, MakeStep] = {"CUDA graph": graph_of_step, "passes as graphs": graphs_of_passes}
COMPILED: Mapping[str, MakeStep] = {
    "compile": lambda job, device: torch.compile(work(job, WAY, device)["step"])
}


def epochs(network: str, store: Path, samples: int, batch: int, graph: bool, runs: Path) -> Iterator[Row]:
    """Yield the records a second of training epochs, against a bare loop."""
    # Not every processor has LSTMs in bfloat16; it is the GPU's that is asked for.
    precision = "bf16-mixed" if torch.cuda.is_available() else "32-true"
    alternate = alternating(network, precision, store, samples, 3, runs, batch, graph, whole=True)
    trained, bare = alternate.trained[1:], alternate.bare[1:]
    share = statistics.median(one / other for one, other in zip(bare, trained, strict=True))
    speed = f"{len(alternate.signals) / statistics.median(trained):,.0f}"
    how = f"ecg-tl fit{', graphs' if graph else ''}"
    yield ["epoch", network, how, batch, speed, "bare loop", f"{share:.1%}"]


def together(
    network: str, store: Path, samples: int, numbers: tuple[int, ...], folder: Path
) -> Iterator[Row]:
    """Yield the trainings an hour of several processes that share the device, against one."""
    words = study_throughput.command(network, store, samples, epochs=2)
    with study_throughput.pools_of(numbers) as pools:
        timed = study_throughput.measure(words, pools, 1, 1, folder)
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
