from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ecg_tl.datasets.wfdb_header import read_header
from ecg_tl.errors import RecordError

SIGNAL = "r.dat 16 1000/mV 16 0 0 0 0 I"


def header(folder: Path, text: str | bytes, name: str = "r") -> Path:
    content = text if isinstance(text, bytes) else text.encode()
    (folder / f"{name}.hea").write_bytes(content)
    return folder / name


@pytest.mark.parametrize(
    "record_line",
    [
        pytest.param("r.mat 1 500 5000", id="name with the signal file's suffix"),
        pytest.param("r 1 500 5000", id="four fields"),
        pytest.param("another 1 500 5000", id="another name"),
        pytest.param("r 1 500 5000 12-May-2020 12:33:59", id="date in a form of its own"),
        pytest.param("r 1 500.0/500(0) 5000 10:00:00 01/01/2020", id="counter frequency"),
        pytest.param("  r\t1  500   5000\r", id="tabs and a carriage return"),
    ],
)
def test_record_lines_as_published_are_read(tmp_path: Path, record_line: str) -> None:
    found = read_header(header(tmp_path, f"{record_line}\n{SIGNAL}\n"))
    assert (found.sampling_rate, found.length) == (500.0, 5000)
    assert [signal.lead for signal in found.signals] == ["I"]


@pytest.mark.parametrize(
    ("field", "gain", "baseline", "unit"),
    [
        ("1000/mV", 1000.0, 0, "mV"),
        ("1000.0(0)/mV", 1000.0, 0, "mV"),
        ("1000/mv", 1000.0, 0, "mv"),
        ("2000", 2000.0, 0, "mV"),
        ("1229(-5)/mV", 1229.0, -5, "mV"),
        ("4.88e-3(12)/uV", 0.00488, 12, "uV"),
        ("1/µV", 1.0, 0, "µV"),
    ],
)
def test_gain_fields_as_published_are_read(
    tmp_path: Path, field: str, gain: float, baseline: int, unit: str
) -> None:
    signal = read_header(header(tmp_path, f"r 1 500 10\nr.dat 16 {field} 16 0 0 0 0 I\n")).signals[0]
    assert (signal.gain, signal.baseline, signal.unit) == (gain, baseline, unit)


def test_micro_sign_of_an_old_encoding_is_read(tmp_path: Path) -> None:
    text = "r 1 500 10\nr.dat 16 1/µV 16 0 0 0 0 I\n".encode("latin-1")
    assert read_header(header(tmp_path, text)).signals[0].unit == "µV"


def test_baseline_is_the_converters_zero_where_the_gain_gives_none(tmp_path: Path) -> None:
    signal = read_header(header(tmp_path, "r 1 500 10\nr.dat 16 200/mV 11 1024 0 0 0 I\n")).signals[0]
    assert signal.baseline == 1024


def test_format_field_with_samples_a_frame_and_offset_is_read(tmp_path: Path) -> None:
    signal = read_header(header(tmp_path, "r 1 500 10\nr.mat 16x1+24 1000/mV 16 0 0 0 0 I\n")).signals[0]
    assert (signal.storage_format, signal.byte_offset) == (16, 24)


def test_missing_checksum_and_lead_name_are_told(tmp_path: Path) -> None:
    signal = read_header(header(tmp_path, "r 1 500 10\nr.dat 16 1000/mV\n")).signals[0]
    assert signal.checksum is None
    assert signal.lead == "signal 1"


def test_missing_length_is_answered_from_the_files_size(
    tmp_path: Path, write_wfdb: Callable[..., Path]
) -> None:
    record = write_wfdb(tmp_path / "r", record_line="r 12 500")
    assert read_header(record).length == 1000


def test_names_with_dots_are_kept_whole(tmp_path: Path) -> None:
    assert read_header(header(tmp_path, f"a.b 1 500 10\n{SIGNAL}", name="a.b")).length == 10


@pytest.mark.parametrize("line", ["#Dx: 426783006", "# Dx: 426783006", "#<Dx>: 426783006", "#dx:426783006 "])
def test_spellings_of_a_comment_are_one_field(tmp_path: Path, line: str) -> None:
    found = read_header(header(tmp_path, f"r 1 500 10\n{SIGNAL}\n{line}\n"))
    assert found.comment("Dx") == "426783006"
    assert found.comment("Rx") is None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        pytest.param("", "an empty file", id="empty"),
        pytest.param("# only a comment\n", "no record line", id="comments only"),
        pytest.param(b"\x00\xff\x13binary\x00\n\x01", "found", id="binary"),
        pytest.param("r\n", "'r'", id="record line of one field"),
        pytest.param("r twelve 500 10\n", "twelve", id="number of signals in words"),
        pytest.param("r 0 500 10\n", "0 signals", id="no signals"),
        pytest.param(f"r 1 -5 10\n{SIGNAL}", "-5 Hz", id="negative sampling rate"),
        pytest.param(f"r 1 0 10\n{SIGNAL}", "0 Hz", id="sampling rate of zero"),
        pytest.param(f"r 1 1e999 10\n{SIGNAL}", "1e999 Hz", id="infinite sampling rate"),
        pytest.param(f"r 1 nan 10\n{SIGNAL}", "nan", id="sampling rate of nan"),
        pytest.param(f"r 1 500 -10\n{SIGNAL}", "-10", id="negative length"),
        pytest.param(f"r/2 1 500 10\n{SIGNAL}", "several segments", id="several segments"),
        pytest.param(f"r 2 500 10\n{SIGNAL}", "1 signal lines", id="fewer signal lines than announced"),
        pytest.param(
            f"r 1 500 10\n{SIGNAL}\n{SIGNAL}", "2 signal lines", id="more signal lines than announced"
        ),
        pytest.param("r 1 500 10\nr.dat", "r.dat", id="signal line without a format"),
        pytest.param("r 1 500 10\nr.dat x 1000/mV", "r.dat x", id="format that is no number"),
        pytest.param("r 1 500 10\nr.dat 16 fast/mV", "fast/mV", id="gain that is no number"),
        pytest.param("r 1 500 10\nr.dat 16 1000/mV 16 0 0 sum 0 I", "sum", id="checksum that is no number"),
        pytest.param("r 1 500 10\nr.dat 16", "not calibrated", id="no gain"),
        pytest.param("r 1 500 10\nr.dat 16 0/mV", "not calibrated", id="gain of zero"),
        pytest.param("r 1 500 10\nr.dat 16x4 1000/mV", "16x4", id="several samples a frame"),
        pytest.param("r 1 500 10\nr.dat 16:3 1000/mV", "16:3", id="skewed signal"),
        pytest.param(f"r 1 500\n{SIGNAL}", "no file r.dat", id="no length and no file"),
        pytest.param(
            "r 1 500\nr.dat 212 1000/mV 16 0 0 0 0 I", "no number of samples", id="no length, format 212"
        ),
    ],
)
def test_faulty_header_is_one_error_that_names_it(tmp_path: Path, text: str | bytes, part: str) -> None:
    with pytest.raises(RecordError) as caught:
        read_header(header(tmp_path, text))
    assert caught.value.where == str(tmp_path / "r.hea")
    assert part in str(caught.value)
    assert caught.value.expected
    assert caught.value.remedy


def test_missing_header_is_one_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"absent\.hea: found no such file"):
        read_header(tmp_path / "absent")


def test_header_that_is_a_folder_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "r.hea").mkdir()
    with pytest.raises(RecordError, match="cannot be read"):
        read_header(tmp_path / "r")


@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.lists(
                st.sampled_from(
                    ["r", "1", "12", "500", "-1", "16", "16+24", "1000/mV", "1e400", "#", "²", "/"]
                )
            ),
            max_size=4,
        ).map(lambda lines: "\n".join(" ".join(words) for words in lines).encode()),
    )
)
@example(b"r 1 500 99999999999999999999\nr.dat 16 1/mV")
@example("r ² 500 10\n".encode())
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_header_or_a_record_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        record = header(Path(folder), content)
        try:
            found = read_header(record)
        except RecordError:
            return
        assert found.sampling_rate > 0
        assert found.length > 0
        assert found.signals
