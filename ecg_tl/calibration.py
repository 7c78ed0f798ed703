"""Thresholds and a temperature, fitted on validation data.

Never on test data: both are part of the model, and are kept in its checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.limits import SHARE, Limit, fits_type, shown
from ecg_tl.metrics import Values, check_predictions, check_shapes
from ecg_tl.single_choice import losses_by_record, probabilities_of
from ecg_tl.statistics.decisions import MOST_PROBABLE
from ecg_tl.temperature import AT_RANGE_END, TEMPERATURE_RANGE, is_at_range_end

ThresholdRule = Literal["f1", "sensitivity", "specificity"]
"""What a class's threshold is chosen for: the greatest F1, or a sensitivity or specificity to be reached."""

DEFAULT_THRESHOLD = 0.5
MIN_POSITIVES = 5
BISECTIONS = 40

# Far beyond the range that a temperature is searched in, with which none of the logits' ranks is left.
TEMPERATURE = Limit("temperature", 1e-6, 1e6)


@dataclass(frozen=True)
class Calibration:
    """What is decided on validation data.

    Attributes:
        thresholds: Per class: a probability at or over it counts as positive. None where one of the classes
            is chosen.
        tuned: Per class: whether there were positives enough to choose the threshold; else it is 0.5.
        temperature: Logits are divided by it before the sigmoid or softmax; None if none could be fitted.
        rule: What the thresholds were chosen for; `MOST_PROBABLE` where one of the classes is chosen.
        target: The sensitivity or specificity that was to be reached; None for `f1`.
        uncalibrated: Why there is no temperature; None if there is one.
    """

    thresholds: tuple[float, ...]
    tuned: tuple[bool, ...]
    temperature: float | None
    rule: ThresholdRule | Literal["most_probable"] = "f1"
    target: float | None = None
    uncalibrated: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give it in primitives, for a checkpoint or JSON."""
        return {**asdict(self), "thresholds": list(self.thresholds), "tuned": list(self.tuned)}

    @classmethod
    def from_dict(
        cls, content: object, class_names: Sequence[str] | None = None, where: object = "checkpoint"
    ) -> Calibration:
        """Take what `as_dict` gave, from a file that anybody may have written.

        Without a rule, it was written when there was only `f1`. A temperature at an end of its range was
        written when there was no minimum of records to fit it on: it is left out, and that is its reason.

        Args:
            content: As read.
            class_names: Those of the network, which there is one threshold each for; None if not known.
            where: The file, for errors.

        Raises:
            CheckpointError: Names the entry that is not one of a calibration.
        """
        if not isinstance(content, Mapping):
            raise _no_calibration(where, f"a {type(content).__name__}")
        entries: dict[str, Any] = {"rule": "f1", "target": None, "uncalibrated": None, **content}
        for name, fits in _ENTRIES.items():
            if name not in entries:
                raise _no_calibration(where, f"no {name}")
            if not fits(entries[name]):
                raise _no_calibration(where, f"{name} {shown(entries[name])}")
        classes = len(entries["thresholds"] if class_names is None else class_names)
        classes = 0 if entries["rule"] == MOST_PROBABLE else classes
        for name in ("thresholds", "tuned"):
            if len(entries[name]) != classes:
                raise _no_calibration(where, f"{len(entries[name])} {name} for {classes} classes")
        if entries["rule"] not in ("f1", MOST_PROBABLE) and entries["target"] is None:
            raise _no_calibration(where, f"no target of the {entries['rule']}")
        if entries["temperature"] is not None and is_at_range_end(entries["temperature"]):
            entries |= {"temperature": None, "uncalibrated": AT_RANGE_END}
        entries |= {name: tuple(entries[name]) for name in ("thresholds", "tuned")}
        return cls(**{name: entries[name] for name in _ENTRIES})

    @property
    def single_choice(self) -> bool:
        """Whether one of the classes is chosen."""
        return self.rule == MOST_PROBABLE

    @property
    def cuts(self) -> tuple[float, ...] | None:
        """The thresholds, or None where the most probable class is chosen."""
        return None if self.single_choice else self.thresholds

    def scaled(self, logits: Tensor) -> Tensor | None:
        """Return the logits of calibrated probabilities; None without a temperature."""
        return None if self.temperature is None else logits / self.temperature

    def summary(self, class_names: Sequence[str]) -> list[str]:
        """Say it in lines for a log."""
        temperature = (
            f"no temperature, so probabilities stay uncalibrated: {self.uncalibrated}"
            if self.temperature is None
            else f"temperature {self.temperature:.3f}"
        )
        if self.single_choice:
            return ["no thresholds: the most probable class is chosen", temperature]
        purpose = "the greatest F1" if self.rule == "f1" else f"a {self.rule} of {self.target:g}"
        columns = list(zip(class_names, self.thresholds, self.tuned, strict=True))
        chosen = ", ".join(f"{name} {threshold:.3f}" for name, threshold, tuned in columns if tuned)
        lines = [f"thresholds for {purpose}, chosen on validation records: {chosen or 'none'}"]
        left = ", ".join(name for name, _, tuned in columns if not tuned)
        if left:
            sides = "positives or negatives" if self.rule == "specificity" else "positives"
            few = f"fewer than {MIN_POSITIVES} {sides} among the validation records"
            lines.append(f"{few}, so {DEFAULT_THRESHOLD} is kept: {left}")
        lines.append(temperature)
        return lines


_ENTRIES: dict[str, Callable[[Any], bool]] = {
    "thresholds": lambda them: fits_type(them, list[float]) and all(SHARE.holds(one) for one in them),
    "tuned": lambda them: fits_type(them, list[bool]),
    "temperature": lambda it: it is None or TEMPERATURE.holds(it),
    "rule": lambda it: it in (*get_args(ThresholdRule), MOST_PROBABLE),
    "target": lambda it: it is None or SHARE.holds(it),
    "uncalibrated": lambda it: it is None or isinstance(it, str),
}
"""What each entry of a calibration may be."""


def _no_calibration(where: object, found: str) -> CheckpointError:
    return CheckpointError(
        where,
        f"a malformed calibration ({found})",
        "thresholds and a temperature, as a validation chose them",
        "Give an intact checkpoint.",
    )


def default_threshold(single_choice: bool) -> float | None:
    """Return what decides before anything is chosen: one threshold for all classes; None of a choice."""
    return None if single_choice else DEFAULT_THRESHOLD


def check_threshold_rule(rule: str, target: float) -> None:
    """Check the settings that thresholds are chosen by.

    Raises:
        SettingError: If the rule is unknown, or the target is not over 0 and at most 1.
    """
    if rule not in get_args(ThresholdRule):
        names = ", ".join(get_args(ThresholdRule))
        raise SettingError("thresholds", repr(rule), f"one of {names}", "Choose one of these.")
    if not (SHARE.holds(target) and target > 0):
        raise SettingError(
            "threshold_target",
            shown(target),
            "a sensitivity or specificity over 0 and at most 1",
            "Give it as a share: 0.9 for 90 %.",
        )


def calibrate(
    logits: Tensor,
    targets: Tensor,
    rule: ThresholdRule = "f1",
    target: float = 0.9,
    *,
    single_choice: bool = False,
) -> Calibration:
    """Choose thresholds and a temperature from validation predictions, both `(records, classes)`.

    Args:
        logits: Of validation records.
        targets: Zeros, ones, and NaN for no answer: the record is left out for that class.
        rule: What thresholds are chosen for.
        target: The sensitivity or specificity to reach; `f1` has no use for it.
        single_choice: Whether one of the classes is chosen: then there are no thresholds, whatever the rule.

    Raises:
        SettingError: As `check_threshold_rule` and `f1_optimal_thresholds`.
    """
    check_threshold_rule(rule, target)
    if single_choice:
        temperature, uncalibrated = fit_temperature(logits, targets, single_choice=True)
        return Calibration((), (), temperature, MOST_PROBABLE, None, uncalibrated)
    probabilities = logits.sigmoid()
    if rule == "f1":
        thresholds, tuned = f1_optimal_thresholds(probabilities, targets)
    elif rule == "sensitivity":
        thresholds, tuned = sensitivity_thresholds(probabilities, targets, target)
    else:
        thresholds, tuned = specificity_thresholds(probabilities, targets, target)
    temperature, uncalibrated = fit_temperature(logits, targets)
    return Calibration(
        tuple(thresholds.tolist()),
        tuple(tuned.tolist()),
        temperature,
        rule,
        None if rule == "f1" else target,
        uncalibrated,
    )


def has_enough(
    targets: Tensor, least: int = MIN_POSITIVES, *, positives: bool = False, negatives: bool = False
) -> Tensor:
    """Say of which classes there are enough records to decide something on them.

    Args:
        targets: `(records, classes)` of zeros, ones, and NaN for no answer.
        least: How many are enough.
        positives: Whether there must be so many positives.
        negatives: Whether there must be so many negatives.

    Returns:
        `bool (classes,)`.
    """
    enough = torch.ones(targets.shape[1], dtype=torch.bool)
    if positives:
        enough &= (targets == 1).sum(dim=0) >= least
    if negatives:
        enough &= (targets == 0).sum(dim=0) >= least
    return enough


def f1_optimal_thresholds(
    probabilities: Values, targets: Values, min_positives: int = MIN_POSITIVES
) -> tuple[Tensor, Tensor]:
    """Find for each class the threshold at which F1 is greatest.

    All cut points that the probabilities allow are tried, and a threshold lies halfway between the two
    neighbouring probabilities that it parts (below the lowest: halfway to 0), predicting what is at or above
    it. Where several are best, 0.5 is taken if it is among them, else the one nearest to 0.5, and of two
    equally near ones the higher.

    Args:
        probabilities: `(records, classes)`, in [0, 1], of validation records.
        targets: `(records, classes)` of zeros, ones, and NaN for no answer.
        min_positives: With fewer positives a class keeps 0.5: its optimum would be chance.

    Returns:
        Thresholds `(classes,)` in double precision, and which of them were tuned `(classes,)`.

    Raises:
        SettingError: If shapes differ, there are no records, or a value is not what it should be.
    """
    p, y = check_predictions(probabilities, targets)
    tuned = has_enough(y, min_positives, positives=True)
    return _tuned_thresholds(p, y, tuned, _best_threshold), tuned


def _tuned_thresholds(
    p: Tensor, y: Tensor, tuned: Tensor, choose: Callable[[Tensor, Tensor], float]
) -> Tensor:
    """Choose a threshold for each tuned class from its column; the others keep 0.5."""
    thresholds = torch.full((p.shape[1],), DEFAULT_THRESHOLD, dtype=torch.float64)
    answered = ~y.isnan()
    for k in torch.nonzero(tuned).flatten().tolist():
        rows = answered[:, k]
        thresholds[k] = choose(p[:, k], y[:, k]) if bool(rows.all()) else choose(p[rows, k], y[rows, k])
    return thresholds


def _best_threshold(p: Tensor, y: Tensor) -> float:
    ranked, order = p.sort(descending=True)
    hits = y[order].cumsum(0)
    predicted = torch.arange(1, len(p) + 1, dtype=torch.float64)
    f1 = 2 * hits / (predicted + y.sum())
    lower = torch.cat([ranked[1:], ranked.new_zeros(1)])
    is_cut = ranked > lower  # equal probabilities are not parted
    is_cut[-1] = True
    best = is_cut & (f1 >= f1[is_cut].max() - 1e-12)
    if bool((best & (ranked >= DEFAULT_THRESHOLD) & (lower < DEFAULT_THRESHOLD)).any()):
        return DEFAULT_THRESHOLD
    # In descending order, so that of two equally near ones `argmin` meets the higher first.
    halfway = (ranked + lower) / 2
    candidates = torch.where(halfway > lower, halfway, ranked)[best]  # between neighbouring floats is nothing
    return float(candidates[(candidates - DEFAULT_THRESHOLD).abs().argmin()])


def sensitivity_thresholds(
    probabilities: Values, targets: Values, target: float, min_positives: int = MIN_POSITIVES
) -> tuple[Tensor, Tensor]:
    """Find for each class the highest threshold at which at least `target` of the positives are found.

    The highest, since of all that reach the sensitivity it has the best specificity. It lies halfway between
    the last probability that must be predicted and the next lower one, as `f1_optimal_thresholds`' do.

    Args:
        probabilities: `(records, classes)`, in [0, 1], of validation records.
        targets: `(records, classes)` of zeros, ones, and NaN for no answer.
        target: The sensitivity to reach, over 0 and at most 1.
        min_positives: With fewer positives a class keeps 0.5.

    Returns:
        Thresholds `(classes,)` in double precision, and which of them were tuned `(classes,)`.

    Raises:
        SettingError: If shapes differ, there are no records, or a value is not what it should be.
    """
    p, y = check_predictions(probabilities, targets)
    tuned = has_enough(y, min_positives, positives=True)

    def highest_that_finds(p: Tensor, y: Tensor) -> float:
        found = p[y == 1].sort(descending=True).values
        lowest = found[_count_reaching(target, len(found)) - 1]
        below = p[p < lowest]
        return _between(float(lowest), float(below.max()) if len(below) else 0.0)

    return _tuned_thresholds(p, y, tuned, highest_that_finds), tuned


def specificity_thresholds(
    probabilities: Values, targets: Values, target: float, min_records: int = MIN_POSITIVES
) -> tuple[Tensor, Tensor]:
    """Find for each class the lowest threshold at which at least `target` of the negatives are not predicted.

    The lowest, since of all that reach the specificity it has the best sensitivity.

    Args:
        probabilities: `(records, classes)`, in [0, 1], of validation records.
        targets: `(records, classes)` of zeros, ones, and NaN for no answer.
        target: The specificity to reach, over 0 and at most 1.
        min_records: With fewer positives, or fewer negatives, a class keeps 0.5.

    Returns:
        Thresholds `(classes,)` in double precision, and which of them were tuned `(classes,)`. Negatives with
        a probability of exactly 1 are beyond any threshold: the specificity is then missed.

    Raises:
        SettingError: If shapes differ, there are no records, or a value is not what it should be.
    """
    p, y = check_predictions(probabilities, targets)
    tuned = has_enough(y, min_records, positives=True, negatives=True)

    def lowest_that_spares(p: Tensor, y: Tensor) -> float:
        spared = p[y == 0].sort().values
        highest = spared[_count_reaching(target, len(spared)) - 1]
        above = p[p > highest]
        return _between(float(above.min()) if len(above) else 1.0, float(highest))

    return _tuned_thresholds(p, y, tuned, lowest_that_spares), tuned


def _count_reaching(target: float, total: int) -> int:
    """Count how many of `total` make a share of at least `target`, whatever rounding does to the product."""
    return max(1, math.ceil(target * total - 1e-9))


def _between(upper: float, lower: float) -> float:
    """Return what parts two neighbouring probabilities, the upper of which shall be predicted."""
    middle = (upper + lower) / 2
    return middle if middle > lower else upper


def fit_temperature(
    logits: Values, targets: Values, min_records: int = MIN_POSITIVES, *, single_choice: bool = False
) -> tuple[float | None, str | None]:
    """Find the temperature T at which `sigmoid(logits / T)` has the least binary cross-entropy.

    Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017) with one T for
    all classes; of a choice, as there, the T at which `softmax(logits / T)` has the least cross-entropy. The
    loss is convex in 1/T, so bisection on its slope finds the one minimum. T stays between 0.05 and 20: where
    logits part the classes without a fault, the loss would fall forever towards T = 0. An end of this range
    is no minimum and is not used, and neither is what a handful of records would give.

    Args:
        logits: `(records, classes)`, finite, of validation records.
        targets: `(records, classes)` of zeros, ones, and NaN for no answer.
        min_records: At least one class must have so many positives, and so many negatives.
        single_choice: Whether one of the classes is chosen.

    Returns:
        The temperature, 1 where no other is better; or None, and why there is none.

    Raises:
        SettingError: If shapes differ, there are no records, or a value is not what it should be.
    """
    z = torch.as_tensor(logits).detach().cpu().double()
    y = torch.as_tensor(targets).detach().cpu().double()
    check_shapes(z, y)
    check_predictions(torch.where(z.isfinite(), torch.sigmoid(z), torch.nan), y)

    if not bool(has_enough(y, min_records, positives=True, negatives=True).any()):
        return None, (
            f"no class has {min_records} positives and {min_records} negatives among the {len(y)} "
            "validation records"
        )
    answered = ~y[:, 0].isnan() if single_choice else ~y.isnan()
    if not bool(answered.all()):
        z, y = z[answered], y[answered]

    def slope(temperature: float) -> float:
        """Derivative of the loss by 1/T; of a choice, over the number of classes."""
        return float((z * (probabilities_of(z / temperature, single_choice) - y)).mean())

    def loss_at(temperature: float) -> float:
        if single_choice:
            return float(losses_by_record(z / temperature, y)[0].mean())
        return float(F.binary_cross_entropy_with_logits(z / temperature, y))

    cold, hot = TEMPERATURE_RANGE
    for _ in range(BISECTIONS):
        middle = math.sqrt(cold * hot)
        cold, hot = (middle, hot) if slope(middle) > 0 else (cold, middle)
    if loss_at(hot) >= loss_at(1.0):
        return 1.0, None
    return (None, AT_RANGE_END) if is_at_range_end(hot) else (hot, None)
