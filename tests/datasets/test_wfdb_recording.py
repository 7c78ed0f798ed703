from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from ecg_tl.datasets.wfdb_recording import read_recording
from ecg_tl.errors import RecordError

Write = Callable[..., Path]
Steps = Callable[..., NDArray[np.int16]]


@pytest.mark.parametrize("suffix", [".dat", ".mat"])
def test_values_are_millivolts_by_lead(
    tmp_path: Path, write_wfdb: Write, make_steps: Steps, suffix: str
) -> None:
    steps = make_steps()
    recording = read_recording(write_wfdb(tmp_path / "r", steps, suffix=suffix))
    assert recording.sampling_rate == 500.0
    assert recording.values.dtype == np.float32
    np.testing.assert_allclose(recording.values, steps / 1000, atol=1e-6)


def test_every_lead_has_its_own_gain_baseline_and_unit(tmp_path: Path, write_wfdb: Write) -> None:
    steps = np.full((4, 10), 100, dtype=np.int16)
    gains = ["200(50)/mV", "2000", "1/uV", "100000(-20)/V"]
    recording = read_recording(write_wfdb(tmp_path / "r", steps, leads=("I", "II", "V1", "V2"), gains=gains))
    np.testing.assert_allclose(recording.values[:, 0], [0.25, 0.05, 0.1, 1.2], rtol=1e-6)


def test_micro_sign_is_not_lost(tmp_path: Path, write_wfdb: Write) -> None:
    steps = np.full((1, 10), 100, dtype=np.int16)
    recording = read_recording(write_wfdb(tmp_path / "r", steps, leads=("I",), gains="1/µV"))
    np.testing.assert_allclose(recording.values, 0.1, rtol=1e-6)


def test_lead_names_come_in_standard_spelling(tmp_path: Path, write_wfdb: Write) -> None:
    record = write_wfdb(tmp_path / "r", leads=("i", "AVR", "avl", "v6", "vx"))
    assert read_recording(record).leads == ("I", "aVR", "aVL", "V6", "vx")


def test_steps_that_say_not_measured_are_nan_and_no_others(tmp_path: Path, write_wfdb: Write) -> None:
    steps = np.zeros((2, 10), dtype=np.int16)
    steps[0, 3] = -32768
    steps[1, 4] = -32767
    values = read_recording(write_wfdb(tmp_path / "r", steps, leads=("I", "II"), suffix=".mat")).values
    assert np.argwhere(np.isnan(values)).tolist() == [[0, 3]]


def test_signals_in_two_files_are_one_recording(tmp_path: Path, make_steps: Steps, write_wfdb: Write) -> None:
    steps = make_steps(5)
    write_wfdb(tmp_path / "r", steps[:2], leads=("i", "ii"))
    lines = (tmp_path / "r.hea").read_text().splitlines()[1:]
    write_wfdb(tmp_path / "x", steps[2:], leads=("vx", "vy", "vz"))
    (tmp_path / "x.dat").rename(tmp_path / "r.xyz")
    lines += [line.replace("x.dat", "r.xyz") for line in (tmp_path / "x.hea").read_text().splitlines()[1:]]
    (tmp_path / "r.hea").write_text("\n".join(["r 5 1000 1000", *lines]))
    recording = read_recording(tmp_path / "r")
    assert recording.leads == ("I", "II", "vx", "vy", "vz")
    np.testing.assert_allclose(recording.values, steps / 1000, atol=1e-6)


@pytest.mark.parametrize("signed", [True, False])
def test_checksums_hold_signed_and_unsigned(tmp_path: Path, write_wfdb: Write, signed: bool) -> None:
    steps = np.full((1, 50), -30, dtype=np.int16)
    total = -1500 if signed else -1500 % 65536
    assert (
        read_recording(write_wfdb(tmp_path / "r", steps, leads=("I",), checksums=[total])).values.size == 50
    )


def test_header_without_checksums_is_read(tmp_path: Path, write_wfdb: Write) -> None:
    steps = np.ones((1, 50), dtype=np.int16)
    record = write_wfdb(tmp_path / "r", steps, leads=("I",), checksums=[None])
    assert read_recording(record).values.shape == (1, 50)


def test_changed_sample_is_a_checksum_mismatch_that_names_the_lead(tmp_path: Path, write_wfdb: Write) -> None:
    record = write_wfdb(tmp_path / "r")
    content = bytearray((tmp_path / "r.dat").read_bytes())
    content[2 * 12 * 7 + 2 * 6] ^= 1  # sample 7 of V1
    (tmp_path / "r.dat").write_bytes(content)
    with pytest.raises(RecordError, match=r"r\.dat: found samples of lead V1 with another checksum"):
        read_recording(record)


@pytest.mark.parametrize("suffix", [".dat", ".mat"])
def test_truncated_file_is_told_with_both_sizes(tmp_path: Path, write_wfdb: Write, suffix: str) -> None:
    record = write_wfdb(tmp_path / "r", suffix=suffix)
    file = tmp_path / f"r{suffix}"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(RecordError, match=rf"{size - 1} bytes, expected {size}.*truncated"):
        read_recording(record)


def test_length_that_no_file_can_have_is_an_error_not_an_allocation(
    tmp_path: Path, write_wfdb: Write
) -> None:
    record = write_wfdb(tmp_path / "r", record_line="r 12 500 999999999999999")
    with pytest.raises(RecordError, match="truncated"):
        read_recording(record)


def test_header_that_names_a_missing_file_is_told(tmp_path: Path, write_wfdb: Write) -> None:
    record = write_wfdb(tmp_path / "r")
    (tmp_path / "r.dat").unlink()
    with pytest.raises(RecordError, match=r"r\.hea: found no file r\.dat, which it names"):
        read_recording(record)


def test_file_that_cannot_be_read_is_told(
    tmp_path: Path, write_wfdb: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    record = write_wfdb(tmp_path / "r")
    monkeypatch.setattr(np, "fromfile", refuse)
    with pytest.raises(RecordError, match=r"r\.dat: found a file that cannot be read \(Permission denied\)"):
        read_recording(record)


def test_empty_file_of_a_header_without_length_is_told(tmp_path: Path, write_wfdb: Write) -> None:
    record = write_wfdb(tmp_path / "r", record_line="r 12 500")
    (tmp_path / "r.dat").write_bytes(b"")
    with pytest.raises(RecordError, match=r"r\.dat: found 0 bytes, no samples"):
        read_recording(record)


def test_unknown_unit_is_told_and_not_guessed(tmp_path: Path, write_wfdb: Write) -> None:
    with pytest.raises(RecordError, match="the unit 'mmHg'"):
        read_recording(write_wfdb(tmp_path / "r", gains="100/mmHg"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"<html>404 Not Found</html>" + bytes(30000), id="a web page"),
        pytest.param(bytes(30000), id="zeros"),
        pytest.param(b"MATLAB 5.0 MAT-file" + bytes(30000), id="another MATLAB format"),
    ],
)
def test_corrupt_mat_is_told_even_without_checksums(
    tmp_path: Path, write_wfdb: Write, content: bytes
) -> None:
    record = write_wfdb(tmp_path / "r", suffix=".mat", checksums=[None] * 12)
    (tmp_path / "r.mat").write_bytes(content)
    with pytest.raises(RecordError, match=r"r\.mat: .*damaged"):
        read_recording(record)


def test_mat_of_another_shape_than_the_headers_is_told(
    tmp_path: Path, write_wfdb: Write, make_steps: Steps
) -> None:
    record = write_wfdb(tmp_path / "r", suffix=".mat", record_line="r 12 500 900", checksums=[None] * 12)
    with pytest.raises(RecordError, match="12 x 900 int16"):
        read_recording(record)


@pytest.mark.parametrize("storage", ["16", "212", "24", "32", "80", "516"])
def test_formats_agree_with_the_wfdb_library(tmp_path: Path, storage: str) -> None:
    wave = np.sin(np.linspace(0, 20, 500))[:, None] * [0.1, -0.2, 0.05]
    leads = ["I", "II", "V1"]
    wfdb.wrsamp(
        "r",
        fs=360,
        units=["mV"] * 3,
        sig_name=leads,
        p_signal=wave,
        fmt=[storage] * 3,
        write_dir=str(tmp_path),
    )
    recording = read_recording(tmp_path / "r")
    expected = wfdb.rdrecord(str(tmp_path / "r")).p_signal.T
    assert recording.leads == tuple(leads)
    np.testing.assert_allclose(recording.values, expected, atol=1e-6)


def test_missing_values_survive_the_wfdb_library(tmp_path: Path) -> None:
    wave = np.sin(np.linspace(0, 20, 500))[:, None] * [1.0, 2.0]
    wave[5, 1] = np.nan
    wfdb.wrsamp(
        "r",
        fs=360,
        units=["mV", "uV"],
        sig_name=["I", "II"],
        p_signal=wave,
        fmt=["212"] * 2,
        write_dir=str(tmp_path),
    )
    values = read_recording(tmp_path / "r").values
    assert np.argwhere(np.isnan(values)).tolist() == [[1, 5]]
    assert np.nanmax(np.abs(values[1])) == pytest.approx(0.002, rel=0.01)  # 2 µV


def damage_by_truncation(folder: Path) -> None:
    (folder / "r.dat").write_bytes((folder / "r.dat").read_bytes()[:50])


def damage_the_format(folder: Path) -> None:
    text = (folder / "r.hea").read_text()
    (folder / "r.hea").write_text(text.replace(" 212 ", " 999 "))


def damage_the_record_line(folder: Path) -> None:
    text = (folder / "r.hea").read_text()
    (folder / "r.hea").write_text(text.replace("r 2 ", "r.dat 2 ", 1))


def damage_a_sample(folder: Path) -> None:
    content = bytearray((folder / "r.dat").read_bytes())
    content[30] ^= 1
    (folder / "r.dat").write_bytes(content)


@pytest.mark.parametrize(
    "damage", [damage_by_truncation, damage_the_format, damage_the_record_line, damage_a_sample]
)
def test_no_error_of_the_library_leaks(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    wave = np.sin(np.linspace(0, 20, 500))[:, None] * [1.0, 2.0]
    wfdb.wrsamp(
        "r",
        fs=360,
        units=["mV"] * 2,
        sig_name=["I", "II"],
        p_signal=wave,
        fmt=["212"] * 2,
        write_dir=str(tmp_path),
    )
    damage(tmp_path)
    with pytest.raises(RecordError):
        read_recording(tmp_path / "r")


@given(
    arrays(np.int16, st.tuples(st.integers(1, 4), st.integers(1, 20)), elements=st.integers(-32767, 32767))
)
@settings(max_examples=25, deadline=None)
def test_any_steps_come_back(
    tmp_path_factory: pytest.TempPathFactory, write_wfdb: Write, steps: NDArray[np.int16]
) -> None:
    record = write_wfdb(
        tmp_path_factory.mktemp("steps") / "r", steps, leads=("I", "II", "V1", "V2")[: len(steps)]
    )
    np.testing.assert_array_equal(np.rint(read_recording(record).values * 1000).astype(np.int64), steps)
