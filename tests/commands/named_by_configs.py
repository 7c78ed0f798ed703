"""What configs name in the tests of trust: it leaves a file when it is imported, made or called."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback


def touch(*_: Any) -> None:
    Path(os.environ["OWNED"]).touch()


touch()


class Mark(Callback):
    def __init__(self, value: int = 0) -> None:
        touch()
