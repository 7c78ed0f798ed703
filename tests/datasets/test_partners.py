"""Which collections hold each other's recordings."""

from __future__ import annotations

import pytest

import ecg_tl
from ecg_tl.datasets import DATASETS
from ecg_tl.datasets.cinc2021 import COLLECTIONS
from ecg_tl.datasets.partners import DECLARED, PARTNERS, datasets_declared, partners_of, same_records


def test_every_partner_is_a_dataset_and_every_pair_is_there_once() -> None:
    pairs = [frozenset({pair.whole, pair.part}) for pair in PARTNERS]
    assert len(set(pairs)) == len(pairs)
    assert frozenset().union(*pairs) <= set(DATASETS)
    assert set(partners_of("cinc2021")) == set(COLLECTIONS)
    assert partners_of("ptbxl") == {"cinc2021": "HR00001 is ecg_id 1"}
    assert partners_of("custom") == {}


@pytest.mark.parametrize(
    ("whole_id", "part", "part_id"),
    [
        ("HR00001", "ptbxl", "1"),
        ("HR21837", "ptbxl", "21837"),
        ("A0001", "cpsc2018", "A0001"),
        ("Q0001", "cpsc_extra", "Q0001"),
        ("E00001", "georgia", "E00001"),
        ("I0001", "incart", "I0001"),
        ("JS00001", "chapman", "JS00001"),
        ("JS23074", "ningbo", "JS23074"),
        ("S23074", "ningbo", "JS23074"),
    ],
)
def test_a_record_has_its_name_in_the_other_collection(whole_id: str, part: str, part_id: str) -> None:
    assert part_id in same_records("cinc2021", whole_id, part)
    assert whole_id in same_records(part, part_id, "cinc2021")


def test_records_of_other_collections_and_those_that_ids_do_not_tell_are_not_named() -> None:
    assert same_records("cinc2021", "E00001", "ptbxl") == set()
    assert same_records("cinc2021", "S0001", "ptb") == set()
    assert same_records("ptb", "patient001/s0010_re", "cinc2021") == set()
    assert same_records("georgia", "E00001", "ptbxl") == set()
    assert same_records("ludb", "1", "ludb") == {"1"}


def test_what_publications_call_a_collection_is_found_with_those_that_hold_it() -> None:
    assert datasets_declared("PTB-XL folds 1-8") == {"ptbxl", "cinc2021"}
    assert datasets_declared("HEEDB") == set()
    assert datasets_declared("MIMIC-IV-ECG") == {"mimic_iv_ecg"}
    assert datasets_declared("CODE") == {"code15"}  # which is 15 % of it
    assert all(set(names) <= set(DATASETS) for names in DECLARED.values())
    named = {name for upstream in ecg_tl.list_upstreams() for name in ecg_tl.upstream(upstream).trained_on}
    assert {name for name in named if datasets_declared(name)} >= {"PTB-XL folds 1-8", "Ningbo", "INCART"}
