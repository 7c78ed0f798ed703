"""Where a store's signals are while a network is trained: on the disk, in memory, or on the device."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from lightning_utilities.core.rank_zero import rank_zero_info
from numpy.typing import NDArray
from torch import Tensor

from ecg_tl.datamodules.batches import StoredBatch
from ecg_tl.store.parts import Signals
from ecg_tl.store.reader import Store

Residency = Literal["auto", "disk", "memory", "device"]

MEMORY_LIMIT_BYTES = 4 * 1024**3
"""`auto` copies a store into memory up to this size; beyond it the operating system's page cache serves."""


def choose_residency(wanted: Residency, nbytes: int, device: torch.device | None) -> Residency:
    """Resolve `auto`: the device if the signals fill under half of its free memory, else memory, else disk.

    Args:
        wanted: The setting.
        nbytes: Size of the stored signals.
        device: The device that trains, None before it is known.
    """
    if wanted != "auto":
        return wanted
    if device is not None and device.type == "cuda":
        free, _total = torch.cuda.mem_get_info(device)
        if nbytes < free // 2:
            return "device"
    return "memory" if nbytes <= MEMORY_LIMIT_BYTES else "disk"


class HeldSignals:
    """A store's signals, where they are wanted.

    Args:
        wanted: The setting.
    """

    def __init__(self, wanted: Residency) -> None:
        self.wanted = wanted
        self._announced: Residency | None = None
        self._in_memory: NDArray[np.int16] | None = None
        self._on_device: Tensor | None = None

    def bring(self, store: Store, device: torch.device | None) -> Signals | None:
        """Bring them there, and say once where that is.

        Args:
            store: Always the same.
            device: The device that trains, None before it is known.

        Returns:
            What a loader gathers records from; None if the device holds them.
        """
        nbytes = store.manifest.signals_bytes
        # Once on the device they stay there: what they take themselves must not speak against them.
        residency = "device" if self._on_device is not None else choose_residency(self.wanted, nbytes, device)
        self._announce(residency, nbytes)
        if residency == "disk":
            return store.signals()
        if residency == "memory":
            if self._in_memory is None:
                self._in_memory = np.array(store.signals())
            return self._in_memory
        if self._on_device is None:
            self._on_device = torch.from_numpy(np.array(store.signals()))
        self._on_device = self._on_device.to(device or torch.device("cpu"))
        return None

    def of(self, batch: StoredBatch) -> Tensor:
        """Return a batch's stored steps, `(batch, leads, samples)`."""
        return batch["signal"] if self._on_device is None else self._on_device[batch["index"]]

    def _announce(self, residency: Residency, nbytes: int) -> None:
        if residency != self._announced:
            chosen = "auto" if self.wanted == "auto" else "as set"
            rank_zero_info(f"residency: {residency} ({chosen}: {nbytes / 1e6:,.0f} MB of signals)")
        self._announced = residency
