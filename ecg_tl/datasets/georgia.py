"""Georgia: the 12-lead ECGs of the Southeastern United States, as the PhysioNet/CinC Challenges publish them.

Perez Alday et al., "Classification of 12-lead ECGs: the PhysioNet/Computing in Cardiology Challenge 2020",
Physiological Measurement 41, 124003 (2020).
"""

from __future__ import annotations

import re
from typing import ClassVar

from ecg_tl.datasets.challenge import ChallengeDataset


class Georgia(ChallengeDataset):
    """Georgia, records `E00001` to `E10344` of 5 to 10 s.

    The paper uses ten of its diagnoses; a record that carries only others is a negative of all ten.
    """

    name = "georgia"
    title = "Georgia 12-lead ECG Challenge Database"
    records = "10,344"
    licence = "CC BY 4.0"
    citation = "Perez Alday et al., Physiol. Meas. 41, 124003 (2020)"
    source = "https://physionet.org/content/challenge-2021/1.0.3/ (training/georgia)"
    record_names = re.compile(r"E\d{5}")
    class_codes: ClassVar = {
        "NORM": "426783006",
        "AF": "164889003",
        "IAVB": "270492004",
        "SB": "426177001",
        "LAD": "39732003",
        "STach": "427084000",
        "TAb": "164934002",
        "TInv": "59931005",
        "LQT": "111975006",
        "PAC": "284470004",
    }
