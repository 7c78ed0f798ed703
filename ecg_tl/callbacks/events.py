"""TensorBoard's files of a run, with errors that name the file and text in which every character is seen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.core.saving import save_hparams_to_yaml
from lightning.pytorch.loggers import TensorBoardLogger
from lightning_utilities.core.rank_zero import rank_zero_only

from ecg_tl.errors import StoreError
from ecg_tl.files import naming, written_whole
from ecg_tl.printing import visible

_EVENTS = "events.out.tfevents.*"
_TAGGED = ("add_scalar", "add_image", "add_pr_curve", "add_text")
"""Of the writer, what this project and Lightning call with a tag."""


class RunEvents(TensorBoardLogger):
    """Lightning's logger, whose `hparams.yaml` is there whole or not at all, and whose errors name the file.

    TensorBoard writes in a thread of its own. What goes wrong there (a full disk) is raised by a later call,
    without the name of a file.

    Tags and hyperparameters hold names of classes, records and files. They are written as `printing.shown`
    gives them: the page shows nothing where a control character is, and the file cannot hold half of a
    letter.
    """

    _named: object = None

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The writer to TensorBoard."""
        with naming(self._events):
            writer = super().experiment
            if self._named is not writer:
                self._named = writer
                for name in _TAGGED:
                    setattr(writer, name, _tagging(getattr(writer, name)))
                events: Any = writer._get_file_writer().event_writer
                for name in ("add_event", "flush", "close"):
                    setattr(events, name, self._naming(getattr(events, name)))
        return writer

    @rank_zero_only
    def save(self) -> None:
        """Write `hparams.yaml`, once."""
        path = Path(self.log_dir) / self.NAME_HPARAMS_FILE
        if path.parent.is_dir() and not path.is_file():
            with written_whole(path) as temporary:
                save_hparams_to_yaml(temporary, self.hparams)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is waiting; after a training that failed, a failure of this one hides no other."""
        try:
            super().finalize(status)
        except StoreError:
            if status != "failed":
                raise

    @staticmethod
    def _sanitize_params(params: dict[str, Any]) -> dict[str, Any]:
        kept = TensorBoardLogger._sanitize_params(params)
        return {visible(name): visible(v) if isinstance(v, str) else v for name, v in kept.items()}

    @property
    def _events(self) -> Path:
        folder = Path(self.log_dir)
        return max(folder.glob(_EVENTS), key=lambda path: path.stat().st_mtime_ns, default=folder / _EVENTS)

    def _naming(self, call: Callable[..., None]) -> Callable[..., None]:
        def called(*args: Any) -> None:
            with naming(self._events):
                call(*args)

        return called


def _tagging(call: Callable[..., None]) -> Callable[..., None]:
    def called(tag: str, *args: Any, **kwargs: Any) -> None:
        call(visible(tag), *args, **kwargs)

    return called


def keep_quiet_about_disks(args: threading.ExceptHookArgs) -> None:
    """Print what ends a thread, as Python does, but for what TensorBoard raises again in the main thread."""
    module = type(args.thread).__module__
    if not (module.startswith("tensorboard.") and isinstance(args.exc_value, OSError)):
        threading.__excepthook__(args)
