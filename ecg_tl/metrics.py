"""Scores of multi-label classifiers: what is logged after every epoch and reported at the end.

Definitions, for `N` records and `C` classes:

- **AUROC** of a class: the probability that a positive gets a higher probability than a negative, ties
  counting one half. Without positives or without negatives it does not exist: the class is left out of the
  mean, and `auroc_classes_scored` says how many were in.
- **AUPRC**: average precision, the sum over cut points of (gain in recall) x precision, without
  interpolation, as scikit-learn's `average_precision_score`. It needs positives only.
- **F1** at a threshold: a class is predicted where its probability is at or above the threshold; 0 where
  there is neither a positive nor a prediction (scikit-learn's `zero_division=0`). `f1_macro` is the plain
  mean over all classes, `f1_weighted` weights them by their number of positives.
- **Fmax**, the sample-centric score of the CAFA challenges (Radivojac et al., Nature Methods 10, 2013) that
  Strodthoff et al. (IEEE JBHI 25(5), 2021) report on PTB-XL. At one threshold for all classes, precision is
  averaged over the records that are given at least one class, recall over those that have at least one; Fmax
  is the greatest harmonic mean of the two over all thresholds. Here over every cut point that the
  probabilities allow, not over a grid, so that it depends on their order alone.
- **Brier**: mean squared difference of probability and target, over records and classes.
- **ECE**: expected calibration error. For each class the records fall into 15 bins of equal width of the
  probability; the error is the mean over records of |mean probability - share of positives| of their bin;
  the mean over all classes is reported.

torchmetrics has functions for some of these. They are not used because they count a class without positives
as 0 in the mean, take one threshold for all classes, refuse a single class, drop never-predicted classes
without positives from the macro F1, and take numbers for logits whenever one lies outside of [0, 1]. The
tests compare with them and with scikit-learn where all agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
import torchmetrics
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from ecg_tl.errors import SettingError

ECE_BINS = 15
NO_INDEX = -1
INDEX_STEP = 2**20

Values = Tensor | NDArray[Any]


@dataclass(frozen=True)
class Scores:
    """Scores of one set of predictions; the module's docstring defines them.

    Attributes:
        support: Number of positives of each class.
        auroc: By class; only those with positives and negatives.
        auprc: By class; only those with positives.
        f1: By class.
        auroc_macro: Mean over the classes of `auroc`; NaN if there is none.
        auprc_macro: Mean over the classes of `auprc`; NaN if there is none.
        f1_macro: Mean over all classes.
        f1_weighted: Mean over all classes, weighted by `support`.
        fmax: Greatest sample-centric F1 over one threshold for all classes.
        brier: Mean squared error of the probabilities.
        ece: Expected calibration error, mean over classes.
    """

    support: dict[str, int]
    auroc: dict[str, float]
    auprc: dict[str, float]
    f1: dict[str, float]
    auroc_macro: float
    auprc_macro: float
    f1_macro: float
    f1_weighted: float
    fmax: float
    brier: float
    ece: float

    def as_dict(self) -> dict[str, float]:
        """Flatten into names such as `auroc_macro` and `auroc/NORM`; what has no value has no name."""
        flat: dict[str, float] = {
            "auroc_macro": self.auroc_macro,
            "auprc_macro": self.auprc_macro,
            "f1_macro": self.f1_macro,
            "f1_weighted": self.f1_weighted,
            "fmax": self.fmax,
            "brier": self.brier,
            "ece": self.ece,
            "auroc_classes_scored": float(len(self.auroc)),
            "auprc_classes_scored": float(len(self.auprc)),
        }
        for metric in ("auroc", "auprc", "f1", "support"):
            flat.update({f"{metric}/{name}": float(v) for name, v in getattr(self, metric).items()})
        return flat


def multilabel_scores(
    probabilities: Values,
    targets: Values,
    class_names: Sequence[str],
    thresholds: float | Sequence[float] | Values = 0.5,
) -> Scores:
    """Score predictions; in double precision on the CPU, so that every device gives the same numbers.

    Args:
        probabilities: `(records, classes)`, in [0, 1].
        targets: `(records, classes)` of zeros and ones.
        class_names: One a column.
        thresholds: For the F1 values: one for all classes, or one for each.

    Raises:
        SettingError: If shapes differ, there are no records, or a value is not what it should be (NaN
            probabilities of a training that diverged, among others).
    """
    p, y = check_predictions(probabilities, targets)
    names = list(class_names)
    cuts = torch.as_tensor(thresholds, dtype=torch.float64).cpu()
    if len(names) != p.shape[1] or len(set(names)) != len(names) or cuts.shape not in ((), (len(names),)):
        raise SettingError(
            "classes to score",
            f"{p.shape[1]} columns, {len(set(names))} distinct names, {cuts.numel()} threshold(s)",
            "one distinct name a column, and one threshold or one a column",
            "Score predictions with the class names and thresholds that belong to them.",
        )
    positives = y.sum(dim=0)
    scored = (positives > 0, positives < len(y))
    auroc = _by_class(names, _auroc(p, y), scored[0] & scored[1])
    auprc = _by_class(names, _average_precision(p, y), scored[0])
    f1 = _f1((p >= cuts).double(), y)
    return Scores(
        support={name: int(n) for name, n in zip(names, positives.tolist(), strict=True)},
        auroc=auroc,
        auprc=auprc,
        f1=_by_class(names, f1, torch.ones(len(names), dtype=torch.bool)),
        auroc_macro=_mean(auroc),
        auprc_macro=_mean(auprc),
        f1_macro=float(f1.mean()),
        f1_weighted=float((f1 * positives).sum() / positives.sum().clamp(min=1)),
        fmax=_fmax(p, y),
        brier=float((p - y).square().mean()),
        ece=float(_calibration_error(p, y).mean()),
    )


class MultilabelScores(torchmetrics.Metric):
    """`multilabel_scores` over the batches of an epoch, gathered from all processes.

    Under DDP the sampler repeats records so that all processes get as many; given the records' `index`, each
    is scored once.

    Args:
        class_names: One a column.
        thresholds: For the F1 values: one for all classes, or one for each.
        from_logits: Whether `update` gets logits; else probabilities.
    """

    is_differentiable = False
    full_state_update = False
    rows: list[Tensor]

    def __init__(
        self,
        class_names: Sequence[str],
        thresholds: float | Sequence[float] = 0.5,
        from_logits: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.class_names = tuple(class_names)
        self.thresholds = tuple(thresholds) if isinstance(thresholds, Sequence) else float(thresholds)
        self.from_logits = from_logits
        # One flat float32 state of rows (predictions, targets, index in two parts): from a process without a
        # single batch, torchmetrics gathers an empty float32 vector.
        self.add_state("rows", default=[], dist_reduce_fx="cat")

    def update(self, predictions: Tensor, targets: Tensor, index: Tensor | None = None) -> None:
        """Take a batch.

        Args:
            predictions: Logits (or probabilities) `(batch, classes)`, of any floating type.
            targets: `(batch, classes)` of zeros and ones.
            index: `(batch,)` which record each row is; given for all batches or for none.

        Raises:
            SettingError: If the shapes do not fit the classes or each other.
        """
        expected = (len(predictions), len(self.class_names))
        if predictions.shape != expected or targets.shape != expected:
            raise SettingError(
                "batch to score",
                f"predictions {tuple(predictions.shape)} and targets {tuple(targets.shape)}",
                f"both {expected}: one column for each of {', '.join(self.class_names)}",
                "Score a network on the classes that it was made for.",
            )
        if index is None:
            high = low = predictions.new_full((len(predictions),), NO_INDEX, dtype=torch.float32)
        else:
            # float32 counts exactly only to 2**24; two parts reach beyond any number of records.
            high, low = (index // INDEX_STEP).float(), (index % INDEX_STEP).float()
        columns = (predictions.detach().float(), targets.float(), high[:, None], low[:, None])
        self.rows.append(torch.cat(columns, dim=1).flatten())

    def compute(self) -> dict[str, Tensor]:
        """Score all batches: `Scores.as_dict()` as float tensors.

        Raises:
            SettingError: If there was no batch, or a prediction is not finite.
        """
        classes = len(self.class_names)
        rows = dim_zero_cat(self.rows).reshape(-1, 2 * classes + 2) if len(self.rows) else torch.zeros(0, 1)
        if not len(rows):
            raise SettingError(
                "predictions to score", "none", "at least one batch", "Check that the split has any records."
            )
        rows = rows[_first_occurrences(rows[:, -2].long(), rows[:, -1].long())]
        predictions, targets = rows[:, :classes], rows[:, classes : 2 * classes]
        probabilities = torch.sigmoid(predictions.double()) if self.from_logits else predictions
        scores = multilabel_scores(probabilities, targets, self.class_names, self.thresholds)
        return {name: rows.new_tensor(value) for name, value in scores.as_dict().items()}


def check_predictions(probabilities: Values, targets: Values) -> tuple[Tensor, Tensor]:
    """Return probabilities and targets `(records, classes)` in double precision on the CPU.

    Raises:
        SettingError: If shapes differ or are empty, a probability is not in [0, 1], or a target not 0 or 1.
    """
    p = torch.as_tensor(probabilities).detach().cpu().double()
    y = torch.as_tensor(targets).detach().cpu().double()
    check_shapes(p, y)
    outside = int((~((p >= 0) & (p <= 1))).sum())  # NaN compares false
    if outside:
        raise SettingError(
            "probabilities to score",
            f"{outside} of {p.numel()} that are NaN or outside of [0, 1]",
            "numbers from 0 to 1",
            "A training that diverged gives NaN: lower the learning rate. Logits need a sigmoid first.",
        )
    return p, y


def check_shapes(predictions: Tensor, targets: Tensor) -> None:
    """Check that predictions and targets `(records, classes)` belong together.

    Raises:
        SettingError: If shapes differ or are empty, or a target is not 0 or 1.
    """
    if predictions.ndim != 2 or predictions.shape != targets.shape or not predictions.numel():
        raise SettingError(
            "predictions to score",
            f"predictions {tuple(predictions.shape)} and targets {tuple(targets.shape)}",
            "both (records, classes), with at least one of each",
            "Score predictions beside the targets of the same records and classes.",
        )
    if not bool(((targets == 0) | (targets == 1)).all()):
        raise SettingError(
            "targets to score", "values that are neither 0 nor 1", "zeros and ones", "Correct the labels."
        )


def _by_class(names: Sequence[str], values: Tensor, scored: Tensor) -> dict[str, float]:
    listed = zip(names, values.tolist(), scored.tolist(), strict=True)
    return {name: value for name, value, is_scored in listed if is_scored}


def _mean(by_class: dict[str, float]) -> float:
    return sum(by_class.values()) / len(by_class) if by_class else float("nan")


def _ascending(p: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sort each class by probability.

    Returns:
        Targets in ascending order of probability, and for each of them how many probabilities are lower,
        how many are lower or equal, and how many positives are lower; all `(classes, records)`.
    """
    ranked, order = p.T.contiguous().sort(dim=1)
    y_ranked = y.T.gather(1, order)
    below = torch.searchsorted(ranked, ranked, right=False)
    up_to = torch.searchsorted(ranked, ranked, right=True)
    positives_before = F.pad(y_ranked.cumsum(dim=1), (1, 0))
    return y_ranked, below, up_to, positives_before.gather(1, below)


def _auroc(p: Tensor, y: Tensor) -> Tensor:
    """Mann-Whitney's statistic with mid-ranks for ties, `(classes,)`; meaningless without both kinds."""
    y_ranked, below, up_to, _ = _ascending(p, y)
    positives = y_ranked.sum(dim=1)
    negatives = y_ranked.shape[1] - positives
    rank_sum = (y_ranked * (below + up_to + 1) / 2).sum(dim=1)
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives).clamp(min=1)


def _average_precision(p: Tensor, y: Tensor) -> Tensor:
    """Mean over the positives of the precision at their own probability, `(classes,)`."""
    y_ranked, below, _, positives_below = _ascending(p, y)
    positives = y_ranked.sum(dim=1)
    precision = (positives[:, None] - positives_below) / (y_ranked.shape[1] - below)
    return (y_ranked * precision).sum(dim=1) / positives.clamp(min=1)


def _f1(predicted: Tensor, y: Tensor) -> Tensor:
    both = (predicted * y).sum(dim=0)
    return 2 * both / (predicted.sum(dim=0) + y.sum(dim=0)).clamp(min=1)


def _fmax(p: Tensor, y: Tensor) -> float:
    """Lower one threshold past every probability, and keep precision and recall up to date on the way."""
    classes = p.shape[1]
    labels = y.sum(dim=1, keepdim=True)  # of each record
    labelled = int((labels > 0).sum())
    if not labelled:
        return 0.0
    # Within a record, classes are given in descending order of probability: the k-th changes the record's
    # precision from hits(k-1)/(k-1) to hits(k)/k, and its recall by 1/labels if it is right.
    ranked, order = p.sort(dim=1, descending=True)
    right = y.gather(1, order)
    precision = right.cumsum(dim=1) / torch.arange(1, classes + 1, dtype=torch.float64)
    gain_in_precision = precision.diff(dim=1, prepend=torch.zeros_like(precision[:, :1]))
    gain_in_recall = right / labels.clamp(min=1)
    is_first = torch.zeros_like(p)
    is_first[:, 0] = 1.0

    flat, by_probability = ranked.flatten().sort(descending=True)
    given = is_first.flatten()[by_probability].cumsum(0)
    mean_precision = gain_in_precision.flatten()[by_probability].cumsum(0) / given.clamp(min=1)
    mean_recall = gain_in_recall.flatten()[by_probability].cumsum(0) / labelled
    # Equal probabilities pass the threshold together.
    is_cut = torch.ones_like(flat, dtype=torch.bool)
    is_cut[:-1] = flat[:-1] > flat[1:]
    mean_precision, mean_recall = mean_precision[is_cut], mean_recall[is_cut]
    f = 2 * mean_precision * mean_recall / (mean_precision + mean_recall).clamp(min=1e-12)
    return float(f.max())


def _calibration_error(p: Tensor, y: Tensor) -> Tensor:
    """Return each class's expected calibration error, `(classes,)`."""
    bins = (p * ECE_BINS).long().clamp(max=ECE_BINS - 1)
    excess = torch.zeros(ECE_BINS, p.shape[1], dtype=torch.float64).scatter_add_(0, bins, p - y)
    return excess.abs().sum(dim=0) / len(p)


def _first_occurrences(high: Tensor, low: Tensor) -> Tensor:
    """Return the rows at which each record is seen first, in order; all rows where no index was given."""
    rows = torch.arange(len(high), device=high.device)
    without = int((high == NO_INDEX).sum())
    if without == len(rows):
        return rows
    if without:
        raise SettingError(
            "index of the predictions to score",
            f"none for {without} of {len(rows)} predictions",
            "one for each, or none at all",
            "Give the index for all batches or for none.",
        )
    _, inverse = torch.unique(high * INDEX_STEP + low, return_inverse=True)
    first = torch.full((int(inverse.max()) + 1,), len(rows), dtype=torch.long, device=high.device)
    return first.scatter_reduce_(0, inverse, rows, reduce="amin").sort().values
