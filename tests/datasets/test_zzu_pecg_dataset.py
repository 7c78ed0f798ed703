from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ecg_tl.datasets.zzu_pecg import ZzuPecg, _codes
from ecg_tl.errors import DatasetError
from ecg_tl.signals import LEADS
from ecg_tl.store.build import prepare
from ecg_tl.store.settings import StoreSettings
from ecg_tl.synthesis import synthesize

HEAD = "Filename,ECG_ID,Patient_ID,Age,Gender,Sampling_point,Lead,AHA_code,ICD-10 code"
NINE = tuple(lead for lead in LEADS if lead not in ("V2", "V4", "V6"))


@pytest.mark.parametrize(
    ("findings", "diseases", "codes"),
    [
        ("'C22'", "Null", ("22",)),
        ("'L145+Modifier362';'C22';'C22'", "", ("145", "22")),
        (
            "'Left ventricular high voltage';'L147'",
            "'I40.0'",
            ("Left ventricular high voltage", "147", "I40"),
        ),
        ("'A1'", "'(FO) Q21.1';'I47.1'", ("1", "Q21", "I47")),
        ("'Suggests208'", "See attribute dictionary file", ("Suggests208", "See attribute dictionary file")),
    ],
)
def test_packed_cells_become_codes(findings: str, diseases: str, codes: tuple[str, ...]) -> None:
    assert _codes(findings, diseases) == codes


def test_a_row_of_quoted_cells_and_ages_in_days(tmp_path: Path, write_wfdb: Callable[..., Path]) -> None:
    row = "P00/P00001/P00001_E01,P00001_E01,P00001,572d,'Female',1000,9,'C22','(FO) Q21.1'"
    (tmp_path / "AttributesDictionary.csv").write_text(f"{HEAD}\n{row}\n")
    names = [lead.upper() for lead in NINE]
    write_wfdb(
        tmp_path / "Child_ecg/P00/P00001/P00001_E01",
        leads=names,
        gains=[f"{42444.15 + k:.6f}(-13120)/mV" for k in range(9)],
    )
    record = ZzuPecg().scan(tmp_path).records.iloc[0]
    assert (record["record_id"], record["patient_id"], record["sex"]) == ("P00001_E01", "P00001", "F")
    assert record["age"] == pytest.approx(572 / 365.25)
    assert (record["length"], record["leads"]) == (1000, 9)
    assert record["codes"] == ("22", "Q21")
    recording = ZzuPecg().read(tmp_path, record["path"])
    assert recording.leads == NINE  # what is seventh is V1, and what follows V3


def test_diseases_are_groups_of_icd10_categories() -> None:
    rule = ZzuPecg().label_rule("diseases")
    assert rule.class_names == ("congenital", "myocarditis", "cardiomyopathy", "Kawasaki")
    codes = [("Q21",), ("I40", "Q25"), ("M30",), ("I47",)]
    assert rule.targets(codes).tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert rule.unknown_codes([("I47", "22", "in words")]) == {"in words": 1}


@pytest.mark.slow
def test_records_of_nine_leads_are_left_out_of_twelve_and_all_are_in_nine(tmp_path: Path) -> None:
    root = tmp_path / "x"
    synthesize("zzu_pecg", root, 16, seed=2, progress=False)
    table = ZzuPecg().scan(root).records
    nine = int((table["leads"] == 9).sum())
    assert 0 < nine < 16
    size = {"sampling_rate": 50.0, "num_samples": 250}
    of_twelve = prepare(ZzuPecg(), root, tmp_path / "s", StoreSettings(**size), workers=1, progress=False)
    assert len(of_twelve) == 16 - nine
    of_nine = prepare(
        ZzuPecg(), root, tmp_path / "s", StoreSettings(leads=NINE, **size), workers=1, progress=False
    )
    assert len(of_nine) == 16


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [(",1000,", ",,", "Sampling_point"), (",9,", ",nine,", "Lead"), ("P00/", "../P00/", "Filename")],
)
def test_cells_that_say_nothing_are_one_error(tmp_path: Path, old: str, new: str, column: str) -> None:
    row = "P00/P00001/P00001_E01,P00001_E01,P00001,572d,'Female',1000,9,'C22',Null".replace(old, new, 1)
    (tmp_path / "AttributesDictionary.csv").write_text(f"{HEAD}\n{row}\n")
    with pytest.raises(DatasetError, match=f"in column {column} of row 1"):
        ZzuPecg().scan(tmp_path)
