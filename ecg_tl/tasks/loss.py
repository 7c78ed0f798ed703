"""What a training makes small: cross-entropy over the answers that there are."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, distributed

from ecg_tl.single_choice import losses_by_record

PosWeight = Literal["none", "balanced", "root"]

LARGEST_POSITIVE_WEIGHT = 100.0


def classification_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    masked: bool | None = None,
    answers: Tensor | None = None,
    positive_weights: Tensor | None = None,
    single_choice: bool = False,
) -> Tensor:
    """Return binary cross-entropy, averaged over all classes and records that have an answer.

    Where one of the classes is chosen, it is cross-entropy over all of them, averaged over the records.

    In float32 whatever the precision of the network: log-sigmoid loses its tail in half precision.

    Args:
        logits: `(batch, classes)`.
        targets: `(batch, classes)` of zeros, ones, and NaN for no answer.
        masked: Whether there may be NaN. Looked up if None, for which a device has to be waited for. Without
            any, both ways give the same number; the plain one is what it was before there were masks.
        answers: What the sum is divided by, from `answers_of_batch`; the answers of this batch if None.
        positive_weights: `(classes,)`: how much more a positive weighs than a negative; as much if None.
            Of a choice, how much a record of the class weighs.
        single_choice: Whether one of the classes is chosen.
    """
    logits, targets = logits.float(), targets.float()
    if single_choice:
        losses, has_answer = losses_by_record(logits, targets, positive_weights)
        return losses.sum() / (has_answer.sum() if answers is None else answers).clamp(min=1)
    if masked is None:
        masked = bool(targets.isnan().any())
    if not masked:
        return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=positive_weights)
    answered = ~targets.isnan()
    each = F.binary_cross_entropy_with_logits(
        logits, targets.nan_to_num(0.0), reduction="none", pos_weight=positive_weights
    )
    # Not times zero: a logit may be infinite where nobody looks.
    total = torch.where(answered, each, 0.0).sum()
    return total / (answered.sum() if answers is None else answers).clamp(min=1)


def answers_of_batch(targets: Tensor, *, single_choice: bool = False) -> Tensor:
    """Count a batch's answers, of a choice one a record; with several processes, their mean over these.

    DDP averages the gradients of processes, each of which has other answers: divided by its own number, a
    process with few would count them more. Divided by the mean, it is the gradient over all their answers.
    Every process must call this.
    """
    answers = (~(targets[:, 0] if single_choice else targets).isnan()).sum().float()
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(answers)
        answers = answers / distributed.get_world_size()
    return answers


def positive_weights(
    targets: NDArray[np.float32], how: PosWeight, *, single_choice: bool = False
) -> NDArray[np.float32]:
    """Say how much more a positive of each class weighs in the loss than a negative.

    Of a choice, how much a record of each class weighs: with `balanced`, all classes that have records the
    same in sum, and together as much as without weights; with `root` the square root of that.

    Args:
        targets: `(records, classes)` of the training; NaN where a question was not answered.
        how: `balanced`: as there are more negatives; `root`: the square root of that; `none`: as much.
        single_choice: Whether one of the classes is chosen.

    Returns:
        `float32 (classes,)`, from the inverse of `LARGEST_POSITIVE_WEIGHT` to itself; 1 for a class without
        positives.
    """
    positives, answered = np.nansum(targets, axis=0), np.isfinite(targets).sum(axis=0)
    others = positives.sum() / max(int((positives > 0).sum()), 1) if single_choice else answered - positives
    ratio = np.divide(others, positives, out=np.ones(len(positives)), where=positives > 0)
    power = {"none": 0.0, "balanced": 1.0, "root": 0.5}[how]
    weights: NDArray[np.float32] = np.clip(
        ratio**power, 1 / LARGEST_POSITIVE_WEIGHT, LARGEST_POSITIVE_WEIGHT
    ).astype(np.float32)
    return weights
