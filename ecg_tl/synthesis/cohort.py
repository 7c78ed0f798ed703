"""Who was recorded, what they have, and what the published label says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg_tl.synthesis.conditions import CONDITIONS, contradicts
from ecg_tl.synthesis.patients import Patient, draw_patient
from ecg_tl.synthesis.simulator import simulate_record

SOME_RETURN = (0.84, 0.12, 0.04)
"""Of patients with 1, 2 and 3 records, the shares in which more than a few have several."""

_COHORT_STREAM, _CASE_STREAM, _DETAIL_STREAM = 10, 11, 12


@dataclass(frozen=True)
class PatientGroup:
    """Patients who came for the same reason.

    Attributes:
        share: Of the cohort's records.
        findings: What they have: sets of conditions, each with its weight.
        beside: Conditions that may join any of these, each with its probability.
        age: Mean, in years.
    """

    share: float
    findings: Mapping[tuple[str, ...], float]
    beside: Mapping[str, float]
    age: float = 63.0


@dataclass(frozen=True, eq=False)
class Case:
    """One record to simulate.

    Attributes:
        index: Of the record, from 0.
        patient_index: Of the patient, from 0.
        patient: Who.
        conditions: What the signal shows.
        labels: What the reader of the ECG wrote: the same, but for a few records.
        group: Name of the patient's group.
        seed: Of the cohort.
        difficulty: Of the signal.
    """

    index: int
    patient_index: int
    patient: Patient
    conditions: frozenset[str]
    labels: frozenset[str]
    group: str
    seed: int
    difficulty: float

    def signal(
        self, sampling_rate: float, duration: float, *, frank: bool = False, mains_frequency: float = 50.0
    ) -> NDArray[np.float32]:
        """Simulate it: `float32 (12, samples)`, `(15, samples)` with `frank`, in millivolts."""
        return simulate_record(
            self.conditions,
            patient=self.patient,
            rng=np.random.default_rng(
                np.random.SeedSequence(self.seed, spawn_key=(_CASE_STREAM, self.index))
            ),
            sampling_rate=sampling_rate,
            duration=duration,
            difficulty=self.difficulty,
            mains_frequency=mains_frequency,
            frank=frank,
        )

    def details(self) -> np.random.Generator:
        """Return where a layout draws what it writes besides (dates, devices, lengths)."""
        return np.random.default_rng(
            np.random.SeedSequence(self.seed, spawn_key=(_DETAIL_STREAM, self.index))
        )


def draw_cohort(
    groups: Mapping[str, PatientGroup],
    records: int,
    seed: int,
    difficulty: float,
    records_per_patient: Sequence[float] = SOME_RETURN,
) -> list[Case]:
    """Draw a cohort; the first records of a larger one are the same.

    Groups are filled evenly rather than at random, so that a small cohort holds each of them. A patient's
    later records show what the first one did. The label differs from what was simulated in a share of
    `0.12 * difficulty` of the records: a finding is missed, or taken for something else.

    Args:
        groups: Whom the cohort is drawn from.
        records: How many.
        seed: Same seed, same cohort.
        difficulty: From 0 to 1.
        records_per_patient: Probabilities that a patient has 1, 2, ... records.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_COHORT_STREAM,)))
    names = list(groups)
    shares = np.array([groups[name].share for name in names])
    shares = shares / shares.sum()
    filled = np.zeros(len(names))
    cases: list[Case] = []
    patients = 0
    while len(cases) < records:
        lacking = shares * (filled.sum() + 1.0) - filled + 0.2 * rng.random(len(names))
        chosen = int(np.argmax(lacking))
        group = groups[names[chosen]]
        patient = draw_patient(rng, age=float(np.clip(rng.normal(group.age, 13.0), 18.0, 96.0).round()))
        conditions = _draw_conditions(group, rng)
        visits = 1 + int(rng.choice(len(records_per_patient), p=records_per_patient))
        for _ in range(visits):
            mistaken = rng.random() < 0.12 * difficulty
            labels = _mistake(conditions, groups, rng) if mistaken else conditions
            cases.append(
                Case(len(cases), patients, patient, conditions, labels, names[chosen], seed, difficulty)
            )
        filled[chosen] += visits
        patients += 1
    return cases[:records]


def _draw_conditions(group: PatientGroup, rng: np.random.Generator) -> frozenset[str]:
    """Draw one of a group's findings, and what comes beside it as far as that can be."""
    findings = list(group.findings)
    weights = np.array([group.findings[finding] for finding in findings])
    conditions = set(findings[int(rng.choice(len(findings), p=weights / weights.sum()))])
    for condition, probability in group.beside.items():
        joins = rng.random() < probability
        if joins and not contradicts({*conditions, condition}):
            conditions.add(condition)
    return frozenset(conditions)


def _mistake(
    conditions: frozenset[str], groups: Mapping[str, PatientGroup], rng: np.random.Generator
) -> frozenset[str]:
    """Return what a hurried reader might write instead."""
    order = [condition for condition in CONDITIONS if condition in conditions]
    if len(order) > 1 and rng.random() < 0.5:
        return frozenset(order) - {order[int(rng.integers(len(order)))]}
    other = groups[list(groups)[int(rng.integers(len(groups)))]]
    return _draw_conditions(other, rng)
