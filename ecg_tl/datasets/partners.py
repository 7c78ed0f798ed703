"""Which collections hold each other's recordings, and under which names: the one table.

The guard compares fingerprints and needs no table where both sides have them (`ecg_tl.contamination`). The
table is for what cannot be compared: a published upstream that only says on which collections it was trained,
and records that are too short for a fingerprint.

Sources: the challenges' pages (https://physionet.org/content/challenge-2021/1.0.3/, training/), and the names
of their records compared with those of the collections; of CODE-15%, Zenodo 4916206, "a subset of CODE".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Partners:
    """Two datasets, one of which holds recordings of the other.

    Attributes:
        whole: The dataset that holds the other.
        part: The dataset that is held.
        renamed: From a record's id in `whole` to that in `part`; None if the record is another's, or the id
            cannot be known from it.
        how: In words.
    """

    whole: str
    part: str
    renamed: Callable[[str], str | None]
    how: str


def _same(names: str) -> Callable[[str], str | None]:
    pattern = re.compile(names)
    return lambda record_id: record_id if pattern.fullmatch(record_id) else None


def _ptbxl(record_id: str) -> str | None:
    found = re.fullmatch(r"HR0*(\d+)", record_id)
    return found[1] if found else None


def _ningbo(record_id: str) -> str | None:
    if record_id == "S23074":
        return "JS23074"
    return _same(r"JS\d{5}")(record_id)


PARTNERS: tuple[Partners, ...] = (
    Partners("cinc2021", "cpsc2018", _same(r"A\d{4}"), "the same names"),
    Partners("cinc2021", "cpsc_extra", _same(r"Q\d{4}"), "the same names"),
    Partners("cinc2021", "georgia", _same(r"E\d{5}"), "the same names"),
    Partners("cinc2021", "incart", _same(r"I\d{4}"), "the same names"),
    Partners("cinc2021", "chapman", _same(r"JS\d{5}"), "the same names"),
    Partners("cinc2021", "ningbo", _ningbo, "the same names, but JS23074, which is S23074"),
    Partners("cinc2021", "ptbxl", _ptbxl, "HR00001 is ecg_id 1"),
    Partners("cinc2021", "ptb", lambda record_id: None, "S0001 and so on, without patients"),
)
"""Every pair, once."""

DECLARED: dict[str, tuple[str, ...]] = {
    "PTB-XL": ("ptbxl",),
    "PTB": ("ptb",),
    "CPSC": ("cpsc2018",),
    "CPSC-Extra": ("cpsc_extra",),
    "Georgia": ("georgia",),
    "Chapman": ("chapman",),
    "Ningbo": ("ningbo",),
    "INCART": ("incart",),
    "LUDB": ("ludb",),
    "CODE-15": ("code15",),
    "CODE": ("code15",),
    "MIMIC-IV-ECG": ("mimic_iv_ecg",),
}
"""What publications of upstreams call these collections, and which datasets here that is."""


def partners_of(dataset: str) -> dict[str, str]:
    """Return the datasets that share recordings with one, and the names that these have there."""
    held = {pair.part: pair.how for pair in PARTNERS if pair.whole == dataset}
    return held | {pair.whole: pair.how for pair in PARTNERS if pair.part == dataset}


def same_records(dataset: str, record_id: str, other: str) -> frozenset[str]:
    """Return the ids under which `other` may hold a record, as far as ids tell.

    Args:
        dataset: That has the record.
        record_id: In that dataset.
        other: Another dataset, or the same.
    """
    if dataset == other:
        return frozenset({record_id})
    found: set[str] = set()
    for pair in PARTNERS:
        if (pair.whole, pair.part) == (dataset, other):
            found.update(filter(None, [pair.renamed(record_id)]))
        elif (pair.whole, pair.part) == (other, dataset):
            names = (record_id, record_id.removeprefix("J"), f"HR{record_id.zfill(5)}")
            found.update(name for name in names if pair.renamed(name) == record_id)
    return frozenset(found)


def datasets_declared(name: str) -> frozenset[str]:
    """Return the datasets that share recordings with what a publication calls `name`.

    `PTB-XL folds 1-8` counts as PTB-XL. Datasets here that nobody named alike are not found.
    """
    words = name.split(" folds ")[0].strip()
    own = DECLARED.get(words, ())
    return frozenset(own).union(*(partners_of(dataset) for dataset in own))
