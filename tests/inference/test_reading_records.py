"""WFDB, CSV and NumPy files: the same signal is the same recording; what is no signal is one clear error."""

from __future__ import annotations

import io
import os
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as run_settings
from hypothesis import strategies as st

from ecg_tl.errors import RecordError, SettingError
from ecg_tl.recordings import ReadSettings, find_records, read_record
from ecg_tl.recordings.wfdb_recording import read_wfdb
from ecg_tl.signals import LEADS, Recording

WriteWfdb = Callable[..., Path]
EVERYTHING = ReadSettings(leads=LEADS, sampling_rate=500, units="mV")


def assert_same(recording: Recording, ecg: Recording, tolerance: float = 1e-6) -> None:
    assert recording.leads == ecg.leads
    assert recording.sampling_rate == ecg.sampling_rate
    np.testing.assert_allclose(recording.values, ecg.values, atol=tolerance)


# One signal in many files -----------------------------------------------------------------------------------


def _csv(path: Path, ecg: Recording, text: str) -> Path:
    path.write_text(text)
    return path


def _rows(ecg: Recording, separator: str = ",", scale: float = 1.0, decimal: str = ".") -> str:
    table = pd.DataFrame(ecg.values.T * scale)
    return table.to_csv(index=False, header=False, sep=separator, decimal=decimal, float_format="%.7f")


def _npz(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def _npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


FILES: dict[str, tuple[Callable[[Path, Recording], Path], ReadSettings]] = {
    "named columns": (
        lambda folder, ecg: _csv(folder / "a.csv", ecg, ",".join(LEADS).lower() + "\n" + _rows(ecg)),
        ReadSettings(sampling_rate=500, units="mV"),
    ),
    "named columns with units": (
        lambda folder, ecg: _csv(
            folder / "a.csv", ecg, ",".join(f"{lead} [uV]" for lead in LEADS) + "\n" + _rows(ecg, scale=1000)
        ),
        ReadSettings(sampling_rate=500),
    ),
    "a column of times": (
        lambda folder, ecg: _csv(
            folder / "a.csv",
            ecg,
            f"time,{','.join(LEADS)}\n"
            + "".join(f"{i / 500:.3f},{row}\n" for i, row in enumerate(_rows(ecg).splitlines())),
        ),
        ReadSettings(units="mV"),
    ),
    "times in milliseconds and an index": (
        lambda folder, ecg: _csv(
            folder / "a.csv",
            ecg,
            f",Time (ms),{','.join(LEADS)}\n"
            + "".join(f"r{i},{i * 2},{row}\n" for i, row in enumerate(_rows(ecg).splitlines())),
        ),
        ReadSettings(units="mV"),
    ),
    "comments": (
        lambda folder, ecg: _csv(
            folder / "a.csv",
            ecg,
            f"# sampling_rate: 500 Hz\n# units: uV\n{','.join(LEADS)}\n" + _rows(ecg, scale=1000),
        ),
        ReadSettings(),
    ),
    "no header": (lambda folder, ecg: _csv(folder / "a.csv", ecg, _rows(ecg)), EVERYTHING),
    "a lead a row": (
        lambda folder, ecg: _csv(
            folder / "a.csv",
            ecg,
            pd.DataFrame(ecg.values).to_csv(index=False, header=False, float_format="%.7f"),
        ),
        EVERYTHING,
    ),
    "columns of other names": (
        lambda folder, ecg: _csv(
            folder / "a.csv", ecg, ",".join(f"ch{i}" for i in range(12)) + "\n" + _rows(ecg)
        ),
        EVERYTHING,
    ),
    "semicolons and decimal commas": (
        lambda folder, ecg: _csv(
            folder / "a.csv", ecg, ";".join(LEADS) + "\n" + _rows(ecg, ";", decimal=",")
        ),
        EVERYTHING,
    ),
    "semicolons and decimal commas without header": (
        lambda folder, ecg: _csv(folder / "a.csv", ecg, _rows(ecg, ";", decimal=",")),
        EVERYTHING,
    ),
    "tabs and a byte order mark": (
        lambda folder, ecg: _csv(
            folder / "a.csv", ecg, "\ufeff" + "\t".join(LEADS) + "\n" + _rows(ecg, "\t")
        ),
        EVERYTHING,
    ),
    "blanks": (
        lambda folder, ecg: _csv(folder / "a.CSV", ecg, "  ".join(LEADS) + "\n" + _rows(ecg, " ")),
        EVERYTHING,
    ),
    "npy": (lambda folder, ecg: (np.save(folder / "a.npy", ecg.values), folder / "a.npy")[1], EVERYTHING),
    "npy of samples first in microvolts": (
        lambda folder, ecg: (
            np.save(folder / "a.npy", np.rint(ecg.values.T * 1000).astype(np.int16)),
            folder / "a.npy",
        )[1],
        ReadSettings(leads=LEADS, sampling_rate=500, units="uV"),
    ),
    "npz that says all": (
        lambda folder, ecg: _npz(
            folder / "a.npz", signal=ecg.values / 1000, leads=list(LEADS), sampling_rate=500, units="V"
        ),
        ReadSettings(),
    ),
    "npz of one array": (lambda folder, ecg: _npz(folder / "a.npz", ecg=ecg.values), EVERYTHING),
    "leads that are none": (
        lambda folder, ecg: _npz(folder / "a.npz", signal=np.vstack([ecg.values[:1] * 0, ecg.values])),
        ReadSettings(leads=("-", *LEADS), sampling_rate=500, units="mv"),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_signal_is_the_same_in_any_file(name: str, ecg: Recording, tmp_path: Path) -> None:
    make, said = FILES[name]
    read = read_record(make(tmp_path, ecg), said)
    assert_same(read.recording, ecg)
    assert [remark for remark in read.remarks if remark.kind != "option_not_used"] == []


@pytest.mark.parametrize("suffix", ["", ".hea", ".dat"])
def test_a_wfdb_record_by_any_of_its_names(suffix: str, ecg: Recording, write_wfdb: WriteWfdb) -> None:
    record = write_wfdb(ecg.values, "a.b")
    found, notes = find_records([record.with_name(record.name + suffix)])
    assert (found, notes) == ([record], [])
    assert_same(read_record(found[0], ReadSettings()).recording, ecg, 5e-4)


def test_a_challenge_record(cpsc2018_root: Path, tmp_path: Path) -> None:
    source = sorted(cpsc2018_root.rglob("*.mat"))[0]
    found, _ = find_records([source])
    recording = read_record(found[0], ReadSettings()).recording
    assert_same(recording, read_wfdb(source.with_suffix("")))
    alone = shutil.copy(source, tmp_path)
    with pytest.raises(RecordError, match=r"and no header A\d+\.hea beside it"):
        read_record(find_records([Path(alone)])[0][0], ReadSettings())


def test_microvolts_of_a_wfdb_header(ecg: Recording, write_wfdb: WriteWfdb) -> None:
    record = write_wfdb(ecg.values, gain=1000.0)
    text = record.with_name("record.hea").read_text()
    record.with_name("record.hea").write_text(text.replace("1000/mV", "1/uV"))
    assert_same(read_record(record, ReadSettings()).recording, ecg, 5e-4)


def test_steps_are_microvolts_whatever_the_header_says(ecg: Recording, write_wfdb: WriteWfdb) -> None:
    record = write_wfdb(ecg.values, gain=1000.0)
    text = record.with_name("record.hea").read_text()
    record.with_name("record.hea").write_text(text.replace("1000/mV", "731/mV"))
    assert_same(read_record(record, ReadSettings(amplitude="steps")).recording, ecg, 5e-4)
    wrong = read_record(record, ReadSettings()).recording.values
    np.testing.assert_allclose(wrong * 0.731, ecg.values, atol=1e-3)


def test_spelling_and_further_leads_of_a_wfdb_record(ecg: Recording, write_wfdb: WriteWfdb) -> None:
    names = [*(f"Lead {lead.upper()}" for lead in LEADS), "vx"]
    record = write_wfdb(np.vstack([ecg.values, ecg.values[:1]]), leads=names)
    assert read_record(record, ReadSettings()).recording.leads == (*LEADS, "vx")


def test_leads_that_a_wfdb_header_does_not_name(ecg: Recording, write_wfdb: WriteWfdb) -> None:
    record = write_wfdb(ecg.values)
    header = record.with_name("record.hea")
    lines = header.read_text().splitlines()
    header.write_text("\n".join([lines[0], *(line.rsplit(" ", 1)[0] for line in lines[1:])]) + "\n")
    assert read_record(record, ReadSettings(leads=LEADS)).recording.leads == LEADS
    assert read_record(record, ReadSettings()).recording.leads[0] == "signal 1"


def test_what_the_file_says_wins_and_is_told(ecg: Recording, write_wfdb: WriteWfdb, tmp_path: Path) -> None:
    message = ReadSettings(leads=LEADS[::-1], sampling_rate=250, units="uV")
    wfdb = read_record(write_wfdb(ecg.values), message)
    full = _npz(tmp_path / "a.npz", signal=ecg.values, leads=list(LEADS), sampling_rate=500.0, units="mV")
    numpy = read_record(full, message)
    assert not any(remark.is_warning for remark in wfdb.remarks)  # a run may hold other files as well
    assert all(remark.is_warning for remark in numpy.remarks)
    options = ("leads", "sampling_rate", "units")
    for read in (wfdb, numpy):
        assert_same(read.recording, ecg, 5e-4)
        assert [remark.kind for remark in read.remarks] == ["option_not_used"] * len(options)
        assert all(
            f"--{name} is not used" in r.message for name, r in zip(options, read.remarks, strict=True)
        )
    assert read_record(full, EVERYTHING).remarks == ()


def test_empty_cells_are_missing_samples(ecg: Recording, tmp_path: Path) -> None:
    rows = _rows(ecg).splitlines()
    rows[0] = "," + rows[0].split(",", 1)[1]
    rows[7] = rows[7].rsplit(",", 1)[0] + ","
    read = read_record(_csv(tmp_path / "a.csv", ecg, "\n".join(rows)), EVERYTHING).recording
    assert np.argwhere(np.isnan(read.values)).tolist() == [[0, 0], [11, 7]]


@pytest.mark.slow
@run_settings(max_examples=25, deadline=None)
@given(rate=st.sampled_from([50.0, 128.0, 250.0, 257.0, 360.0, 500.0, 1000.0]), digits=st.integers(3, 6))
def test_the_rate_of_times_of_few_digits(
    rate: float, digits: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("times") / "a.csv"
    times = [f"{i / rate:.{digits}f},{np.sin(i):.3f}" for i in range(int(4 * rate))]
    path.write_text("time,II\n" + "\n".join(times) + "\n")
    assert read_record(path, ReadSettings(units="mV")).recording.sampling_rate == rate


# Folders ----------------------------------------------------------------------------------------------------


def test_a_folders_records(ecg: Recording, write_wfdb: WriteWfdb, tmp_path: Path) -> None:
    records = [write_wfdb(ecg.values, name) for name in ("b/2", "a", "b/1.x")]
    (tmp_path / "labels.csv").write_text("record,AF\na,1\n")
    found, notes = find_records([tmp_path])
    assert found == sorted(records)
    assert len(notes) == 1
    assert "1 table(s) or array(s) were passed over" in notes[0]
    assert find_records([tmp_path / "b", tmp_path / "b" / "2.dat"])[0] == sorted(records)[1:]


def test_a_folder_of_arrays(ecg: Recording, tmp_path: Path) -> None:
    np.save(tmp_path / "b.npy", ecg.values)
    _csv(tmp_path / "a.csv", ecg, _rows(ecg))
    (tmp_path / "README").write_text("x")
    (tmp_path / ".hidden.csv").write_text("x")
    assert find_records([tmp_path]) == ([tmp_path / "a.csv", tmp_path / "b.npy"], [])


def test_a_folder_without_records_is_an_error_of_its_own(tmp_path: Path) -> None:
    found, _ = find_records([tmp_path])
    assert found == [tmp_path]
    with pytest.raises(RecordError, match="a folder without records"):
        read_record(found[0], ReadSettings())


# Bad input --------------------------------------------------------------------------------------------------

BAD_FILES: dict[str, tuple[str, str | bytes, ReadSettings, str]] = {
    "nothing": ("a.csv", "", EVERYTHING, "an empty file"),
    "comments alone": ("a.csv", "# a\n", EVERYTHING, "an empty file"),
    "a header alone": ("a.csv", ",".join(LEADS) + "\n", EVERYTHING, "no samples"),
    "words": ("a.csv", "I,II\n1,two\n", EVERYTHING, "no table of numbers"),
    "ragged": ("a.csv", "I,II\n1,2\n1,2,3,4\n", EVERYTHING, "no table of numbers"),
    "more columns than named": ("a.csv", "I,II\n1,2,3\n1,2,3\n", EVERYTHING, "no table of numbers"),
    "no times": ("a.csv", "time,I\n,1\n,1\n", ReadSettings(units="mV"), "do not go on evenly"),
    "bytes": ("a.csv", bytes(range(256)) * 9, EVERYTHING, "no table of numbers|columns"),
    "no leads": ("a.csv", "x,y\n1,2\n", ReadSettings(sampling_rate=500, units="mV"), "the columns x, y"),
    "other leads": ("a.csv", "x,y\n1,2\n", EVERYTHING, "the columns x, y"),
    "other shape": ("a.csv", "5,2\n3,4\n", EVERYTHING, "2 rows and 2 columns"),
    "cut off within a row": ("a.csv", "I,II\n1,2\n1,2\n1", EVERYTHING, "1 cell.s. in the last row"),
    "cut off, blanks": ("a.csv", "I II V1\n1 2 3\n1 2\n", EVERYTHING, "2 cell.s. in the last row"),
    "a pause": (
        "a.csv",
        "time,I\n0,1\n0.01,1\n0.02,1\n5,1\n",
        ReadSettings(units="mV"),
        "do not go on evenly",
    ),
    "times that stand": ("a.csv", "time,I\n0,1\n0,1\n0,1\n", ReadSettings(units="mV"), "do not go on evenly"),
    "backward": ("a.csv", "time,I\n2,1\n1,1\n0,1\n", ReadSettings(units="mV"), "do not go on evenly"),
    "two units": ("a.csv", "I (mV),II (uV)\n1,2\n", ReadSettings(sampling_rate=50), "units mV, uV"),
    "unknown unit": ("a.csv", "I (mmHg)\n1\n", ReadSettings(sampling_rate=50), "the unit 'mmHg'"),
    "no rate": ("a.csv", "I (mV)\n1\n", ReadSettings(), "nothing about its sampling rate"),
    "wrong rate": ("a.csv", "# sampling_rate: fast\nI (mV)\n1\n", ReadSettings(), "sampling_rate fast"),
    "nothing said": ("a.csv", "5,2\n", ReadSettings(), "nothing about its leads, sampling rate, units"),
    "no array": ("a.npy", b"", EVERYTHING, "a file that NumPy cannot read"),
    "an array that is cut off": ("a.npy", _npy(np.zeros((12, 99)))[:-1], EVERYTHING, "NumPy cannot read"),
    "half an array": (
        "a.npy",
        b"\x93NUMPY\x01\x00v\x00{'descr'",
        EVERYTHING,
        "a file that NumPy cannot read",
    ),
    "no archive": ("a.npz", b"PK\x03\x04", EVERYTHING, "a file that NumPy cannot read"),
    "another file": ("a.xyz", "\0", EVERYTHING, r"a file \.xyz of no known format, and no header a\.hea"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_signal(name: str, tmp_path: Path) -> None:
    file, content, said, found = BAD_FILES[name]
    path = tmp_path / file
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RecordError, match=found) as error:
        read_record(path, said)
    assert error.value.where == str(path)


BAD_ARRAYS: dict[str, tuple[dict[str, object], str]] = {
    "no signal": ({"a": np.zeros(3), "b": np.zeros(3)}, "arrays named a, b"),
    "words": ({"signal": np.array(["a"])}, "an array of <U1"),
    "complex": ({"signal": np.zeros((12, 9), complex)}, "an array of complex128"),
    "objects": ({"signal": np.array([None], dtype=object)}, "cannot read"),
    "a batch": ({"signal": np.zeros((2, 12, 100))}, r"an array of shape \(2, 12, 100\)"),
    "no samples": ({"signal": np.zeros((12, 0))}, "no samples"),
    "other leads": ({"signal": np.zeros((3, 100))}, "3 rows and 100 columns"),
    "no rate": ({"signal": np.zeros((12, 9)), "sampling_rate": np.zeros(0)}, "sampling_rate"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_an_array_that_is_no_signal(name: str, tmp_path: Path) -> None:
    arrays, found = BAD_ARRAYS[name]
    with pytest.raises(RecordError, match=found):
        read_record(_npz(tmp_path / "a.npz", **arrays), EVERYTHING)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such file"):
        read_record(tmp_path / "nothing", ReadSettings())


@pytest.mark.parametrize(
    ("scale", "units", "fitting"), [(1000, "mV", "uV"), (1, "uV", "mV"), (1e-3, "mV", "V"), (1, "V", "mV")]
)
def test_wrong_units_are_told_with_those_that_fit(
    scale: float, units: str, fitting: str, ecg: Recording, tmp_path: Path
) -> None:
    np.save(tmp_path / "a.npy", ecg.values * scale)
    with pytest.raises(
        RecordError, match=rf"as --units says, expected 0\.1 to 20 mV\. Correct .* in {fitting} "
    ):
        read_record(tmp_path / "a.npy", ReadSettings(leads=LEADS, sampling_rate=500, units=units))


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"leads": ("I", "V7")}, "the unknown lead V7"),
        ({"leads": ("I", "i")}, "a lead twice"),
        ({"leads": ()}, "a lead twice, or none"),
        ({"leads": ("-",)}, "a lead twice, or none"),
        ({"units": "furlong"}, "the unit 'furlong'"),
        ({"sampling_rate": 0.0}, "found 0.0,"),
        ({"sampling_rate": float("nan")}, "found nan,"),
    ],
)
def test_what_cannot_be_said(said: dict[str, object], found: str) -> None:
    with pytest.raises(SettingError, match=found):
        ReadSettings(**said)  # type: ignore[arg-type]


# Absurd sizes -----------------------------------------------------------------------------------------------


def _npy(shape: str, kind: str = "<f8") -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(800)


def _zipped(content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("signal.npy", content)
    return archive.getvalue()


def _bomb() -> bytes:
    array = io.BytesIO()
    np.save(array, np.zeros((12, 6_000_000), dtype=np.int16))
    return _zipped(array.getvalue())


ABSURD: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "an array of terabytes": ("a.npy", lambda: _npy("(12, 500000000000)"), "cannot read"),
    "an array beyond all numbers": ("a.npy", lambda: _npy(f"({2**63 - 1}, {2**63 - 1})"), "cannot read"),
    "a negative shape": ("a.npy", lambda: _npy("(-5, 12)"), "cannot read"),
    "an array of objects": ("a.npy", lambda: _npy("(12,)", "|O"), "cannot read"),
    "a header nested deep": ("a.npy", lambda: _npy("(" * 3000), "cannot read"),
    "terabytes in an archive": ("a.npz", lambda: _zipped(_npy("(12, 500000000000)")), "values 6000000000000"),
    "a bomb": ("a.npz", _bomb, "144000128 bytes in a file of"),
    "a line without an end": ("a.csv", lambda: b"1," * 2**23, "a line of 16,777,216 bytes or more"),
    "zero bytes": ("a.csv", lambda: bytes(2**24), "a line of 16,777,216 bytes or more"),
    "an endless line later on": ("a.csv", lambda: b"I,II\n1,2\n" + b"1," * 2**24, "a line of 16,777,216"),
    "a hundred thousand names": ("a.csv", lambda: b"a," * 100_000 + b"a\n1\n", "the columns a, a"),
}


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_sizes_are_refused_before_anything_of_their_size_is_made(name: str, tmp_path: Path) -> None:
    file, make, found = ABSURD[name]
    (tmp_path / file).write_bytes(make())
    tracemalloc.start()
    try:
        with pytest.raises(RecordError, match=found):
            read_record(tmp_path / file, EVERYTHING)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * 2**20


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".npz", ".hea"])
def test_a_named_pipe_is_refused_and_not_waited_for(suffix: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"a{suffix}")
    with pytest.raises(RecordError, match="no regular file"):
        read_record(tmp_path / f"a{suffix}", EVERYTHING)
