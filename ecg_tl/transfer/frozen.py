"""Where the layers that are trained begin, and whether what lies below them is computed once."""

from __future__ import annotations

from lightning.pytorch import Trainer

from ecg_tl.datamodules.base import EcgDataModule
from ecg_tl.tasks.base import EcgClassifier
from ecg_tl.tasks.feature_cache import FeatureCache
from ecg_tl.tasks.frozen_below import FrozenBelow
from ecg_tl.transfer.groups import Training
from ecg_tl.transfer.report import HEAD
from ecg_tl.transfer.trainer_rules import what_changes_features


def frozen_below(
    trainer: Trainer,
    task: EcgClassifier,
    settings: Training,
    trained: frozenset[str],
    *,
    as_they_are: bool = False,
) -> tuple[FrozenBelow | None, str]:
    """Say what lies below the lowest group of layers that is trained, and what is kept of it.

    Args:
        trainer: With its datamodule.
        task: With the network.
        settings: Of the transfer.
        trained: Names of the parameters that are trained.
        as_they_are: Whether training records are not to be augmented, whatever the datamodule says.

    Returns:
        It, or None where all is computed each time; and what there is to say of it, the same as long as it
        stays the same; nothing where no layer is frozen below.
    """
    layers = task.network.layer_groups()
    lowest = next(group for group, names in layers.items() if not trained.isdisjoint(names))
    if lowest == next(iter(layers)):
        return None, ""
    datamodule = getattr(trainer, "datamodule", None)
    augments = (
        isinstance(datamodule, EcgDataModule) and not datamodule.augmentation.is_off and not as_they_are
    )
    views = (settings.augmented_views or 0) if augments else 0
    changes = what_changes_features(trainer, settings, varied=augments and not views)
    if not changes and not task.network.can_be_cut(lowest):
        changes = f"a {type(task.network).__name__} is not cut at {lowest}: all of it is computed"
    if changes:
        return None, f"off ({changes})"
    assert isinstance(datamodule, EcgDataModule), "what_changes_features has looked"
    rows, split = len(datamodule.store), datamodule.parts.split
    train, validation = set(split.train.tolist()), set(split.validation.tolist())
    records = views * len(train) + len(validation) if views else len(train | validation)
    taken = f"; {views} augmented views of each training record take turns" if views else ""
    if settings.cache == "off":
        # The views are the same: they are computed again.
        vary = FrozenBelow(lowest, rows, None, views, datamodule.view_of)
        return (vary if views or as_they_are else None), f"off (as set{taken})"
    kept = FeatureCache(rows * (views + 1), records, task.device)
    below = "the head" if lowest == HEAD else lowest
    said = f"on (all layers below {below} are frozen{taken})"
    return FrozenBelow(lowest, rows, kept, views, datamodule.view_of), said
