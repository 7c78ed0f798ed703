"""How fast this machine trains a study's networks: measured in a few steps, and kept."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser
from torch import Tensor

from ecg_tl.acceleration import Hardware, choose_keep_memory, choose_precision, describe_device
from ecg_tl.allocation import keep_freed_memory
from ecg_tl.datamodules import EcgDataModule
from ecg_tl.study.design.check import fill_model
from ecg_tl.study.design.measured import SPEED_FILE, MeasuredSpeed, read_speeds, write_speeds
from ecg_tl.study.design.overlay import digest
from ecg_tl.study.design.runs import Run
from ecg_tl.tasks import EcgClassifier
from ecg_tl.trust import parsing_limits, require_known_kinds

FEWEST_STEPS = 3
LONGEST_SECONDS = 3.0
"""Of a measurement, of training and of evaluation each, without the first step, which allocates."""

_WITHOUT_SPEED = ("optimizer", "learning_rate", "weight_decay", "schedule", "lr_decay")
"""Settings of a model on which its speed does not depend."""


class SpeedBook:
    """The speeds that were measured on this machine, kept in a file.

    Args:
        folder: The study's.
        threads: CPU threads of a run.
        accelerator: As the trainer takes it.
    """

    def __init__(self, folder: Path, threads: int, accelerator: str = "auto") -> None:
        self.path = folder / SPEED_FILE
        self.threads = threads
        cuda = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        self.device = torch.device("cuda" if cuda else "cpu")
        self._speeds = read_speeds(self.path)

    def find(self, run: Run, data: EcgDataModule) -> MeasuredSpeed | None:
        """Return the speed of a run's network, if it has been measured here."""
        return self._speeds.get(self._key(run, data))

    def measure(self, run: Run, data: EcgDataModule) -> MeasuredSpeed:
        """Measure the speed of a run's network on random signals of its data's shape, and keep it."""
        speed = measure_speed(run, data, self.device, self.threads)
        self._speeds[self._key(run, data)] = speed
        write_speeds(self.path, self._speeds)
        return speed

    def _key(self, run: Run, data: EcgDataModule) -> str:
        model = run.config["model"]
        init_args = {k: v for k, v in model.get("init_args", {}).items() if k not in _WITHOUT_SPEED}
        shape = [data.num_leads, data.num_samples, data.batch_size]
        run_folder = [*describe_machine(self.device), self.threads, torch.__version__]
        network = init_args.get("network", model["class_path"])
        return (
            f"{network}-{digest([model['class_path'], init_args, shape, chosen_precision(run), run_folder])}"
        )


def describe_machine(device: torch.device) -> list[str]:
    """Name what a speed depends on besides the network: the GPU, or the machine and its cores."""
    if device.type == "cuda":
        return [torch.cuda.get_device_name(device)]
    return [platform.node(), platform.machine(), str(os.cpu_count())]


def hardware(run: Run) -> Hardware:
    """Return what a run trains on here."""
    return describe_device(str(run.config.get("trainer", {}).get("accelerator") or "auto"))


def chosen_precision(run: Run) -> str:
    """Return the precision that a run trains in here, chosen for the hardware where it is not set."""
    given = run.config.get("trainer", {}).get("precision")
    wanted = run.config.get("speed", {}).get("precision", "auto")
    network = run.config["model"].get("init_args", {}).get("network")
    return str(choose_precision(wanted, given, hardware(run), network).value)


def measure_speed(run: Run, data: EcgDataModule, device: torch.device, threads: int) -> MeasuredSpeed:
    """Time a few steps of a run's network on random signals.

    Args:
        run: Whose network.
        data: Its data's shape: leads, samples, classes, batch size.
        device: Where it runs.
        threads: CPU threads.
    """
    if choose_keep_memory(run.config.get("speed", {}).get("keep_memory", "auto"), hardware(run)).value:
        keep_freed_memory()
    with _threads(threads), _random_state_kept():
        task = make_task(run, data).to(device)
        optimizer = torch.optim.AdamW(task.parameters())
        signal = torch.randn(data.batch_size, data.num_leads, data.num_samples, device=device)
        target = torch.zeros(data.batch_size, data.num_classes, device=device)
        half = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(chosen_precision(run))

        def forward() -> Tensor:
            with torch.autocast(device.type, dtype=half, enabled=half is not None):
                logits: Tensor = task(signal)
            return torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), target)

        def train() -> None:
            optimizer.zero_grad()
            forward().backward()  # type: ignore[no-untyped-call]  # of torch
            optimizer.step()

        task.train()
        trained = _steps_a_second(train, device)
        task.eval()
        with torch.no_grad():
            evaluated = _steps_a_second(forward, device)
    return MeasuredSpeed(train=trained * data.batch_size, evaluate=evaluated * data.batch_size)


def make_task(run: Run, data: EcgDataModule) -> EcgClassifier:
    """Make a run's network for its data, freshly initialised."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(EcgClassifier, "model", required=True)
    with parsing_limits():
        parsed = parser.parse_object({"model": fill_model(run.config["model"], data)})
        require_known_kinds(parsed)
        made = parser.instantiate(parsed)
    task: EcgClassifier = made.model
    return task


def _steps_a_second(step: Any, device: torch.device) -> float:
    step()
    steps, started = 0, _now(device)
    while steps < FEWEST_STEPS or _now(device) - started < LONGEST_SECONDS / 2:
        step()
        steps += 1
        if _now(device) - started > LONGEST_SECONDS:
            break
    return steps / (_now(device) - started)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _random_state_kept() -> Iterator[None]:
    with torch.random.fork_rng():
        yield
