"""What networks make of test records, clean and under every condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecg_tl.datamodules import EcgDataModule
from ecg_tl.disturbances import record_generators, signal_to_noise
from ecg_tl.robustness.conditions import Disturbance
from ecg_tl.robustness.subjects import Subject
from ecg_tl.signals import Batch
from ecg_tl.single_choice import probabilities_of
from ecg_tl.store.progress import record_progress


@dataclass(frozen=True, eq=False)
class DisturbedPredictions:
    """Predictions of all subjects under all conditions.

    Attributes:
        rows: `(records,)`, of the store.
        targets: `(records, classes)`.
        probabilities: By subject, then the clean one and one a condition: `(records, classes)`.
        snr_db: One a condition, the clean one's first; NaN where nothing is added.
    """

    rows: NDArray[np.int64]
    targets: NDArray[np.float32]
    probabilities: list[list[NDArray[np.float32]]]
    snr_db: list[float]


@torch.inference_mode()
def predict_disturbed(
    subjects: Sequence[Subject],
    datamodule: EcgDataModule,
    kinds: Sequence[Disturbance],
    seed: int,
    device: torch.device,
    progress: bool,
) -> DisturbedPredictions:
    """Disturb each batch of test records once a condition, and run every network on it.

    Args:
        subjects: Whose networks.
        datamodule: After `setup`.
        kinds: Whose conditions.
        seed: Of the disturbances.
        device: Where networks run.
        progress: Whether to show a bar on the terminal.
    """
    tasks = [subject.task.to(device).eval() for subject in subjects]
    conditions = [(kind, condition) for kind in kinds for condition in kind.conditions]
    collected: list[list[list[Tensor]]] = [[[] for _ in range(len(conditions) + 1)] for _ in tasks]
    ratios: list[list[Tensor]] = [[] for _ in range(len(conditions) + 1)]
    rows, targets = [], []
    padded = torch.tensor(datamodule.store.column("padded_samples").tolist())
    total = len(datamodule.parts.split.test) * (len(conditions) + 1) * len(tasks)

    with record_progress("Records under all conditions", total, progress) as advance:

        def predict(whole: Batch, number: int) -> None:
            cut = datamodule.windows_of(whole)
            for task, by_condition in zip(tasks, collected, strict=True):
                logits = task.judge(cut).float()
                by_condition[number].append(probabilities_of(logits, task.single_choice).cpu())
                for _ in range(len(whole["index"])):
                    advance()

        for batch in datamodule.batches_of("test", device, whole=True):
            index, signal = batch["index"].cpu(), batch["signal"]
            rows.append(index)
            targets.append(batch["target"].cpu())
            # Noise belongs to what was recorded; the store pads afterwards.
            ends = (signal.shape[-1] - padded[index]).to(device)
            recorded = torch.arange(signal.shape[-1], device=device) < ends[:, None, None]
            predict(batch, 0)
            for number, (kind, condition) in enumerate(conditions, start=1):
                generators = record_generators(seed, kind.number, index.tolist())
                disturbed = condition.disturb(signal, generators) * recorded
                if kind.is_noise:
                    ratios[number].append(signal_to_noise(signal, disturbed))
                predict({**batch, "signal": disturbed}, number)
    return DisturbedPredictions(
        torch.cat(rows).numpy(),
        torch.cat(targets).numpy(),
        [[torch.cat(batches).numpy() for batches in by_condition] for by_condition in collected],
        [float(torch.cat(one).nanmedian()) if one else float("nan") for one in ratios],
    )
