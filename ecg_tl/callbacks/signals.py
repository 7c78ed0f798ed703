"""Signals go to whoever answers them for the whole command."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from ecg_tl.stopping import LAUNCHER, SIGNALS, Stopped


class KeepSignals(Callback):
    """Put back the handlers of signals that were there before Lightning put its own over them.

    Lightning 2.6 answers SIGTERM at the end of a batch, and the command then ends with status 0. With several
    processes it calls a collective operation inside of the handler, while the others are at another one: they
    wait for each other until the operation's time is out, half an hour by default. Under SLURM it saves a
    checkpoint in the middle of an epoch, from which a training would go on with other records.
    """

    def __init__(self) -> None:
        self._before = {number: signal.getsignal(number) for number in SIGNALS}

    def _put_back(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._before.items():
                if handler is not None:
                    signal.signal(number, handler)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put them back: Lightning has put its own since `setup`."""
        self._put_back()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put them back."""
        self._put_back()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put them back."""
        self._put_back()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put them back."""
        self._put_back()


@contextmanager
def ending_together(trainer: Trainer) -> Iterator[None]:
    """Let a signal to one of the processes that Lightning starts here end all of them."""
    launcher = trainer.strategy.launcher
    if not isinstance(launcher, _SubprocessScriptLauncher) or "LOCAL_RANK" in os.environ:
        yield
        return
    os.environ[LAUNCHER] = str(os.getpid())
    try:
        yield
    except Stopped as stop:
        stop.more_to_come = True
        launcher.kill(signal.SIGTERM)
        raise
    finally:
        del os.environ[LAUNCHER]
