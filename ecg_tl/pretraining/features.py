"""What tells that a pre-training works: how far features spread, and what a linear probe makes of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecg_tl.metrics import multilabel_scores

if TYPE_CHECKING:
    from ecg_tl.pretraining.base import Pretraining
    from ecg_tl.pretraining.data import PretrainingData
    from ecg_tl.pretraining.labelled import Labelled

Values = NDArray[np.float64]

LEAST_RANK = 1.5
"""Below it, all records lie on one line."""

LEAST_SPREAD = 0.02
"""Below it, features of different records differ by less than a fiftieth of their length."""

RIDGE = 1.0
"""Penalty of the probe, beside standardised features."""

PROBED_RECORDS = 5_000
"""At most, of the training records: the probe is a look, and no result."""


@dataclass(frozen=True)
class FeatureSpread:
    """How far features tell records apart.

    Attributes:
        feature_rank: Effective rank of the centred features: `exp(H)` with the entropy `H` of the singular
            values as shares of their sum (Roy and Vetterli, EUSIPCO 2007; as a measure of pre-training
            Garrido et al., "RankMe", ICML 2023). From 1 to the smaller of records and features; 0 where all
            are equal.
        feature_spread: Root of the features' mean square distance from their mean, as a share of their root
            mean square length: 1 where the mean is 0, 0 where all are equal.
        collapsed: 1 if either says that the network answers nearly the same to every record, else 0.
    """

    feature_rank: float
    feature_spread: float
    collapsed: float

    def __str__(self) -> str:
        return f"effective rank {self.feature_rank:.2f}, spread {self.feature_spread:.3f}"

    def as_dict(self) -> dict[str, float]:
        """Give it by the names that are logged."""
        return asdict(self)


def feature_spread(features: Tensor) -> FeatureSpread:
    """Measure features `(records, features)` of several records."""
    values = features.double()
    centred = values - values.mean(dim=0)
    length = float(values.square().sum(dim=1).mean().sqrt())
    spread = float(centred.square().sum(dim=1).mean().sqrt()) / length if length > 0 else 0.0
    singular = torch.linalg.svdvals(centred)
    total = float(singular.sum())
    rank = 0.0
    if total > 0:
        shares = singular / total
        rank = float(torch.exp(-(shares * torch.log(shares.clamp_min(1e-300))).sum()))
    could_differ = min(values.shape) > 2
    collapsed = could_differ and (rank < LEAST_RANK or spread < LEAST_SPREAD)
    return FeatureSpread(rank, spread, float(collapsed))


def probe(module: Pretraining, data: PretrainingData) -> float | None:
    """Score a linear probe of the features, fitted on training records and scored on validation records.

    Args:
        module: Whose features.
        data: After `setup`.

    Returns:
        Macro AUROC on the validation records of the first dataset with labels; None where there is none, or
        no class of it can be scored.
    """
    parts = data.labelled()
    if parts is None:
        return None
    fitted = encode_labelled(module, parts, "train", PROBED_RECORDS)
    return probe_auroc(*fitted, *encode_labelled(module, parts, "validation"))


def encode_labelled(
    module: Pretraining,
    parts: Labelled,
    part: Literal["train", "validation", "test"],
    limit: int | None = None,
) -> tuple[Values, Values]:
    """Encode the middles of records: features `(records, features)`, targets `(records, classes)`."""
    training = module.training
    module.eval()
    with torch.no_grad():
        batches = list(parts.batches(part, module.device, limit))
        features = torch.cat([module(signal).float().cpu() for signal, _ in batches]).double().numpy()
    module.train(training)
    return features, np.concatenate([target for _, target in batches]).astype(np.float64)


def fit_probe(features: Values, targets: Values, other: Values) -> Values:
    """Fit a ridge regression of targets on features, and say what it makes of other records.

    It has one solution: the least squares of standardised features with a penalty of `RIDGE` and a free
    mean, for each class by itself, in double precision.

    Args:
        features: `(records, features)`.
        targets: `(records, classes)` of 0 and 1; NaN where a question was not answered.
        other: `(others, features)`.

    Returns:
        `(others, classes)`; about the chance of each class, not held to 0 and 1. 0 for a class without any
        answer.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation[deviation == 0] = 1.0
    scaled, scaled_other = (features - mean) / deviation, (other - mean) / deviation
    said = np.zeros((len(other), targets.shape[1]))
    for column in range(targets.shape[1]):
        known = np.isfinite(targets[:, column])
        if not known.any():
            continue
        rows, answers = scaled[known], targets[known, column]
        centre = rows.mean(axis=0)
        rows = rows - centre
        gram = rows.T @ rows + RIDGE * np.eye(rows.shape[1])
        weights = np.linalg.solve(gram, rows.T @ (answers - answers.mean()))
        said[:, column] = answers.mean() + (scaled_other - centre) @ weights
    return said


def probe_auroc(features: Values, targets: Values, other: Values, other_targets: Values) -> float | None:
    """Fit a probe on some records and score it on others by macro AUROC.

    Args:
        features: `(records, features)` to fit on.
        targets: `(records, classes)` of 0 and 1; NaN where a question was not answered.
        other: `(others, features)` to score.
        other_targets: `(others, classes)`.

    Returns:
        Over the classes that have positives and negatives on both sides; None if there is none.
    """
    said = fit_probe(features, targets, other)
    scores = []
    for column in range(targets.shape[1]):
        fitted, judged = targets[:, column], np.isfinite(other_targets[:, column])
        truth = other_targets[judged, column]
        if not ((fitted == 1).any() and (fitted == 0).any() and 0 < truth.sum() < len(truth)):
            continue
        # Whatever rises with what was said will do for a rank; the logistic of it lies between 0 and 1.
        ranked = torch.from_numpy(said[judged, column]).sigmoid()[:, None]
        found = multilabel_scores(ranked, torch.from_numpy(truth)[:, None], ["one"])
        scores.append(found.auroc_macro)
    return float(np.mean(scores)) if scores else None
