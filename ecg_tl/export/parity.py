"""Whether an exported file gives the numbers that the checkpoint gives in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecg_tl.errors import CheckpointError
from ecg_tl.inference.leads import provide_leads
from ecg_tl.inference.model import ModelDescription
from ecg_tl.inference.windows import cut_windows
from ecg_tl.recordings import ReadSettings, find_records, read_record
from ecg_tl.signals import LEADS, Recording, select_leads
from ecg_tl.single_choice import probabilities_of
from ecg_tl.synthesis.conditions import CONDITIONS
from ecg_tl.synthesis.simulator import simulate
from ecg_tl.tasks.base import EcgClassifier

TOLERANCE = 1e-4

BATCH = 64

SYNTHETIC_RATE = 500.0
"""In Hz, at which records are simulated before they are brought to the network's rate."""

Signals = NDArray[np.float32]


@dataclass(frozen=True)
class Parity:
    """How far an exported file is from PyTorch.

    Attributes:
        signals: How many signals were compared.
        source: Where they came from.
        probability: Greatest difference of a calibrated probability.
        logits: Greatest difference of an uncalibrated logit, divided by the greatest logit of the batch where
            that is over 1.
    """

    signals: int
    source: str
    probability: float
    logits: float

    @property
    def largest(self) -> float:
        """The greater of the two, by which it is judged; NaN if a number of either side is none."""
        return float(np.max([self.probability, self.logits]))

    def __str__(self) -> str:
        return (
            f"largest difference from PyTorch over {self.signals} {self.source} signals: "
            f"{self.probability:.1e} in probability, {self.logits:.1e} in logits"
        )


def synthetic_signals(description: ModelDescription, seed: int = 0) -> Signals:
    """Simulate one ECG of each condition as the network takes it, and three that no heart makes.

    Those are zeros, a lead that is flat at an offset, and amplitudes far beyond the clipping of
    normalisations: where the branches of a normalisation are that ECGs seldom reach.

    Args:
        description: Says which leads, rate and length the network takes.
        seed: Same seed, same signals.

    Returns:
        `(signals, leads, samples)` in mV.
    """
    # A network may take less than the simulator's shortest record.
    duration = max(description.num_samples / description.sampling_rate, 1.0)
    simulated = simulate(
        [[name] for name in CONDITIONS], sampling_rate=SYNTHETIC_RATE, duration=duration, seed=seed
    )
    # By the filter, whatever the network's own way: taking every k-th sample works for few rates.
    filtered = replace(description, resampling="polyphase")
    kept = []
    for values in simulated:
        rows = select_leads(Recording(values, LEADS, SYNTHETIC_RATE), description.leads, "simulated record")
        recording = Recording(rows, description.leads, SYNTHETIC_RATE)
        kept.append(_one_window(recording, filtered, "simulated record"))
    flat = kept[0].copy()
    flat[0] = 0.25
    return np.stack([*kept, np.zeros_like(flat), flat, 40 * kept[1]])


def recorded_signals(paths: Sequence[Path], description: ModelDescription) -> Signals:
    """Read recordings as `ecg-tl infer` does, of each the window that a prepared store would keep.

    Args:
        paths: Files, or folders of records.
        description: Says which leads, rate and length the network takes.

    Returns:
        `(signals, leads, samples)` in mV.

    Raises:
        RecordError: If a record cannot be read, or lacks leads.
    """
    records, _ = find_records(paths)
    kept = []
    for path in records:
        read = read_record(path, ReadSettings())
        provided = provide_leads(
            read.recording, description.leads, path, may_be_missing=description.lead_dropout
        )
        kept.append(_one_window(provided.recording, description, path))
    return np.stack(kept)


def compare_outputs(
    exported: Callable[[Signals], tuple[Signals, Signals]],
    original: EcgClassifier,
    temperature: float,
    signals: Signals,
    source: str,
) -> Parity:
    """Compare an exported file with the task that it was made from.

    Signals are given to the file in large batches, and the first ones again one by one: its batch must be
    free.

    Args:
        exported: Turns signals into probabilities and logits, with the file.
        original: The task, in eval mode and on the CPU: signals to uncalibrated logits.
        temperature: That makes its probabilities calibrated.
        signals: `(signals, leads, samples)` in mV.
        source: What to call them.
    """
    alone = [slice(k, k + 1) for k in range(min(2, len(signals)))]
    together = [slice(k, k + BATCH) for k in range(0, len(signals), BATCH)]
    differences = []
    for rows in (*alone, *together):
        with torch.inference_mode():
            logits = original(torch.from_numpy(signals[rows])).float()
            probability = probabilities_of(logits / temperature, original.single_choice)
        wanted = (probability.numpy(), logits.numpy())
        differences.append(_differences(exported(signals[rows]), wanted))
    # `np.max` hands a NaN on, which `max` may not.
    in_probability, in_logits = np.max(np.array(differences), axis=0)
    return Parity(len(signals), source, float(in_probability), float(in_logits))


def require_parity(parity: Parity, where: object) -> None:
    """Refuse a file that gives other numbers.

    Raises:
        CheckpointError: If the largest difference is over `TOLERANCE`, or not a number.
    """
    if not parity.largest <= TOLERANCE:
        raise CheckpointError(
            where,
            f"other numbers in the exported file: {parity}",
            f"at most {TOLERANCE:g}",
            "Nothing was written. If its weights are finite, report it with the versions of torch and "
            "onnxruntime.",
        )


def _one_window(recording: Recording, description: ModelDescription, where: object) -> Signals:
    signal: Signals = cut_windows(recording, description, "one", where).signal(slice(None))[0]
    return signal


def _differences(found: tuple[Any, Any], wanted: tuple[Signals, Signals]) -> tuple[float, float]:
    probability, logits = (np.abs(a.astype(np.float64) - b) for a, b in zip(found, wanted, strict=True))
    # Of logits in the thousands, single precision keeps no fourth decimal.
    return float(probability.max()), float(logits.max() / max(float(np.abs(wanted[1]).max()), 1.0))
