"""WFDB records of several segments: one recording, as the wfdb library makes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import wfdb
from cart_files import ecg_steps

from ecg_tl.datasets.custom import Custom
from ecg_tl.errors import RecordError
from ecg_tl.recordings import find_records, read_record, record_files
from ecg_tl.signals import LEADS
from ecg_tl.store.fingerprint import source_fingerprint
from ecg_tl.synthesis.wfdb_files import HeaderStyle, signal_lines, write_header, write_samples

STEPS = ecg_steps(900)


def segment(folder: Path, name: str, start: int, stop: int, leads: Sequence[str] = LEADS) -> None:
    steps = STEPS[[LEADS.index(lead) for lead in leads], start:stop]
    count = len(leads)
    write_samples(folder / f"{name}.dat", steps)
    lines = signal_lines(f"{name}.dat", leads, steps, HeaderStyle(), [200.0] * count, [0] * count)
    write_header(folder / f"{name}.hea", 500, stop - start, lines)


def fixed(folder: Path) -> Path:
    """Two segments with all leads."""
    segment(folder, "r_1", 0, 400)
    segment(folder, "r_2", 400, 900)
    (folder / "r.hea").write_text("r/2 12 500 900\nr_1 400\nr_2 500\n")
    return folder / "r"


def variable(folder: Path) -> Path:
    """A layout, a segment of two leads, a pause, and one of three in another order."""
    layout = "\n".join(f"~ 0 200/mV 12 0 0 0 0 {lead}" for lead in ("I", "II", "V1"))
    (folder / "v_layout.hea").write_text(f"v_layout 3 500 0\n{layout}\n")
    segment(folder, "v_1", 0, 300, ("I", "II"))
    segment(folder, "v_2", 400, 900, ("I", "II", "V1"))
    (folder / "v.hea").write_text("v/4 3 500 900\nv_layout 0\nv_1 300\n~ 100\nv_2 500\n")
    return folder / "v"


@pytest.mark.parametrize("make", [fixed, variable])
def test_segments_are_what_wfdb_makes_of_them(make: Callable[[Path], Path], tmp_path: Path) -> None:
    record = make(tmp_path)
    recording = read_record(record).recording
    expected = wfdb.rdrecord(str(record))
    assert list(recording.leads) == expected.sig_name
    np.testing.assert_allclose(recording.values, expected.p_signal.T, atol=1e-6)
    assert recording.values.shape[1] == 900


def test_a_pause_and_a_missing_lead_are_not_measured(tmp_path: Path) -> None:
    recording = read_record(variable(tmp_path)).recording
    assert np.isnan(recording.values[:, 300:400]).all()
    assert np.isnan(recording.values[2, :400]).all()
    assert np.isfinite(recording.values[:, 400:]).all()


def test_segments_are_no_records_of_their_own(tmp_path: Path) -> None:
    record = fixed(tmp_path)
    assert find_records([tmp_path])[0] == [record]
    names = {path.name for path in record_files([record])}
    assert {"r.hea", "r_1.hea", "r_1.dat", "r_2.hea", "r_2.dat"} <= names


def test_a_change_of_a_segment_is_a_change_of_the_source(tmp_path: Path) -> None:
    fixed(tmp_path)
    (tmp_path / "labels.csv").write_text("record,AF\nr,1\n")
    scan = Custom().scan(tmp_path)
    assert (scan.records["length"][0], scan.records["sampling_rate"][0]) == (900, 500.0)
    assert not any("in no row" in note for note in scan.notes)
    before = source_fingerprint(Custom(), tmp_path)
    (tmp_path / "r_2.dat").write_bytes(b"")
    assert source_fingerprint(Custom(), tmp_path) != before


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("r/2 12 500 901\nr_1 400\nr_2 500\n", "segments of 900 samples together"),
        ("r/2 12 500 900\nr_1 500\nr_2 400\n", "400 samples at 500 Hz in segment r_1"),
        ("r/2 12 250 900\nr_1 400\nr_2 500\n", "400 samples at 500 Hz in segment r_1"),
        ("r/2 12 500 900\n../x 400\nr_2 500\n", "the segment '../x'"),
        ("r/2 12 500 900\nr 400\nr_2 500\n", "the segment 'r'"),
        ("r/2 12 500 900\nr_1 400\nno 500\n", "no.hea: found no such file"),
        ("r/2 12 500 900\n~ 400\n~ 500\n", "pauses alone"),
        ("r/3 12 500 900\nr_1 400\nr_2 500\n", "2 segment lines"),
        ("r/2 12 500 900\nr_1\nr_2 500\n", "a segment and its number of samples"),
        ("r/1 12 500 900\nr2 900\n", "several segments"),
    ],
)
def test_a_header_of_segments_that_is_wrong(header: str, part: str, tmp_path: Path) -> None:
    fixed(tmp_path)
    (tmp_path / "r2.hea").write_text("r2/1 12 500 900\nr_1 900\n")
    (tmp_path / "r.hea").write_text(header)
    with pytest.raises(RecordError) as caught:
        read_record(tmp_path / "r")
    assert part in str(caught.value)
