"""What is found in a recording's samples, by whichever way it is found."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.signals import LARGEST_PEAK, LEADS, SMALLEST_PEAK, Recording
from ecg_tl.store.inspection import (
    SATURATION_EXCURSION,
    SATURATION_SECONDS,
    FindingKind,
    inspect,
)

RATE = 100.0
SHORTEST = round(SATURATION_SECONDS * RATE)


def expected(recording: Recording) -> dict[FindingKind, list[str]]:
    """Find gains and saturated leads from every lead's median, without a shortcut."""
    values = recording.values.astype(np.float64)
    excursions = np.abs(values - np.median(values, axis=1, keepdims=True))
    flat = np.ptp(values, axis=1) == 0
    peak = float(np.median(excursions.max(axis=1)))
    found: dict[FindingKind, list[str]] = {}
    if not SMALLEST_PEAK <= peak <= LARGEST_PEAK and flat.sum() * 2 < len(values):
        found[FindingKind.GAIN] = [f"median peak {peak:.3g} mV"]
    for lead, row, excursion in zip(recording.leads, values, excursions, strict=True):
        extreme = row[int(np.argmax(excursion))]
        runs = "".join("x" if value == extreme else " " for value in row).split(" ")
        inner = runs[1:-1]  # one that touches an end does not count
        longest = max(map(len, inner), default=0)
        if excursion.max() >= SATURATION_EXCURSION and longest >= SHORTEST:
            message = f"{lead} at {float(extreme):.3g} mV for {longest / RATE:.2g} s"
            found.setdefault(FindingKind.SATURATED, []).append(message)
    return found


@given(
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([0.01, 0.05, 0.1, 0.2, 1.0, 5.0, 20.0, 40.0]),
    limit=st.sampled_from([0.5, 1.5, 2.0, 3.0, 100.0]),
    held=st.integers(0, 3 * SHORTEST),
    flat=st.integers(0, 12),
)
def test_shortcuts_change_no_finding(seed: int, scale: float, limit: float, held: int, flat: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(0, scale, (12, 200)).clip(-limit * scale, limit * scale).astype(np.float32)
    lead = int(rng.integers(12))
    start = int(rng.integers(200))
    values[lead, start : start + held] = rng.choice([-1, 1]) * np.abs(values[lead]).max() * 1.5
    values[rng.permutation(12)[:flat]] = 0.25
    recording = Recording(values, LEADS, RATE)
    found: dict[FindingKind, list[str]] = {}
    for finding in inspect(recording, "record"):
        if finding.kind in (FindingKind.GAIN, FindingKind.SATURATED):
            found.setdefault(finding.kind, []).append(finding.detail)
    assert found == expected(recording)
