"""What frozen layers make of records, computed once: while they are frozen it stays the same."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from lightning_utilities.core.rank_zero import rank_zero_warn
from torch import Tensor

MEMORY_LIMIT_BYTES = 4 * 1024**3
"""Up to this size it is kept in memory; beyond it in a file, which the operating system keeps in memory as it
can."""

_SHARE_OF_DISK = 0.5


class FeatureCache:
    """A value for each record, of any shape, computed when it is first asked for.

    It is on the device if it fills under a quarter of the free memory there, else in memory, else in a file
    without a name, of which nothing stays behind whatever ends the process. Where none of these has room,
    values are computed each time.

    Args:
        rows: Of the store, by which records are called; of several views of each, all of these.
        records: How many of them there is room for.
        device: Where values are computed and wanted.
        memory_limit: In bytes.
    """

    def __init__(
        self, rows: int, records: int, device: torch.device, memory_limit: int = MEMORY_LIMIT_BYTES
    ) -> None:
        self._slots = np.full(rows, -1, dtype=np.int64)
        self._records = records
        self._device = device
        self._memory_limit = memory_limit
        self._used = 0
        self._values: Tensor | None = None
        self._memory_format = torch.contiguous_format

    def take(self, index: Tensor, compute: Callable[[Tensor | None], Tensor]) -> Tensor:
        """Return the values of records `(records, ...)`, computing those that are not known.

        Args:
            index: `int64 (records,)`: rows of the store.
            compute: Gives the values of those of the records that a mask names, of all for None.
        """
        rows = index.cpu().numpy()
        missing = self._slots[rows] < 0
        if missing.any():
            mask = None if missing.all() else torch.from_numpy(missing)
            computed = compute(mask if mask is None else mask.to(index.device)).detach()
            if not self._keep(rows[missing], computed):
                return computed if mask is None else compute(None).detach()
        assert self._values is not None
        slots = torch.from_numpy(self._slots[rows])
        taken = self._values[slots.to(self._values.device)].to(index.device)
        # Kernels go by how their input lies in memory, and others round otherwise.
        return taken.contiguous(memory_format=self._memory_format)

    def _keep(self, rows: np.ndarray[tuple[int], np.dtype[np.int64]], values: Tensor) -> bool:
        """Keep values; says whether there was room."""
        # Not as a tensor of the inference mode that a validation runs in: a training has to use it, too.
        with torch.inference_mode(False):
            if self._values is None and self._records:
                self._values = self._room(values)
                if values.ndim == 4 and not values.is_contiguous():
                    self._memory_format = torch.channels_last
                if self._values is None:
                    self._records = 0
            if self._values is None or self._used + len(rows) > self._records:
                return False
            slots = np.arange(self._used, self._used + len(rows))
            self._values[torch.from_numpy(slots).to(self._values.device)] = values.to(self._values.device)
        self._slots[rows] = slots
        self._used += len(rows)
        return True

    def _room(self, like: Tensor) -> Tensor | None:
        shape = (self._records, *like.shape[1:])
        size = int(np.prod(shape)) * like.element_size()
        if self._device.type == "cuda" and size < torch.cuda.mem_get_info(self._device)[0] // 4:
            return torch.empty(shape, dtype=like.dtype, device=self._device)
        if size <= self._memory_limit:
            return torch.empty(shape, dtype=like.dtype)
        folder = Path(tempfile.gettempdir())
        if size > _SHARE_OF_DISK * shutil.disk_usage(folder).free:
            rank_zero_warn(
                f"Features of frozen layers take {size / 1e9:.1f} GB, for which neither memory nor {folder} "
                "has room: they are computed again in each epoch. TMPDIR names another folder."
            )
            return None
        with tempfile.TemporaryDirectory(prefix="ecg-tl-features-", dir=folder) as temporary:
            # The file lives as long as it is mapped; its name is gone at once.
            flat = torch.from_file(
                str(Path(temporary) / "features"), shared=True, size=int(np.prod(shape)), dtype=like.dtype
            )
        return flat.view(shape)
