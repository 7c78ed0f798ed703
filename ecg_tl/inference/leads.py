"""The leads that a network takes, from those that a record has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from ecg_tl.errors import RecordError
from ecg_tl.recordings.remarks import Remark
from ecg_tl.signals import LIMB_LEADS, Recording


@dataclass(frozen=True)
class ProvidedLeads:
    """The leads that a network takes.

    Attributes:
        recording: All of them, in the network's order.
        missing: Those of them that are zeros, since the record neither has nor determines them.
        remarks: On what was done.
    """

    recording: Recording
    missing: tuple[str, ...]
    remarks: tuple[Remark, ...]

    def present(self) -> Recording:
        """Return the leads that are not missing."""
        if not self.missing:
            return self.recording
        rows = [row for row, lead in enumerate(self.recording.leads) if lead not in self.missing]
        leads = tuple(self.recording.leads[row] for row in rows)
        return Recording(self.recording.values[rows], leads, self.recording.sampling_rate)


def provide_leads(
    recording: Recording, wanted: Sequence[str], where: object, *, may_be_missing: bool = False
) -> ProvidedLeads:
    """Return the wanted leads of a record, computing those that others determine.

    Any two of the six limb leads determine the other four. I and II are taken if they are there, else the
    pair whose noise is amplified least.

    Args:
        recording: With leads in standard spelling.
        wanted: What a network takes, in this order.
        where: The record, for errors.
        may_be_missing: Whether the network was trained with leads missing; they are zeros then, as in its
            training.

    Raises:
        RecordError: If a lead is missing that can neither be computed nor left out, or is there twice.
    """
    repeated = [lead for lead in wanted if recording.leads.count(lead) > 1]
    if repeated:
        raise RecordError(
            where,
            f"lead {', '.join(repeated)} more than once among {' '.join(recording.leads)}",
            "each lead once",
            "Correct the names of the leads.",
        )
    rows = {lead: recording.values[recording.leads.index(lead)] for lead in wanted if lead in recording.leads}
    remarks = []
    pair = _determining_pair(recording.leads)
    computed = [lead for lead in wanted if lead not in rows and pair is not None and lead in LIMB_LEADS]
    if pair is not None and computed:
        known = [recording.values[recording.leads.index(lead)].astype(np.float64) for lead in pair]
        one, two = np.linalg.solve(np.array([LIMB_LEADS[lead] for lead in pair]), np.stack(known))
        for lead in computed:
            a, b = LIMB_LEADS[lead]
            rows[lead] = np.asarray(a * one + b * two, dtype=np.float32)
        message = f"{', '.join(computed)} computed from {' and '.join(pair)}"
        remarks.append(Remark("computed_leads", message, is_warning=False))
    missing = [lead for lead in wanted if lead not in rows]
    if missing and not (may_be_missing and rows):
        raise RecordError(
            where,
            f"no lead {', '.join(missing)} among {' '.join(recording.leads)}",
            f"each of {' '.join(wanted)}; of I, II, III, aVR, aVL and aVF any two",
            "Correct the names of the leads, or use a network trained on these leads, or with lead_dropout.",
        )
    if missing:
        rows |= {lead: np.zeros(recording.values.shape[1], dtype=np.float32) for lead in missing}
        message = f"no {', '.join(missing)}: zeros instead, as the network was trained with leads missing"
        remarks.append(Remark("missing_leads", message))
    if tuple(wanted) == recording.leads:  # a long recording is not copied
        values = recording.values
    else:
        values = np.stack([rows[lead] for lead in wanted])
    provided = Recording(values, tuple(wanted), recording.sampling_rate)
    return ProvidedLeads(provided, tuple(missing), tuple(remarks))


@lru_cache(maxsize=32)
def _determining_pair(leads: tuple[str, ...]) -> tuple[str, str] | None:
    pairs = list(combinations([lead for lead in LIMB_LEADS if lead in leads], 2))
    if not pairs:
        return None
    # I and II come first and have the greatest determinant there is, 1: of equals, `max` takes the first.
    return max(pairs, key=_determinant)


def _determinant(pair: tuple[str, str]) -> float:
    return abs(float(np.linalg.det(np.array([LIMB_LEADS[lead] for lead in pair]))))
