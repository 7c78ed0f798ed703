"""The datasets, by name: the one list that everything else which goes by a dataset's name is made from."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ecg_tl.datasets.base import EcgDataset
from ecg_tl.datasets.vocabulary import Vocabulary
from ecg_tl.errors import SettingError
from ecg_tl.limits import shown


@dataclass(frozen=True)
class DatasetEntry:
    """What belongs to one dataset, each part as `module:name`.

    Parts are imported when they are asked for: a reader needs no torch, and whoever prepares a dataset needs
    no simulator.

    Attributes:
        reader_path: Of its `EcgDataset`.
        datamodule_path: Of its `EcgDataModule`.
        layout_path: Of the `Layout` in which simulated records of it are written; None if it has none.
    """

    reader_path: str
    datamodule_path: str
    layout_path: str | None = None

    @property
    def reader(self) -> type[EcgDataset]:
        """What reads its files."""
        reader: type[EcgDataset] = resolve_name(self.reader_path)
        return reader

    @property
    def vocabulary(self) -> Vocabulary:
        """The codes of its labels."""
        return self.reader.vocabulary

    @property
    def datamodule(self) -> type[Any]:
        """Its LightningDataModule; imports torch. `datamodules.datamodule_class` knows the type."""
        return resolve_name(self.datamodule_path)  # type: ignore[no-any-return]

    @property
    def layout(self) -> Any:
        """Its `Layout`, or None; imports the simulator. `synthesis.writing.layout_of` knows the type."""
        return None if self.layout_path is None else resolve_name(self.layout_path)


DATASETS: dict[str, DatasetEntry] = {
    "ptbxl": DatasetEntry(
        "ecg_tl.datasets.ptbxl:PtbXl",
        "ecg_tl.datamodules.ptbxl:PtbXlDataModule",
        "ecg_tl.synthesis.layouts.ptbxl:LAYOUT",
    ),
    "cpsc2018": DatasetEntry(
        "ecg_tl.datasets.cpsc2018:Cpsc2018",
        "ecg_tl.datamodules.cpsc2018:Cpsc2018DataModule",
        "ecg_tl.synthesis.layouts.challenge:CPSC2018",
    ),
    "georgia": DatasetEntry(
        "ecg_tl.datasets.georgia:Georgia",
        "ecg_tl.datamodules.georgia:GeorgiaDataModule",
        "ecg_tl.synthesis.layouts.challenge:GEORGIA",
    ),
    "ptb": DatasetEntry(
        "ecg_tl.datasets.ptb:Ptb",
        "ecg_tl.datamodules.ptb:PtbDataModule",
        "ecg_tl.synthesis.layouts.ptb:LAYOUT",
    ),
    "code_test": DatasetEntry(
        "ecg_tl.datasets.code:CodeTest",
        "ecg_tl.datamodules.code_test:CodeTestDataModule",
        "ecg_tl.synthesis.layouts.code_test:LAYOUT",
    ),
    "ludb": DatasetEntry(
        "ecg_tl.datasets.ludb:Ludb",
        "ecg_tl.datamodules.ludb:LudbDataModule",
        "ecg_tl.synthesis.layouts.ludb:LAYOUT",
    ),
    "chapman": DatasetEntry(
        "ecg_tl.datasets.chapman:Chapman",
        "ecg_tl.datamodules.chapman:ChapmanDataModule",
        "ecg_tl.synthesis.layouts.challenge:CHAPMAN",
    ),
    "ningbo": DatasetEntry(
        "ecg_tl.datasets.ningbo:Ningbo",
        "ecg_tl.datamodules.ningbo:NingboDataModule",
        "ecg_tl.synthesis.layouts.challenge:NINGBO",
    ),
    "cpsc_extra": DatasetEntry(
        "ecg_tl.datasets.cpsc_extra:CpscExtra",
        "ecg_tl.datamodules.cpsc_extra:CpscExtraDataModule",
        "ecg_tl.synthesis.layouts.challenge:CPSC_EXTRA",
    ),
    "incart": DatasetEntry(
        "ecg_tl.datasets.incart:Incart",
        "ecg_tl.datamodules.incart:IncartDataModule",
        "ecg_tl.synthesis.layouts.challenge:INCART",
    ),
    "cinc2021": DatasetEntry(
        "ecg_tl.datasets.cinc2021:Cinc2021",
        "ecg_tl.datamodules.cinc2021:Cinc2021DataModule",
        "ecg_tl.synthesis.layouts.challenge:CINC2021",
    ),
    "code15": DatasetEntry(
        "ecg_tl.datasets.code15:Code15",
        "ecg_tl.datamodules.code15:Code15DataModule",
        "ecg_tl.synthesis.layouts.code15:LAYOUT",
    ),
    "sph": DatasetEntry(
        "ecg_tl.datasets.sph:Sph",
        "ecg_tl.datamodules.sph:SphDataModule",
        "ecg_tl.synthesis.layouts.sph:LAYOUT",
    ),
    "zzu_pecg": DatasetEntry(
        "ecg_tl.datasets.zzu_pecg:ZzuPecg",
        "ecg_tl.datamodules.zzu_pecg:ZzuPecgDataModule",
        "ecg_tl.synthesis.layouts.zzu_pecg:LAYOUT",
    ),
    "brugada_huca": DatasetEntry(
        "ecg_tl.datasets.brugada_huca:BrugadaHuca",
        "ecg_tl.datamodules.brugada_huca:BrugadaHucaDataModule",
        "ecg_tl.synthesis.layouts.brugada_huca:LAYOUT",
    ),
    "mimic_iv_ecg": DatasetEntry(
        "ecg_tl.datasets.mimic_iv_ecg:MimicIvEcg",
        "ecg_tl.datamodules.mimic_iv_ecg:MimicIvEcgDataModule",
        "ecg_tl.synthesis.layouts.mimic_iv_ecg:LAYOUT",
    ),
    "echonext": DatasetEntry(
        "ecg_tl.datasets.echonext:EchoNext",
        "ecg_tl.datamodules.echonext:EchoNextDataModule",
        "ecg_tl.synthesis.layouts.echonext:LAYOUT",
    ),
    "custom": DatasetEntry(
        "ecg_tl.datasets.custom:Custom",
        "ecg_tl.datamodules.custom:CustomDataModule",
        "ecg_tl.synthesis.layouts.custom:LAYOUT",
    ),
}
"""Every dataset, by the name that the command line uses."""


def layout_names() -> tuple[str, ...]:
    """List the datasets in whose layout simulated records can be written."""
    return tuple(name for name, entry in DATASETS.items() if entry.layout_path is not None)


def get_dataset(name: str, **options: Any) -> EcgDataset:
    """Make a dataset's reader by name.

    Args:
        name: One of `DATASETS`.
        **options: Settings of that dataset's class (`source_rate` of `ptbxl`, `equivalences` of `cpsc2018`).

    Raises:
        SettingError: If there is no such dataset, or it has no such setting.
    """
    if name not in DATASETS:
        raise SettingError("dataset", repr(name), f"one of {', '.join(DATASETS)}", "Choose one of these.")
    reader = DATASETS[name].reader
    offered = inspect.signature(reader).parameters
    unknown = [option for option in options if option not in offered]
    if unknown:
        raise SettingError(
            f"options of {name}",
            ", ".join(unknown),
            ", ".join(offered) or "none: this dataset has no options",
            "Remove or correct the option.",
        )
    types = get_type_hints(reader.__init__)
    for option, value in options.items():
        if option in types and not _is_of(types[option], value):
            expected = str(getattr(types[option], "__name__", types[option])).removeprefix("typing.")
            raise SettingError(f"{option} of {name}", shown(value), expected, "Correct the option.")
    return reader(**options)


def _is_of(hint: Any, value: object) -> bool:
    """Whether a value is of an option's type: True is no number, and 1 not true."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    kinds = get_args(hint) or (hint,)
    if float in kinds and type(value) is int:
        return True
    return type(value) in kinds
