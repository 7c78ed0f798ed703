"""What a run ran on, and how much memory it took.

PyTorch is imported where a GPU is asked for: the process that only hands out runs does without.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def reset_peak_memory() -> None:
    """Let the peaks of memory begin with what is held now.

    On Linux, writing 5 to `clear_refs` sets `VmHWM` back (proc(5)). Elsewhere the peak is that of the process
    since it began, earlier runs included.
    """
    with suppress(OSError):  # not Linux, or forbidden in this container
        _CLEAR.write_text("5")
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_memory_bytes() -> int:
    """Return the most memory that this process held since `reset_peak_memory`, or since it began."""
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) * 1024
    if sys.platform == "win32":
        return 0
    import resource  # not there on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_device_memory_bytes() -> int | None:
    """Return the most that tensors took on the GPU since `reset_peak_memory`; None without a GPU."""
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None


def count_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count_gpus() -> int:
    """Return the GPUs that this process may use."""
    import torch

    return torch.cuda.device_count()


def memory_bytes() -> int | None:
    """Return the machine's memory; None where it cannot be found out."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def describe_hardware() -> dict[str, Any]:
    """Name the processor, its cores that may be used, the GPU, the memory and the system."""
    import torch

    return {
        "cpu": _cpu_name(),
        "cores": count_cores(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "memory_bytes": memory_bytes(),
        "platform": platform.platform(),
    }


def _cpu_name() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found is not None else platform.processor() or platform.machine()
