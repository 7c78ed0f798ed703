"""The store on published records; they are found by the environment variable `ECG_TL_SAMPLE_DATA`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecg_tl.datasets import get_dataset
from ecg_tl.store.build import prepare
from ecg_tl.store.check import check_dataset
from ecg_tl.store.encoding import decode
from ecg_tl.store.inspection import FindingKind
from ecg_tl.store.settings import StoreSettings

pytestmark = pytest.mark.realdata

PTBXL_DUPLICATES = [("137", "138"), ("143", "144"), ("145", "463"), ("456", "457"), ("459", "460")]


@pytest.mark.slow
def test_all_of_ptbxl_is_stored_and_its_duplicates_are_found(sample_data: Path, tmp_path: Path) -> None:
    store = prepare(get_dataset("ptbxl"), sample_data / "ptb-xl", tmp_path, StoreSettings(), progress=False)
    counts = store.manifest.counts
    assert (counts.scanned, counts.stored, counts.left_out) == (2054, 2054, 0)
    assert set(PTBXL_DUPLICATES) <= set(store.manifest.identical)
    assert list(store.manifest.duplicates) == PTBXL_DUPLICATES
    peaks = np.median(np.abs(decode(np.asarray(store.signals()[:200]))).max(axis=2))
    assert 0.5 < peaks < 2.0  # mV


@pytest.mark.slow
def test_ptbxl_passes_the_check_but_for_its_known_faults(sample_data: Path) -> None:
    report = check_dataset(get_dataset("ptbxl"), sample_data / "ptb-xl", progress=False)
    assert not report.has_errors
    assert [tuple(f.record_id.split(", ")) for f in report.of_kind(FindingKind.DUPLICATE)] == PTBXL_DUPLICATES
    across = {f.record_id: f.detail for f in report.of_kind(FindingKind.DUPLICATE)}["145, 463"]
    assert across == "different patients, in folds 1, 3"
    # Record 162 has a jump of 2.5 mV in one lead.
    assert [f.record_id for f in report.of_kind(FindingKind.LEAD_RELATIONS)] == ["162"]
    assert len(report.findings) == len(PTBXL_DUPLICATES) + 1


@pytest.mark.parametrize(
    ("name", "folder", "records"),
    [("cpsc2018", "cinc2020", 21), ("georgia", "cinc2020", 22), ("ptb", "ptbdb", 3)],
)
def test_good_records_of_other_datasets_pass(
    sample_data: Path, tmp_path: Path, name: str, folder: str, records: int
) -> None:
    report = check_dataset(get_dataset(name), sample_data / folder, progress=False)
    assert report.records == records
    assert report.findings == ()
    store = prepare(get_dataset(name), sample_data / folder, tmp_path, StoreSettings(), progress=False)
    assert len(store) == records
