from __future__ import annotations

from itertools import combinations

import pytest

from ecg_tl.datasets import DATASETS, get_dataset
from ecg_tl.datasets.base import LabelClass
from ecg_tl.datasets.diagnoses import class_concept, concept_of
from ecg_tl.datasets.ludb import LUDB_CLASSES
from ecg_tl.datasets.scp_statements import SCP_STATEMENTS
from ecg_tl.datasets.snomed import CHALLENGE_EQUIVALENCES, SNOMED_CODES, with_equivalents


@pytest.mark.parametrize(
    ("concept", "names"),
    [
        ("LBBB", [("scp", "CLBBB"), ("snomed", "733534002"), ("snomed", "164909002"), ("code", "LBBB")]),
        ("RBBB", [("scp", "CRBBB"), ("snomed", "713427006"), ("snomed", "59118001"), ("code", "RBBB")]),
        ("AF", [("scp", "AFIB"), ("snomed", "164889003"), ("code", "AF"), ("ludb", "Atrial fibrillation")]),
        (
            "IAVB",
            [("scp", "1AVB"), ("snomed", "270492004"), ("code", "1dAVb"), ("ludb", "I degree av block")],
        ),
        ("SB", [("scp", "SBRAD"), ("snomed", "426177001"), ("code", "SB"), ("ludb", "Sinus bradycardia")]),
        ("STach", [("scp", "STACH"), ("snomed", "427084000"), ("code", "ST"), ("aha", "21")]),
        ("PAC", [("scp", "PAC"), ("snomed", "284470004"), ("snomed", "63593006")]),
        ("PVC", [("scp", "PVC"), ("snomed", "164884008"), ("snomed", "427172004"), ("snomed", "17338001")]),
        ("LAnFB", [("scp", "LAFB"), ("snomed", "445118002"), ("ludb", "Left anterior hemiblock")]),
        (
            "LAD",
            [
                ("snomed", "39732003"),
                ("ludb", "Electric axis of the heart: left axis deviation"),
                ("custom", "LAD"),
            ],
        ),
    ],
)
def test_names_of_one_diagnosis_meet(concept: str, names: list[tuple[str, str]]) -> None:
    assert {concept_of(system, code) for system, code in names} == {concept}


def test_complete_and_incomplete_blocks_stay_apart() -> None:
    assert len({concept_of("scp", code) for code in ("CRBBB", "IRBBB", "CLBBB", "ILBBB")}) == 4


def test_codes_of_one_vocabulary_alone_have_no_concept() -> None:
    assert concept_of("scp", "BIGU") is None
    assert concept_of("custom", "my finding") is None


def test_unknown_vocabulary_is_a_fault_of_the_program() -> None:
    with pytest.raises(KeyError):
        concept_of("icd11", "BC81.3")


def test_scp_statements_that_are_mapped_exist() -> None:
    codes = {statement.code for statement in SCP_STATEMENTS}
    assert len(codes) == 71
    assert sum(concept_of("scp", code) is not None for code in codes) == 41


def test_normal_is_one_concept_whatever_makes_it() -> None:
    for name in ("ptbxl", "cpsc2018", "georgia", "ptb", "code_test"):
        dataset = get_dataset(name)
        normal = next(c for c in dataset.label_rule().classes if c.name == "NORM")
        assert class_concept(dataset.vocabulary.name, normal) == "NORM"


def test_infarction_as_a_superclass_meets_infarction_as_a_reason() -> None:
    superclass = next(c for c in get_dataset("ptbxl").label_rule().classes if c.name == "MI")
    reason = next(c for c in get_dataset("ptb").label_rule().classes if c.name == "MI")
    assert class_concept("scp", superclass) == class_concept("ptb", reason) == "MI"


def test_class_of_several_diagnoses_stands_for_none() -> None:
    assert class_concept("ludb", next(c for c in LUDB_CLASSES if c.name == "ISCH")) is None
    assert class_concept("scp", LabelClass("x", frozenset({"AFIB", "AFLT"}))) is None


def test_every_class_of_the_papers_downstream_sets_has_a_concept_of_its_own() -> None:
    for name in ("cpsc2018", "georgia", "ptb", "code_test"):
        dataset = get_dataset(name)
        concepts = [class_concept(dataset.vocabulary.name, c) for c in dataset.label_rule().classes]
        assert None not in concepts
        assert len(set(concepts)) == len(concepts)


def test_a_vocabularys_name_is_that_of_one_alone() -> None:
    for one, other in combinations(DATASETS.values(), 2):
        assert (one.vocabulary.name == other.vocabulary.name) == (one.vocabulary is other.vocabulary)


def test_equivalences_are_the_challenges_and_of_known_codes() -> None:
    assert {frozenset(group) for group in CHALLENGE_EQUIVALENCES} == {
        frozenset({"59118001", "713427006"}),
        frozenset({"164909002", "733534002"}),
        frozenset({"284470004", "63593006"}),
        frozenset({"427172004", "17338001"}),
    }
    assert all(code in SNOMED_CODES for group in CHALLENGE_EQUIVALENCES for code in group)
    for group in CHALLENGE_EQUIVALENCES:
        assert len({concept_of("snomed", code) for code in group}) == 1
    assert with_equivalents(["59118001", "164889003"]) == {"59118001", "713427006", "164889003"}
