from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecg_tl.datasets.icd10 import CIRCULATORY_BLOCKS, category_of
from ecg_tl.datasets.mimic_iv_ecg import MimicIvEcg
from ecg_tl.errors import DatasetError, SettingError
from ecg_tl.recordings import find_records, read_record
from ecg_tl.signals import LEADS, select_leads
from ecg_tl.synthesis import synthesize

ORDER = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
RECORDS = (
    "10000032,40689238,40689238,2180-07-23 08:44:00,files/p1000/p10000032/s40689238/40689238",
    "10000032,44458630,44458630,2180-07-23 09:54:00,files/p1000/p10000032/s44458630/44458630",
    "10000117,49036311,49036311,2181-03-04 17:14:00,files/p1000/p10000117/s49036311/49036311",
)
LABELS = (
    "40689238,F,52.0,3,\"['I4891', 'I2510', 'I252', 'E785']\",[]",
    "44458630,F,52.0,3,[],\"['I10']\"",
    "49036311,missing,,19,\"['R079', 'I5022']\",[]",
)


@pytest.fixture
def root(tmp_path: Path, write_wfdb: Callable[..., Path]) -> Path:
    (tmp_path / "record_list.csv").write_text(
        "\n".join(["subject_id,study_id,file_name,ecg_time,path", *RECORDS]) + "\n"
    )
    head = "study_id,gender,age,strat_fold,all_diag_all,ed_diag_ed"
    (tmp_path / "records_w_diag_icd10.csv").write_text("\n".join([head, *reversed(LABELS)]) + "\n")
    steps = np.arange(12)[:, None] * 10 + np.ones((1, 5000), dtype=np.int16)
    for row in RECORDS:
        write_wfdb(
            tmp_path / row.rpartition(",")[2], steps.astype(np.int16), leads=ORDER, gains="200.0(0)/mV"
        )
    return tmp_path


def test_labels_are_joined_by_study_and_folds_are_of_patients(root: Path) -> None:
    table = MimicIvEcg().scan(root).records
    assert table["record_id"].tolist() == ["40689238", "44458630", "49036311"]
    assert table["patient_id"].tolist() == ["10000032", "10000032", "10000117"]
    assert table["fold"].tolist() == [3, 3, 19]
    assert table["codes"].tolist() == [("I48", "I25", "E78"), (), ("R07", "I50")]
    assert table["sex"].tolist() == ["F", "F", None]
    assert np.isnan(table["age"][2])
    assert table["path"][0] == "files/p1000/p10000032/s40689238/40689238"


def test_a_record_without_a_coded_stay_has_no_answers(root: Path) -> None:
    table = MimicIvEcg().scan(root).records
    for task in ("blocks", "categories"):
        rule = MimicIvEcg().label_rule(task)
        targets = rule.targets_of(table)
        assert np.isnan(targets[1]).all()
        assert not np.isnan(targets[[0, 2]]).any()
        assert not rule.unknown_codes(table["codes"])
    positive = [name for name, on in zip(rule.class_names, targets[0], strict=True) if on]
    assert positive == ["I25", "I48"]
    blocks = MimicIvEcg().label_rule().targets_of(table)
    assert blocks[2].tolist() == [float("I50" in codes) for codes in CIRCULATORY_BLOCKS.values()]


def test_another_column_of_diagnoses(root: Path) -> None:
    dataset = MimicIvEcg(diagnoses="ed_diag_ed")
    assert dataset.scan(root).records["codes"].tolist() == [(), ("I10",), ()]
    assert dataset.options != MimicIvEcg().options
    with pytest.raises(SettingError, match="diagnoses of mimic_iv_ecg"):
        MimicIvEcg(diagnoses="all")  # type: ignore[arg-type]


def test_leads_are_taken_by_name_out_of_an_order_that_is_not_the_standard_one(root: Path) -> None:
    recording = MimicIvEcg().read(root, RECORDS[0].rpartition(",")[2])
    standard = select_leads(recording, LEADS, "here")
    # Columns 4 and 5 of the file are aVF and aVL.
    expected = (np.array([0, 1, 2, 3, 5, 4, 6, 7, 8, 9, 10, 11]) * 10 + 1) / 200
    np.testing.assert_allclose(standard[:, 0], expected, rtol=1e-6)


def test_without_the_table_of_labels_records_are_unlabelled_and_readable(root: Path) -> None:
    (root / "records_w_diag_icd10.csv").unlink()
    scan = MimicIvEcg().scan(root)
    assert np.isnan(MimicIvEcg().label_rule().targets_of(scan.records)).all()
    assert scan.records["fold"].isna().all()
    assert any("no labels and no folds" in note for note in scan.notes)


def test_records_of_the_demo_can_be_asked_about(tmp_path: Path) -> None:
    synthesize("mimic_iv_ecg", tmp_path / "x", 2, progress=False)
    found, _ = find_records([tmp_path / "x" / "files"])
    assert len(found) == 2
    recording = read_record(found[0]).recording
    assert recording.leads == ORDER
    assert recording.sampling_rate == 500.0


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("I4891", "I48"),
        ("I48.91", "I48"),
        ("i10", "I10"),
        ("I5A", "I5A"),
        ("Z992", "Z99"),
        ("427.31", None),
        ("", None),
    ],
)
def test_categories_of_codes(code: str, category: str | None) -> None:
    assert category_of(code) == category


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('F,52.0,3,"[', 'F,52.0,20,"[', "'20' in column strat_fold"),
        ("\"['R079', 'I5022']\"", "I50", "'I50' in column all_diag_all"),
        ("strat_fold", "fold", "no column strat_fold"),
    ],
)
def test_a_table_of_labels_that_says_nothing_is_one_error(root: Path, old: str, new: str, found: str) -> None:
    path = root / "records_w_diag_icd10.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DatasetError, match=found):
        MimicIvEcg().scan(root)
