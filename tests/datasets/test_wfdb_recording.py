from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from ecg_tl.errors import RecordError
from ecg_tl.recordings.wfdb_recording import read_wfdb

Write = Callable[..., Path]
Steps = Callable[..., NDArray[np.int16]]


@pytest.mark.parametrize("suffix", [".dat", ".mat"])
def test_values_are_millivolts_by_lead(
    tmp_path: Path, write_wfdb: Write, make_steps: Steps, suffix: str
) -> None:
    steps = make_steps()
    recording = read_wfdb(write_wfdb(tmp_path / "r", steps, suffix=suffix))
    assert recording.sampling_rate == 500.0
    assert recording.values.dtype == np.float32
    np.testing.assert_allclose(recording.values, steps / 1000, atol=1e-6)


def test_every_lead_has_its_own_gain_baseline_and_unit(tmp_path: Path, write_wfdb: Write) -> None:
    steps = np.full((4, 10), 100, dtype=np.int16)
    gains = ["200(50)/mV", "2000", "1/uV", "100000(-20)/V"]
    recording = read_wfdb(write_wfdb(tmp_path / "r", steps, leads=("I", "II", "V1", "V2"), gains=gains))
    np.testing.assert_allclose(recording.values[:, 0], [0.25, 0.05, 0.1, 1.2], rtol=1e-6)


def test_micro_sign_is_not_lost(tmp_path: Path, write_wfdb: Write) -> None:
    steps = np.full((1, 10), 100, dtype=np.int16)
    recording = read_wfdb(write_wfdb(tmp_path / "r", steps, leads=("I",), gains="1/µV"))
    np.testing.assert_allclose(recording.values, 0.1, rtol=1e-6)


def test_lead_names_come_in_standard_spelling(tmp_path: Path, write_wfdb: Write) -> None:
    record = write_wfdb(tmp_path / "r", leads=("i", "AVR", "avl", "v6", "vx"))
    assert read_wfdb(record).leads == ("I", "aVR", "aVL", "V6", "vx")


def test_steps_that_say_not_measured_are_nan_and_no_others(tmp_path: Path, write_wfdb: Write) -> None:
    steps = np.zeros((2, 10), dtype=np.int16)
    steps[0, 3] = -32768
    steps[1, 4] = -32767
    values = read_wfdb(write_wfdb(tmp_path / "r", steps, leads=("I", "II"), suffix=".mat")).values
    assert np.argwhere(np.isnan(values)).tolist() == [[0, 3]]


def test_signals_in_two_files_are_one_recording(tmp_path: Path, make_steps: Steps, write_wfdb: Write) -> None:
    steps = make_steps(5)
    write_wfdb(tmp_path / "r", steps[:2], leads=("i", "ii"))
    lines = (tmp_path / "r.hea").read_text().splitlines()[1:]
    write_wfdb(tmp_path / "x", steps[2:], leads=("vx", "vy", "vz"))
    (tmp_path / "x.dat").rename(tmp_path / "r.xyz")
    lines += [line.replace("x.dat", "r.xyz") for line in (tmp_path / "x.hea").read_text().splitlines()[1:]]
    (tmp_path / "r.hea").write_text("\n".join(["r 5 1000 1000", *lines]))
    recording = read_wfdb(tmp_path / "r")
    assert recording.leads == ("I", "II", "vx", "vy", "vz")
    np.testing.assert_allclose(recording.values, steps / 1000, atol=1e-6)


@pytest.mark.parametrize("signed", [True, False])
def test_checksums_hold_signed_and_unsigned(tmp_path: Path, write_wfdb: Write, signed: bool) -> None:
    steps = np.full((1, 50), -30, dtype=np.int16)
    total = -1500 if signed else -1500 % 65536
    assert read_wfdb(write_wfdb(tmp_path / "r", steps, leads=("I",), checksums=[total])).values.size == 50


def test_header_without_checksums_is_read(tmp_path: Path, write_wfdb: Write) -> None:
    steps = np.ones((1, 50), dtype=np.int16)
    record = write_wfdb(tmp_path / "r", steps, leads=("I",), checksums=[None])
    assert read_wfdb(record).values.shape == (1, 50)


def test_changed_sample_is_a_checksum_mismatch_that_names_the_lead(tmp_path: Path, write_wfdb: Write) -> None:
    record = write_wfdb(tmp_path / "r")
    content = bytearray((tmp_path / "r.dat").read_bytes())
    content[2 * 12 * 7 + 2 * 6] ^= 1  # sample 7 of V1
    (tmp_path / "r.dat").write_bytes(content)
    with pytest.raises(RecordError, match=r"r\.dat: found samples of lead V1 with another checksum"):
        read_wfdb(record)


@pytest.mark.parametrize("suffix", [".dat", ".mat"])
def test_truncated_file_is_told_with_both_sizes(tmp_path: Path, write_wfdb: Write, suffix: str) -> None:
    record = write_wfdb(tmp_path / "r", suffix=suffix)
    file = tmp_path / f"r{suffix}"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(RecordError, match=rf"{size - 1} bytes, expected {size}.*truncated"):
        read_wfdb(record)


def test_length_that_no_file_can_have_is_an_error_not_an_allocation(
    tmp_path: Path, write_wfdb: Write
) -> None:
    for length, found in ((80_000_000, "truncated"), (999999999999999, "samples 999999999999999")):
        record = write_wfdb(tmp_path / "r", record_line=f"r 12 500 {length}")
        with pytest.raises(RecordError, match=found):
            read_wfdb(record)


def test_header_that_names_a_missing_file_is_told(tmp_path: Path, write_wfdb: Write) -> None:
    record = write_wfdb(tmp_path / "r")
    (tmp_path / "r.dat").unlink()
    with pytest.raises(RecordError, match=r"r\.hea: found no file r\.dat, which it names"):
        read_wfdb(record)


def test_file_that_cannot_be_read_is_told(
    tmp_path: Path, write_wfdb: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    record = write_wfdb(tmp_path / "r")
    monkeypatch.setattr(np, "fromfile", refuse)
    with pytest.raises(RecordError, match=r"r\.dat: found a file that cannot be read \(Permission denied\)"):
        read_wfdb(record)


def test_empty_file_of_a_header_without_length_is_told(tmp_path: Path, write_wfdb: Write) -> None:
    record = write_wfdb(tmp_path / "r", record_line="r 12 500")
    (tmp_path / "r.dat").write_bytes(b"")
    with pytest.raises(RecordError, match=r"r\.dat: found 0 bytes, no samples"):
        read_wfdb(record)


def test_unknown_unit_is_told_and_not_guessed(tmp_path: Path, write_wfdb: Write) -> None:
    with pytest.raises(RecordError, match="the unit 'mmHg'"):
        read_wfdb(write_wfdb(tmp_path / "r", gains="100/mmHg"))


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
        read_wfdb(record)


def test_mat_of_another_shape_than_the_headers_is_told(
    tmp_path: Path, write_wfdb: Write, make_steps: Steps
) -> None:
    record = write_wfdb(tmp_path / "r", suffix=".mat", record_line="r 12 500 900", checksums=[None] * 12)
    with pytest.raises(RecordError, match="12 x 900 int16"):
        read_wfdb(record)


BITS = {16: 16, 24: 24, 32: 32, 61: 16, 80: 8, 160: 16, 212: 12, 310: 10, 311: 10, 8: 8}
COMPRESSED = {508: 8, 516: 16, 524: 24}


def packed(steps: NDArray[np.int64], storage: int) -> bytes:
    """Write steps `(samples, leads)` in a format, bit by bit as the format's page says."""
    flat = steps.reshape(-1)
    if storage == 8:
        flat = np.diff(steps, axis=0, prepend=steps[:1]).reshape(-1)
    if storage in (80, 160):
        return (flat + 2 ** (BITS[storage] - 1)).astype("<u2" if storage == 160 else "u1").tobytes()
    if storage in (8, 16, 24, 32, 61):
        order = "big" if storage == 61 else "little"
        return b"".join(int(step).to_bytes(BITS[storage] // 8, order, signed=True) for step in flat)
    bits = BITS[storage]
    size = {212: 2, 310: 3, 311: 3}[storage]
    content = bytearray()
    for start in range(0, len(flat), size):
        group = [int(step) % 2**bits for step in flat[start : start + size]]
        rest = size - len(group)
        one, two, *three = [*group, *[0] * rest]
        if storage == 212:
            content += bytes([one & 255, one >> 8 | two >> 8 << 4, two & 255][: 2 if rest else 3])
        elif storage == 310:
            first, second = one << 1 | (three[0] & 31) << 11, two << 1 | three[0] >> 5 << 11
            content += (first.to_bytes(2, "little") + second.to_bytes(2, "little"))[: 2 if rest == 2 else 4]
        else:
            content += (one | two << 10 | three[0] << 20).to_bytes(4, "little")[: (4, 3, 2)[rest]]
    return bytes(content)


def write_in(
    storage: int, record: Path, steps: NDArray[np.int64], gains: list[str], name: str | None = None
) -> Path:
    """Write a record in a format; `steps (leads, samples)`."""
    file = record.with_name(f"{record.name}.dat")
    if storage in COMPRESSED:
        wfdb.io._signal.wr_dat_file(file.name, str(storage), steps.T, 0, write_dir=str(record.parent))
    else:
        file.write_bytes(packed(steps.T, storage))
    lines = [
        f"{file.name} {storage} {gain} 12 0 {row[0]} {int(row.sum()) % 65536} 0 L{number}"
        for number, (gain, row) in enumerate(zip(gains, steps, strict=True))
    ]
    header = "\n".join([f"{name or record.name} {len(steps)} 500 {steps.shape[1]}", *lines])
    record.with_name(f"{record.name}.hea").write_text(header + "\n", encoding="utf-8")
    return record


GAINS = st.sampled_from(
    ["400(+17)/mV", "4E2(0)/mV", "4e2(-3)/uV", "1/µV", "2000", ".5/nV", "1e6(+2)/V", "200.0/mV", "-200(1)/mV"]
)


@pytest.mark.slow
@given(
    storage=st.sampled_from([*BITS, *COMPRESSED]),
    name=st.sampled_from(["r", "a.b", "größe", "a.b.c", "100"]),
    record_line=st.sampled_from([None, "x", "r.mat", "median_beats/r"]),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_one_header_gives_the_same_millivolts_in_every_format(
    storage: int,
    name: str,
    record_line: str | None,
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    shape = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 11)))
    # Within 6 bits, whose differences format 8 can hold.
    steps = data.draw(arrays(np.int64, shape, elements=st.integers(-63, 63)))
    gains = data.draw(st.lists(GAINS, min_size=shape[0], max_size=shape[0]))
    folder = tmp_path_factory.mktemp("formats")
    (folder / "16").mkdir()
    reference = read_wfdb(write_in(16, folder / "16" / name, steps, gains, record_line))
    other = read_wfdb(write_in(storage, folder / name, steps, gains, record_line))
    assert other.leads == reference.leads
    np.testing.assert_array_equal(other.values, reference.values)


@pytest.mark.slow
@given(storage=st.sampled_from([*BITS, *COMPRESSED]), data=st.data())
@settings(max_examples=100, deadline=None)
def test_formats_agree_with_the_wfdb_library(
    storage: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    most = 2 ** ((BITS | COMPRESSED)[storage] - 1) - 1 if storage != 8 else 63
    shape = data.draw(st.tuples(st.integers(1, 4), st.integers(2, 11)))
    lowest = -63 if storage == 8 else -most - 1  # which stands for "not measured"
    steps = data.draw(arrays(np.int64, shape, elements=st.integers(lowest, most)))
    record = write_in(storage, tmp_path_factory.mktemp("formats") / "r", steps, ["200(3)/mV"] * shape[0])
    ours = read_wfdb(record).values
    np.testing.assert_allclose(ours, wfdb.rdrecord(str(record)).p_signal.T, rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(ours), (steps == lowest) & (storage != 8))


@pytest.mark.parametrize("storage", [24, 212, 310, 516])
def test_a_file_in_turn_for_every_lead(storage: int, tmp_path: Path) -> None:
    steps = np.random.default_rng(0).integers(-500, 500, (4, 100))
    lines = []
    for number in (0, 1):
        write_in(storage, tmp_path / f"part{number}", steps[number::2], ["200/mV"] * 2)
        lines.append((tmp_path / f"part{number}.hea").read_text().splitlines()[1:])
    in_turn = [line for pair in zip(*lines, strict=True) for line in pair]
    (tmp_path / "r.hea").write_text("\n".join(["r 4 500 100", *in_turn]))
    np.testing.assert_allclose(read_wfdb(tmp_path / "r").values, steps / 200, rtol=1e-6)


@pytest.mark.parametrize("storage", [*BITS, *COMPRESSED])
def test_a_recording_is_the_same_in_blocks(
    storage: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = np.random.default_rng(0).integers(-60, 60, (5, 101))
    record = write_in(storage, tmp_path / "r", steps, ["200/mV"] * 5)
    whole = read_wfdb(record).values
    for module in ("wfdb_recording", "wfdb_samples"):
        monkeypatch.setattr(f"ecg_tl.recordings.{module}.BLOCK", 6)
    np.testing.assert_array_equal(read_wfdb(record).values, whole)
    np.testing.assert_allclose(whole, steps / 200, rtol=1e-6)


def test_a_long_recording_takes_little_more_memory_than_its_millivolts(
    tmp_path: Path, write_wfdb: Write
) -> None:
    samples = 600_000
    record = write_wfdb(tmp_path / "r", np.ones((12, samples), dtype=np.int16))
    tracemalloc.start()
    try:
        read_wfdb(record)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.3 * 4 * 12 * samples


def test_several_formats_in_one_file_are_refused(tmp_path: Path) -> None:
    record = write_in(16, tmp_path / "r", np.zeros((2, 5), dtype=np.int64), ["200/mV"] * 2)
    text = (tmp_path / "r.hea").read_text()
    (tmp_path / "r.hea").write_text(text.replace("r.dat 16", "r.dat 212", 1))
    with pytest.raises(RecordError, match=r"formats 16, 212 of r\.dat"):
        read_wfdb(record)


@pytest.mark.parametrize("storage", [212, 32, 516])
def test_a_named_pipe_in_the_place_of_a_signal_file_is_told(storage: int, tmp_path: Path) -> None:
    record = write_in(storage, tmp_path / "r", np.zeros((2, 5), dtype=np.int64), ["200/mV"] * 2)
    (tmp_path / "r.dat").unlink()
    os.mkfifo(tmp_path / "r.dat")
    with pytest.raises(RecordError, match=r"no file r\.dat"):
        read_wfdb(record)


@pytest.mark.parametrize("storage", [80, 212, 311, 524])
def test_a_truncated_file_of_any_format_is_told(storage: int, tmp_path: Path) -> None:
    steps = np.random.default_rng(0).integers(-100, 100, (2, 500))
    record = write_in(storage, tmp_path / "r", steps, ["200/mV"] * 2)
    text = (tmp_path / "r.hea").read_text()
    (tmp_path / "r.hea").write_text(text.replace(" 500 500", " 500 501"))
    with pytest.raises(RecordError, match="truncated"):
        read_wfdb(record)


def test_a_damaged_compressed_file_is_told(tmp_path: Path) -> None:
    steps = np.random.default_rng(0).integers(-100, 100, (2, 5000))
    record = write_in(516, tmp_path / "r", steps, ["200/mV"] * 2)
    content = (tmp_path / "r.dat").read_bytes()
    for damaged in (b"", content[:50], content[:20] + bytes(len(content) - 20), b"RIFF" + content):
        (tmp_path / "r.dat").write_bytes(damaged)
        with pytest.raises(RecordError, match=r"r\.dat"):
            read_wfdb(record)


def test_missing_values_of_a_packed_format_are_nan(tmp_path: Path) -> None:
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
    values = read_wfdb(tmp_path / "r").values
    assert np.argwhere(np.isnan(values)).tolist() == [[1, 5]]
    assert np.nanmax(np.abs(values[1])) == pytest.approx(0.002, rel=0.01)  # 2 µV


def damage_by_truncation(folder: Path) -> None:
    (folder / "r.dat").write_bytes((folder / "r.dat").read_bytes()[:50])


def damage_the_format(folder: Path) -> None:
    text = (folder / "r.hea").read_text()
    (folder / "r.hea").write_text(text.replace(" 212 ", " 999 "))


def damage_a_sample(folder: Path) -> None:
    content = bytearray((folder / "r.dat").read_bytes())
    content[30] ^= 1
    (folder / "r.dat").write_bytes(content)


@pytest.mark.parametrize("damage", [damage_by_truncation, damage_the_format, damage_a_sample])
def test_damage_of_a_packed_format_is_told(tmp_path: Path, damage: Callable[[Path], None]) -> None:
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
        read_wfdb(tmp_path / "r")


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
    np.testing.assert_array_equal(np.rint(read_wfdb(record).values * 1000).astype(np.int64), steps)


@pytest.mark.parametrize("storage", BITS)
@pytest.mark.parametrize(("a_frame", "length"), [(2, 36), (4, 33), (3, None)])
def test_several_samples_a_frame_are_as_the_wfdb_library_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: int, a_frame: int, length: int | None
) -> None:
    """The record line counts frames: their rate and their number, times the samples of each."""
    frames = length or 24
    walk = np.random.default_rng(0).integers(-3, 4, (2, frames * a_frame))
    steps = np.clip(walk.cumsum(axis=1), -100, 100)
    stored = np.diff(steps, axis=1, prepend=steps[:, :1]) if storage == 8 else steps
    by_frame = stored.reshape(2, frames, a_frame).transpose(1, 0, 2).reshape(1, -1)
    content = stored_bytes(by_frame, storage)
    (tmp_path / "r.dat").write_bytes(content)
    lines = [f"r.dat {storage}x{a_frame} 100(0)/mV 8 0 {row[0]} {row.sum() % 65536} 0 {name}"
             for row, name in zip(steps, ("I", "V1"), strict=True)]  # fmt: skip
    said = "" if length is None and storage != 8 else f" {frames}"
    (tmp_path / "r.hea").write_text("\n".join([f"r 2 250{said}", *lines]) + "\n")
    recording = read_wfdb(tmp_path / "r")
    assert recording.sampling_rate == 250 * a_frame
    np.testing.assert_allclose(recording.values, steps / 100, atol=1e-6)
    if said:
        library = wfdb.rdrecord(str(tmp_path / "r"), smooth_frames=False)
        np.testing.assert_allclose(recording.values, np.stack(library.e_p_signal), atol=1e-6)
    monkeypatch.setattr("ecg_tl.recordings.wfdb_recording.BLOCK", 6)
    np.testing.assert_array_equal(read_wfdb(tmp_path / "r").values, recording.values)


def stored_bytes(values: NDArray[np.int64], storage: int) -> bytes:
    """Write values one after another; of format 8, which holds differences, as they are."""
    return values.astype("i1").tobytes() if storage == 8 else packed(values, storage)
