"""Which codes of different vocabularies name the same diagnosis.

PTB-XL says `CLBBB`, the challenges 733534002 or 164909002, CODE `LBBB` and LUDB "Complete left bundle branch
block": one concept, `LBBB`. A classifier trained on one label set can hand the weights of such a class to
another. Concepts carry the challenges' abbreviations. Only codes that mean the same are joined: a concept is
not a group of related findings.
"""

from __future__ import annotations

from ecg_tl.datasets.base import LabelClass
from ecg_tl.datasets.scp_statements import SUPERCLASSES
from ecg_tl.datasets.snomed import SNOMED_CODES

# SNOMED CT codes whose concept is not the challenges' own abbreviation of them.
_SNOMED_SYNONYMS = {
    "713427006": "RBBB",
    "733534002": "LBBB",
    "63593006": "PAC",
    "17338001": "PVC",
    "164884008": "PVC",  # "ventricular ectopics", what CPSC2018 calls its premature ventricular contractions
    "446813000": "LAE",  # what the ECG shows of an atrium is read as hypertrophy, enlargement or overload
    "446358003": "RAE",
}

_SCP = {
    "NORM": "NORM",
    "1AVB": "IAVB",
    "2AVB": "IIAVB",
    "3AVB": "CHB",
    "ABQRS": "abQRS",
    "AFIB": "AF",
    "AFLT": "AFL",
    "AMI": "AnMI",
    "CLBBB": "LBBB",
    "CRBBB": "RBBB",
    "ILBBB": "ILBBB",
    "INVT": "TInv",
    "IRBBB": "IRBBB",
    "ISCAN": "AnMIs",
    "ISCIN": "IIs",
    "ISCLA": "LIs",
    "IVCD": "NSIVCB",
    "LAFB": "LAnFB",
    "LAO/LAE": "LAE",
    "LNGQT": "LQT",
    "LPFB": "LPFB",
    "LPR": "LPR",
    "LVH": "LVH",
    "LVOLT": "LQRSV",
    "PAC": "PAC",
    "PACE": "PR",
    "PSVT": "PSVT",
    "PVC": "PVC",
    "QWAVE": "QAb",
    "RAO/RAE": "RAE",
    "RVH": "RVH",
    "SARRH": "SA",
    "SBRAD": "SB",
    "SR": "NSR",
    "STACH": "STach",
    "STD_": "STD",
    "STE_": "STE",
    "SVTAC": "SVT",
    "TAB_": "TAb",
    "VCLVH": "LVHV",
    "WPW": "WPW",
}

_CODE = {"1dAVb": "IAVB", "RBBB": "RBBB", "LBBB": "LBBB", "SB": "SB", "AF": "AF", "ST": "STach"}

_PTB = {"Healthy control": "NORM", "Myocardial infarction": "MI", "Bundle branch block": "BBB"}

_LUDB = {
    "Sinus rhythm": "NSR",
    "Sinus bradycardia": "SB",
    "Sinus tachycardia": "STach",
    "Sinus arrhythmia": "SA",
    "Atrial fibrillation": "AF",
    "Atrial flutter, typical": "AFL",
    "Wandering atrial pacemaker": "WAP",
    "Electric axis of the heart: left axis deviation": "LAD",
    "Electric axis of the heart: right axis deviation": "RAD",
    "Incomplete right bundle branch block": "IRBBB",
    "Incomplete left bundle branch block": "ILBBB",
    "Complete right bundle branch block": "RBBB",
    "Complete left bundle branch block": "LBBB",
    "Left anterior hemiblock": "LAnFB",
    "Non-specific intravintricular conduction delay": "NSIVCB",
    "I degree av block": "IAVB",
    "Iii degree av-block": "CHB",
    "Sinoatrial blockade, undefined": "SAB",
    "Left ventricular hypertrophy": "LVH",
    "Right ventricular hypertrophy": "RVH",
    "Left atrial hypertrophy": "LAE",
    "Right atrial hypertrophy": "RAE",
    "Early repolarization syndrome": "ERe",
}

_SNOMED = {code: _SNOMED_SYNONYMS.get(code, abbreviation) for code, (abbreviation, _) in SNOMED_CODES.items()}

_CONCEPTS = frozenset().union(*(table.values() for table in (_SNOMED, _SCP, _CODE, _PTB, _LUDB)))

_CONCEPT_OF = {
    "snomed": _SNOMED,
    "scp": _SCP,
    "code": _CODE,
    "ptb": _PTB,
    "ludb": _LUDB,
    # A column of one's own that is called like a concept means it.
    "custom": {concept: concept for concept in _CONCEPTS},
}


def concept_of(system: str, code: str) -> str | None:
    """Return the diagnosis that `code` names, or None if no other vocabulary has a name for it.

    Args:
        system: A dataset's `code_system`: `snomed`, `scp`, `code`, `ptb`, `ludb` or `custom`.
        code: As published in that system.

    Raises:
        KeyError: If there is no such system.
    """
    return _CONCEPT_OF[system].get(code)


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
