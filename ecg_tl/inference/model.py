"""A network that answers: what it says of itself, and logits for signals.

Nothing here imports torch: an exported model must work where the networks' code is not used.
`ecg_tl.inference.opening` makes one of a file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol, cast, get_args

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.limits import CLASSES, LEADS, NETWORK_SAMPLES, SAMPLING_RATE, shown
from ecg_tl.preprocessing import Chain
from ecg_tl.signals import MILLIVOLTS, RELATIVE, check_leads
from ecg_tl.statistics.decisions import MOST_PROBABLE
from ecg_tl.store.ranges import SignalRanges
from ecg_tl.store.settings import Crop, Resampling
from ecg_tl.temperature import AT_RANGE_END, NEVER_VALIDATED, is_at_range_end

FORMAT = 1
"""Of `ModelDescription.as_dict`; raised when an older reader could no longer make sense of it."""

WITH_CHAIN = 2
"""Of one whose signals go through a chain: a reader that knows none would give the network other signals."""


WITH_CHOICE = 3
"""Of one that chooses one of its classes: a reader that knows no such thing would decide each by itself."""

READ = (FORMAT, WITH_CHAIN, WITH_CHOICE)
"""Formats that this version reads."""


@dataclass(frozen=True)
class ModelDescription:
    """All that inference needs to know of a network.

    Attributes:
        class_names: In the order of the logits.
        leads: Which leads it takes, in which order.
        sampling_rate: In Hz, of the signals that it takes.
        num_samples: Length of the signals that it takes.
        record_samples: Length of the records of which it was trained and validated on windows; None if it
            took them whole.
        window_stride: Samples from one of these windows to the next; None for as few as cover the record.
        units: Of the signals that it takes: `mV`, or `relative` where a chain has scaled them.
        class_codes: The codes that made each class in the training data.
        code_system: Whose codes these are (`snomed`, `scp`, `ludb`, ...); None if not known.
        resampling: How training signals were brought to that rate.
        crop: Which part of longer training records was kept.
        single_choice: Whether the most probable of the classes is chosen, by a softmax over all; else each
            is a question by itself.
        thresholds: A class is found where its uncalibrated probability is at or over this; none of a choice.
        tuned: Per class: whether there were positives enough to choose the threshold; else it is 0.5.
        threshold_rule: What thresholds were chosen for: `f1`, `sensitivity` or `specificity`; of a choice
            `most_probable`.
        threshold_target: The sensitivity or specificity that was to be reached; None for `f1`.
        temperature: The logits' divisor that makes probabilities calibrated; 1 where there is none.
        validated: Whether thresholds were fitted on validation data, where there was enough of it.
        calibrated: Whether the temperature was.
        uncalibrated: Why it was not; None if it was.
        lead_dropout: Whether it was trained with leads missing, which are zeros then.
        network: Name of the architecture.
        dataset: What it was trained on.
        signal_ranges: Where the training signals lie: `ecg_tl.store.ranges`; None if not known.
        preprocessing: Steps of the chain that brings a recording to the signals that it takes, in place of
            this project's own; see `ecg_tl.preprocessing`.
        contract: Name of the contract that these are of.
        version: Of ecg_tl, that trained it.
    """

    class_names: tuple[str, ...]
    leads: tuple[str, ...]
    sampling_rate: float
    num_samples: int
    units: str = "mV"
    class_codes: dict[str, list[str]] = field(default_factory=dict)
    code_system: str | None = None
    resampling: Resampling = "polyphase"
    crop: Crop = "start"
    thresholds: tuple[float, ...] = ()
    tuned: tuple[bool, ...] = ()
    threshold_rule: str = "f1"
    threshold_target: float | None = None
    temperature: float = 1.0
    validated: bool = False
    calibrated: bool = False
    uncalibrated: str | None = NEVER_VALIDATED
    lead_dropout: bool = False
    network: str = "unknown"
    dataset: str | None = None
    signal_ranges: dict[str, Any] | None = None
    record_samples: int | None = None
    window_stride: int | None = None
    preprocessing: list[dict[str, Any]] | None = None
    contract: str | None = None
    single_choice: bool = False
    version: str = "unknown"

    def as_dict(self) -> dict[str, Any]:
        """Give it in primitives, as JSON in the metadata of an exported model."""
        content = asdict(self)
        lists = {name: list(value) for name, value in content.items() if isinstance(value, tuple)}
        format = FORMAT
        if self.preprocessing is None:
            del content["preprocessing"], content["contract"]
        else:
            format = WITH_CHAIN
        if self.single_choice:
            format = WITH_CHOICE
        else:
            del content["single_choice"]
        return {"format": format, **content, **lists}

    @classmethod
    def from_dict(cls, content: object, where: object) -> ModelDescription:
        """Take what `as_dict` gave.

        Args:
            content: As read, from a file that anybody may have changed.
            where: That file, for errors.

        Raises:
            CheckpointError: If it is of a later format, or does not describe a network.
        """
        if not isinstance(content, Mapping):
            raise _malformed(where, f"a {type(content).__name__}")
        if content.get("format") not in READ:
            raise CheckpointError(
                where,
                f"a description of format {content.get('format')}",
                f"a format up to {READ[-1]}",
                "Use the version of ecg_tl that wrote it.",
            )
        content = _with_reason(content)
        known = {one.name for one in fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if name in _TUPLES and isinstance(value, list) else value
            for name, value in content.items()
            if name in known
        }
        try:
            description = cls(**values)
        except TypeError as error:  # an entry without a default is missing
            raise _malformed(where, str(error)) from error
        return description.checked(where)

    def checked(self, where: object) -> ModelDescription:
        """Return it, if all of it is what it should be; without thresholds, 0.5 for each class.

        Raises:
            CheckpointError: If an entry is of another kind, out of range, or of another length than others.
        """
        content = asdict(self)
        classes = len(self.class_names) if isinstance(self.class_names, tuple) else 0
        cuts = 0 if self.single_choice is True else classes
        content["thresholds"] = self.thresholds or (0.5,) * cuts
        content["tuned"] = self.tuned or (False,) * cuts
        if self.single_choice is True:
            content["threshold_rule"] = MOST_PROBABLE
        for name, (fits, expected) in _EXPECTED.items():
            if not fits(content[name]):
                raise _malformed(where, f"{name} {shown(content[name])}", expected)
        for name in ("thresholds", "tuned"):
            if len(content[name]) != cuts:
                expected = f"one for each of {classes} classes" if cuts else "none where one class is chosen"
                raise _malformed(where, f"{len(content[name])} {name}", expected)
        try:
            content["leads"] = check_leads(self.leads)
        except SettingError as error:
            raise _malformed(where, f"leads {error.found}", error.expected) from error
        if self.preprocessing is not None:
            try:
                Chain.from_json(self.preprocessing)
            except SettingError as error:
                raise _malformed(where, f"{error.where}: {error.found}", error.expected) from error
        if self.signal_ranges is not None:
            try:
                SignalRanges.from_dict(self.signal_ranges, len(self.leads))
            except ValueError as error:
                raise _malformed(where, f"signal_ranges, {error}") from error
        return ModelDescription(**content)


class InferenceModel(Protocol):
    """What `infer` runs, whatever file it came from."""

    @property
    def description(self) -> ModelDescription:
        """What it says of itself."""

    @property
    def device_type(self) -> str:
        """What it runs on: `cpu`, `cuda`."""

    def logits(self, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn signals `(batch, leads, samples)` in mV into uncalibrated logits `(batch, classes)`."""


def _malformed(where: object, found: str, expected: str = "one written by ecg_tl") -> CheckpointError:
    return CheckpointError(
        where, f"a malformed description of itself ({found})", expected, "Give an intact file."
    )


def _is_number(value: object, low: float = -math.inf, high: float = math.inf) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and low <= value <= high
    )


def _with_reason(content: Mapping[str, Any]) -> dict[str, Any]:
    """Complete the description of an earlier version, which took any temperature, and said `calibrated`."""
    completed = dict(content)
    completed.setdefault("validated", completed.get("calibrated", False))
    if completed["validated"]:
        completed.setdefault("uncalibrated", None)
    temperature = completed.get("temperature")
    if completed.get("calibrated") is not True:
        return completed
    if _is_number(temperature, _SMALLEST) and is_at_range_end(cast("float", temperature)):
        return completed | {"calibrated": False, "temperature": 1.0, "uncalibrated": AT_RANGE_END}
    return completed


def _are(kind: type, values: object) -> bool:
    return isinstance(values, tuple) and all(isinstance(value, kind) for value in values)


def _are_codes(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(codes, list) and all(isinstance(code, str) for code in codes)
        for name, codes in value.items()
    )


_TUPLES = ("class_names", "leads", "thresholds", "tuned")

_SMALLEST = 1e-6  # of what must be positive

_EXPECTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "class_names": (
        lambda names: _are(str, names) and CLASSES.holds(len(names)) and len(names) == len(set(names)),
        "one distinct name a class",
    ),
    "leads": (lambda leads: _are(str, leads) and LEADS.holds(len(leads)), "names of leads"),
    "sampling_rate": (SAMPLING_RATE.holds, str(SAMPLING_RATE)),
    "num_samples": (NETWORK_SAMPLES.holds, str(NETWORK_SAMPLES)),
    "record_samples": (lambda n: n is None or NETWORK_SAMPLES.holds(n), f"{NETWORK_SAMPLES}, or none"),
    "window_stride": (lambda n: n is None or NETWORK_SAMPLES.holds(n), f"{NETWORK_SAMPLES}, or none"),
    "units": (lambda units: units in (MILLIVOLTS, RELATIVE), f"{MILLIVOLTS} or {RELATIVE}"),
    "class_codes": (_are_codes, "a list of codes for each class"),
    "code_system": (lambda name: name is None or isinstance(name, str), "a name"),
    "resampling": (lambda name: name in get_args(Resampling), f"one of {', '.join(get_args(Resampling))}"),
    "crop": (lambda name: name in get_args(Crop), f"one of {', '.join(get_args(Crop))}"),
    "thresholds": (
        lambda values: isinstance(values, tuple) and all(_is_number(value, 0, 1) for value in values),
        "probabilities",
    ),
    "tuned": (lambda values: _are(bool, values), "true or false for each class"),
    "threshold_rule": (lambda name: isinstance(name, str), "a name"),
    "threshold_target": (lambda value: value is None or _is_number(value, 0, 1), "a share"),
    "temperature": (lambda value: _is_number(value, _SMALLEST), "a positive number"),
    "validated": (lambda value: isinstance(value, bool), "true or false"),
    "calibrated": (lambda value: isinstance(value, bool), "true or false"),
    "uncalibrated": (lambda reason: reason is None or isinstance(reason, str), "a reason"),
    "lead_dropout": (lambda value: isinstance(value, bool), "true or false"),
    "network": (lambda name: isinstance(name, str), "a name"),
    "dataset": (lambda name: name is None or isinstance(name, str), "a name"),
    "signal_ranges": (lambda value: value is None or isinstance(value, dict), "a table"),
    "preprocessing": (lambda steps: steps is None or isinstance(steps, list), "a list of steps"),
    "contract": (lambda name: name is None or isinstance(name, str), "a name"),
    "single_choice": (lambda value: isinstance(value, bool), "true or false"),
    "version": (lambda name: isinstance(name, str), "a version"),
}
