"""INCART: Holter recordings of St Petersburg, half an hour each, as the challenges publish them.

Tihonenko et al., "St Petersburg INCART 12-lead Arrhythmia Database", PhysioNet (2008).
"""

from __future__ import annotations

import re
from typing import ClassVar

from ecg_tl.datasets.challenge import ChallengeDataset
from ecg_tl.datasets.snomed import scored


class Incart(ChallengeDataset):
    """INCART, records `I0001` to `I0075` of 30 min at 257 Hz; samples that were not measured are NaN.

    The classes are those that the challenge scores and ten records or more of this collection have: two.
    """

    name = "incart"
    title = "St Petersburg INCART 12-lead Arrhythmia Database"
    records = "74 of 32 patients"
    licence = "CC BY 4.0"
    citation = "Tihonenko et al., PhysioNet (2008); Perez Alday et al., Physiol. Meas. 41, 124003 (2020)"
    source = "https://physionet.org/content/challenge-2021/1.0.3/ (training/st_petersburg_incart)"
    record_names = re.compile(r"I\d{4}")
    class_codes: ClassVar = scored("Brady", "STach")
    remark = (
        "INCART has 75 recordings of 32 patients, and these files do not say whose is whose: a split may "
        "have one patient in two parts."
    )
