"""The AHA/ACC/HRS statements of ECG findings that published datasets use, and which diagnoses they name.

Mason et al., "Recommendations for the standardization and interpretation of the electrocardiogram. Part II:
Electrocardiography diagnostic statement list", Circulation 115, 1325 (2007), table 1; the choice is that of
SPH's `code.csv` (Liu et al., Scientific Data 9, 272, 2022).
"""

from __future__ import annotations

from ecg_tl.datasets.base import LabelClass
from ecg_tl.datasets.vocabulary import Vocabulary

AHA_STATEMENTS: dict[str, tuple[str, str, str]] = {
    "1": ("NORM", "A", "normal ECG"),
    "21": ("STach", "C", "sinus tachycardia"),
    "22": ("SB", "C", "sinus bradycardia"),
    "23": ("SA", "C", "sinus arrhythmia"),
    "30": ("PAC", "D", "atrial premature complex(es)"),
    "31": ("BPAC", "D", "atrial premature complexes, nonconducted"),
    "36": ("JPC", "D", "junctional premature complex(es)"),
    "37": ("JE", "D", "junctional escape complex(es)"),
    "50": ("AF", "E", "atrial fibrillation"),
    "51": ("AFL", "E", "atrial flutter"),
    "54": ("JTach", "E", "junctional tachycardia"),
    "60": ("PVC", "F", "ventricular premature complex(es)"),
    "80": ("SPRI", "H", "short PR interval"),
    "81": ("AVN:D", "H", "AV conduction ratio N:D"),
    "82": ("LPR", "H", "prolonged PR interval"),
    "83": ("MoI", "H", "second-degree AV block, Mobitz type I (Wenckebach)"),
    "84": ("IIAVBII", "H", "second-degree AV block, Mobitz type II"),
    "85": ("AVB2:1", "H", "2:1 AV block"),
    "86": ("AVBvar", "H", "AV block, varying conduction"),
    "87": ("AVBadv", "H", "AV block, advanced (high-grade)"),
    "88": ("CHB", "H", "AV block, complete (third-degree)"),
    "101": ("LAnFB", "I", "left anterior fascicular block"),
    "102": ("LPFB", "I", "left posterior fascicular block"),
    "104": ("LBBB", "I", "left bundle-branch block"),
    "105": ("IRBBB", "I", "incomplete right bundle-branch block"),
    "106": ("RBBB", "I", "right bundle-branch block"),
    "108": ("VPEx", "I", "ventricular preexcitation"),
    "120": ("RAD", "J", "right-axis deviation"),
    "121": ("LAD", "J", "left-axis deviation"),
    "125": ("LQRSV", "J", "low voltage"),
    "140": ("LAE", "K", "left atrial enlargement"),
    "142": ("LVH", "K", "left ventricular hypertrophy"),
    "143": ("RVH", "K", "right ventricular hypertrophy"),
    "145": ("STdev", "L", "ST deviation"),
    "146": ("ST-T", "L", "ST deviation with T-wave change"),
    "147": ("TAb", "L", "T-wave abnormality"),
    "148": ("LQT", "L", "prolonged QT interval"),
    "152": ("TU", "L", "TU fusion"),
    "153": ("ST-T-VH", "L", "ST-T change due to ventricular hypertrophy"),
    "155": ("ERe", "L", "early repolarization"),
    "160": ("AnMI", "M", "anterior myocardial infarction"),
    "161": ("IMI", "M", "inferior myocardial infarction"),
    "165": ("ASMI", "M", "anteroseptal myocardial infarction"),
    "166": ("ExAnMI", "M", "extensive anterior myocardial infarction"),
}
"""Of each statement a short name (the challenges' where they have one), its category, and words."""

CATEGORIES: dict[str, str] = {
    "A": "normal",
    "C": "sinus rhythms",
    "D": "supraventricular arrhythmias",
    "E": "supraventricular tachyarrhythmias",
    "F": "ventricular arrhythmias",
    "H": "AV conduction",
    "I": "ventricular conduction",
    "J": "axis and voltage",
    "K": "hypertrophy and enlargement",
    "L": "ST, T and U",
    "M": "infarction",
}
"""The categories of which SPH has statements, by their letters, in short words."""

_OF_ONE_VOCABULARY = frozenset(
    {"AVN:D", "AVB2:1", "AVBvar", "AVBadv", "STdev", "ST-T", "TU", "ST-T-VH", "IMI", "ASMI", "ExAnMI"}
)

AHA = Vocabulary(
    "aha",
    {code: name for code, (name, _, _) in AHA_STATEMENTS.items() if name not in _OF_ONE_VOCABULARY},
)


def statement_classes() -> tuple[LabelClass, ...]:
    """Return a class for each of the 44 statements."""
    return tuple(LabelClass(name, frozenset({code})) for code, (name, _, _) in AHA_STATEMENTS.items())


def statement_group_classes() -> tuple[LabelClass, ...]:
    """Return a class for each category, which any of its statements makes."""
    return tuple(
        LabelClass(words, frozenset(code for code, (_, own, _) in AHA_STATEMENTS.items() if own == letter))
        for letter, words in CATEGORIES.items()
    )


def parse_statements(cell: str) -> tuple[str, ...]:
    """Return the statements of `60+310;147`, without their modifiers, each once: `("60", "147")`."""
    statements = (statement.partition("+")[0].strip() for statement in cell.split(";"))
    return tuple(dict.fromkeys(statement for statement in statements if statement))
