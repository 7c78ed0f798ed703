"""The 71 SCP-ECG statements that PTB-XL's cardiologists used, and what kind each one is.

Source: `scp_statements.csv` of PTB-XL 1.0.3 (Wagner et al., Scientific Data 7, 154, 2020; CC BY 4.0), in that
file's order.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecg_tl.datasets.vocabulary import Vocabulary


@dataclass(frozen=True)
class ScpStatement:
    """One statement.

    Attributes:
        code: As `ptbxl_database.csv` writes it.
        description: In words.
        kinds: Letters out of `D` (diagnostic), `F` (form) and `R` (rhythm); four statements have two.
        superclass: Of a diagnostic statement: NORM, MI, STTC, HYP or CD.
        subclass: Of a diagnostic statement: one of 23.
    """

    code: str
    description: str
    kinds: str
    superclass: str | None = None
    subclass: str | None = None


SUPERCLASSES: tuple[str, ...] = ("NORM", "MI", "STTC", "HYP", "CD")
"""The five superclasses, in the order that the field lists them in."""

SCP_STATEMENTS: tuple[ScpStatement, ...] = (
    ScpStatement("NDT", "non-diagnostic T abnormalities", "DF", "STTC", "STTC"),
    ScpStatement("NST_", "non-specific ST changes", "DF", "STTC", "NST_"),
    ScpStatement("DIG", "digitalis-effect", "DF", "STTC", "STTC"),
    ScpStatement("LNGQT", "long QT-interval", "DF", "STTC", "STTC"),
    ScpStatement("NORM", "normal ECG", "D", "NORM", "NORM"),
    ScpStatement("IMI", "inferior myocardial infarction", "D", "MI", "IMI"),
    ScpStatement("ASMI", "anteroseptal myocardial infarction", "D", "MI", "AMI"),
    ScpStatement("LVH", "left ventricular hypertrophy", "D", "HYP", "LVH"),
    ScpStatement("LAFB", "left anterior fascicular block", "D", "CD", "LAFB/LPFB"),
    ScpStatement("ISC_", "non-specific ischemic", "D", "STTC", "ISC_"),
    ScpStatement("IRBBB", "incomplete right bundle branch block", "D", "CD", "IRBBB"),
    ScpStatement("1AVB", "first degree AV block", "D", "CD", "_AVB"),
    ScpStatement("IVCD", "non-specific intraventricular conduction disturbance (block)", "D", "CD", "IVCD"),
    ScpStatement("ISCAL", "ischemic in anterolateral leads", "D", "STTC", "ISCA"),
    ScpStatement("CRBBB", "complete right bundle branch block", "D", "CD", "CRBBB"),
    ScpStatement("CLBBB", "complete left bundle branch block", "D", "CD", "CLBBB"),
    ScpStatement("ILMI", "inferolateral myocardial infarction", "D", "MI", "IMI"),
    ScpStatement("LAO/LAE", "left atrial overload/enlargement", "D", "HYP", "LAO/LAE"),
    ScpStatement("AMI", "anterior myocardial infarction", "D", "MI", "AMI"),
    ScpStatement("ALMI", "anterolateral myocardial infarction", "D", "MI", "AMI"),
    ScpStatement("ISCIN", "ischemic in inferior leads", "D", "STTC", "ISCI"),
    ScpStatement("INJAS", "subendocardial injury in anteroseptal leads", "D", "MI", "AMI"),
    ScpStatement("LMI", "lateral myocardial infarction", "D", "MI", "LMI"),
    ScpStatement("ISCIL", "ischemic in inferolateral leads", "D", "STTC", "ISCI"),
    ScpStatement("LPFB", "left posterior fascicular block", "D", "CD", "LAFB/LPFB"),
    ScpStatement("ISCAS", "ischemic in anteroseptal leads", "D", "STTC", "ISCA"),
    ScpStatement("INJAL", "subendocardial injury in anterolateral leads", "D", "MI", "AMI"),
    ScpStatement("ISCLA", "ischemic in lateral leads", "D", "STTC", "ISCA"),
    ScpStatement("RVH", "right ventricular hypertrophy", "D", "HYP", "RVH"),
    ScpStatement("ANEUR", "ST-T changes compatible with ventricular aneurysm", "D", "STTC", "STTC"),
    ScpStatement("RAO/RAE", "right atrial overload/enlargement", "D", "HYP", "RAO/RAE"),
    ScpStatement("EL", "electrolytic disturbance or drug (former EDIS)", "D", "STTC", "STTC"),
    ScpStatement("WPW", "Wolf-Parkinson-White syndrome", "D", "CD", "WPW"),
    ScpStatement("ILBBB", "incomplete left bundle branch block", "D", "CD", "ILBBB"),
    ScpStatement("IPLMI", "inferoposterolateral myocardial infarction", "D", "MI", "IMI"),
    ScpStatement("ISCAN", "ischemic in anterior leads", "D", "STTC", "ISCA"),
    ScpStatement("IPMI", "inferoposterior myocardial infarction", "D", "MI", "IMI"),
    ScpStatement("SEHYP", "septal hypertrophy", "D", "HYP", "SEHYP"),
    ScpStatement("INJIN", "subendocardial injury in inferior leads", "D", "MI", "IMI"),
    ScpStatement("INJLA", "subendocardial injury in lateral leads", "D", "MI", "AMI"),
    ScpStatement("PMI", "posterior myocardial infarction", "D", "MI", "PMI"),
    ScpStatement("3AVB", "third degree AV block", "D", "CD", "_AVB"),
    ScpStatement("INJIL", "subendocardial injury in inferolateral leads", "D", "MI", "IMI"),
    ScpStatement("2AVB", "second degree AV block", "D", "CD", "_AVB"),
    ScpStatement("ABQRS", "abnormal QRS", "F"),
    ScpStatement("PVC", "ventricular premature complex", "F"),
    ScpStatement("STD_", "non-specific ST depression", "F"),
    ScpStatement("VCLVH", "voltage criteria (QRS) for left ventricular hypertrophy", "F"),
    ScpStatement("QWAVE", "Q waves present", "F"),
    ScpStatement("LOWT", "low amplitude T-waves", "F"),
    ScpStatement("NT_", "non-specific T-wave changes", "F"),
    ScpStatement("PAC", "atrial premature complex", "F"),
    ScpStatement("LPR", "prolonged PR interval", "F"),
    ScpStatement("INVT", "inverted T-waves", "F"),
    ScpStatement("LVOLT", "low QRS voltages in the frontal and horizontal leads", "F"),
    ScpStatement("HVOLT", "high QRS voltage", "F"),
    ScpStatement("TAB_", "T-wave abnormality", "F"),
    ScpStatement("STE_", "non-specific ST elevation", "F"),
    ScpStatement("PRC(S)", "premature complex(es)", "F"),
    ScpStatement("SR", "sinus rhythm", "R"),
    ScpStatement("AFIB", "atrial fibrillation", "R"),
    ScpStatement("STACH", "sinus tachycardia", "R"),
    ScpStatement("SARRH", "sinus arrhythmia", "R"),
    ScpStatement("SBRAD", "sinus bradycardia", "R"),
    ScpStatement("PACE", "normal functioning artificial pacemaker", "R"),
    ScpStatement("SVARR", "supraventricular arrhythmia", "R"),
    ScpStatement("BIGU", "bigeminal pattern (unknown origin, SV or Ventricular)", "R"),
    ScpStatement("AFLT", "atrial flutter", "R"),
    ScpStatement("SVTAC", "supraventricular tachycardia", "R"),
    ScpStatement("PSVT", "paroxysmal supraventricular tachycardia", "R"),
    ScpStatement("TRIGU", "trigeminal pattern (unknown origin, SV or Ventricular)", "R"),
)

SCP = Vocabulary(
    "scp",
    {
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
    },
)
"""Of the statements that other vocabularies name as well, the diagnosis."""
