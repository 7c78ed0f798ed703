"""`ecg-tl fit | validate | test | predict`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Trainer
from lightning_utilities.core.rank_zero import rank_zero_info

from ecg_tl.acceleration import Speed
from ecg_tl.callbacks import EcgPictures, RunCheckpoint, ScoreCurves
from ecg_tl.commands.arguments import argument_errors
from ecg_tl.commands.fragments import classes_first, located
from ecg_tl.datamodules import EcgDataModule
from ecg_tl.datamodules.settings import SplitSettings
from ecg_tl.tasks import EcgClassifier
from ecg_tl.training import silence_noise, train
from ecg_tl.transfer.callback import TransferLearning
from ecg_tl.transfer.section import RENAMED, renamed
from ecg_tl.transfer.words import GROUPS, remark
from ecg_tl.transforms import Augmentation


def run(words: Sequence[str]) -> int:
    """Run `fit`, `validate`, `test` or `predict`."""
    silence_noise()
    owners: list[Any] = [Trainer, Speed, SplitSettings, Augmentation]
    owners += [RunCheckpoint, EcgPictures, ScoreCurves, TransferLearning]
    owners += GROUPS.values()
    owners += [*EcgDataModule.__subclasses__(), *EcgClassifier.__subclasses__()]
    keys = ["trainer", "model", "data", "checkpoint", "pictures", "curves", "transfer"]
    keys += ["speed", "runs_dir", "experiment", "seed_everything"]
    words, in_list, earlier = renamed(classes_first(located(words)))
    if in_list:
        rank_zero_info(RENAMED)
    if earlier:
        rank_zero_info(remark(earlier))
    with argument_errors(words[0], words[1:], owners, keys):
        train(words)
    return 0
