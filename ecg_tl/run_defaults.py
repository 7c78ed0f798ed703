"""What every training of this project has beside its settings, from the command line and from Python."""

from __future__ import annotations

import os
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import Callback
from lightning_utilities.core.rank_zero import rank_zero_info

from ecg_tl.acceleration import Speed, choose_keep_memory, choose_threads, describe_device
from ecg_tl.allocation import keep_freed_memory
from ecg_tl.callbacks import (
    DecisionLog,
    KeepSignals,
    KeepValidation,
    PredictionTables,
    RunHistory,
    StayStopped,
    WholeCheckpointIO,
)
from ecg_tl.callbacks.history import RESULT_FILE

TRAINER_DEFAULTS: dict[str, Any] = {"max_epochs": 20, "log_every_n_steps": 10}


def run_callbacks(result_file: str = RESULT_FILE) -> list[Callback]:
    """Return the callbacks that every run has: history, predictions, validation, stopping, decisions."""
    return [
        RunHistory(result_file),
        PredictionTables(),
        KeepValidation(),
        KeepSignals(),
        StayStopped(),
        DecisionLog(),
    ]


def run_plugins(plugins: Any, strategy: object) -> list[Any]:
    """Add to a trainer's plugins what writes a checkpoint whole or not at all."""
    given = plugins if isinstance(plugins, list) else [] if plugins is None else [plugins]
    # DeepSpeed writes its own way, and refuses to be given another.
    by_itself = "deepspeed" in str(strategy).lower()
    if by_itself or any(isinstance(plugin, CheckpointIO) for plugin in given):
        return list(given)
    return [*given, WholeCheckpointIO()]


def settle_memory(speed: Speed, accelerator: str) -> None:
    """Let this process keep what it frees, where that is faster."""
    kept = choose_keep_memory(speed.keep_memory, describe_device(accelerator))
    rank_zero_info(f"keep_memory: {kept}")
    if kept.value:
        keep_freed_memory()


def settle_threads(speed: Speed, before: int | None, processes: int) -> int:
    """Settle and return the number of threads of this process.

    Args:
        speed: The settings.
        before: With which the training that is gone on with was begun.
        processes: Of this training on this machine.
    """
    threads = choose_threads(speed.threads, before, processes)
    rank_zero_info(f"threads: {threads}")
    torch.set_num_threads(threads.value)
    if processes > 1:  # or Lightning would divide the cores once more, in each of them
        os.environ["OMP_NUM_THREADS"] = str(threads.value)
    return threads.value
