"""Which codes of different vocabularies name the same diagnosis.

PTB-XL says `CLBBB`, the challenges 733534002 or 164909002, CODE `LBBB` and LUDB "Complete left bundle branch
block": one concept, `LBBB`. A classifier trained on one label set can hand the weights of such a class to
another. Concepts carry the challenges' abbreviations. Only codes that mean the same are joined: a concept is
not a group of related findings.
"""

from __future__ import annotations

from ecg_tl.datasets.base import LabelClass
from ecg_tl.datasets.registry import DATASETS
from ecg_tl.datasets.scp_statements import SUPERCLASSES
from ecg_tl.datasets.vocabulary import Vocabulary


def concept_of(system: str, code: str) -> str | None:
    """Return the diagnosis that `code` names, or None if no other vocabulary has a name for it.

    Args:
        system: Name of a dataset's vocabulary: `snomed`, `scp`, `code`, `ptb`, `ludb`, `custom`, ...
        code: As published in that system.

    Raises:
        KeyError: If there is no such system.
    """
    vocabularies = _vocabularies()
    concepts = vocabularies[system].concepts
    if concepts is not None:
        return concepts.get(code)
    named = (one.concepts.values() for one in vocabularies.values() if one.concepts is not None)
    return code if any(code in concepts for concepts in named) else None


def _vocabularies() -> dict[str, Vocabulary]:
    return {entry.vocabulary.name: entry.vocabulary for entry in DATASETS.values()}


def class_concept(system: str, label_class: LabelClass) -> str | None:
    """Return the diagnosis that a class of a label rule stands for, or None if it is several or none.

    `NORM` is one concept in every dataset, whatever makes it: CPSC2018 and Georgia use sinus rhythm
    (426783006) as normal, CODE test the absence of its six abnormalities. PTB-XL's superclasses stand for
    themselves, so that its MI meets PTB's.
    """
    if label_class.name in SUPERCLASSES:
        return label_class.name
    concepts = {concept_of(system, code) for code in label_class.codes}
    return concepts.pop() if len(concepts) == 1 else None
