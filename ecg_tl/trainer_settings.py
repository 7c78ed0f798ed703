"""Settings of the trainer with which no training can begin, or none can end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ecg_tl.errors import SettingError
from ecg_tl.limits import EPOCHS


def require_an_end(trainer: Any) -> None:
    """Refuse a training without an epoch, without an end, or without a checkpoint to keep.

    Raises:
        SettingError: Names the setting of the trainer.
    """
    if trainer.enable_checkpointing is False:
        raise SettingError(
            "trainer.enable_checkpointing",
            "false",
            "true: a training whose checkpoints are not kept leaves nothing to test",
            "Remove it; `--trainer.fast_dev_run true` tries settings out without leaving a run.",
        )
    ends = trainer.max_steps not in (None, -1) or trainer.max_time is not None
    if trainer.max_epochs in (None, -1) and ends:
        return
    if trainer.max_epochs is None or not EPOCHS.holds(trainer.max_epochs):
        raise SettingError(
            "trainer.max_epochs",
            str(trainer.max_epochs),
            f"{EPOCHS}, or -1 beside `max_steps` or `max_time`",
            "Say after how many epochs the training ends.",
        )


def require_device(accelerator: str) -> None:
    """Refuse a GPU that is not there.

    Raises:
        SettingError: Names the setting of the trainer.
    """
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    here["gpu"] = any(here.values())
    if not here.get(accelerator, True):
        raise SettingError(
            "trainer.accelerator", accelerator, "a device that torch can use", "Use `auto` or `cpu`."
        )


def require_an_effect(words: Sequence[str]) -> None:
    """Refuse flags of a training where there is none; in a config they say how its checkpoint was trained.

    Args:
        words: A command that scores a checkpoint, and its arguments.

    Raises:
        SettingError: Names the flag.
    """
    for word in words[1:]:
        option = word.split("=", 1)[0]
        if option.startswith(("--checkpoint.", "--transfer.")):
            raise SettingError(
                option,
                f"a setting of a training, which `{words[0]}` does without",
                "settings of the data and of the trainer",
                f"Remove it, or give it to `ecg-tl fit`; `{words[0]}` scores `--ckpt_path`.",
            )
