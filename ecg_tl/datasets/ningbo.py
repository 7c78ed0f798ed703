"""Ningbo: 12-lead ECGs of Ningbo First Hospital, one a patient.

Zheng et al., "Optimal Multi-Stage Arrhythmia Classification Approach", Scientific Reports 10, 2898 (2020).
"""

from __future__ import annotations

import re
from typing import ClassVar

from ecg_tl.datasets.challenge import ChallengeDataset
from ecg_tl.datasets.chapman import CHAPMAN_NAMES
from ecg_tl.datasets.snomed import scored

NINGBO_NAMES = rf"(?!{CHAPMAN_NAMES}$)JS\d{{5}}|S23074"
"""JS10647 to JS45551. The challenge calls JS23074 `S23074`, nearly as PTB's records."""


class Ningbo(ChallengeDataset):
    """Ningbo, records `JS10647` to `JS45551` of 10 s, in `ecg-arrhythmia` and in the challenge.

    The classes are those that the challenge scores and ten records or more of this collection have. About
    1,480 records have a flat lead, as published.
    """

    name = "ningbo"
    title = "Ningbo First Hospital 12-lead ECG Database"
    records = "34,905, one a patient"
    licence = "CC BY 4.0"
    citation = "Zheng et al., Scientific Reports 10, 2898 (2020)"
    source = "https://physionet.org/content/ecg-arrhythmia/1.0.0/ (JS10647 to JS45551)"
    record_names = re.compile(NINGBO_NAMES)
    class_codes: ClassVar = scored(
        *("AFL", "BBB", "LBBB", "RBBB", "IAVB", "IRBBB", "LAD", "LAnFB", "LPR", "LQRSV", "LQT", "NSIVCB"),
        *("NSR", "PAC", "PR", "PRWP", "PVC", "QAb", "RAD", "SA", "SB", "STach", "TAb", "TInv"),
    )

    def columns_of(self, name: str) -> dict[str, object]:
        """Return the record's id: `JS23074` under either of its names."""
        return {"record_id": f"J{name}" if name.startswith("S") else name}
