"""Candidates for an upstream, compared on downstream records before any training."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecg_tl.checkpoints.description import CheckpointDescription, read_description
from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.contamination.overlap import find_overlap
from ecg_tl.contamination.report import OverlapReport
from ecg_tl.contamination.training_sets import TrainingSet, read_training_sets
from ecg_tl.datamodules import EcgDataModule
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.limits import require_each_once, shown
from ecg_tl.single_choice import probabilities_of
from ecg_tl.store.progress import record_progress
from ecg_tl.tasks import EcgClassifier
from ecg_tl.tasks.predictions import join_windows
from ecg_tl.tasks.restoring import restore_task
from ecg_tl.transfer.transferability import Melep, ScoresByClass, linear_probe_score, logme, melep

MOST_FEATURE_VALUES = 2**27
"""Features of all records together, a gigabyte in double precision; longer vectors are sketched."""

SortBy = Literal["melep", "logme", "probe"]


@dataclass(frozen=True)
class Candidate:
    """A checkpoint that may become the upstream.

    Attributes:
        path: The file.
        description: What it says of itself.
        data: What it says of the data that it was trained on.
        hyperparameters: The task's settings.
        trained_on: Which records it, and its own upstreams, were trained on.
    """

    path: Path
    description: CheckpointDescription
    data: Mapping[str, Any]
    hyperparameters: Mapping[str, Any]
    trained_on: tuple[TrainingSet, ...]

    @property
    def network(self) -> str:
        """Name of its network."""
        return str(self.hyperparameters.get("network", "?"))


@dataclass(frozen=True, eq=False)
class Encoded:
    """What a network makes of a part's records, in the store's order.

    Attributes:
        probabilities: `float32 (records, upstream classes)`, uncalibrated.
        features: `float32 (records, features)`: what its head takes.
        targets: `float32 (records, downstream classes)`.
    """

    probabilities: NDArray[np.float32]
    features: NDArray[np.float32]
    targets: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Ranked:
    """One candidate's scores.

    Attributes:
        candidate: Whose they are.
        melep: On the training records.
        logme: On the training records.
        probe: AUROC on the validation records, of a linear classifier fitted on the training records.
        overlap: Which of these records the candidate was trained on: its scores then flatter.
        seconds: For all of it: rebuilding, encoding and scoring.
        sketched: Whether LogME and the probe saw shortened feature vectors.
    """

    candidate: Candidate
    melep: Melep
    logme: ScoresByClass
    probe: ScoresByClass
    overlap: OverlapReport
    seconds: float
    sketched: bool

    def as_row(self) -> dict[str, Any]:
        """Give it as a row of a table."""
        return {
            "upstream": str(self.candidate.path),
            "dataset": str(self.candidate.data.get("dataset")),
            "network": self.candidate.network,
            "melep": self.melep.value,
            "entropy": self.melep.entropy,
            "difference": self.melep.difference,
            "logme": self.logme.mean,
            "probe_auroc_macro": self.probe.mean,
            "melep_classes": int((self.melep.weights > 0).sum()),
            "logme_classes": self.logme.scored,
            "probe_classes": self.probe.scored,
            "records_trained_on": None if self.overlap.unknown else self.overlap.records,
            "features_sketched": self.sketched,
            "seconds": self.seconds,
        }


def read_candidate(path: Path, datamodule: EcgDataModule) -> Candidate:
    """Read what a checkpoint says of itself, and refuse data whose signals it was not made for.

    Raises:
        CheckpointError: If it cannot be read, does not say what it was trained on, or was trained on other
            leads, another sampling rate, length or unit.
    """
    checkpoint = read_checkpoint(path)
    description = read_description(checkpoint, path)
    data, settings = description.data, checkpoint.get("hyper_parameters")
    if not isinstance(data, Mapping) or not isinstance(settings, Mapping):
        raise CheckpointError(
            path,
            "nothing on the data that it was trained on, or no settings",
            "both, as a fit of ecg_tl writes them",
            "Give a checkpoint of a fit with a datamodule.",
        )
    at_hand = {
        "leads": datamodule.leads,
        "sampling_rate": datamodule.sampling_rate,
        "num_samples": datamodule.num_samples,
        "units": datamodule.store_settings.units,
        "preprocessing": None
        if datamodule.contract is None
        else datamodule.contract.contract.stored.to_json(),
    }
    unlike = [field for field in at_hand if data.get(field) != at_hand[field]]
    if "preprocessing" in unlike and data.get("preprocessing") is not None:
        raise CheckpointError(
            path,
            f"a network trained under the contract {shown((data.get('contract') or {}).get('name'))}",
            f"one trained on signals as the downstream data ({datamodule.dataset.name}) have them",
            f"Prepare the data under its contract (--data.contract {path}), or leave it out.",
        )
    if unlike:
        flags = [f"--data.{field} {_as_flag(data.get(field))}" for field in unlike if field != "units"]
        raise CheckpointError(
            path,
            "a network trained on " + ", ".join(f"{field} {data.get(field)}" for field in unlike),
            ", ".join(f"{field} {at_hand[field]}" for field in unlike)
            + f", as the downstream data ({datamodule.dataset.name}) have",
            f"Prepare the data as the candidate has them ({' '.join(flags)}), or leave it out."
            if flags
            else "Leave it out.",
        )
    return Candidate(path, description, data, settings, read_training_sets(checkpoint, path))


def rank(
    checkpoints: Sequence[Path],
    datamodule: EcgDataModule,
    *,
    sort_by: SortBy = "melep",
    device: torch.device | None = None,
    progress: bool = True,
) -> list[Ranked]:
    """Score candidates on a downstream dataset's training and validation records; best first.

    No test record is read: training records decide MELEP, LogME and the linear probe's weights, validation
    records the probe's score.

    Args:
        checkpoints: Files of the candidates.
        datamodule: The downstream data; its store is prepared if there is none.
        sort_by: `melep` puts the least first, `logme` and `probe` the greatest; candidates without that score
            come last.
        device: Where networks run; the CPU if None.
        progress: Whether to show a bar on the terminal.

    Raises:
        CheckpointError: If a candidate cannot be read, does not fit the data, or gives no numbers. All are
            looked at before the first is scored.
        SettingError: If there is no candidate, or validation records are test records.
    """
    if not checkpoints:
        raise SettingError("checkpoints", "none", "at least one candidate", "Name checkpoints.")
    require_each_once("checkpoints", checkpoints)
    candidates = [read_candidate(path, datamodule) for path in checkpoints]
    datamodule.prepare_data()
    datamodule.setup()
    if datamodule.parts.split.selects_on_test:
        raise SettingError(
            "split.kind",
            datamodule.parts.kind,
            "a split whose validation records are not its test records",
            "An upstream must not be chosen on test records: use `--data.split.kind patient`.",
        )
    ranked = [
        _score(candidate, datamodule, device or torch.device("cpu"), progress) for candidate in candidates
    ]
    return sorted(ranked, key=lambda one: _worst_last(one, sort_by))


def as_table(ranked: Sequence[Ranked], datamodule: EcgDataModule) -> pd.DataFrame:
    """Give one row a candidate, with what the scores were computed on, for a CSV file."""
    parts = datamodule.parts
    sizes = {part: len(rows) for part, rows in parts.split.parts().items()}
    downstream = {
        "downstream": datamodule.dataset.name,
        "downstream_task": datamodule.task,
        "train_records": sizes["train"],
        "validation_records": sizes["validation"],
        "split_hash": parts.hash,
    }
    return pd.DataFrame([one.as_row() | downstream for one in ranked])


@torch.inference_mode()
def encode_part(
    task: EcgClassifier,
    datamodule: EcgDataModule,
    part: Literal["train", "validation"],
    device: torch.device,
    progress: str | None = None,
) -> Encoded:
    """Run a network once over a part's records, in eval mode and with its own normalisation.

    Feature vectors so long that all of them would not fit into memory are sketched: see `sketch_of`.

    Args:
        task: With its trained network.
        datamodule: After `setup`.
        part: Whose records.
        device: Where the network runs.
        progress: What a bar on the terminal calls this; None for no bar.
    """
    task = task.to(device).eval()
    sizes = {name: len(rows) for name, rows in datamodule.parts.split.parts().items()}
    longest = MOST_FEATURE_VALUES // max(sizes.values())
    sketch = sketch_of(task.network.num_features, longest, device)
    index, probabilities, features, targets = [], [], [], []
    with record_progress(f"{progress}, {part}", sizes[part], shown=progress is not None) as advance:
        for batch in datamodule.batches_of(part, device):
            encoded = task.network.forward_features(task.normalization(batch["signal"]))
            logits = task.network.forward_head(encoded)
            if "windows" in batch:
                logits = join_windows(logits, batch["windows"], single_choice=task.single_choice)
                encoded = torch.stack(
                    [one.mean(dim=0) for one in torch.split(encoded, batch["windows"].tolist())]
                )
            index.append(batch["index"].cpu())
            probabilities.append(probabilities_of(logits.float(), task.single_choice).cpu())
            features.append((encoded if sketch is None else sketch(encoded)).float().cpu())
            targets.append(batch["target"].cpu())
            for _ in range(len(logits)):
                advance()
    order = torch.argsort(torch.cat(index))
    return Encoded(*(torch.cat(values)[order].numpy() for values in (probabilities, features, targets)))


class _CountSketch:
    """Adds every feature, with a random sign, into one of fewer sums."""

    def __init__(self, num_features: int, length: int, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(0)  # the same for both parts
        self.length = length
        self.sums = torch.randint(length, (num_features,), generator=generator).to(device)
        self.signs = (torch.randint(2, (num_features,), generator=generator) * 2.0 - 1.0).to(device)

    def __call__(self, features: Tensor) -> Tensor:
        return features.new_zeros(len(features), self.length).index_add_(1, self.sums, features * self.signs)


def sketch_of(num_features: int, longest: int, device: torch.device) -> _CountSketch | None:
    """Make what shortens feature vectors to `longest` values; None if they are no longer than that.

    A count sketch (Charikar, Chen and Farach-Colton, ICALP 2002) keeps inner products in expectation, with an
    error of about one over the root of its length, and inner products are all that LogME and a linear probe
    see. It is for RNNs that flatten time: with 200,000 features, over 671 records reach the limit.
    """
    return None if num_features <= longest else _CountSketch(num_features, longest, device)


def _score(candidate: Candidate, datamodule: EcgDataModule, device: torch.device, progress: bool) -> Ranked:
    started = time.perf_counter()
    task = restore_task(candidate.path, read_checkpoint(candidate.path))
    label = f"{candidate.network} from {candidate.data.get('dataset')}" if progress else None
    train = encode_part(task, datamodule, "train", device, label)
    validation = encode_part(task, datamodule, "validation", device, label)
    for encoded in (train, validation):
        if not (np.isfinite(encoded.probabilities).all() and np.isfinite(encoded.features).all()):
            raise CheckpointError(
                candidate.path,
                "a network whose outputs are NaN or infinite",
                "numbers",
                "Its training diverged: leave it out.",
            )
    return Ranked(
        candidate=candidate,
        melep=melep(train.probabilities, train.targets),
        logme=logme(train.features, train.targets),
        probe=linear_probe_score(train.features, train.targets, validation.features, validation.targets),
        overlap=find_overlap(candidate.trained_on, datamodule, ["train", "validation"]),
        seconds=time.perf_counter() - started,
        sketched=train.features.shape[1] < task.network.num_features,
    )


def _worst_last(ranked: Ranked, sort_by: SortBy) -> tuple[bool, float]:
    value = {"melep": ranked.melep.value, "logme": -ranked.logme.mean, "probe": -ranked.probe.mean}[sort_by]
    return bool(np.isnan(value)), value


def _as_flag(value: object) -> str:
    return f"'[{', '.join(map(str, value))}]'" if isinstance(value, list) else str(value)


def _preprocessing(datamodule: EcgDataModule) -> list[dict[str, Any]] | None:
    return None if datamodule.contract is None else datamodule.contract.contract.stored.to_json()
