"""How uncertain a choice among candidates is, and what that adds to the variance of what was chosen.

Candidates are chosen by a noisy score and judged by another one. Had the noise fallen otherwise, another
would have been chosen, and its effect reported. With `π` the probability of each choice and `d` the effect
that belongs to it, the law of total variance adds

    V_choice = Σ π (d - Σ π d)²

to the variance of the chosen one's own effect. The effects are estimates: what their own noise contributes to
the sum is taken off, or candidates that are all the same would seem to differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecg_tl.statistics.resampling import Floats
from ecg_tl.statistics.scoring import Sample


@dataclass(frozen=True, eq=False)
class Choices:
    """Which candidate is best in each of many redrawn rankings.

    Attributes:
        best: `(draws,)`: its position.
        shares: `(candidates,)`: how often each is best.
    """

    best: np.ndarray
    shares: Floats


def draw_choices(ranks: Floats, noise: Floats) -> Choices:
    """Choose again under redrawn noise.

    Args:
        ranks: `(candidates,)`: the scores that were chosen by, higher is better.
        noise: `(candidates, draws)`: of them, around 0.
    """
    best = (ranks[:, None] + noise).argmax(axis=0)
    return Choices(best, np.bincount(best, minlength=len(ranks)) / noise.shape[1])


def choice_variance(effects: Sequence[tuple[float, Sample]]) -> float:
    """Estimate what the choice adds to the variance of the chosen effect; the module's docstring derives it.

    Args:
        effects: Share of each choice, and its effect; all of one test set.
    """
    shares = np.array([share for share, _ in effects])
    shares = shares / shares.sum()
    means = np.array([sample.mean for _, sample in effects])
    found = float((shares * (means - shares @ means) ** 2).sum())
    resampled = np.stack([sample.resampled.mean(axis=0) - sample.mean for _, sample in effects])
    resampled = resampled[:, np.isfinite(resampled).all(axis=0)]
    by_patients = (
        float((shares @ (resampled - shares @ resampled) ** 2).mean()) if resampled.shape[1] else 0.0
    )
    of_seeds = np.array(
        [
            float(sample.values.var(ddof=1)) / len(sample.values) if len(sample.values) > 1 else 0.0
            for _, sample in effects
        ]
    )
    by_seeds = float((shares * (1 - shares) * of_seeds).sum())
    return max(found - by_patients - by_seeds, 0.0)


def training_noise(values: Sequence[Sequence[float]]) -> float:
    """Estimate the variance of one training's score, pooled over candidates; 0 with one training each."""
    groups = [np.asarray(group, dtype=np.float64) for group in values]
    degrees = sum(len(group) - 1 for group in groups)
    if not degrees:
        return 0.0
    return float(sum(((group - group.mean()) ** 2).sum() for group in groups) / degrees)
