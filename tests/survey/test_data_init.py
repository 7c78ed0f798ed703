"""`data init` on folders as people have them: what it finds, what it writes, what it asks back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from cart_files import ecg_steps, muse_xml, write_dicom

from ecg_tl.cli import main
from ecg_tl.datasets import get_dataset
from ecg_tl.errors import DatasetError, SettingError
from ecg_tl.signals import LEADS
from ecg_tl.survey import ColumnsSaid, dataset_config, survey_folder, write_dataset_yaml
from ecg_tl.synthesis.wfdb_files import HeaderStyle, signal_lines, write_header, write_samples

COUNT = 24
OF_EIGHT = [0, 1, *range(6, 12)]


def steps(number: int) -> np.ndarray:
    return ecg_steps(600, seed=number)


def write_wfdb(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_samples(path.with_suffix(".dat"), steps(number))
    lines = signal_lines(f"{path.name}.dat", LEADS, steps(number), HeaderStyle(), [200.0] * 12, [0] * 12)
    write_header(path.with_suffix(".hea"), 500, 600, lines)


def muse_with_excel(root: Path) -> Path:
    """A flat folder of MUSE XML and a workbook that names the files without their ending."""
    for number in range(COUNT):
        content = muse_xml(steps(number)[OF_EIGHT], per_bit="5", patient=f"P{number // 2}")
        (root / f"MUSE_{number:03}.xml").write_bytes(content)
    table = {
        "Test ID": [f"MUSE_{number:03}" for number in range(COUNT - 1)] + ["MUSE_999"],
        "MRN": [10_000_000 + number // 2 for number in range(COUNT)],
        "Age": [40 + number for number in range(COUNT)],
        "Sex": ["M", "F"] * (COUNT // 2),
        "AFIB": [True, False] * (COUNT // 2),
        "LVH": [0, 0, 1] * (COUNT // 3),
        "Paced": [0] * COUNT,
        "Comment": ["routine, nothing\nspecial"] * COUNT,
    }
    pd.DataFrame(table).to_excel(root / "export of cardiology.xlsx", index=False)
    return root


def dicom_by_patient(root: Path) -> Path:
    """A folder a patient, and a column of codes in a table as Excel writes it in Europe."""
    rows = []
    for number in range(COUNT):
        folder = root / f"P{number // 2:03}"
        folder.mkdir(exist_ok=True)
        write_dicom(folder / f"1.2.{number}.dcm", steps(number), patient=folder.name)
        codes = ("AFIB;LBBB", "NORM", "LBBB", "")[number % 4]
        rows.append(f'1.2.{number}.dcm;"{codes}";"Müller\r\nÄrztin"\r\n')
    text = "Datei;Diagnosis;Arzt\r\n" + "".join(rows)
    (root / "labels.csv").write_text(text, encoding="utf-8-sig", newline="")
    return root


def wfdb_with_tsv(root: Path) -> Path:
    """WFDB records in a folder below, and a table with tabs that names folds and sites."""
    lines = ["path\tsubject_id\tstrat_fold\thospital\tMI\tNORM"]
    for number in range(COUNT):
        write_wfdb(root / "records" / f"{number:05}", number)
        mi = number % 3 == 0
        lines.append(f"records/{number:05}.hea\ts{number // 2}\t{number % 10 + 1}\tA\t{mi:d}\t{not mi:d}")
    (root / "ecgs.tsv").write_text("\n".join(lines) + "\n")
    return root


FOLDERS: dict[str, Callable[[Path], Path]] = {
    "muse": muse_with_excel,
    "dicom": dicom_by_patient,
    "wfdb": wfdb_with_tsv,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLDERS)
def test_what_it_writes_reads_the_folder(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = FOLDERS[name](tmp_path)
    assert main(["data", "init", str(root)]) == 0
    printed = capsys.readouterr()
    assert "dataset.yaml" in printed.err
    assert "recordings" in printed.out
    config = yaml.safe_load((root / "dataset.yaml").read_text(encoding="utf-8"))["data"]
    assert config["class_path"] == "CustomDataModule"
    # Said where each row has one class, and never set: whether they exclude each other, no table says.
    text = (root / "dataset.yaml").read_text(encoding="utf-8")
    assert "single_choice" not in config["init_args"]
    assert ("# single_choice" in text, "has exactly one" in printed.out) == (name == "wfdb",) * 2
    uncommented = yaml.safe_load(text.replace("# single_choice", "single_choice"))["data"]["init_args"]
    assert uncommented.get("single_choice", False) is (name == "wfdb")
    settings = dict(config["init_args"])
    assert settings.pop("root") == str(root)
    settings.pop("num_samples")
    dataset = get_dataset("custom", **settings)
    scan = dataset.scan(root)
    recording = dataset.read(root, scan.records["path"][0])
    assert set(recording.leads) == set(LEADS)
    np.testing.assert_allclose(recording.values[recording.leads.index("V6")], steps(0)[11] * 0.005, atol=1e-6)
    assert scan.records["patient_id"].nunique() == COUNT // 2
    assert (scan.records["sampling_rate"] == 500).all()


@pytest.mark.slow
def test_a_folder_of_muse_and_a_workbook(tmp_path: Path) -> None:
    found = survey_folder(muse_with_excel(tmp_path))
    assert found.recordings.formats == {"GE MUSE XML": COUNT}
    assert found.recordings.seconds == {1.2: COUNT}
    assert found.columns.labels == {"AFIB": 12, "LVH": 8}
    assert found.columns.constant == ("Paced",)
    assert found.columns.others == ("Comment",)
    assert (found.columns.record, found.columns.patient) == ("Test ID", "MRN")
    assert found.without_recording == ("MUSE_999",)
    assert found.unnamed == ("MUSE_023.xml",)
    assert found.patients == 12
    settings = dataset_config(found)["init_args"]
    assert settings["label_columns"] == "AFIB,LVH"
    dataset = get_dataset("custom", **{k: v for k, v in settings.items() if k not in ("root", "num_samples")})
    scan = dataset.scan(tmp_path)
    assert [left.record_id for left in scan.left_out] == ["MUSE_999"]
    assert any("MUSE_023.xml" in note for note in scan.notes)
    assert scan.records["codes"].tolist()[:3] == [("AFIB",), (), ("AFIB", "LVH")]
    assert scan.records["patient_id"][0] == "10000000"


@pytest.mark.slow
def test_patients_are_folders_where_the_files_say_the_same(tmp_path: Path) -> None:
    found = survey_folder(dicom_by_patient(tmp_path))
    assert found.patient_pattern == "^([^/]+)/"
    assert found.columns.codes == "Diagnosis"
    assert found.columns.separator == ";"
    assert found.columns.code_counts == {"LBBB": 12, "AFIB": 6, "NORM": 6}
    settings = dataset_config(found)["init_args"]
    dataset = get_dataset("custom", **{k: v for k, v in settings.items() if k not in ("root", "num_samples")})
    scan = dataset.scan(tmp_path)
    assert scan.records["patient_id"].tolist()[:3] == ["P000", "P000", "P001"]
    assert dataset.label_rule(root=tmp_path).class_names == ("AFIB", "LBBB", "NORM")
    assert any("6 row(s) list no code" in note for note in scan.notes)


def test_folds_and_sites_of_a_table_with_tabs(tmp_path: Path) -> None:
    found = survey_folder(wfdb_with_tsv(tmp_path))
    settings = dataset_config(found)["init_args"]
    assert settings["fold_column"] == "strat_fold"
    assert settings["site_column"] == "hospital"
    dataset = get_dataset("custom", **{k: v for k, v in settings.items() if k not in ("root", "num_samples")})
    records = dataset.scan(tmp_path).records
    assert records["fold"].tolist()[:3] == [1, 2, 3]
    assert set(records["site"]) == {"A"}
    assert records["record_id"][0] == "records/00000"


def test_files_with_the_same_bytes_are_named(tmp_path: Path) -> None:
    root = muse_with_excel(tmp_path)
    (root / "copy.xml").write_bytes((root / "MUSE_003.xml").read_bytes())
    assert survey_folder(root).recordings.identical == (("MUSE_003.xml", "copy.xml"),)


def test_a_config_that_is_there_is_kept(tmp_path: Path) -> None:
    found = survey_folder(wfdb_with_tsv(tmp_path))
    path = write_dataset_yaml(found)
    path.write_text("mine")
    with pytest.raises(SettingError, match="--overwrite true"):
        write_dataset_yaml(found)
    assert path.read_text() == "mine"
    assert "data:" in write_dataset_yaml(found, overwrite=True).read_text()


def test_nobody_said_who_the_patients_are(tmp_path: Path) -> None:
    root = wfdb_with_tsv(tmp_path)
    table = (root / "ecgs.tsv").read_text()
    (root / "ecgs.tsv").write_text(table.replace("subject_id", "visit"))
    found = survey_folder(root)
    assert found.patients is None
    assert any("who the patients are" in note for note in found.notes)
    said = ColumnsSaid(patient="visit")
    assert survey_folder(root, said=said).patients == 12


def asked(root: Path, table: str) -> str:
    """What is asked back about a table of three records."""
    for number in range(3):
        write_wfdb(root / f"r{number}", number)
    (root / "t.csv").write_text(table)
    with pytest.raises(DatasetError) as caught:
        survey_folder(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ("a,b,AF\nr0,r1,1\nr1,r0,0\nr2,r2,1\n", "--record_column a"),
        ("file,AF\nx,1\ny,0\nz,1\n", "no table that names its recordings"),
        ("file,who\nr0,a\nr1,b\nr2,c\n", "--label_columns A,B"),
        ("file,AF,dx\nr0,1,a\nr1,0,b\nr2,1,c\n", "or --codes_column dx"),
        ("file,dx,rhythm\nr0,1,a\nr1,c,b\nr2,b,c\n", "dx, rhythm, each of which may list codes"),
        ("file,mrn,pid,AF\nr0,1,1,1\nr1,2,2,0\nr2,3,3,0\n", "--patient_column mrn"),
        ("", "no table that names its recordings"),
    ],
)
def test_what_may_be_several_things_is_asked(table: str, part: str, tmp_path: Path) -> None:
    assert part in asked(tmp_path, table)


def test_two_tables_that_fit_are_asked_about(tmp_path: Path) -> None:
    root = wfdb_with_tsv(tmp_path)
    (root / "b.csv").write_text((root / "ecgs.tsv").read_text().replace("\t", ","))
    with pytest.raises(DatasetError, match=r"--table b\.csv"):
        survey_folder(root)
    assert survey_folder(root, table="ecgs.tsv").rows == COUNT


def test_a_folder_without_recordings(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no recordings"):
        survey_folder(tmp_path)
    with pytest.raises(DatasetError, match="nothing"):
        survey_folder(tmp_path / "nowhere")


def test_no_recording_can_be_read(tmp_path: Path) -> None:
    root = muse_with_excel(tmp_path)
    for path in root.glob("*.xml"):
        path.write_bytes(path.read_bytes().replace(b"MICROVOLTS", b"PARSECS"))
    with pytest.raises(DatasetError, match="PARSECS"):
        survey_folder(root)


def test_from_python_it_does_the_same(tmp_path: Path) -> None:
    import ecg_tl

    found, path = ecg_tl.init_data(wfdb_with_tsv(tmp_path), site_column="hospital")
    assert path == tmp_path / "dataset.yaml"
    assert found.patients == COUNT // 2
    data = yaml.safe_load(path.read_text(encoding="utf-8"))["data"]
    module = ecg_tl.datamodule("custom", **data["init_args"])
    assert module.class_names == ["MI", "NORM"]


def test_a_study_takes_the_config(tmp_path: Path) -> None:
    from ecg_tl.study.design.settings import read_study

    path = write_dataset_yaml(survey_folder(wfdb_with_tsv(tmp_path)))
    study = tmp_path / "study.yaml"
    study.write_text("name: s\nfolder: s\ndownstreams: {ours: {data: dataset.yaml}}\narms: {scratch: {}}\n")
    settings = read_study(study)
    assert settings.downstreams["ours"]["data"] == yaml.safe_load(path.read_text(encoding="utf-8"))["data"]
    study.write_text("name: s\nfolder: s\ndownstreams: {ours: {data: nowhere.yaml}}\narms: {scratch: {}}\n")
    with pytest.raises(SettingError, match=r"downstreams\.ours\.data: found nowhere\.yaml"):
        read_study(study)
    (tmp_path / "nowhere.yaml").write_text("model: {}")
    with pytest.raises(SettingError, match=r"without `data\.class_path`"):
        read_study(study)
