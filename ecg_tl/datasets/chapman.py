"""Chapman-Shaoxing: 12-lead ECGs of Shaoxing People's Hospital, one a patient.

Zheng et al., "A 12-lead electrocardiogram database for arrhythmia research covering more than 10,000
patients", Scientific Data 7, 48 (2020).
"""

from __future__ import annotations

import re
from typing import ClassVar

from ecg_tl.datasets.challenge import ChallengeDataset
from ecg_tl.datasets.snomed import scored

CHAPMAN_NAMES = r"JS(?:0\d{4}|10[0-5]\d{2}|106[0-3]\d|1064[0-6])"
"""JS00001 to JS10646; what is above is Ningbo's. Both lie in one tree as PhysioNet publishes them."""


class Chapman(ChallengeDataset):
    """Chapman-Shaoxing, records `JS00001` to `JS10646` of 10 s, in `ecg-arrhythmia` and in the challenge.

    The classes are those that the challenge scores and ten records or more of this collection have. The table
    `ConditionNames_SNOMED-CT.csv` (with a byte order mark, and 698252002 in two rows) is not needed. In
    `ecg-arrhythmia` 1.0.0 the first two lines of `JS01052.hea` are one: that record is left out.
    """

    name = "chapman"
    title = "Chapman-Shaoxing 12-lead ECG Database"
    records = "10,247, one a patient"
    licence = "CC BY 4.0"
    citation = "Zheng et al., Scientific Data 7, 48 (2020)"
    source = "https://physionet.org/content/ecg-arrhythmia/1.0.0/ (JS00001 to JS10646)"
    record_names = re.compile(CHAPMAN_NAMES)
    class_codes: ClassVar = scored(
        *("AF", "AFL", "LBBB", "RBBB", "IAVB", "LAD", "LPR", "LQRSV", "LQT", "NSIVCB", "NSR", "PAC", "PVC"),
        *("QAb", "RAD", "SB", "STach", "TAb", "TInv"),
    )
