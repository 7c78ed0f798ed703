"""One record's probabilities and decisions, with all that was done and all that speaks against them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from sys import intern
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import CheckpointError, RecordError, SettingError
from ecg_tl.inference.leads import provide_leads
from ecg_tl.inference.model import InferenceModel, ModelDescription
from ecg_tl.inference.quality import examine
from ecg_tl.inference.windows import WhichWindows, Windows, cut_windows
from ecg_tl.recordings import ReadRecord
from ecg_tl.recordings.remarks import Remark, notes_of, warnings_of
from ecg_tl.statistics.decisions import decided, softmax

Aggregation = Literal["mean", "max"]

BATCH = 64
"""Windows that a network is given at once."""

_TINY = 1e-300  # whose logarithm is a number


@dataclass(frozen=True)
class AnswerSettings:
    """How records become answers.

    Attributes:
        aggregation: What a long record's probability is made of its windows' calibrated ones: the `mean`,
            which stays on the scale that the thresholds were chosen on (and is what a network that was
            trained on windows of its records was validated with), or the `max`, which misses no short
            event but grows with the number of windows.
        windows: `all`, or the `one` that a prepared store would keep, as `ecg-tl predict` sees a record.
        strict: Whether a record with a warning is refused.
    """

    aggregation: Aggregation = "mean"
    windows: WhichWindows = "all"
    strict: bool = False


@dataclass(frozen=True, slots=True)
class ClassAnswer:
    """What is said of one class.

    Attributes:
        name: Of the class.
        codes: That made it in the training data.
        probability: Calibrated, if the network carries a temperature.
        threshold: On the same scale; the class is found where the probability is at or over it. None where
            the most probable of the classes is chosen.
        found: The decision.
        probability_uncalibrated: On the scale that thresholds were chosen on, and
        threshold_uncalibrated: the threshold on it.
        tuned: Whether the threshold was chosen on validation data; else it is 0.5, or there is none.
    """

    name: str
    codes: tuple[str, ...]
    probability: float
    threshold: float | None
    found: bool
    probability_uncalibrated: float
    threshold_uncalibrated: float | None
    tuned: bool

    def as_dict(self) -> dict[str, Any]:
        """Give it in primitives."""
        return asdict(self) | {"codes": list(self.codes)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of one record.

    Attributes:
        record: Its path, of a WFDB record without extension.
        sampling_rate: Of the file, in Hz.
        seconds: Its length.
        leads: Names of the file's leads.
        classes: In the network's order.
        window_starts: Where each window begins, in seconds.
        window_probabilities: `(windows, classes)`, calibrated.
        aggregation: How they were joined, if there are several.
        remarks: Notes and warnings.
    """

    record: Path
    sampling_rate: float
    seconds: float
    leads: tuple[str, ...]
    classes: tuple[ClassAnswer, ...]
    window_starts: tuple[float, ...]
    window_probabilities: NDArray[np.float64]
    aggregation: Aggregation
    remarks: tuple[Remark, ...]

    @property
    def found(self) -> tuple[ClassAnswer, ...]:
        """The classes that were found, the most probable first."""
        return tuple(
            sorted((one for one in self.classes if one.found), key=lambda one: one.probability, reverse=True)
        )

    @property
    def ranked(self) -> tuple[ClassAnswer, ...]:
        """All classes: those that were found, then the others, each by how far over the threshold it is.

        Where one is chosen, by their probabilities.
        """
        return tuple(
            sorted(self.classes, key=lambda one: (not one.found, (one.threshold or 0.0) - one.probability))
        )

    @property
    def warnings(self) -> tuple[Remark, ...]:
        """What speaks against the probabilities."""
        return warnings_of(self.remarks)

    @property
    def notes(self) -> tuple[Remark, ...]:
        """What was done."""
        return notes_of(self.remarks)


@dataclass(frozen=True)
class Prepared:
    """A record as a network is given it, with what is known before it is.

    Attributes:
        record: Its path.
        sampling_rate: Of the file, in Hz.
        seconds: Its length.
        leads: Names of the file's leads.
        windows: What the network is given.
        remarks: Notes and warnings.
    """

    record: Path
    sampling_rate: float
    seconds: float
    leads: tuple[str, ...]
    windows: Windows
    remarks: tuple[Remark, ...]


def answer(
    model: InferenceModel, path: Path, read: ReadRecord, settings: AnswerSettings
) -> tuple[Answer, Windows]:
    """Run a network over one record.

    Args:
        model: The network.
        path: Of the record.
        read: What was read from there.
        settings: How to go about it.

    Returns:
        The answer, and what the network was given, for pictures.

    Raises:
        RecordError: If the record cannot be used; under `strict`, if there is a warning.
        SettingError: If the network's way of resampling cannot be carried out at the record's rate.
        CheckpointError: If the network gives no numbers.
    """
    prepared = prepare(model.description, path, read, settings)
    return conclude(prepared, run(model, prepared.windows), model.description, settings), prepared.windows


def prepare(
    description: ModelDescription, path: Path, read: ReadRecord, settings: AnswerSettings
) -> Prepared:
    """Bring a record to what a network takes, and say what weakens its answer.

    Args:
        description: Of the network.
        path: Of the record.
        read: What was read from there.
        settings: How to go about it.

    Raises:
        RecordError: As `answer`.
        SettingError: As `answer`.
    """
    provided = provide_leads(read.recording, description.leads, path, may_be_missing=description.lead_dropout)
    windows = cut_windows(provided.recording, description, settings.windows, path)
    found = examine(read.recording, provided.present(), windows, description)
    remarks = (*read.remarks, *provided.remarks, *windows.remarks, *found)
    warnings = warnings_of(remarks)
    if settings.strict and warnings:
        raise RecordError(
            path,
            "; ".join(remark.message for remark in warnings),
            "a record without warnings (--strict)",
            "Correct the record, or leave --strict out to get probabilities with these warnings.",
        )
    return Prepared(
        record=path,
        sampling_rate=read.recording.sampling_rate,
        seconds=read.recording.values.shape[1] / read.recording.sampling_rate,
        leads=read.recording.leads,
        windows=windows,
        remarks=remarks,
    )


def conclude(
    prepared: Prepared,
    logits: NDArray[np.float64],
    description: ModelDescription,
    settings: AnswerSettings,
) -> Answer:
    """Make an answer of a record's logits.

    Args:
        prepared: The record.
        logits: `(windows, classes)`, uncalibrated.
        description: Of the network.
        settings: How to go about it.

    Raises:
        CheckpointError: If the network has given no numbers.
    """
    if not np.isfinite(logits).all():
        raise CheckpointError(
            prepared.record,
            "outputs of the network that are no numbers",
            "logits",
            "Give the checkpoint of a training that did not diverge.",
        )
    return Answer(
        record=prepared.record,
        sampling_rate=prepared.sampling_rate,
        seconds=prepared.seconds,
        leads=tuple(map(intern, prepared.leads)),  # of thousands of records that other processes have read
        classes=decide(logits, description, settings.aggregation),
        window_starts=prepared.windows.starts,
        window_probabilities=_probabilities(logits / description.temperature, description.single_choice),
        aggregation=settings.aggregation,
        remarks=prepared.remarks,
    )


def require_aggregation(aggregation: Aggregation, description: ModelDescription) -> None:
    """Refuse a way of joining windows that leaves no probabilities of one choice.

    Raises:
        SettingError: If it is the maximum of a network that chooses a class.
    """
    if description.single_choice and aggregation == "max":
        raise SettingError(
            "aggregation",
            "max for a network that chooses one of its classes",
            "mean: greatest probabilities of several windows do not sum up to 1",
            "Leave it out; the answer has each window's probabilities.",
        )


def decide(
    logits: NDArray[np.float64], description: ModelDescription, aggregation: Aggregation
) -> tuple[ClassAnswer, ...]:
    """Make one answer a class from the windows' logits.

    Windows are joined on the calibrated scale, and what comes out is taken back to the uncalibrated one, on
    which the thresholds are: so that both scales give the same decision, also for several windows. Where the
    network was validated on joined windows, they are joined as they were there, and calibrated afterwards.

    Args:
        logits: `(windows, classes)`, uncalibrated.
        description: Of the network.
        aggregation: How windows are joined.
    """
    if description.single_choice:
        return _choose(logits, description)
    temperature = description.temperature
    calibrated_first = description.record_samples is None
    scaled = logits / temperature if calibrated_first else logits
    if aggregation == "max":
        joined = scaled.max(axis=0)
    else:
        # The logit of a mean, from logarithms of the probabilities: those near 0 and 1 keep their digits.
        log_p, log_q = -np.logaddexp(0, -scaled), -np.logaddexp(0, scaled)
        joined = np.logaddexp.reduce(log_p, axis=0) - np.logaddexp.reduce(log_q, axis=0)
    if not calibrated_first:
        joined = joined / temperature
    calibrated, uncalibrated = _sigmoid(joined), _sigmoid(joined * temperature)
    thresholds = np.array(description.thresholds)
    return tuple(
        ClassAnswer(
            name=name,
            codes=tuple(description.class_codes.get(name, ())),
            probability=float(calibrated[k]),
            threshold=calibrated_threshold(float(thresholds[k]), temperature),
            found=bool(uncalibrated[k] >= thresholds[k]),
            probability_uncalibrated=float(uncalibrated[k]),
            threshold_uncalibrated=float(thresholds[k]),
            tuned=description.tuned[k],
        )
        for k, name in enumerate(description.class_names)
    )


def _choose(logits: NDArray[np.float64], description: ModelDescription) -> tuple[ClassAnswer, ...]:
    """Choose a class by the mean of the windows' probabilities; the choice is the same on both scales."""
    temperature = description.temperature
    calibrated_first = description.record_samples is None
    # Logarithms of probabilities are logits of them; softmax takes no notice of a number added to all.
    joined = np.log(softmax(logits / temperature if calibrated_first else logits).mean(axis=0).clip(_TINY))
    if not calibrated_first:
        joined = joined / temperature
    calibrated, uncalibrated = softmax(joined), softmax(joined * temperature)
    (chosen,) = decided(joined[None], None)
    return tuple(
        ClassAnswer(
            name=name,
            codes=tuple(description.class_codes.get(name, ())),
            probability=float(calibrated[k]),
            threshold=None,
            found=bool(chosen[k]),
            probability_uncalibrated=float(uncalibrated[k]),
            threshold_uncalibrated=None,
            tuned=False,
        )
        for k, name in enumerate(description.class_names)
    )


def calibrated_threshold(threshold: float, temperature: float) -> float:
    """Return the threshold on the calibrated scale that decides as this one does on the uncalibrated."""
    if not 0 < threshold < 1:
        return threshold
    return float(_sigmoid(np.array(math.log(threshold / (1 - threshold)) / temperature)))


def run(model: InferenceModel, windows: Windows) -> NDArray[np.float64]:
    """Return the windows' logits, a batch at a time: a day is eight thousand windows."""
    return np.concatenate(
        [model.logits(windows.signal(slice(start, start + BATCH))) for start in range(0, len(windows), BATCH)]
    ).astype(np.float64)


def _probabilities(logits: NDArray[np.float64], single_choice: bool) -> NDArray[np.float64]:
    return softmax(logits) if single_choice else _sigmoid(logits)


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.exp(-np.logaddexp(0, -logits))
    return result
