"""The recipe `wise_ft`: weights between those that fine-tuning began with and those that it ended with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ecg_tl.errors import SettingError
from ecg_tl.limits import SHARE, fits_type, require_settings, shown
from ecg_tl.statistics.directions import direction
from ecg_tl.transfer.phases import head_then_everything
from ecg_tl.transfer.recipe import Recipe, Settles

if TYPE_CHECKING:  # a recipe is known without a Trainer
    from ecg_tl.transfer.settling import AtHand

_MOST_ALPHAS = 1000
_LOSS = "val/loss"


@dataclass(frozen=True)
class WiseFtOptions:
    """Between what and what to look.

    Attributes:
        alphas: Shares of the fine-tuned weights that are tried: 0 for the start (the upstream's layers with
            the head that was trained on them), 1 for the fine-tuned ones. Each costs one pass over the
            validation records. The one that scores best is kept, by the score that chooses the epoch; of
            those alike the greatest.

    Raises:
        SettingError: If they are none, or one lies outside of 0 to 1.
    """

    alphas: Sequence[float] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

    def __post_init__(self) -> None:
        given = self.alphas
        if (
            not isinstance(given, list | tuple)
            or not fits_type([float(one) if type(one) is int else one for one in given], list[float])
            or not 0 < len(given) <= _MOST_ALPHAS
        ):
            raise SettingError(
                "transfer.options.alphas",
                shown(given),
                f"a list of 1 to {_MOST_ALPHAS} numbers from 0 to 1",
                "Correct it.",
            )
        for one in given:
            require_settings("transfer.options", alphas=(SHARE, one))


def between(start: Mapping[str, Tensor], tuned: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """Return `(1 - alpha) * start + alpha * tuned`; at 0 and 1 one of the two as it is.

    It is computed in double precision. Means and variances of batch norms are mixed as weights are; what they
    count is the fine-tuned network's.

    Args:
        start: Tensors by name.
        tuned: Those of the same names.
        alpha: From 0 to 1.
    """
    mixed = {}
    for name, end in tuned.items():
        begin = start[name]
        if alpha == 1 or not end.is_floating_point():
            mixed[name] = end
        elif alpha == 0:
            mixed[name] = begin
        else:
            mixed[name] = torch.lerp(begin.double(), end.double(), alpha).to(end.dtype)
    return mixed


def choose(alphas: Sequence[float], scores: Sequence[float], *, more: bool) -> int | None:
    """Return which alpha has the best score, the greatest of those alike; None if none has a score."""
    known = [number for number, score in enumerate(scores) if not math.isnan(score)]
    sign = 1 if more else -1
    return max(known, key=lambda number: (sign * scores[number], alphas[number]), default=None)


def _choose_weights(at_hand: AtHand, options: WiseFtOptions) -> dict[str, Any]:
    start, tuned = at_hand.settling.start, at_hand.settling.tuned
    monitor = at_hand.monitor
    if monitor is None or not monitor.startswith("val") or direction(monitor) is None:
        monitor = _LOSS
    alphas = sorted(set(map(float, options.alphas)))
    scores = []
    for alpha in alphas:
        at_hand.network.load_state_dict(between(start, tuned, alpha))
        found = at_hand.scores()
        scores.append({name: found.get(name, math.nan) for name in (monitor, _LOSS)})
    best = choose(alphas, [one[monitor] for one in scores], more=direction(monitor) == "max")
    if best is None:
        at_hand.say(f"wise_ft: {monitor} has no value on these validation records; {_LOSS} decides")
        monitor = _LOSS
        best = choose(alphas, [one[_LOSS] for one in scores], more=False)
    best = len(alphas) - 1 if best is None else best  # a diverged training: its weights as they are
    at_hand.network.load_state_dict(between(start, tuned, alphas[best]))
    at_hand.say(
        f"wise_ft: alpha {alphas[best]:g} of {', '.join(f'{one:g}' for one in alphas)}, "
        f"chosen on validation records by {monitor} ({scores[best][monitor]:.4f})"
    )
    found_scores = [None if math.isnan(one[monitor]) else one[monitor] for one in scores]
    return {"alpha": alphas[best], "by": monitor, "alphas": alphas, "scores": found_scores}


# Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022. What is zero-shot there is a probe
# here: an upstream has no head for the downstream's classes.
WISE_FT = Recipe(
    "the head for `phase_epochs`, then all layers; at last weights between, chosen on validation records",
    head_then_everything,
    options=WiseFtOptions,
    settles=Settles(_choose_weights, at_end=True),
)
