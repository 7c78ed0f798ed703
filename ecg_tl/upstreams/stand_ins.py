"""A pickle read with stand-ins: tensors are made, and every other class or function is one that does nothing.

PyTorch takes this module in place of `pickle`. What a file asks for is looked up here: names of tensors and
plain values are what they are, all others are `StandIn`. So nothing of a file is imported or called that is
not needed for its tensors, and a class that is not installed is no hindrance.
"""

from __future__ import annotations

import io
import pickle
from typing import IO, Any

import torch

from ecg_tl.upstreams.pickled_names import is_plain


class StandIn:
    """In place of an object that nobody needs.

    Attributes:
        state: What the pickle would have given the object.
    """

    state: Any = None

    def __new__(cls, *arguments: object, **named: object) -> StandIn:
        """Take whatever arguments there are."""
        return super().__new__(cls)

    def __init__(self, *arguments: object, **named: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        self.state = state

    def __call__(self, *arguments: object, **named: object) -> StandIn:
        """Be called as a function."""
        return StandIn()

    def __setitem__(self, key: object, value: object) -> None:
        """Take what a mapping would."""

    def __hash__(self) -> int:
        return id(self)

    def append(self, value: object) -> None:
        """Take what a list would."""

    def extend(self, values: object) -> None:
        """Take what a list would."""

    def add(self, value: object) -> None:
        """Take what a set would."""


def _storage_from_bytes(content: bytes) -> Any:
    """Make a storage of its bytes, which in a pickle without PyTorch's archive are a pickle themselves."""
    return torch.load(io.BytesIO(content), weights_only=True)


class Unpickler(pickle.Unpickler):
    """Looks names up among those of tensors and plain values."""

    def find_class(self, module: str, name: str, /) -> Any:
        """Return what a name stands for."""
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return _storage_from_bytes
        if is_plain(module, name):
            return super().find_class(module, name)
        return StandIn


def load(file: IO[bytes], **settings: Any) -> Any:
    """Read one pickle."""
    return Unpickler(file, **settings).load()


def loads(content: bytes, **settings: Any) -> Any:
    """Read one pickle."""
    return load(io.BytesIO(content), **settings)
