from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ecg_tl.errors import RecordError
from ecg_tl.recordings.wfdb_header import read_header

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
        pytest.param("\ufeffr 1 500 5000", id="a byte order mark"),
        pytest.param("median_beats/r 1 500 5000", id="a folder before the name"),
        pytest.param("a/b/7 1 500 5000", id="two folders before a number"),
        pytest.param("7/r 1 500 5000", id="a folder that is a number"),
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


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_system(tmp_path: Path, end: str) -> None:
    found = read_header(header(tmp_path, end.join(["r 1 500 10", SIGNAL, "# Age: 5", ""])))
    assert (found.length, found.comments) == (10, ("Age: 5",))


@pytest.mark.parametrize(
    ("record_line", "is_read"), [("mitdb/100 1 360 9", True), ("mitdb/101 1 360 9", False)]
)
def test_a_folder_and_a_name_that_is_a_number_is_no_count_of_segments(
    tmp_path: Path, record_line: str, is_read: bool
) -> None:
    record = header(tmp_path, f"{record_line}\n{SIGNAL}\n", name="100")
    if is_read:
        assert read_header(record).length == 9
    else:
        with pytest.raises(RecordError, match="several segments"):
            read_header(record)


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "r.hea")
    with pytest.raises(RecordError, match="no regular file"):
        read_header(tmp_path / "r")


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../r.dat", "a/../../r.dat", "..\\r.dat", "C:\\r.dat", "\\\\host\\r.dat", "..", "."],
)
def test_a_signal_file_out_of_the_headers_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordError, match="a file in the header's folder"):
        read_header(header(tmp_path, f"r 1 500 10\n{name} 16 1000/mV 16 0 0 0 0 I\n"))


@pytest.mark.parametrize("gain", ["1e-300/mV", "1e300/mV", "1/V"])
def test_steps_that_no_converter_has_are_refused(tmp_path: Path, gain: str) -> None:
    signal = read_header(header(tmp_path, f"r 1 500 10\nr.dat 16 {gain}\n")).signals[0]
    if gain == "1/V":
        assert signal.millivolts_per_step("r") == 1000
    else:
        with pytest.raises(RecordError, match="steps of"):
            signal.millivolts_per_step("r")


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
        pytest.param("r 1 500 10\nr.dat 516x4 1000/mV", "516x4", id="several compressed samples a frame"),
        pytest.param("r 1 500 10\nr.dat 16x0 1000/mV", "16x0", id="no samples a frame"),
        pytest.param("r 1 500 10\nr.dat 16x900 1000/mV", "450000 Hz", id="a rate by frames that is none"),
        pytest.param(
            "r 2 250 10\nr.dat 16 1000/mV\nr.dat 16x4 1000/mV", "1 and 4 samples a frame", id="several rates"
        ),
        pytest.param("r 1 500 10\nr.dat 16:3 1000/mV", "16:3", id="skewed signal"),
        pytest.param(f"r 1 500\n{SIGNAL}", "no file r.dat", id="no length and no file"),
        pytest.param(
            "r 1 500\n. 516 1000/mV 16 0 0 0 0 I", "the file '.'", id="a folder in the place of a file"
        ),
        pytest.param("r 1 500 10\nr.dat 7 1000/mV", "the format 7", id="format that is none"),
        pytest.param("r 1 500 10\nr.dat 0 1000/mV", "the format 0", id="format of no signal"),
        pytest.param(f"r 513 500 10\n{SIGNAL}", "leads 513", id="more leads than any recorder has"),
        pytest.param(f"r 99999999999 500 10\n{SIGNAL}", "leads 99999999999", id="a lead count of 10^10"),
        pytest.param(f"r 1 1e9 10\n{SIGNAL}", "1e9 Hz", id="sampling rate of radio"),
        pytest.param(f"r 1 1e-3 10\n{SIGNAL}", "1e-3 Hz", id="sampling rate of a weather station"),
        pytest.param(f"r 1 1e308 10\n{SIGNAL}", "1e308 Hz", id="sampling rate near infinity"),
        pytest.param(f"r 1 500 99999999999\n{SIGNAL}", "samples 99999999999", id="10^11 samples"),
        pytest.param(
            "r 2 500 1000000000\n" + 2 * f"{SIGNAL}\n", "values 2000000000", id="more than memory holds"
        ),
        pytest.param(f"r/5 1 500 10\n{SIGNAL}", "several segments", id="more segments than lines"),
        pytest.param("r/2 1 500 10\nr 5\ns 5\n", "several segments", id="lines for two segments"),
        pytest.param(b"r 1 500 10\n\x00.dat 16 1000/mV 16 0 0 0 0 I", "the file '\\x00.dat'", id="zero byte"),
        pytest.param("r 1 500 10\n" + "a" * 2**20, "1,048,587 bytes", id="a line without an end"),
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


@pytest.mark.slow
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
