"""The contract that a datamodule prepares its records under: where it is found, what it learns of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ecg_tl.checkpoints.description import read_description
from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.limits import shown
from ecg_tl.preprocessing import Chain, Contract, Signal, Step, TrainingScale
from ecg_tl.published import UPSTREAMS, find_upstream
from ecg_tl.signals import MILLIVOLTS
from ecg_tl.store.encoding import decode
from ecg_tl.store.reader import Store
from ecg_tl.store.settings import StoreSettings
from ecg_tl.transforms import Augmentation, ChainScaling, FixedScale, NoNormalization

WRITTEN_OUT = "written out"
"""Name of a contract that is neither a published upstream's nor a checkpoint's."""

NAME = "name"
_IN_MILLIVOLTS = ("gaussian_noise", "baseline_wander")


@dataclass(frozen=True)
class NamedContract:
    """A contract, and whose it is.

    Attributes:
        name: Of the published upstream that it is of.
        contract: For the leads that were asked for.
    """

    name: str
    contract: Contract

    @property
    def normalization(self) -> dict[str, Any]:
        """The scaling at its end, as a task takes it."""
        steps = self.contract.scaling.to_json()
        return {"name": ChainScaling.name, "steps": steps} if steps else {"name": NoNormalization.name}

    def describe_signals(self) -> dict[str, Any]:
        """Say what signals a network takes under it, as a datamodule's description does."""
        settings = self.store_settings(None)
        return {
            "leads": list(settings.leads),
            "sampling_rate": settings.sampling_rate,
            "num_samples": settings.num_samples,
            "units": settings.units,
            "normalization": self.normalization,
            "preprocessing": self.contract.stored.to_json(),
            "contract": self.to_json(),
        }

    def store_settings(self, num_samples: int | None) -> StoreSettings:
        """Say what a store under it holds: a window of each record, or `num_samples` to cut windows from."""
        window = self.contract.num_samples
        whole = self.contract if num_samples is None else self.contract.for_records(num_samples)
        return StoreSettings.under(whole, shortest=window)

    def fitted(self, scaling: Chain | None) -> NamedContract:
        """Return it with the scaling that was fitted."""
        chain = self.contract.chain if scaling is None else self.contract.stored + scaling
        return replace(self, contract=replace(self.contract, chain=chain))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {NAME: self.name, **self.contract.to_json()}

    @classmethod
    def from_json(cls, content: object, where: object = "contract") -> NamedContract:
        """Take what `to_json` gave, or a contract that somebody wrote out.

        Raises:
            SettingError: If it is no contract.
        """
        name: object = WRITTEN_OUT
        if isinstance(content, Mapping):
            name = content.get(NAME, WRITTEN_OUT)
            content = {key: value for key, value in content.items() if key != NAME}
        if not isinstance(name, str):
            raise SettingError(f"{where}: {NAME}", shown(name), "a name", "Correct it.")
        return cls(name, Contract.from_json(content, where))


def find_contract(given: str | Mapping[str, Any], leads: Sequence[str] | None = None) -> NamedContract:
    """Find a contract.

    Args:
        given: Name of a published upstream, path of a checkpoint that was trained under a contract, or a
            contract written out.
        leads: For which of its leads; all if None.

    Raises:
        SettingError: If there is no such upstream, with the nearest; if what is written is no contract, or
            has not these leads.
        CheckpointError: If the checkpoint cannot be read, or was trained under no contract.
    """
    if isinstance(given, str):
        named = _of_checkpoint(Path(given)) if _is_a_file(given) else _of_upstream(given)
    else:
        named = NamedContract.from_json(given)
    return named if leads is None else replace(named, contract=named.contract.for_leads(leads))


def _is_a_file(given: str) -> bool:
    return given not in UPSTREAMS and (Path(given).suffix == ".ckpt" or Path(given).is_file())


def _of_upstream(name: str) -> NamedContract:
    return NamedContract(name, find_upstream(name).contract)


def _of_checkpoint(path: Path) -> NamedContract:
    data = read_description(read_checkpoint(path), path).data
    written = data.get("contract") if isinstance(data, Mapping) else None
    if written is None:
        raise CheckpointError(
            path,
            "no contract",
            "a checkpoint that was trained under one",
            "Set leads, sampling_rate, num_samples and normalization as `ecg-tl transfer inspect` says them.",
        )
    return NamedContract.from_json(written, f"contract in {path}")


def refuse_beside_a_contract(
    sampling_rate: float | None,
    resampling: str,
    normalization: str,
    normalization_options: Mapping[str, float] | None,
) -> None:
    """Refuse settings that a contract decides, where they are others than the defaults.

    Raises:
        SettingError: Names the first.
    """
    for name, value, default in (
        ("sampling_rate", sampling_rate, None),
        ("resampling", resampling, "polyphase"),
        ("normalization", normalization, FixedScale.name),
        ("normalization_options", normalization_options or None, None),
    ):
        if value != default:
            raise SettingError(
                name,
                f"{shown(value)} beside a contract",
                "one of them: the contract decides it",
                f"Remove {name}, or the contract.",
            )


def require_augmentation_in_millivolts(augmentation: Augmentation, units: str) -> None:
    """Refuse what is added in millivolts to signals that are not in millivolts any more.

    Raises:
        SettingError: Names the setting.
    """
    added = [name for name in _IN_MILLIVOLTS if getattr(augmentation, name)]
    if units != MILLIVOLTS and added:
        raise SettingError(
            f"augmentation {added[0]}",
            f"{getattr(augmentation, added[0])} mV",
            "none: the contract scales signals before its last filter, and they are not in mV",
            f"Remove {added[0]}.",
        )


def said_of(chain: Chain | None) -> str:
    """Name the steps of a chain, for a comparison that somebody reads."""
    return "none" if chain is None else chain.in_words()


def fit_scaling(scaling: Chain, store: Store, rows: NDArray[np.int64]) -> Chain:
    """Return a scaling with mean and deviation of the training records, as the store has them.

    Args:
        scaling: Of a contract.
        store: Prepared under it.
        rows: Of the training records.

    Raises:
        SettingError: If a lead is constant in all of them.
    """
    fitted: list[Step] = []
    for step in scaling.steps:
        if isinstance(step, TrainingScale) and not step.is_fitted:
            step = step.fit(_TrainingSignals(store, np.sort(rows), Chain(tuple(fitted))))
        fitted.append(step)
    return Chain(tuple(fitted))


class _TrainingSignals(Sequence[Signal]):
    """Records of a store, read one at a time: all of them may be more than memory holds."""

    def __init__(self, store: Store, rows: NDArray[np.int64], before: Chain) -> None:
        self.settings = store.manifest.settings
        self.signals, self.rows, self.before = store.signals(), rows, before

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, position: int) -> Signal: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Signal]: ...
    def __getitem__(self, position: int | slice) -> Signal | Sequence[Signal]:
        if isinstance(position, slice):
            return [self[one] for one in range(*position.indices(len(self)))]
        settings = self.settings
        values = decode(np.array(self.signals[self.rows[position]]), settings.resolution)
        return self.before(values, settings.sampling_rate, settings.leads)
