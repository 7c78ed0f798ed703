"""Scores of classifiers: what is logged after every epoch and reported at the end.

Definitions, for `N` records and `C` classes:

- **AUROC** of a class: the probability that a positive gets a higher probability than a negative, ties
  counting one half. Without positives or without negatives it does not exist: the class is left out of the
  mean, and `auroc_classes_scored` says how many were in.
- **AUPRC**: average precision, the sum over cut points of (gain in recall) x precision, without
  interpolation, as scikit-learn's `average_precision_score`. It needs positives only.
- **F1** at a threshold: a class is predicted where its probability is at or above the threshold; 0 where
  there is neither a positive nor a prediction (scikit-learn's `zero_division=0`). `f1_macro` is the plain
  mean over all classes, `f1_weighted` weights them by their number of positives.
- **Sensitivity** and **specificity** at a threshold: the share of a class's positives that are predicted, and
  of its negatives that are not.
- **Fmax**, the sample-centric score of the CAFA challenges (Radivojac et al., Nature Methods 10, 2013) that
  Strodthoff et al. (IEEE JBHI 25(5), 2021) report on PTB-XL. At one threshold for all classes, precision is
  averaged over the records that are given at least one class, recall over those that have at least one; Fmax
  is the greatest harmonic mean of the two over all thresholds. Here over every cut point that the
  probabilities allow, not over a grid, so that it depends on their order alone.
- **Brier**: mean squared difference of probability and target, over records and classes.
- **ECE**: expected calibration error. For each class the records fall into 15 bins of equal width of the
  probability; the error is the mean over records of |mean probability - share of positives| of their bin;
  the mean over all classes is reported.

Where one of the classes is chosen, there are no thresholds: the most probable class is predicted, and no
other. AUROC and AUPRC are those of each class against all others, F1, sensitivity and specificity those of
the choice. **Accuracy** is the share of records whose class is predicted. There is no Fmax, which looks for a
threshold.

Where a target is NaN, a question was not answered: the record is left out for that class, and stays for the
others. A class without any answer has no score and is in no mean; `Fmax` then averages over the classes that
a record has an answer to.

AUROC, AUPRC and F1 are torchmetrics', class by class and in single precision: its multi-label functions count
a class without positives as 0 in a mean, and take one threshold for all classes. What it lacks is here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.functional.classification import (
    binary_auroc,
    binary_average_precision,
    binary_f1_score,
)

from ecg_tl.errors import SettingError
from ecg_tl.single_choice import most_probable
from ecg_tl.statistics.calibration import ECE_BINS

Values = Tensor | NDArray[Any]

TO_SCORE = "probabilities to score"
"""What an error about them names."""


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
        fmax: Greatest sample-centric F1 over one threshold for all classes; None of a choice.
        brier: Mean squared error of the probabilities.
        ece: Expected calibration error, mean over classes.
        accuracy: Share of records whose class is the most probable one; None but of a choice.
        unanswered: Records without an answer, of the classes that have any.
    """

    support: dict[str, int]
    auroc: dict[str, float]
    auprc: dict[str, float]
    f1: dict[str, float]
    auroc_macro: float
    auprc_macro: float
    f1_macro: float
    f1_weighted: float
    fmax: float | None
    brier: float
    ece: float
    accuracy: float | None = None
    unanswered: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, float]:
        """Flatten into names such as `auroc_macro` and `auroc/NORM`; what has no value has no name."""
        flat: dict[str, float] = {
            "auroc_macro": self.auroc_macro,
            "auprc_macro": self.auprc_macro,
            "f1_macro": self.f1_macro,
            "f1_weighted": self.f1_weighted,
            **({} if self.fmax is None else {"fmax": self.fmax}),
            **({} if self.accuracy is None else {"accuracy": self.accuracy}),
            "brier": self.brier,
            "ece": self.ece,
            "auroc_classes_scored": float(len(self.auroc)),
            "auprc_classes_scored": float(len(self.auprc)),
        }
        for metric in ("auroc", "auprc", "f1", "support", "unanswered"):
            flat.update({f"{metric}/{name}": float(v) for name, v in getattr(self, metric).items()})
        return flat


def multilabel_scores(
    probabilities: Values,
    targets: Values,
    class_names: Sequence[str],
    thresholds: float | Sequence[float] | Values | None = 0.5,
) -> Scores:
    """Score predictions, on the CPU, so that every device gives the same numbers.

    Args:
        probabilities: `(records, classes)`, in [0, 1].
        targets: `(records, classes)` of zeros, ones, and NaN for no answer.
        class_names: One a column.
        thresholds: For the F1 values: one for all classes, or one for each. None where one of the classes is
            chosen: the most probable one.

    Raises:
        SettingError: If shapes differ, there are no records, or a value is not what it should be (NaN
            probabilities of a training that diverged, among others).
    """
    p, y = check_predictions(probabilities, targets)
    names = list(class_names)
    cuts = None if thresholds is None else torch.as_tensor(thresholds, dtype=torch.float64).cpu()
    fits = cuts is None or cuts.shape in ((), (len(names),))
    if len(names) != p.shape[1] or len(set(names)) != len(names) or not fits:
        number = 0 if cuts is None else cuts.numel()
        raise SettingError(
            "classes to score",
            f"{p.shape[1]} columns, {len(set(names))} distinct names, {number} threshold(s)",
            "one distinct name a column, and one threshold or one a column",
            "Score predictions with the class names and thresholds that belong to them.",
        )
    answered = ~y.isnan()
    answers = answered.sum(dim=0)
    positives = y.nansum(dim=0)
    scored = (positives > 0, positives < answers)
    auroc = _by_class(binary_auroc, p, y, names, scored[0] & scored[1])
    auprc = _by_class(binary_average_precision, p, y, names, scored[0])
    # As zeros and ones, because torchmetrics predicts above a threshold and not at it.
    predicted = _predicted(p, cuts)
    f1 = _by_class(binary_f1_score, predicted.double(), y, names, answers > 0)
    f1_values = torch.tensor(list(f1.values()), dtype=torch.float64)
    return Scores(
        support={name: int(n) for name, n in zip(names, positives.tolist(), strict=True)},
        auroc=auroc,
        auprc=auprc,
        f1=f1,
        auroc_macro=_mean(auroc),
        auprc_macro=_mean(auprc),
        f1_macro=float(f1_values.mean()),
        f1_weighted=float((f1_values * positives[answers > 0]).sum() / positives.sum().clamp(min=1)),
        fmax=None if cuts is None else _fmax(p, y),
        brier=float((p - y if bool(answered.all()) else (p - y)[answered]).square().mean()),
        ece=float(_calibration_error(p, y)[answers > 0].mean()),
        accuracy=float(y[predicted].nanmean()) if cuts is None else None,
        unanswered={name: len(y) - n for name, n in zip(names, answers.tolist(), strict=True) if n < len(y)},
    )


def sensitivity_and_specificity(
    probabilities: Values,
    targets: Values,
    class_names: Sequence[str],
    thresholds: float | Sequence[float] | Values | None = 0.5,
) -> tuple[dict[str, float], dict[str, float]]:
    """Find each class's share of positives that are predicted, and of negatives that are not.

    Args:
        probabilities: `(records, classes)`, in [0, 1].
        targets: `(records, classes)` of zeros, ones, and NaN for no answer.
        class_names: One a column.
        thresholds: One for all classes, or one for each; a probability at or over it is predicted. None for
            the most probable class.

    Returns:
        Sensitivity by class, without the classes that have no positives; specificity by class, without
        those that have no negatives.

    Raises:
        SettingError: As `multilabel_scores`.
    """
    counts = confusion(probabilities, targets, thresholds)
    sensitivity, specificity = {}, {}
    for name, (tp, fp, fn, tn) in zip(class_names, counts.tolist(), strict=True):
        if tp + fn:
            sensitivity[name] = tp / (tp + fn)
        if tn + fp:
            specificity[name] = tn / (tn + fp)
    return sensitivity, specificity


def confusion(
    probabilities: Values, targets: Values, thresholds: float | Sequence[float] | Values | None = 0.5
) -> Tensor:
    """Count each class's true positives, false positives, false negatives and true negatives.

    Args:
        probabilities: `(records, classes)`, in [0, 1].
        targets: `(records, classes)` of zeros, ones, and NaN for no answer, which is not counted.
        thresholds: One for all classes, or one for each; a probability at or over it is predicted. None for
            the most probable class.

    Returns:
        `int64 (classes, 4)`, in this order.

    Raises:
        SettingError: If shapes differ, there are no records, or a value is not what it should be.
    """
    p, y = check_predictions(probabilities, targets)
    predicted = _predicted(
        p, None if thresholds is None else torch.as_tensor(thresholds, dtype=p.dtype).cpu()
    )
    positive, negative = y == 1, y == 0
    quadrants = (predicted & positive, predicted & negative, ~predicted & positive, ~predicted & negative)
    return torch.stack([quadrant.sum(dim=0) for quadrant in quadrants], dim=1)


def check_predictions(probabilities: Values, targets: Values) -> tuple[Tensor, Tensor]:
    """Return probabilities and targets `(records, classes)` in double precision on the CPU.

    Raises:
        SettingError: If shapes differ or are empty, a probability is not in [0, 1], or a target not 0, 1 or
            NaN, or all are NaN.
    """
    p = torch.as_tensor(probabilities).detach().cpu().double()
    y = torch.as_tensor(targets).detach().cpu().double()
    check_shapes(p, y)
    outside = int((~((p >= 0) & (p <= 1))).sum())  # NaN compares false
    if outside:
        raise SettingError(
            TO_SCORE,
            f"{outside} of {p.numel()} that are NaN or outside of [0, 1]",
            "numbers from 0 to 1",
            "A training that diverged gives NaN: lower the learning rate. Logits need a sigmoid first.",
        )
    return p, y


def check_shapes(predictions: Tensor, targets: Tensor) -> None:
    """Check that predictions and targets `(records, classes)` belong together.

    Raises:
        SettingError: If shapes differ or are empty, a target is not 0, 1 or NaN, or all are NaN.
    """
    if predictions.ndim != 2 or predictions.shape != targets.shape or not predictions.numel():
        raise SettingError(
            "predictions to score",
            f"predictions {tuple(predictions.shape)} and targets {tuple(targets.shape)}",
            "both (records, classes), with at least one of each",
            "Score predictions beside the targets of the same records and classes.",
        )
    given = (targets == 0) | (targets == 1)
    if not bool((given | targets.isnan()).all()):
        raise SettingError(
            "targets to score", "values that are neither 0 nor 1", "zeros and ones", "Correct the labels."
        )
    if not bool(given.any()):
        raise SettingError(
            "targets to score", "no answer to any class", "zeros and ones", "Score records with answers."
        )


def _predicted(p: Tensor, cuts: Tensor | None) -> Tensor:
    return most_probable(p) if cuts is None else p >= cuts


def _by_class(
    score: Callable[[Tensor, Tensor], Tensor], p: Tensor, y: Tensor, names: Sequence[str], scored: Tensor
) -> dict[str, float]:
    """Score the columns of `p` and `y` one by one, those that are `scored`, on the records with an answer."""
    chosen = [k for k, is_scored in enumerate(scored.tolist()) if is_scored]
    answered = ~y.isnan()
    if bool(answered.all()):
        truth = y.long()
        return {names[k]: float(score(p[:, k], truth[:, k])) for k in chosen}
    return {names[k]: float(score(p[answered[:, k], k], y[answered[:, k], k].long())) for k in chosen}


def _mean(by_class: dict[str, float]) -> float:
    return sum(by_class.values()) / len(by_class) if by_class else float("nan")


def _fmax(p: Tensor, y: Tensor) -> float:
    """Lower one threshold past every probability, and keep precision and recall up to date on the way."""
    classes = p.shape[1]
    # Without an answer a class comes last in its record, below every threshold.
    p, y = torch.where(y.isnan(), -1.0, p), y.nan_to_num(0.0)
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
    is_cut &= flat >= 0
    mean_precision, mean_recall = mean_precision[is_cut], mean_recall[is_cut]
    f = 2 * mean_precision * mean_recall / (mean_precision + mean_recall).clamp(min=1e-12)
    return float(f.max())


def _calibration_error(p: Tensor, y: Tensor) -> Tensor:
    """Return each class's calibration error, `(classes,)`; its twin is in `ecg_tl.statistics.calibration`.

    NaN for a class without an answer.
    """
    # torchmetrics has none for labels that do not exclude each other; its binary one would be a call a class,
    # and has a bin of its own for a probability of 1.
    bins = (p * ECE_BINS).long().clamp(max=ECE_BINS - 1)
    excess = torch.zeros(ECE_BINS, p.shape[1], dtype=torch.float64).scatter_add_(
        0, bins, (p - y).nan_to_num(0.0)
    )
    return excess.abs().sum(dim=0) / (~y.isnan()).sum(dim=0)
