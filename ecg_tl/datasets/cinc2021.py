"""The PhysioNet/CinC Challenge 2021: eight collections in one layout, with the classes that it scores.

Reyna et al., "Will Two Do? Varying Dimensions in Electrocardiography: The PhysioNet/Computing in Cardiology
Challenge 2021", Computing in Cardiology 48 (2021).
"""

from __future__ import annotations

import re
from typing import ClassVar

from ecg_tl.datasets.challenge import ChallengeDataset
from ecg_tl.datasets.chapman import CHAPMAN_NAMES
from ecg_tl.datasets.ningbo import NINGBO_NAMES
from ecg_tl.datasets.snomed import SCORED_CODES

COLLECTIONS: dict[str, re.Pattern[str]] = {
    "cpsc2018": re.compile(r"A\d{4}"),
    "cpsc_extra": re.compile(r"Q\d{4}"),
    "incart": re.compile(r"I\d{4}"),
    "ptb": re.compile(r"S\d{4}"),
    "ptbxl": re.compile(r"HR\d{5}"),
    "georgia": re.compile(r"E\d{5}"),
    "chapman": re.compile(CHAPMAN_NAMES),
    "ningbo": re.compile(NINGBO_NAMES),
}
"""The names of their records, by the names that the datasets have here."""


class Cinc2021(ChallengeDataset):
    """All of the challenge's public records; `collection` says of each which collection it belongs to.

    Rates are 257, 500 and 1000 Hz, lengths 5 s to 30 min. `HR00001` is PTB-XL's ecg_id 1; among them are 38
    that PTB-XL 1.0.3 took out as copies of others. `S0001` is a record of PTB, without its patient.
    """

    name = "cinc2021"
    title = "PhysioNet/CinC Challenge 2021"
    records = "88,253 of eight collections"
    licence = "CC BY 4.0"
    citation = "Reyna et al., Computing in Cardiology 48 (2021)"
    source = "https://physionet.org/content/challenge-2021/1.0.3/"
    record_names = re.compile("|".join(names.pattern for names in COLLECTIONS.values()))
    class_codes: ClassVar = SCORED_CODES
    remark = (
        "These files name no patients. PTB-XL, PTB and INCART have several records of some: a split may have "
        "one patient in two parts. For PTB-XL take its own folds."
    )

    def columns_of(self, name: str) -> dict[str, object]:
        """Return the record's id, and the collection it belongs to."""
        collection = next(known for known, names in COLLECTIONS.items() if names.fullmatch(name))
        return {"record_id": name, "collection": collection}
