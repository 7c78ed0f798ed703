"""Scores that say before any training how well an upstream may serve a downstream dataset.

All take what one pass of the upstream over downstream records gives, its probabilities or its features, and
the records' labels. None of them sees a test record.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import SettingError
from ecg_tl.metrics import multilabel_scores

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

RATIO_RANGE = (1e-10, 1e10)
"""LogME's ratio of the precisions of weights and noise, relative to the greatest squared singular value.
Where features explain a column without any rest the evidence grows forever; here it stops."""

RATIO_STARTS = 41
MAX_UPDATES = 200
EVIDENCE_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Melep:
    """MELEP, and how much of it is the labels' own uncertainty. All in nats.

    Attributes:
        value: Mean of `by_class` over the downstream classes, weighted by `weights`; lower promises more.
        by_class: `(classes,)`: phi(y), the mean negative log-likelihood of each class's labels given what
            the upstream says; at most the entropy of these labels.
        entropy: Mean of the classes' label entropies with the same weights: what an upstream that says
            nothing of the labels gets.
        weights: `(classes,)`: prevalence; 0 for a class without positives.
    """

    value: float
    by_class: Floats
    entropy: float
    weights: Floats

    @property
    def difference(self) -> float:
        """Entropy less MELEP: what the upstream's outputs tell of the labels; never negative."""
        return self.entropy - self.value


@dataclass(frozen=True, eq=False)
class ScoresByClass:
    """A score of each class, where there is one, and their mean.

    Attributes:
        by_class: `(classes,)`; NaN for a class that cannot be scored.
    """

    by_class: Floats

    @property
    def scored(self) -> int:
        """Number of classes with a score."""
        return int(np.isfinite(self.by_class).sum())

    @property
    def mean(self) -> float:
        """Mean over the scored classes; NaN if there is none."""
        return float(np.nanmean(self.by_class)) if self.scored else float("nan")


def melep(upstream_probabilities: NDArray[Any], targets: NDArray[Any]) -> Melep:
    """Compute MELEP: how badly an upstream's outputs explain downstream labels.

    Nguyen, Duong and Do, "MELEP: A Novel Predictive Measure of Transferability in Multi-Label ECG Diagnosis",
    arXiv 2311.04224. For each pair of a downstream class y and an upstream class z, the joint distribution of
    the label and of the upstream's soft output gives P(y | z); l(y, z) is the mean log-likelihood of the
    labels under the sum over b of P(y | z = b) q(z = b). phi(y) is the mean of -l(y, z) over z.

    Args:
        upstream_probabilities: `(records, upstream classes)`, in [0, 1]: the upstream with its own head, in
            eval mode, on downstream training records.
        targets: `(records, downstream classes)` of zeros, ones, and NaN for no answer: each class is
            explained on the records that have one, and its prevalence is theirs.

    Raises:
        SettingError: If shapes do not fit, a value is not what it should be, or no class has positives.
    """
    p, y = _checked(upstream_probabilities, targets, "upstream probabilities")
    if ((p < 0) | (p > 1)).any():
        raise SettingError(
            "upstream probabilities",
            "values outside of [0, 1]",
            "probabilities",
            "Logits need a sigmoid first.",
        )
    phi, weights, entropy = (np.zeros(y.shape[1]) for _ in range(3))
    for rows, columns in _by_answers(y):
        phi[columns], weights[columns] = _unexplained(p[rows], y[rows][:, columns])
        entropy[columns] = label_entropy(y[rows][:, columns])
    if not weights.any():
        raise SettingError(
            "downstream labels", "no positive of any class", "at least one", "Check the task and the split."
        )
    return Melep(
        value=float(np.average(phi, weights=weights)),
        by_class=phi,
        entropy=float(np.average(entropy, weights=weights)),
        weights=weights,
    )


def _by_answers(targets: Floats) -> Iterator[tuple[Rows | slice, Rows | slice]]:
    """Yield rows and columns of classes that the same records have an answer to; not of one without any."""
    answered = ~np.isnan(targets)
    if answered.all():
        yield slice(None), slice(None)
        return
    patterns, group_of = np.unique(answered, axis=1, return_inverse=True)
    for group in range(patterns.shape[1]):
        rows = np.flatnonzero(patterns[:, group])
        if len(rows):
            yield rows, np.flatnonzero(group_of.reshape(-1) == group)


def _unexplained(p: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Compute phi and the prevalence of each downstream class, `(classes,)`, where all have all answers."""
    records = len(p)
    weights = y.mean(axis=0)
    of_positive = _conditional(y.T @ p, p.sum(axis=0))  # P(1 | z = 1), as (downstream, upstream)
    of_negative = _conditional(y.T @ (1 - p), (1 - p).sum(axis=0))  # P(1 | z = 0)
    phi = np.empty(y.shape[1])
    for column in range(y.shape[1]):
        positive = y[:, column, None] == 1
        # Mixtures of the label that is there, without 1 - x, which would lose its digits near 1. Each holds a
        # share of at least 1 / (4 records) of its own record, so that no logarithm meets a zero.
        given_one = np.where(positive, of_positive[column], 1 - of_positive[column])
        given_zero = np.where(positive, of_negative[column], 1 - of_negative[column])
        likelihood = given_one * p + given_zero * (1 - p)
        phi[column] = -np.log(np.maximum(likelihood, 0.25 / records)).mean()
    return phi, weights


def label_entropy(targets: NDArray[Any]) -> Floats:
    """Compute the entropy of each class's labels in nats, `(classes,)`, from `(records, classes)`."""
    shares = np.asarray(targets, dtype=np.float64).mean(axis=0)
    both = np.stack([shares, 1 - shares])
    entropy: Floats = -(both * np.log(np.where(both > 0, both, 1.0))).sum(axis=0)
    return entropy


def logme(features: NDArray[Any], targets: NDArray[Any]) -> ScoresByClass:
    """Compute LogME: the greatest log evidence, per record, of a Bayesian linear model of each label column.

    You et al., "LogME: Practical Assessment of Pre-trained Models for Transfer Learning", ICML 2021. The
    model: weights ~ N(0, 1/alpha), label ~ N(feature . weights, 1/beta), without an intercept. With the
    singular values s of the features, the labels' coordinates z along the left singular vectors and the ratio
    t = alpha / beta, the evidence with the best beta is a function of t alone:

        -N/2 (ln(2 pi Q / N) + 1) - 1/2 sum ln(1 + s^2 / t),   Q = |y|^2 - |z|^2 + sum z^2 t / (t + s^2)

    It is climbed from the best of a coarse grid by the fixed-point iteration of the evidence framework,
    alpha = gamma / |m|^2 and beta = (N - gamma) / residual, in which m are the posterior's mean weights and
    gamma the number of weights that the labels determine.

    Args:
        features: `(records, features)`, finite.
        targets: `(records, classes)` of zeros, ones, and NaN for no answer: a class is scored on the records
            that have one. A class that has only one of the two has no score.

    Raises:
        SettingError: If shapes do not fit or a value is not what it should be.
    """
    x, y = _checked(features, targets, "features")
    scores = np.full(y.shape[1], np.nan)
    for rows, columns in _by_answers(y):
        scores[columns] = _evidence_by_class(x[rows], y[rows][:, columns])
    return ScoresByClass(scores)


def _evidence_by_class(x: Floats, y: Floats) -> Floats:
    """Compute each class's LogME, `(classes,)`, where all have all answers."""
    left, singular, _ = _singular_vectors(x)
    coordinates = (left.T @ y) ** 2
    rest = np.maximum((y**2).sum(axis=0) - coordinates.sum(axis=0), 0.0)
    scores = np.full(y.shape[1], np.nan)
    for column in np.flatnonzero(_has_both(y)):
        evidence = _greatest_evidence(singular**2, coordinates[:, column], float(rest[column]), len(y))
        scores[column] = evidence / len(y)
    return scores


def linear_probe_score(
    features: NDArray[Any],
    targets: NDArray[Any],
    validation_features: NDArray[Any],
    validation_targets: NDArray[Any],
    regularization: float = 1.0,
) -> ScoresByClass:
    """Score a linear classifier on frozen features: AUROC of each class on validation records.

    One L2-regularised logistic regression a class. Features are standardised on the training records and
    divided by the root of their number, so that records have a length of about 1 and one `regularization`
    serves networks of any width.

    Args:
        features: `(training records, features)`, finite.
        targets: `(training records, classes)` of zeros, ones, and NaN for no answer.
        validation_features: `(validation records, features)`: not of the test.
        validation_targets: `(validation records, classes)`. A class needs positives and negatives in both
            parts to have a score.
        regularization: Strength of the penalty: the inverse of scikit-learn's `C`.

    Raises:
        SettingError: If shapes do not fit or a value is not what it should be.
    """
    x, y = _checked(features, targets, "features")
    x_val, y_val = _checked(validation_features, validation_targets, "validation features")
    if x.shape[1] != x_val.shape[1] or y.shape[1] != y_val.shape[1]:
        raise SettingError(
            "validation records",
            f"{x_val.shape[1]} features and {y_val.shape[1]} classes",
            f"{x.shape[1]} and {y.shape[1]}, as the training records have",
            "Give the same network's features.",
        )
    scores = np.full(y.shape[1], np.nan)
    for rows, columns in _by_answers(y):
        scores[columns] = _probe_by_class(
            x[rows], y[rows][:, columns], x_val, y_val[:, columns], regularization
        )
    return ScoresByClass(scores)


def _probe_by_class(x: Floats, y: Floats, x_val: Floats, y_val: Floats, regularization: float) -> Floats:
    """Compute each class's AUROC, `(classes,)`, where all training records have all answers."""
    from sklearn.linear_model import LogisticRegression

    center, spread = x.mean(axis=0), x.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0) * np.sqrt(x.shape[1])
    # The penalty does not care for rotations: coordinates along the training records' own axes, of which
    # there are no more than records, have the same optimum as features in the hundred thousands.
    left, singular, right = _singular_vectors((x - center) / scale)
    train, validation = left * singular, ((x_val - center) / scale) @ right
    scores = np.full(y.shape[1], np.nan)
    if not len(singular):  # constant features cannot rank anything
        scores[_has_both(y) & _has_both(y_val)] = 0.5
        return scores
    for column in np.flatnonzero(_has_both(y) & _has_both(y_val)):
        model = LogisticRegression(C=1 / regularization, max_iter=2000).fit(train, y[:, column])
        probabilities = model.predict_proba(validation)[:, 1:]
        scored = multilabel_scores(probabilities, y_val[:, [column]], ["class"])
        scores[column] = scored.auroc["class"]
    return scores


def _conditional(joint: Floats, marginal: Floats) -> Floats:
    """Divide, with 0 where the condition never holds: it then has no weight in any mixture either."""
    conditional: Floats = np.divide(joint, marginal, out=np.zeros_like(joint), where=marginal > 0)
    return conditional.clip(0.0, 1.0)


def _greatest_evidence(squared: Floats, coordinates: Floats, rest: float, records: int) -> float:
    """Climb the log evidence of one label column over the ratio of precisions.

    Args:
        squared: `(k,)` squared singular values of the features, all over 0.
        coordinates: `(k,)` squared coordinates of the column along the left singular vectors.
        rest: Squared length of the column outside of their span.
        records: N.
    """
    greatest = float(squared.max()) if len(squared) else 1.0
    lowest, highest = (bound * greatest for bound in RATIO_RANGE)

    def evidence(ratio: float) -> float:
        misfit = rest + float((coordinates * ratio / (ratio + squared)).sum())
        occam = float(np.log1p(squared / ratio).sum())
        return -0.5 * records * (math.log(2 * math.pi * misfit / records) + 1) - 0.5 * occam

    def update(ratio: float) -> float:
        shrinkage = ratio / (ratio + squared)
        determined = float((1 - shrinkage).sum())
        undetermined = records - len(squared) + float(shrinkage.sum())
        weights = float((coordinates * squared / (ratio + squared) ** 2).sum())
        residual = rest + float((coordinates * shrinkage**2).sum())
        if weights <= 0:
            return highest  # features that say nothing of this column
        return float(np.clip(determined / weights * residual / undetermined, lowest, highest))

    starts = np.geomspace(lowest, highest, RATIO_STARTS)
    ratio = max(starts.tolist(), key=evidence)
    best = evidence(ratio)
    for _ in range(MAX_UPDATES):
        ratio = update(ratio)
        reached = evidence(ratio)
        if reached <= best + EVIDENCE_TOLERANCE * records:
            return max(best, reached)
        best = reached
    return best


def _singular_vectors(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Decompose `(n, d)` into left vectors `(n, k)`, singular values `(k,)` and right vectors `(d, k)`.

    By the eigenvectors of the smaller of the two Gram matrices, as one side may have hundreds of thousands.
    Directions that rounding would make up are left out, so that all singular values are over 0.
    """
    wide = x.shape[1] > x.shape[0]
    squared, vectors = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    kept = squared > max(float(squared.max()), 0.0) * max(x.shape) * np.finfo(np.float64).eps
    singular, vectors = np.sqrt(squared[kept]), vectors[:, kept]
    others = (x.T if wide else x) @ vectors / singular
    return (vectors, singular, others) if wide else (others, singular, vectors)


def _has_both(targets: Floats) -> NDArray[np.bool_]:
    has_both: NDArray[np.bool_] = (targets == 0).any(axis=0) & (targets == 1).any(axis=0)
    return has_both


def _checked(values: NDArray[Any], targets: NDArray[Any], what: str) -> tuple[Floats, Floats]:
    """Return both in double precision, or refuse what would give a score of nothing."""
    x, y = np.asarray(values, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or not x.size or not y.size:
        raise SettingError(
            what,
            f"shapes {x.shape} and {y.shape} (labels)",
            "(records, columns) and (records, classes) of the same records, not empty",
            "Give one row a record.",
        )
    if not np.isfinite(x).all():
        raise SettingError(
            what,
            f"{int((~np.isfinite(x)).sum())} of {x.size} values that are NaN or infinite",
            "finite numbers",
            "An upstream whose training diverged cannot be scored.",
        )
    if not (np.isin(y, (0, 1)) | np.isnan(y)).all():
        raise SettingError(
            "downstream labels", "values other than 0 and 1", "zeros and ones", "Correct them."
        )
    return x, y
