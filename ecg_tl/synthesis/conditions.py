"""The conditions that the simulator knows, which of them exclude each other, and how severe they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from ecg_tl.errors import SettingError

CONDITIONS: Mapping[str, str] = {
    "NORM": "no finding",
    "AF": "atrial fibrillation: irregular RR, no P wave, fibrillatory baseline",
    "SB": "sinus bradycardia: under 60 beats a minute",
    "STACH": "sinus tachycardia: over 100 beats a minute",
    "SARRH": "sinus arrhythmia: RR follows the breath",
    "PAC": "premature atrial contractions",
    "PVC": "premature ventricular contractions",
    "IAVB": "first-degree atrioventricular block: PR over 200 ms",
    "LBBB": "complete left bundle branch block: QRS over 120 ms, terminal forces to the left and back",
    "RBBB": "complete right bundle branch block: QRS over 120 ms, terminal forces to the right and front",
    "IRBBB": "incomplete right bundle branch block: QRS of 100 to 118 ms, terminal r' in V1",
    "IVCD": "non-specific intraventricular conduction delay: QRS over 110 ms, ordinary sequence",
    "LAD": "left axis deviation: QRS axis beyond -30 degrees",
    "LAFB": "left anterior fascicular block: QRS axis beyond -45 degrees",
    "LVH": "left ventricular hypertrophy: Sokolow-Lyon voltage over 3.5 mV",
    "LAE": "left atrial enlargement: long, two-humped P wave",
    "STD": "depression of the ST segment",
    "STE": "elevation of the ST segment",
    "TINV": "inverted T waves",
    "TAB": "flat or biphasic T waves",
    "LQT": "QTc over 480 ms",
    "AMI": "anterior myocardial infarction: Q waves and ST elevation in V1-V4",
    "IMI": "inferior myocardial infarction: Q waves and ST elevation in II, III and aVF",
    "LMI": "lateral myocardial infarction: Q waves and ST elevation in I, aVL, V5 and V6",
}
"""Each condition and what it changes."""

_CONTRADICTIONS: tuple[frozenset[str], ...] = (
    frozenset({"AF", "SB", "STACH", "SARRH"}),  # one rhythm at a time
    frozenset({"AF", "IAVB"}),  # no P wave, no PR interval
    frozenset({"AF", "PAC"}),
    frozenset({"AF", "LAE"}),
    frozenset({"LBBB", "RBBB", "IRBBB", "IVCD"}),
    frozenset({"LBBB", "LVH"}),  # voltages in LBBB say nothing of hypertrophy
    frozenset({"STD", "STE"}),
    frozenset({"TINV", "TAB"}),
)

_NORMAL_VARIANTS = frozenset({"NORM", "SB", "STACH", "SARRH"})


def contradicts(conditions: Collection[str]) -> frozenset[str]:
    """Return conditions among these that cannot hold together; empty if all can."""
    given = frozenset(conditions)
    if "NORM" in given and not given <= _NORMAL_VARIANTS:
        return given - (_NORMAL_VARIANTS - {"NORM"})
    for group in _CONTRADICTIONS:
        if len(given & group) > 1:
            return given & group
    return frozenset()


def check_conditions(conditions: Collection[str]) -> frozenset[str]:
    """Return the conditions as a set.

    Raises:
        SettingError: If one is unknown, or two cannot hold together.
    """
    unknown = sorted(set(conditions) - set(CONDITIONS))
    if unknown:
        raise SettingError(
            "conditions to simulate",
            ", ".join(unknown),
            f"some of {', '.join(CONDITIONS)}",
            "Correct the names.",
        )
    clash = contradicts(conditions)
    if clash:
        raise SettingError(
            "conditions to simulate",
            " with ".join(sorted(clash)),
            "conditions that one ECG can show together",
            "Leave out all but one of these.",
        )
    return frozenset(conditions)


def draw_severity(
    conditions: frozenset[str], difficulty: float, rng: np.random.Generator
) -> dict[str, float]:
    """Draw how far beyond its diagnostic threshold each condition lies, from 0 (just) to 1 (florid).

    A Beta distribution whose mean falls from 0.8 at difficulty 0 to 0.2 at difficulty 1.
    """
    order = [condition for condition in CONDITIONS if condition in conditions]
    drawn = rng.beta(4.0 - 3.0 * difficulty, 1.0 + 3.0 * difficulty, size=len(order))
    return dict(zip(order, drawn.tolist(), strict=True))
