"""The recipe `exact_probe`: the head of a linear probe is solved for, in place of trained for epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import expit

from ecg_tl.errors import SettingError
from ecg_tl.limits import PENALTY, fits_type, require_settings, shown
from ecg_tl.transfer.phases import head_alone
from ecg_tl.transfer.recipe import Recipe, Settles

if TYPE_CHECKING:  # a recipe is known without a Trainer
    from ecg_tl.transfer.settling import AtHand, EncodedPart

Floats = NDArray[np.float64]

MOST_VALUES = 10**9
"""Of all features of the training records, 8 GB in double precision; beyond it the recipe is refused."""

_NEWTON_STEPS = 4
_MOST_ROTATED = 4096
"""Features that are turned to their principal axes, which takes their number cubed."""

_MOST_STRENGTHS = 100


@dataclass(frozen=True)
class ExactProbeOptions:
    """What a head is solved with.

    Attributes:
        strengths: Of the penalty `strength / 2 * |w|^2` beside the mean loss of a class, on features of mean
            0 and standard deviation 1; each class has the one with the least loss on validation records.

    Raises:
        SettingError: If they are none, or one is no positive number.
    """

    strengths: Sequence[float] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)

    def __post_init__(self) -> None:
        given = self.strengths
        if (
            not isinstance(given, list | tuple)
            or not fits_type([float(one) if type(one) is int else one for one in given], list[float])
            or not 0 < len(given) <= _MOST_STRENGTHS
        ):
            raise SettingError(
                "transfer.options.strengths",
                shown(given),
                f"a list of 1 to {_MOST_STRENGTHS} numbers over 0",
                "Correct it.",
            )
        for one in given:
            require_settings("transfer.options", strengths=(PENALTY, one))
            if one <= 0:
                raise SettingError("transfer.options.strengths", shown(one), "over 0", "Correct it.")


@dataclass(frozen=True, eq=False)
class SolvedHead:
    """A linear layer, class by class.

    Attributes:
        weight: `(classes, features)`.
        bias: `(classes,)`.
        strengths: The penalty's of each class; None where there was nothing to solve.
        losses: On validation records, of each class; None without an answer.
        remarks: What there is to say of a class, by its number.
    """

    weight: Floats
    bias: Floats
    strengths: tuple[float | None, ...]
    losses: tuple[float | None, ...]
    remarks: dict[int, str]


def solve_head(
    train: EncodedPart,
    validation: EncodedPart,
    strengths: Sequence[float],
    weights_of_positives: Floats | None = None,
) -> SolvedHead:
    """Solve L2-regularised logistic regressions, one class at a time, on the records that answer it.

    The windows of a record have the weight of one together. Of several strengths the one with the least
    validation loss is taken, the greater of two alike; a class without validation answers has the median of
    the others'.

    Args:
        train: Whose records decide the weights.
        validation: Whose records decide the strengths.
        strengths: To choose from.
        weights_of_positives: `(classes,)`: how much more a positive weighs; None for as much.
    """
    each = train.rows(1.0 / train.windows)
    axes = _Axes.of(train.features, each / each.sum())
    rows = axes.turn(train.features)
    number, classes = train.features.shape[1], train.targets.shape[1]
    weight, bias = np.zeros((classes, number)), np.zeros(classes)
    chosen: list[float | None] = [None] * classes
    losses: list[float | None] = [None] * classes
    remarks: dict[int, str] = {}
    waiting: dict[int, dict[float, tuple[Floats, float]]] = {}
    for k in range(classes):
        targets = train.rows(train.targets[:, k])
        known = ~np.isnan(targets)
        answers = train.targets[~np.isnan(train.targets[:, k]), k]
        positives = int(answers.sum())
        if positives in (0, len(answers)):
            rate = (positives + 0.5) / (len(answers) + 1)
            bias[k] = np.log(rate / (1 - rate))
            kind = "no answers" if not len(answers) else "positives alone" if positives else "negatives alone"
            remarks[k] = f"{kind} among {len(answers)} training answers: it says {rate:.3f} of every record"
            losses[k] = _validation_loss(validation, k, weight[k], bias[k])
            continue
        more = 1.0 if weights_of_positives is None else float(weights_of_positives[k])
        of_class = rows if known.all() else rows[known]
        shares = each[known] / each[known].sum() * np.where(targets[known] > 0, more, 1.0)
        solved: dict[float, tuple[Floats, float]] = {}
        start = np.zeros(number + 1)
        for strength in sorted(set(strengths), reverse=True):
            start = _minimise(of_class, targets[known], shares, axes.scale(strength), strength, start)
            solved[strength] = axes.back(start)
        found = {one: _validation_loss(validation, k, *solved[one]) for one in solved}
        judged = {one: loss for one, loss in found.items() if loss is not None}
        if not judged:
            waiting[k] = solved
            continue
        best = min(judged, key=lambda one: judged[one])  # the first of those alike, which is the greatest
        chosen[k], losses[k] = best, judged[best]
        weight[k], bias[k] = solved[best]
    others = sorted(one for one in chosen if one is not None)
    for k, solved in waiting.items():
        tried = sorted(solved)
        strength = others[len(others) // 2] if others else tried[len(tried) // 2]
        chosen[k] = strength
        weight[k], bias[k] = solved[strength]
        remarks[k] = f"no validation answers: strength {strength:g} without a choice"
    return SolvedHead(weight, bias, tuple(chosen), tuple(losses), remarks)


@dataclass(frozen=True, eq=False)
class _Axes:
    """Features of mean 0 and standard deviation 1 on axes on which they do not go together.

    On these, and with the scale of a bound of the loss's curvature, a solver needs a dozen steps. The penalty
    is that on the features of mean 0 and standard deviation 1, since turning changes no length.

    Attributes:
        mean: `(features,)`.
        deviation: `(features,)`; infinite of features that are always the same.
        turned: `(features, features)`, orthogonal; None where there are too many.
        spread: `(features,)`: variances on these axes.
    """

    mean: Floats
    deviation: Floats
    turned: Floats | None
    spread: Floats

    @classmethod
    def of(cls, features: Floats, shares: Floats) -> _Axes:
        mean = shares @ features
        deviation = np.sqrt(shares @ (features - mean) ** 2)
        # Sums of equal numbers are not equal to the last digit.
        still = deviation <= 1e-10 * np.maximum(np.abs(mean), 1e-30)
        deviation = np.where(still, np.inf, deviation)  # so that they weigh nothing
        if features.shape[1] > _MOST_ROTATED:
            return cls(mean, deviation, None, np.where(still, 0.0, 1.0))
        alike = (features - mean) / deviation
        spread, turned = np.linalg.eigh((alike * shares[:, None]).T @ alike)
        return cls(mean, deviation, turned, np.maximum(spread, 0.0))

    def turn(self, features: Floats) -> Floats:
        alike: Floats = (features - self.mean) / self.deviation
        return alike if self.turned is None else alike @ self.turned

    def scale(self, strength: float) -> Floats:
        scale: Floats = np.sqrt(self.spread / 4 + strength)  # a logistic loss is nowhere more curved
        return scale

    def back(self, solved: Floats) -> tuple[Floats, float]:
        """Turn weights on these axes, and their bias, into those of the features as they are."""
        alike = solved[:-1] if self.turned is None else self.turned @ solved[:-1]
        weight: Floats = alike / self.deviation
        return weight, float(solved[-1] - weight @ self.mean)


def _minimise(
    rows: Floats, targets: Floats, shares: Floats, scale: Floats, strength: float, start: Floats
) -> Floats:
    """Return weights and bias with the least penalised loss."""

    def loss(scaled: Floats) -> tuple[float, Floats]:
        weight = scaled[:-1] / scale
        logits = rows @ weight + scaled[-1]
        value = shares @ (np.logaddexp(0.0, logits) - targets * logits) + strength / 2 * weight @ weight
        residual = shares * (expit(logits) - targets)
        slope = (rows.T @ residual + strength * weight) / scale
        return float(value), np.append(slope, residual.sum())

    found = minimize(
        loss,
        np.append(start[:-1] * scale, start[-1]),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 1000, "maxfun": 2000, "ftol": 1e-15, "gtol": 1e-8},
    )
    scaled = _at_the_minimum(loss, found.x, rows, shares, scale, strength)
    return np.append(scaled[:-1] / scale, scaled[-1])


def _at_the_minimum(
    loss: Callable[[Floats], tuple[float, Floats]],
    scaled: Floats,
    rows: Floats,
    shares: Floats,
    scale: Floats,
    strength: float,
) -> Floats:
    """Go on from near the minimum by Newton's method, as long as the slope gets less.

    Where classes are parted without a fault the loss is so flat that its value says no more, to the last
    digit, while weights are still wrong in the fifth. A step is solved for by conjugate gradients.
    """
    slope = loss(scaled)[1]
    for _ in range(_NEWTON_STEPS):
        chance = expit(rows @ (scaled[:-1] / scale) + scaled[-1])
        curvature = shares * chance * (1 - chance)

        def product(step: Floats, curvature: Floats = curvature) -> Floats:
            weight = step[:-1] / scale
            change = curvature * (rows @ weight + step[-1])
            return np.append((rows.T @ change + strength * weight) / scale, change.sum())

        step, _failed = cg(LinearOperator((len(scaled),) * 2, matvec=product), -slope, rtol=1e-6, maxiter=100)
        nearer = loss(scaled + step)[1]
        if not np.linalg.norm(nearer) < np.linalg.norm(slope):
            break
        scaled, slope = scaled + step, nearer
    return scaled


def _validation_loss(validation: EncodedPart, k: int, weight: Floats, bias: float) -> float | None:
    """Return the mean cross-entropy of a class over the records that answer it; None if none does."""
    targets = validation.targets[:, k]
    known = ~np.isnan(targets)
    if not known.any():
        return None
    logits = validation.joined(validation.features @ weight + bias)[known]
    return float(np.mean(np.logaddexp(0.0, logits) - targets[known] * logits))


# In a training ------------------------------------------------------------------------------------------


def _solve(at_hand: AtHand, options: ExactProbeOptions) -> dict[str, Any]:
    network, datamodule = at_hand.network, at_hand.datamodule
    records = len(datamodule.parts.split.train)
    if records * network.num_features > MOST_VALUES:
        raise SettingError(
            "transfer.recipe",
            f"exact_probe on {records:,} training records of {network.num_features:,} features",
            f"at most {MOST_VALUES:,} features in all, which are kept in double precision",
            "Use `linear_probe`, which needs them batch by batch.",
        )
    if at_hand.task.single_choice:
        raise SettingError(
            "transfer.recipe",
            "exact_probe where one of the classes is chosen (single_choice)",
            "questions one by one, each of which it solves by itself",
            "Use `linear_probe`.",
        )
    if network.head.bias is None:
        raise SettingError(
            "network",
            f"a {type(network).__name__}, whose head has no bias",
            "a head with one, which is solved for as well",
            "Use `linear_probe`.",
        )
    train, validation = at_hand.encode("train"), at_hand.encode("validation")
    if not (np.isfinite(train.features).all() and np.isfinite(validation.features).all()):
        raise SettingError(
            "transfer.upstream",
            "a network whose features are NaN or infinite",
            "numbers",
            "Its training diverged, or its signals were others: use another.",
        )
    more = at_hand.weights_of_positives()
    solved = at_hand.by_the_first(lambda: solve_head(train, validation, options.strengths, more))
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(solved.weight))
        network.head.bias.copy_(torch.from_numpy(solved.bias))
    names = at_hand.task.class_names
    if not datamodule.augmentation.is_off:
        at_hand.say("exact_probe: training records as they are, without augmentation")
    for name, strength in zip(names, solved.strengths, strict=True):
        if strength is not None:
            at_hand.say(f"exact_probe: {name}: strength {strength:g}, chosen on validation records")
    remarks = {names[k]: remark for k, remark in solved.remarks.items()}
    for name, remark in remarks.items():
        at_hand.say(f"exact_probe: {name}: {remark}")
    return {
        "training_records": len(train.targets),
        "validation_records": len(validation.targets),
        "strengths": dict(zip(names, solved.strengths, strict=True)),
        "validation_losses": dict(zip(names, solved.losses, strict=True)),
        "remarks": remarks,
    }


EXACT_PROBE = Recipe(
    "a new head on features that stay as they are, solved for in place of trained",
    head_alone,
    options=ExactProbeOptions,
    l2_sp=None,
    settles=Settles(_solve, at_end=False),
)
