"""What a training makes small: binary cross-entropy over the answers that there are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, distributed


def classification_loss(
    logits: Tensor, targets: Tensor, *, masked: bool | None = None, answers: Tensor | None = None
) -> Tensor:
    """Return binary cross-entropy, averaged over all classes and records that have an answer.

    In float32 whatever the precision of the network: log-sigmoid loses its tail in half precision.

    Args:
        logits: `(batch, classes)`.
        targets: `(batch, classes)` of zeros, ones, and NaN for no answer.
        masked: Whether there may be NaN. Looked up if None, for which a device has to be waited for. Without
            any, both ways give the same number; the plain one is what it was before there were masks.
        answers: What the sum is divided by, from `answers_of_batch`; the answers of this batch if None.
    """
    if masked is None:
        masked = bool(targets.isnan().any())
    logits, targets = logits.float(), targets.float()
    if not masked:
        return F.binary_cross_entropy_with_logits(logits, targets)
    answered = ~targets.isnan()
    each = F.binary_cross_entropy_with_logits(logits, targets.nan_to_num(0.0), reduction="none")
    # Not times zero: a logit may be infinite where nobody looks.
    total = torch.where(answered, each, 0.0).sum()
    return total / (answered.sum() if answers is None else answers).clamp(min=1)


def answers_of_batch(targets: Tensor) -> Tensor:
    """Count a batch's answers; with several processes, their mean over these.

    DDP averages the gradients of processes, each of which has other answers: divided by its own number, a
    process with few would count them more. Divided by the mean, it is the gradient over all their answers.
    Every process must call this.
    """
    answers = (~targets.isnan()).sum().float()
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(answers)
        answers = answers / distributed.get_world_size()
    return answers
