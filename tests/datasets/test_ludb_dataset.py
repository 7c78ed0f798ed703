from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecg_tl.datasets.ludb import Ludb
from ecg_tl.errors import DatasetError, SettingError

COLUMNS = (
    "ID,Sex,Age,Rhythms,Electric axis of the heart,Conduction abnormalities,Extrasystolies,Hypertrophies,"
    "Cardiac pacing,Ischemia,Non-specific repolarization abnormalities,Other states"
)
BRADYCARDIA = '{},"F\n","51\n",Sinus bradycardia,Electric axis of the heart: left axis deviation,,,{},,{},,'
RHYTHM = '{},"M\n",">89\n",Sinus rhythm,,,,,,,,'


@pytest.fixture
def layout(tmp_path: Path, write_wfdb: Callable[..., Path]) -> Callable[..., Path]:
    def write(*rows: str) -> Path:
        (tmp_path / "ludb.csv").write_text("\n".join([COLUMNS, *rows]) + "\n")
        leads = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")
        gains = [f"{1000 + 10 * lead}({lead - 6})/mV" for lead in range(12)]
        for number in range(1, len(rows) + 1):
            write_wfdb(tmp_path / f"data/{number}", leads=leads, gains=gains)
        return tmp_path

    return write


def bradycardia(number: int, hypertrophies: str = "", ischemia: str = "") -> str:
    return BRADYCARDIA.format(number, f'"{hypertrophies}"', f'"{ischemia}"')


def test_cells_with_line_breaks_are_one_value_or_a_list(layout: Callable[..., Path]) -> None:
    hypertrophies = "Left ventricular overload\nLeft ventricular hypertrophy"
    table = Ludb().scan(layout(bradycardia(1, hypertrophies), RHYTHM.format(2))).records
    assert table["codes"][0] == (
        "Sinus bradycardia",
        "Electric axis of the heart: left axis deviation",
        "Left ventricular overload",
        "Left ventricular hypertrophy",
    )
    assert table["sex"].tolist() == ["F", "M"]
    assert table["age"].tolist() == [51.0, 90.0]
    assert table["patient_id"].tolist() == ["1", "2"]


@pytest.mark.parametrize(
    "statement",
    [
        "Ischemia: inferior wall",
        "Stemi: septal",
        "Scar formation: apical",
        "Undefined ischemia/scar/supp.nstemi: lateral wall",
    ],
)
def test_any_statement_of_ischemia_infarction_or_scar_is_one_class(
    layout: Callable[..., Path], statement: str
) -> None:
    root = layout(bradycardia(1, ischemia=statement), RHYTHM.format(2))
    rule = Ludb(min_records=1).label_rule(root=root)
    assert rule.class_names == ("SB", "LAD", "ISCH")
    np.testing.assert_array_equal(rule.targets(Ludb().scan(root).records["codes"]), [[1, 1, 1], [0, 0, 0]])


def test_classes_with_few_records_are_left_out_and_their_statements_stay_known(
    layout: Callable[..., Path],
) -> None:
    lvh = "Left ventricular hypertrophy"
    root = layout(bradycardia(1, lvh), bradycardia(2, lvh), bradycardia(3))
    rule = Ludb(min_records=3).label_rule(root=root)
    assert rule.class_names == ("SB", "LAD")
    codes = Ludb().scan(root).records["codes"]
    assert not rule.unknown_codes(codes)
    assert lvh in rule.known_codes


def test_all_nine_classes_need_no_files() -> None:
    classes = Ludb(min_records=0).label_rule().class_names
    assert classes == ("SB", "AF", "LVH", "LAH", "LAD", "IRBBB", "LAFB", "IAVB", "ISCH")


def test_counting_without_a_root_is_refused() -> None:
    with pytest.raises(SettingError, match="no root"):
        Ludb().label_rule()


def test_no_class_with_enough_records_is_one_error(layout: Callable[..., Path]) -> None:
    with pytest.raises(DatasetError, match="no class with 10 records"):
        Ludb().label_rule(root=layout(RHYTHM.format(1)))


def test_a_step_is_a_microvolt_whatever_the_header_says(
    layout: Callable[..., Path], make_steps: Callable[..., np.ndarray]
) -> None:
    recording = Ludb().read(layout(RHYTHM.format(1)), "data/1")
    assert recording.leads[3:6] == ("aVR", "aVL", "aVF")
    np.testing.assert_allclose(recording.values, make_steps() / 1000, atol=1e-6)


def test_the_two_readings_of_the_amplitude_do_not_share_a_store() -> None:
    assert Ludb().options != Ludb(amplitude="header").options


def test_an_unknown_reading_of_the_amplitude_is_refused() -> None:
    with pytest.raises(SettingError, match="'steps' or 'header'"):
        Ludb(amplitude="gain")  # type: ignore[arg-type]  # as a config could


def test_leads_have_their_own_gain_and_baseline_in_the_header(
    layout: Callable[..., Path], make_steps: Callable[..., np.ndarray]
) -> None:
    recording = Ludb(amplitude="header").read(layout(RHYTHM.format(1)), "data/1")
    lead = np.arange(12)[:, None]
    np.testing.assert_allclose(recording.values, (make_steps() - (lead - 6)) / (1000 + 10 * lead), atol=1e-6)


def test_row_without_its_header_is_left_out(layout: Callable[..., Path]) -> None:
    root = layout(bradycardia(1), RHYTHM.format(2))
    (root / "data/2.hea").unlink()
    scan = Ludb().scan(root)
    assert scan.records["record_id"].tolist() == ["1"]
    assert [left.record_id for left in scan.left_out] == ["2"]


def test_missing_table_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"ludb\.csv: found no such file"):
        Ludb().scan(tmp_path)
