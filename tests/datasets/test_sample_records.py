"""The readers on real records: what is published is what is read."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecg_tl.datasets import get_dataset
from ecg_tl.datasets.base import EcgDataset, Scan
from ecg_tl.datasets.ludb import Ludb
from ecg_tl.datasets.scp_statements import SCP_STATEMENTS
from ecg_tl.datasets.snomed import CHALLENGE_EQUIVALENCES, SNOMED_CODES
from ecg_tl.errors import DatasetError
from ecg_tl.recordings.wfdb_recording import read_wfdb
from ecg_tl.signals import LEADS, select_leads

pytestmark = pytest.mark.realdata


def positives(
    dataset: EcgDataset, scan: Scan, task: str | None = None, root: Path | None = None
) -> dict[str, int]:
    rule = dataset.label_rule(task, root)
    counts = rule.targets(scan.records["codes"]).sum(axis=0).astype(int).tolist()
    return dict(zip(rule.class_names, counts, strict=True))


def test_ptbxl_labels_and_folds(sample_data: Path) -> None:
    dataset = get_dataset("ptbxl")
    scan = dataset.scan(sample_data / "ptb-xl")
    assert len(scan.records) == 2054
    assert positives(dataset, scan) == {"NORM": 982, "MI": 455, "STTC": 480, "HYP": 230, "CD": 402}
    labelled = {
        task: int((dataset.label_rule(task).targets(scan.records["codes"]).sum(axis=1) > 0).sum())
        for task in ("superdiagnostic", "form", "rhythm")
    }
    assert labelled == {"superdiagnostic": 2054 - 41, "form": 780, "rhythm": 1970}
    folds = Counter(scan.records["fold"])
    assert (sum(folds[fold] for fold in range(1, 9)), folds[9], folds[10]) == (1542, 333, 179)
    assert not dataset.label_rule().unknown_codes(scan.records["codes"])
    assert scan.records.groupby("patient_id")["fold"].nunique().max() == 1


def test_ptbxl_records_at_both_rates_are_the_same_hearts(sample_data: Path) -> None:
    root = sample_data / "ptb-xl"
    for rate in (500, 100):
        dataset = get_dataset("ptbxl", source_rate=rate)
        row = dataset.scan(root).records.iloc[0]
        recording = dataset.read(root, row["path"])
        assert recording.leads == LEADS
        assert recording.values.shape == (12, row["length"])
        assert recording.sampling_rate == row["sampling_rate"] == rate


def test_embedded_scp_statements_are_the_published_ones(sample_data: Path) -> None:
    table = pd.read_csv(sample_data / "ptb-xl/scp_statements.csv", index_col=0)
    published = []
    for code, row in table.iterrows():
        letters = (("D", "diagnostic"), ("F", "form"), ("R", "rhythm"))
        kinds = "".join(letter for letter, column in letters if row[column] == 1)
        groups = [None if pd.isna(row[c]) else row[c] for c in ("diagnostic_class", "diagnostic_subclass")]
        published.append((code, row["description"], kinds, *groups))
    assert [(s.code, s.description, s.kinds, s.superclass, s.subclass) for s in SCP_STATEMENTS] == published


def test_embedded_snomed_codes_are_the_challenges(sample_data: Path) -> None:
    published: dict[str, str] = {}
    groups = set()
    for file in sorted((sample_data / "cinc2020/tables").glob("*/dx_mapping_*.csv")):
        table = pd.read_csv(file, dtype=str).rename(columns={"SNOMED CT Code": "SNOMEDCTCode"})
        published.update(zip(table["SNOMEDCTCode"], table["Abbreviation"].str.strip(), strict=True))
        for note in table.get("Notes", pd.Series(dtype=str)).dropna():
            groups.add(frozenset(re.findall(r"\d{8,}", note)))
    assert {code: abbreviation for code, (abbreviation, _) in SNOMED_CODES.items()} == published
    assert groups == set(CHALLENGE_EQUIVALENCES)


def test_ludb_labels(sample_data: Path) -> None:
    dataset, root = get_dataset("ludb"), sample_data / "ludb"
    scan = dataset.scan(root)
    assert len(scan.records) == 200
    assert not scan.left_out
    assert positives(dataset, scan, root=root) == {
        **{"SB": 25, "AF": 15, "LVH": 108, "LAH": 102, "LAD": 66},
        **{"IRBBB": 29, "LAFB": 16, "IAVB": 10, "ISCH": 51},
    }
    recording = dataset.read(root, scan.records["path"][0])
    assert recording.leads == LEADS
    assert recording.values.shape == (12, 5000)


def test_ptb_records_have_fifteen_leads(sample_data: Path) -> None:
    dataset, root = get_dataset("ptb"), sample_data / "ptbdb"
    scan = dataset.scan(root)
    assert positives(dataset, scan) == {"NORM": 0, "MI": 3}
    assert set(scan.records["patient_id"]) == {"patient001"}
    for path in scan.records["path"]:
        recording = dataset.read(root, path)
        assert recording.leads == (*LEADS, "vx", "vy", "vz")
        assert 0.1 < np.median(np.abs(recording.values).max(axis=1)) < 20


@pytest.mark.parametrize(("name", "count"), [("cpsc2018", 21), ("georgia", 22)])
def test_challenge_records_are_found_and_their_codes_known(sample_data: Path, name: str, count: int) -> None:
    dataset = get_dataset(name)
    scan = dataset.scan(sample_data / "cinc2020")
    assert len(scan.records) == count
    assert not scan.left_out
    assert not dataset.label_rule().unknown_codes(scan.records["codes"])


def test_all_challenge_files_read_with_plausible_amplitudes_and_lead_relations(sample_data: Path) -> None:
    headers = sorted((sample_data / "cinc2020").rglob("*.hea"))
    assert len(headers) == 97
    for path in headers:
        recording = read_wfdb(path.with_suffix(""))
        values = np.nan_to_num(select_leads(recording, LEADS, path))
        assert 0.1 < np.median(np.abs(values).max(axis=1)) < 20, path
        residual = values[2] - (values[1] - values[0])  # Einthoven: III = II - I
        assert np.abs(residual).mean() < 0.05, path


def test_code_labels_without_tracings_are_one_error(sample_data: Path) -> None:
    with pytest.raises(DatasetError, match=r"ecg_tracings\.hdf5: found no such file"):
        get_dataset("code_test").scan(sample_data / "code-test")


@pytest.mark.slow
@pytest.mark.realdata
def test_ludbs_steps_obey_the_limb_leads_and_its_headers_gains_are_extents(sample_data: Path) -> None:
    root = sample_data / "ludb"
    for number in range(1, 201):
        values = Ludb().read(root, f"data/{number}").values.astype(np.float64)
        np.testing.assert_allclose(values[2], values[1] - values[0], atol=1e-6)
        scaled = Ludb(amplitude="header").read(root, f"data/{number}").values
        np.testing.assert_allclose(np.ptp(scaled, axis=1), 1.0, atol=1e-5)
