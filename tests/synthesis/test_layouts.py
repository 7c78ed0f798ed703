"""What is written is what the readers of the published datasets read."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import wfdb
from simulated import reader_of

from ecg_tl.datasets import get_dataset, layout_names
from ecg_tl.datasets.hdf5_signals import SignalArray
from ecg_tl.errors import SettingError
from ecg_tl.signals import LEADS, select_leads
from ecg_tl.synthesis import synthesize
from ecg_tl.synthesis.cohort import Case, draw_cohort
from ecg_tl.synthesis.layouts import challenge, code_test, custom, ptbxl
from ecg_tl.synthesis.writing import cohort_seed, layout_of

RECORDS = 14
AS_PUBLISHED = {"chapman", "ningbo", "incart", "cinc2021", "mimic_iv_ecg"}
"""Layouts in which some leads are flat, some samples are missing, or some ages are not known."""
MAINS = {"georgia": 60.0, "code_test": 60.0, "code15": 60.0, "mimic_iv_ecg": 60.0, "echonext": 60.0}
# mV; 1/1000 elsewhere. Half precision has steps of 1/256 between 4 and 8 mV.
STEP = {"ptb": 1 / 2000, "code_test": 1e-6, "code15": 1e-6, "sph": 1 / 256, "mimic_iv_ecg": 1 / 200}


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("simulated")
    for layout in layout_names():
        synthesize(layout, base / layout, RECORDS, seed=1, progress=False)
    return {layout: base / layout for layout in layout_names()}


def cohort(layout: str) -> list[Case]:
    drawn = layout_of(layout)
    cases = draw_cohort(drawn.groups, RECORDS, cohort_seed(layout, 1), 0.5, drawn.records_per_patient)
    if layout == "cinc2021":  # whose reader goes by the names, and whose layout takes the collections in turn
        names = ("A", "Q", "I", "S", "HR", "E", "JS0", "JS1")
        cases.sort(key=lambda case: (names[case.index % len(names)], case.index))
    return cases


layouts = pytest.mark.parametrize("layout", layout_names())


def mains_of(layout: str, record_id: str) -> float:
    return 60.0 if layout == "cinc2021" and record_id.startswith("E") else MAINS.get(layout, 50.0)


@layouts
def test_the_reader_reads_every_record_within_a_step_of_what_was_simulated(
    roots: dict[str, Path], layout: str
) -> None:
    dataset = reader_of(layout)
    scan = dataset.scan(roots[layout])
    cases = cohort(layout)
    # PTB publishes some records without a reason for admission, which its reader leaves out.
    readable = [case for case in cases if case.group != "unknown"]

    assert len(scan.records) == len(readable)
    if layout != "echonext":  # whose records outside the splits are counted in a note
        assert len(scan.records) + len(scan.left_out) == RECORDS
    step = STEP.get(layout, 1 / 1000)
    for row, case in zip(scan.records.itertuples(), readable, strict=True):
        recording = dataset.read(roots[layout], row.path)
        assert recording.sampling_rate == row.sampling_rate
        leads = [lead for lead in LEADS if lead in recording.leads]
        assert len(leads) == getattr(row, "leads", 12)
        values = select_leads(recording, leads, row.path)
        assert values.shape == (len(leads), row.length)
        measured = np.flatnonzero(values.any(axis=0))
        values = values[:, measured[0] : measured[-1] + 1]  # CODE test is padded with zeros
        expected = case.signal(
            row.sampling_rate,
            values.shape[1] / row.sampling_rate,
            frank=layout == "ptb",
            mains_frequency=mains_of(layout, row.record_id),
        )[[LEADS.index(lead) for lead in leads]]
        if layout == "echonext":  # standardised as published
            expected = (expected - expected.mean(axis=1, keepdims=True)) / expected.std(axis=1, keepdims=True)
        if layout in AS_PUBLISHED:
            lost = np.isnan(values) | ~values.any(axis=1, keepdims=True)
            assert lost.mean() < 2 / 12
            values, expected = np.where(lost, 0.0, values), np.where(lost, 0.0, expected)
        np.testing.assert_allclose(values, expected, atol=0.51 * step + 1e-6)


@layouts
def test_the_reader_finds_the_labels_that_were_given(roots: dict[str, Path], layout: str) -> None:
    dataset = reader_of(layout)
    scan = dataset.scan(roots[layout])
    rule = dataset.label_rule(root=roots[layout])

    assert not rule.unknown_codes(scan.records["codes"])
    targets = rule.targets(list(scan.records["codes"]))
    assert (targets.sum(axis=0) > 0).sum() >= min(2, len(rule.classes))
    readable = [case for case in cohort(layout) if case.group != "unknown"]
    if "AF" in rule.class_names and layout not in ("cpsc2018", "cinc2021"):
        fibrillating = targets[:, rule.class_names.index("AF")]
        np.testing.assert_array_equal(fibrillating, ["AF" in case.labels for case in readable])
    if "MI" in rule.class_names:
        infarcted = targets[:, rule.class_names.index("MI")]
        np.testing.assert_array_equal(
            infarcted, [bool(case.labels & {"AMI", "IMI", "LMI"}) for case in readable]
        )


@layouts
def test_scanning_reads_no_signal(
    roots: dict[str, Path], layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a signal is read")

    monkeypatch.setattr(np, "fromfile", refuse)
    monkeypatch.setattr(SignalArray, "read", refuse)
    monkeypatch.setattr(np.memmap, "__getitem__", refuse)
    assert len(reader_of(layout).scan(roots[layout]).records) > 0


@layouts
def test_ages_sexes_and_patients_are_told(roots: dict[str, Path], layout: str) -> None:
    records = reader_of(layout).scan(roots[layout]).records
    readable = [case for case in cohort(layout) if case.group != "unknown"]

    if layout == "brugada_huca":  # which publishes neither
        assert records[["age", "sex"]].isna().all(axis=None)
        return
    assert [row == "F" for row in records["sex"]] == [case.patient.sex == "F" for case in readable]
    ages = [90.0 if layout == "ptbxl" and case.patient.age > 89 else case.patient.age for case in readable]
    known = records["age"].notna().to_numpy()
    assert known.all() or (layout in AS_PUBLISHED and known.mean() > 0.5)
    # ZZU pECG has ages in days.
    np.testing.assert_allclose(records["age"][known], np.array(ages)[known], atol=1 / 365)
    if layout in {"ptbxl", "ptb", "custom", "code15", "sph", "zzu_pecg", "mimic_iv_ecg", "echonext"}:
        groups = records["patient_id"].tolist()
        indices = [case.patient_index for case in readable]
        assert len(set(groups)) == len(set(indices)) == len(set(zip(groups, indices, strict=True)))


def test_one_seed_gives_each_layout_patients_of_its_own() -> None:
    assert len({cohort_seed(layout, 1) for layout in layout_names()}) == len(layout_names())


@pytest.mark.slow
@layouts
def test_same_seed_same_files_and_a_larger_set_begins_alike(
    roots: dict[str, Path], layout: str, tmp_path: Path
) -> None:
    synthesize(layout, tmp_path / "again", RECORDS, seed=1, progress=False)
    synthesize(layout, tmp_path / "smaller", 4, seed=1, progress=False)

    first, again = contents(roots[layout]), contents(tmp_path / "again")
    assert first == again
    smaller = contents(tmp_path / "smaller")
    signals = {name for name in smaller if name.suffix in {".dat", ".mat", ".xyz", ".hea"}}
    assert all(smaller[name] == first[name] for name in signals)


def contents(root: Path) -> dict[Path, bytes]:
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_ptbxl_is_laid_out_as_published(roots: dict[str, Path]) -> None:
    root = roots["ptbxl"]
    with (root / "ptbxl_database.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))

    assert tuple(rows[0]) == ptbxl.COLUMNS
    assert len(ptbxl.COLUMNS) == 28
    assert rows[0]["filename_hr"] == "records500/00000/00001_hr"
    assert rows[0]["patient_id"].endswith(".0")
    header = (root / "records500/00000/00001_hr.hea").read_text().splitlines()
    assert header[0] == "00001_hr 12 500 5000"
    assert header[4].startswith("00001_hr.dat 16 1000.0(0)/mV 16 0 ")
    assert header[4].endswith(" 0 AVR")
    with (root / "scp_statements.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 71


def test_ptbxl_at_100_hz_is_the_same_recording(roots: dict[str, Path]) -> None:
    fine = get_dataset("ptbxl", source_rate=500).read(roots["ptbxl"], "records500/00000/00002_hr")
    coarse = get_dataset("ptbxl", source_rate=100).read(roots["ptbxl"], "records100/00000/00002_lr")

    assert coarse.values.shape == (12, 1000)
    for row in range(12):
        smooth = np.convolve(fine.values[row], np.ones(5) / 5, mode="same")[::5]
        assert np.corrcoef(smooth[20:-20], coarse.values[row, 20:-20])[0, 1] > 0.9


def test_challenge_files_open_in_wfdb_and_in_matlab(roots: dict[str, Path]) -> None:
    root = roots["cpsc2018"] / "training/cpsc_2018/g1"

    record = wfdb.rdrecord(str(root / "A0003"), physical=False)
    matlab = scipy.io.loadmat(root / "A0003.mat")["val"]

    np.testing.assert_array_equal(matlab, record.d_signal.T)
    assert record.sig_name == list(LEADS)
    assert record.init_value == matlab[:, 0].tolist()
    assert [c.split(":")[0] for c in record.comments] == ["Age", "Sex", "Dx", "Rx", "Hx", "Sx"]
    assert (roots["georgia"] / "training/georgia/g1/E00001.hea").is_file()


@pytest.mark.parametrize("layout", ["ptbxl", "cpsc2018", "ptb", "ludb", "custom"])
def test_checksums_are_those_of_the_samples(roots: dict[str, Path], layout: str) -> None:
    path = next(iter(sorted(roots[layout].rglob("*.hea")))).with_suffix("")

    record = wfdb.rdrecord(str(path), physical=False)

    sums = record.d_signal.astype(np.int64).sum(axis=0) % 65536
    np.testing.assert_array_equal(np.array(record.checksum) % 65536, sums)


def test_cpsc2018_lengths_vary_and_georgias_hardly() -> None:
    draws = [np.random.default_rng(seed) for seed in range(300)]
    cpsc = np.array([challenge._cpsc2018_duration(rng) for rng in draws])
    georgia = np.array([challenge._georgia_duration(rng) for rng in draws])

    assert cpsc.min() >= 6
    assert cpsc.max() <= 60
    assert np.mean((cpsc >= 10) & (cpsc <= 15)) > 0.6
    assert np.mean(georgia == 10) > 0.95
    assert georgia.min() >= 5


def test_ptb_has_fifteen_leads_and_a_reason(roots: dict[str, Path]) -> None:
    recording = reader_of("ptb").read(roots["ptb"], "patient001/s0001_re")
    header = (roots["ptb"] / "patient001/s0001_re.hea").read_bytes().decode()

    assert recording.leads == (*LEADS, "vx", "vy", "vz")
    assert "\r\n# Reason for admission: " in header
    assert "s0001_re.xyz 16 2000 16 0 " in header


def test_code_test_is_in_its_own_lead_order_and_padded(roots: dict[str, Path]) -> None:
    with h5py.File(roots["code_test"] / "ecg_tracings.hdf5") as file:
        tracings = file["tracings"][:]

    assert tracings.shape == (RECORDS, 4096, 12)
    assert not tracings[:, :48].any()
    assert not tracings[:, -48:].any()
    leads = dict(zip(code_test.LEAD_ORDER, np.moveaxis(tracings, 2, 0), strict=True))
    np.testing.assert_allclose(leads["aVR"], -(leads["I"] + leads["II"]) / 2, atol=1e-6)


def test_ludbs_table_has_line_breaks_in_cells(tmp_path: Path) -> None:
    synthesize("ludb", tmp_path / "ludb", 40, progress=False)
    with (tmp_path / "ludb" / "ludb.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))

    assert len(rows) == 40
    assert all(row["Sex"] in {"F\n", "M\n"} for row in rows)
    assert any(row["Hypertrophies"].count("\n") for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nosuch", 3), "layout"),
        (("ptbxl", 0), "records"),
    ],
)
def test_what_cannot_be_written_is_refused(arguments: tuple[str, int], message: str, tmp_path: Path) -> None:
    layout, records = arguments
    with pytest.raises(SettingError, match=message):
        synthesize(layout, tmp_path / "x", records, progress=False)
    assert not list(tmp_path.iterdir())


def test_difficulty_and_seed_are_checked(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="difficulty"):
        synthesize("custom", tmp_path / "x", 2, difficulty=2.0, progress=False)
    with pytest.raises(SettingError, match="seed"):
        synthesize("custom", tmp_path / "x", 2, seed=-1, progress=False)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")

    with pytest.raises(SettingError, match=r"mine\.txt"):
        synthesize("custom", tmp_path, 2, progress=False)

    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "empty"
    root.mkdir()

    synthesize("custom", root, 2)

    assert (root / "labels.csv").is_file()
    assert capfd.readouterr().out == ""  # progress goes to standard error


def test_nothing_is_left_when_writing_breaks_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def full(*arguments: object, **keywords: object) -> None:
        written.append(arguments)
        if len(written) > 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(custom, "write_header", full)

    with pytest.raises(SettingError, match="No space left on device"):
        synthesize("custom", tmp_path / "new", 9, progress=False)

    assert len(written) == 4
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="found a file"):
        synthesize("custom", tmp_path / "file", 1, progress=False)
    with pytest.raises(SettingError, match="can be written"):
        synthesize("custom", tmp_path / "file" / "below", 1, progress=False)
