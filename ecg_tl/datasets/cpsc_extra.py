"""CPSC-Extra: records that the China Physiological Signal Challenge 2018 did not use.

Perez Alday et al., "Classification of 12-lead ECGs: the PhysioNet/Computing in Cardiology Challenge 2020",
Physiological Measurement 41, 124003 (2020).
"""

from __future__ import annotations

import re
from typing import ClassVar

from ecg_tl.datasets.challenge import ChallengeDataset
from ecg_tl.datasets.snomed import scored


class CpscExtra(ChallengeDataset):
    """CPSC-Extra, records `Q0001` to `Q3581` of 8 to 98 s.

    The classes are those that the challenge scores and ten records or more of this collection have. A third
    of the records has none of them: they are negatives of all.
    """

    name = "cpsc_extra"
    title = "CPSC-Extra"
    records = "3,453"
    licence = "CC BY 4.0"
    citation = "Perez Alday et al., Physiol. Meas. 41, 124003 (2020)"
    source = "https://physionet.org/content/challenge-2021/1.0.3/ (training/cpsc_2018_extra)"
    record_names = re.compile(r"Q\d{4}")
    class_codes: ClassVar = scored(
        *("AF", "AFL", "Brady", "LBBB", "RBBB", "IAVB", "IRBBB", "PAC", "PVC", "SA", "SB", "STach", "TAb")
    )
