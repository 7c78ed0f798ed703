"""Scratch against fine-tuning, as a grid of runs that is planned, run, resumed, analysed and reported.

`ecg_tl.study(...)` does a study: the package has the name of what it is for, and can be called.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from ecg_tl.study.from_python import study

        return study(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
