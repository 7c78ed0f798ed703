"""A class chosen from several: softmax over all classes, and the most probable one is the decision.

The other kind of task asks a question a class: a sigmoid each, and a threshold each. Of which kind a task is,
is said of its data (`single_choice` of a datamodule), handed to the task with the classes, and kept in
checkpoints and exported files. What differs is here and in the functions that take `single_choice`; all else,
targets of zeros and ones among it, is the same.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def probabilities_of(logits: Tensor, single_choice: bool) -> Tensor:
    """Turn logits `(records, classes)` into probabilities: of one class among all, or of each by itself."""
    return logits.softmax(dim=-1) if single_choice else logits.sigmoid()


def most_probable(probabilities: Tensor) -> Tensor:
    """Say which class is chosen, `bool (records, classes)`: of equally probable ones the first."""
    chosen = probabilities.argmax(dim=1, keepdim=True)
    return torch.zeros_like(probabilities, dtype=torch.bool).scatter_(1, chosen, True)


def losses_by_record(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return each record's cross-entropy, 0 without an answer, and which records have one, both `(records,)`.

    Args:
        logits: `(records, classes)`.
        targets: `(records, classes)`: a one and zeros, or NaN in the whole row.
        weights: `(classes,)`: what a record of each class counts; 1 if None.
    """
    answered = ~targets[:, 0].isnan()
    # By the class and not by products with zeros: a logit of another class may be infinite.
    classes = targets.nan_to_num(0.0).argmax(dim=1)
    each = F.cross_entropy(logits, classes, weight=weights, reduction="none")
    return torch.where(answered, each, 0.0), answered


def join_choices(logits: Tensor, windows: list[int]) -> Tensor:
    """Give each record the logarithms of the mean of its windows' probabilities, which are logits of them.

    Args:
        logits: `float64 (all windows, classes)`; the windows of a record follow each other.
        windows: How many each record has.

    Returns:
        `float64 (records, classes)`.
    """
    each = torch.split(logits.log_softmax(dim=1), windows)
    total = pad_sequence(list(each), True, -torch.inf).logsumexp(dim=1)
    return total - torch.tensor(windows, dtype=total.dtype, device=total.device).log()[:, None]
