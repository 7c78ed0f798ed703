"""`ecg_tl.datamodule` and `ecg_tl.list_datasets`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecg_tl.datasets import DATASETS
from ecg_tl.face.names import matching, require_name

if TYPE_CHECKING:  # it imports torch, which a list of names has no use for
    from ecg_tl.datamodules import EcgDataModule


def list_datasets(pattern: str = "*") -> list[str]:
    """List the datasets, by the name that `datamodule` and the command line use.

    Args:
        pattern: Of the names, such as `ptb*`.
    """
    return matching(DATASETS, pattern)


def datamodule(name: str, root: str | Path | None = None, **settings: Any) -> EcgDataModule:
    """Make a dataset's datamodule: its records as batches, for a trainer.

    No signal is read yet. The first training prepares the dataset in a store, in which later ones find it.

    Args:
        name: One of `list_datasets()`; `custom` for WFDB records of your own beside a `labels.csv`.
        root: Folder of the dataset's files; `data/NAME` if None.
        **settings: Those of the dataset and of `ecg_tl.datamodules.EcgDataModule`, such as
            `batch_size=32`, `leads=["I", "II"]`, `split={"kind": "patient"}`, `store_dir="stores"`.

    Raises:
        SettingError: If there is no such dataset or setting, or a value makes no sense.
    """
    require_name(name, DATASETS, "dataset", "ecg_tl.datamodule")

    from ecg_tl.datamodules import SplitSettings, datamodule_class
    from ecg_tl.parsing import parameters
    from ecg_tl.transforms import Augmentation

    made = datamodule_class(name)
    known = [one for one in parameters(made) if one not in ("self", "dataset", "args", "kwargs")]
    for setting in settings:
        require_name(setting, known, "setting", f"ecg_tl.datamodule({name!r})")
    # By name, as in a config.
    for setting, kind in (("split", SplitSettings), ("augmentation", Augmentation)):
        value = settings.get(setting)
        if isinstance(value, Mapping):
            for key in value:
                require_name(key, parameters(kind), "setting", setting)
            settings[setting] = kind(**value)
    if root is not None:
        settings["root"] = str(root)
    for setting in ("store", "store_dir"):
        if isinstance(settings.get(setting), Path):
            settings[setting] = str(settings[setting])
    return made(**settings)
