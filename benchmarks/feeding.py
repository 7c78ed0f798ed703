"""Records a second that the loader gives, from disk, memory and device, against what networks eat.

    python benchmarks/feeding.py [--quick]

From the store to normalised signals on the device, whole batches in the order of a training epoch. The store
has just been written, so that "disk" is a memory map of pages that the operating system holds; from a cold
disk the disk sets the pace.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from stores import write_noise_store
from timing import interleave, print_machine, print_table

from ecg_tl.acceleration import describe_device, take_device
from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.datamodules.ptbxl import PtbXlDataModule
from ecg_tl.datamodules.residency import Residency
from ecg_tl.models import create_network
from ecg_tl.store.reader import Store
from ecg_tl.tasks.optimization import make_optimizer, parameter_groups
from ecg_tl.transforms import FixedScale

BATCH = 64
RESIDENCIES: tuple[Residency, ...] = ("disk", "memory", "device")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=4096)
    parser.add_argument("--budget", type=float, default=8.0, help="seconds for each table")
    parser.add_argument("--quick", action="store_true", help="few records: does it run?")
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    print_machine("feeding: records a second from store to device")
    device = take_device("auto")
    with tempfile.TemporaryDirectory() as folder:
        records, samples = (200, 100) if arguments.quick else (arguments.records, 1000)
        store = write_noise_store(Path(folder) / "store", records, samples)
        feeds = {residency: feed(store, residency, device) for residency in RESIDENCIES}
        batch = torch.randn(BATCH, 12, samples, device=device)
        eaters = {name: eat(name, batch) for name in ("resnet1d18", "lstm")}
        given = interleave(feeds, budget=0 if arguments.quick else arguments.budget)
        eaten = interleave(eaters, budget=0 if arguments.quick else arguments.budget)
    trained = 8 * records // 10
    speeds = {name: BATCH / eaten.median(name) for name in eaters}
    rows = [
        [f"from {name}", trained / given.median(name)]
        + [trained / given.median(name) / speed for speed in speeds.values()]
        for name in feeds
    ]
    print_table(["signals", "records/s", *(f"x what {name} eats" for name in eaters)], rows)
    eats = ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds.items())
    print(f"A training step eats, records/s: {eats}")


def feed(store: Store, residency: Residency, device: torch.device) -> Callable[[], None]:
    """Return a function that goes through the training records once."""
    data: EcgDataModule = PtbXlDataModule(
        store=str(store.path),
        num_samples=store.manifest.settings.num_samples,
        batch_size=BATCH,
        residency=residency,
    )
    data.setup("fit")
    loader = data.train_dataloader()
    normalization = FixedScale()

    def epoch() -> None:
        for batch in loader:
            moved = {
                name: tensor.to(device, non_blocking=True)
                for name, tensor in data.on_before_batch_transfer(batch, 0).items()
            }
            normalization(data.on_after_batch_transfer(moved, 0)["signal"])  # type: ignore[arg-type]

    return epoch


def eat(name: str, signal: torch.Tensor) -> Callable[[], None]:
    """Return a training step of a network in the fastest precision of this hardware."""
    network = create_network(name, 5, 12, signal.shape[-1]).to(signal.device)
    optimizer = make_optimizer("adamw", parameter_groups(network, 1e-3, 0.01), fused=True)
    target = (torch.rand(len(signal), 5, device=signal.device) > 0.5).float()
    bfloat16 = describe_device().bfloat16

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(signal.device.type, torch.bfloat16, enabled=bfloat16):
            logits = network(signal)
        F.binary_cross_entropy_with_logits(logits.float(), target).backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
