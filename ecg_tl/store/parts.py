"""Rows of several arrays, one after the other, read as one array without a copy of them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value", bound=np.generic)


class RowParts(Generic[Value]):
    """Arrays whose rows follow each other; what is asked for is gathered, the rest stays where it is.

    Args:
        parts: Of one dtype and, but for the number of rows, of one shape; memory maps mostly.
    """

    def __init__(self, parts: Sequence[NDArray[Value]]) -> None:
        self.parts = tuple(parts)
        self.dtype = self.parts[0].dtype
        self._ends = np.cumsum([len(part) for part in self.parts])
        self.shape: tuple[int, ...] = (int(self._ends[-1]), *self.parts[0].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Value]:
        """Gather rows: a number, a slice, an array of numbers or of bool; or a tuple that begins with one."""
        rows, rest = (key[0], key[1:]) if isinstance(key, tuple) else (key, ())
        if isinstance(rows, int | np.integer):
            one = self._numbers(np.array([rows]))[0]
            part = int(np.searchsorted(self._ends, one, side="right"))
            found: NDArray[Value] = self.parts[part][(int(one - self._begin(part)), *rest)]
            return found
        numbers = np.arange(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows)
        if numbers.dtype == np.bool_:
            numbers = np.flatnonzero(numbers)
        numbers = self._numbers(numbers)
        gathered = np.empty((len(numbers), *self.shape[1:]), dtype=self.dtype)
        of = np.searchsorted(self._ends, numbers, side="right")
        for part in np.unique(of).tolist():
            here = np.flatnonzero(of == part)
            gathered[here] = self.parts[part][numbers[here] - self._begin(part)]
        return gathered[(slice(None), *rest)] if rest else gathered

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Gather all rows.

        Raises:
            ValueError: If a view is asked for.
        """
        if copy is False:
            raise ValueError("several arrays are no array without a copy")
        return np.concatenate(self.parts).astype(self.dtype if dtype is None else dtype, copy=False)

    def _begin(self, part: int) -> int:
        return int(self._ends[part]) - len(self.parts[part])

    def _numbers(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        numbers = np.where(rows < 0, rows + len(self), rows).astype(np.int64)
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(self):
            raise IndexError(f"row {rows.tolist()} of {len(self)}")
        return numbers


Signals = NDArray[np.int16] | RowParts[np.int16]
"""Of a store: `(records, leads, samples)`."""
