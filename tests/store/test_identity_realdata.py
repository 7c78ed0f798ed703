"""Fingerprints of published records; they are found by the environment variable `ECG_TL_SAMPLE_DATA`.

`benchmarks/fingerprints.py` measures more, and takes longer.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecg_tl.datasets import get_dataset
from ecg_tl.datasets.base import EcgDataset
from ecg_tl.recordings.wfdb_recording import read_wfdb
from ecg_tl.store.identity import recording_fingerprint
from ecg_tl.store.matching import comparable, find_matches

pytestmark = pytest.mark.realdata

PTBXL_DUPLICATES = {("137", "138"), ("143", "144"), ("145", "463"), ("456", "457"), ("459", "460")}


def read(dataset: EcgDataset, root: Path, ids: set[str] | None = None) -> tuple[list[str], np.ndarray]:
    """Return ids and fingerprints of the records whose files are there."""
    names, prints = [], []
    for row in dataset.scan(root).records.to_dict("records"):
        name, path = str(row["record_id"]), str(row["path"])
        if (ids is None or name in ids) and (root / path).with_suffix(".hea").is_file():
            names.append(name)
            prints.append(recording_fingerprint(dataset.read(root, path)))
    return names, np.stack(prints)


@pytest.fixture(scope="module")
def low_rate(sample_data: Path) -> tuple[list[str], np.ndarray]:
    """PTB-XL's records100, of which the sample has 352."""
    return read(get_dataset("ptbxl", source_rate=100), sample_data / "ptb-xl")


def pairs_within(prints: np.ndarray) -> list[tuple[int, int]]:
    found = find_matches(prints, prints)
    return [
        (one, other)
        for one, other in zip(found.one.tolist(), found.other.tolist(), strict=True)
        if one < other
    ]


@pytest.fixture(scope="module")
def high_rate(sample_data: Path, low_rate: tuple[list[str], np.ndarray]) -> tuple[list[str], np.ndarray]:
    """The same of records500."""
    return read(get_dataset("ptbxl"), sample_data / "ptb-xl", set(low_rate[0]))


def test_both_published_rates_of_ptbxl_are_the_same_recordings(low_rate, high_rate) -> None:
    ids = low_rate[0]
    assert high_rate[0] == ids
    assert len(ids) == 352
    matches = find_matches(low_rate[1], high_rate[1])
    pairs = {(ids[one], ids[other]) for one, other in zip(matches.one, matches.other, strict=True)}
    twins = {*PTBXL_DUPLICATES, *((other, one) for one, other in PTBXL_DUPLICATES)}
    assert pairs == {(record_id, record_id) for record_id in ids} | twins
    assert matches.similarity.min() > 0.97


def test_the_published_duplicates_of_ptbxl_are_found_and_no_others(high_rate) -> None:
    ids, prints = high_rate
    assert {(ids[one], ids[other]) for one, other in pairs_within(prints)} == PTBXL_DUPLICATES


def test_ptb_is_found_in_the_challenges_collection(sample_data: Path) -> None:
    """`S0001` is PTB's s0010_re by the order of names, and not in the sample."""
    ids, prints = read(get_dataset("ptb"), sample_data / "ptbdb")
    headers = sorted((sample_data / "cinc2020" / "WFDB_PTB").glob("*.hea"))
    theirs = np.stack([recording_fingerprint(read_wfdb(path.with_suffix(""))) for path in headers])
    matches = find_matches(prints, theirs)
    assert {
        (ids[one], headers[other].stem) for one, other in zip(matches.one, matches.other, strict=True)
    } == {("patient001/s0014lre", "S0002"), ("patient001/s0016lre", "S0003")}


@pytest.mark.slow
def test_other_collections_have_nothing_of_ptbxl(sample_data: Path, high_rate) -> None:
    _, ludb = read(get_dataset("ludb"), sample_data / "ludb")
    headers = sorted((sample_data / "cinc2020").rglob("*.hea"))
    challenge = np.stack([recording_fingerprint(read_wfdb(path.with_suffix(""))) for path in headers])
    for prints in (ludb, challenge):
        assert comparable(prints).all()
        assert len(find_matches(high_rate[1], prints)) == len(pairs_within(prints)) == 0
    assert len(find_matches(ludb, challenge)) == 0
