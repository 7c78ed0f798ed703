"""The scores of one pass, by the names that they are logged under."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ecg_tl.calibration import Calibration, default_threshold
from ecg_tl.metrics import multilabel_scores, sensitivity_and_specificity
from ecg_tl.single_choice import probabilities_of
from ecg_tl.tasks.loss import classification_loss
from ecg_tl.tasks.predictions import Predictions


def plain_scores(predictions: Predictions, class_names: Sequence[str]) -> dict[str, float]:
    """Score what a network says, without anything that was chosen on validation records.

    Raises:
        SettingError: As `ecg_tl.metrics.multilabel_scores`.
    """
    cut = default_threshold(predictions.single_choice)
    scores = multilabel_scores(predictions.probabilities, predictions.targets, class_names, cut).as_dict()
    scores["loss"] = _loss(predictions.logits, predictions)
    return scores


def calibrated_scores(
    predictions: Predictions, class_names: Sequence[str], calibration: Calibration
) -> dict[str, float]:
    """Score decisions, also at the thresholds that were chosen, and calibrated probabilities.

    Raises:
        SettingError: As `ecg_tl.metrics.multilabel_scores`.
    """
    probabilities, targets = predictions.probabilities, predictions.targets
    cuts: dict[str, float | Tensor | None] = {"": default_threshold(predictions.single_choice)}
    scores, f1_tuned = {}, {}
    if calibration.cuts is not None:
        cuts["_tuned"] = thresholds = torch.tensor(calibration.cuts, dtype=torch.float64)
        tuned = multilabel_scores(probabilities, targets, class_names, thresholds)
        scores = {f"{name}_tuned": getattr(tuned, name) for name in ("f1_macro", "f1_weighted")}
        f1_tuned = {f"f1_tuned/{name}": value for name, value in tuned.f1.items()}
    logits = calibration.scaled(predictions.logits)
    if logits is not None:
        calibrated = probabilities_of(logits, predictions.single_choice)
        cooled = multilabel_scores(calibrated, targets, class_names)
        scores |= {f"{name}_calibrated": getattr(cooled, name) for name in ("brier", "ece")}
        scores["loss_calibrated"] = _loss(logits, predictions)
    scores |= f1_tuned
    for suffix, at in cuts.items():
        sensitivity, specificity = sensitivity_and_specificity(probabilities, targets, class_names, at)
        scores |= {f"sensitivity{suffix}/{name}": value for name, value in sensitivity.items()}
        scores |= {f"specificity{suffix}/{name}": value for name, value in specificity.items()}
    return scores


def as_logged(stage: str, scores: Mapping[str, float]) -> dict[str, float]:
    """Name scores as a training logs them.

    `auroc/NORM` becomes `val_auroc/NORM`: one TensorBoard section a score, one curve a class.

    Args:
        stage: `val` or `test`.
        scores: Of one pass.
    """
    return {f"{stage}_{name}" if "/" in name else f"{stage}/{name}": value for name, value in scores.items()}


def _loss(logits: Tensor, predictions: Predictions) -> float:
    return float(classification_loss(logits, predictions.targets, single_choice=predictions.single_choice))
