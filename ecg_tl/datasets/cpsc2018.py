"""CPSC2018: the China Physiological Signal Challenge's records, in the PhysioNet/CinC Challenges' layout.

Liu et al., "An Open Access Database for Evaluating the Algorithms of Electrocardiogram Rhythm and Morphology
Abnormality Detection", Journal of Medical Imaging and Health Informatics 8(7), 2018.
"""

from __future__ import annotations

import re
from typing import ClassVar

from ecg_tl.datasets.challenge import ChallengeDataset


class Cpsc2018(ChallengeDataset):
    """CPSC2018, records `A0001` to `A6877` of 6 to 144 s; 476 carry two or three of the nine diagnoses."""

    name = "cpsc2018"
    title = "CPSC2018"
    records = "6,877"
    licence = "CC BY 4.0"
    citation = (
        "Liu et al., J. Med. Imaging Health Inform. 8(7) (2018); Perez Alday et al., Physiol. Meas. 41 (2020)"
    )
    source = "https://physionet.org/content/challenge-2021/1.0.3/ (training/cpsc_2018)"
    record_names = re.compile(r"A\d{4}")
    class_codes: ClassVar = {
        "NORM": "426783006",
        "AF": "164889003",
        "IAVB": "270492004",
        "LBBB": "164909002",
        "RBBB": "59118001",
        "PAC": "284470004",
        "VEB": "164884008",
        "STD": "429622005",
        "STE": "164931005",
    }
