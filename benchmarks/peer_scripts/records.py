"""What the peers' scripts share: the job, its records read and brought to 100 Hz, the order of trainings.

A script is started as `python SCRIPT JOB.json`. Reading is what a careful user writes, once for all of them:
a loop over `wfdb.rdsamp`, a polyphase filter, ten seconds, each lead to zero mean and unit variance.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import wfdb
from scipy.signal import resample_poly
from torch.utils.data import DataLoader, TensorDataset

SAMPLES = 1000
BATCH = 64
RATE = 1e-3

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Records:
    """One dataset, divided.

    Attributes:
        classes: Names.
        signals: Of each part, `(records, leads, samples)`.
        targets: Of each part, `(records, classes)`.
    """

    classes: list[str]
    signals: dict[str, torch.Tensor]
    targets: dict[str, torch.Tensor]

    def loader(self, part: str) -> DataLoader[Any]:
        """Give a part in batches, the training part in another order each time."""
        rows = TensorDataset(self.signals[part], self.targets[part])
        return DataLoader(rows, batch_size=BATCH, shuffle=part == "train")


class Trained(NamedTuple):
    """A training's outcome.

    Attributes:
        weights: Of the chosen epoch.
        predict: From signals to probabilities.
    """

    weights: Weights
    predict: Callable[[torch.Tensor], np.ndarray]


Train = Callable[[Records, int, Weights | None, int, Path], Trained]
"""From records, a seed, an upstream's weights, a number of epochs and a folder to what came of it."""


def main(train: Train) -> None:
    """Do the job that the command line names.

    Args:
        train: One training.
    """
    path = Path(sys.argv[1])
    job = json.loads(path.read_text())
    torch.set_num_threads(job["threads"])
    folder = path.parent
    upstream = read(job["upstream"])
    if job["task"] == "epoch":
        train(upstream, 0, None, 1, folder / "epoch")
        return
    before = train(upstream, 0, None, job["epochs"], folder / "upstream").weights
    records = read(job["downstream"])
    for seed in job["seeds"]:
        for arm, weights in (("scratch", None), ("fine-tuned", before)):
            trained = train(records, seed, weights, job["epochs"], folder / f"{arm}-{seed}")
            np.save(folder / f"{arm}-{seed}.npy", trained.predict(records.signals["test"]))


def read(dataset: dict[str, Any]) -> Records:
    """Read a dataset's records."""
    signals: dict[str, list[np.ndarray]] = {}
    targets: dict[str, list[list[float]]] = {}
    for path, part, target in dataset["records"]:
        signals.setdefault(part, []).append(read_signal(path))
        targets.setdefault(part, []).append(target)
    return Records(
        dataset["classes"],
        {part: torch.from_numpy(np.stack(rows)) for part, rows in signals.items()},
        {part: torch.tensor(rows) for part, rows in targets.items()},
    )


def read_signal(path: str) -> np.ndarray:
    """Read a record, `(leads, samples)` at 100 Hz."""
    values, fields = wfdb.rdsamp(path)
    values = resample_poly(np.nan_to_num(values).T, 100, int(fields["fs"]), axis=1)[:, :SAMPLES]
    padded = np.zeros((len(values), SAMPLES), dtype=np.float32)
    padded[:, : values.shape[1]] = values
    deviation = padded.std(axis=1, keepdims=True)
    return (padded - padded.mean(axis=1, keepdims=True)) / np.where(deviation > 0, deviation, 1)


def without_head(weights: Weights, own: Weights) -> dict[str, torch.Tensor]:
    """Keep the tensors of an upstream that a network has in the same shape."""
    return {name: each for name, each in weights.items() if name in own and each.shape == own[name].shape}


def probabilities(network: torch.nn.Module, signals: torch.Tensor) -> np.ndarray:
    """Ask a network, a batch at a time."""
    network.eval()
    with torch.no_grad():
        return torch.cat([network(part).sigmoid() for part in signals.split(BATCH)]).float().numpy()


def validation_loss(network: torch.nn.Module, loader: DataLoader[Any]) -> float:
    """Return a network's mean loss."""
    network.eval()
    with torch.no_grad():
        losses = [
            torch.nn.functional.binary_cross_entropy_with_logits(network(signal), target).item()
            for signal, target in loader
        ]
    return float(np.mean(losses))
