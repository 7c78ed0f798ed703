"""Times without a unit: what an ECG can be decides, against what the user says; else it is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_tl.errors import RecordError
from ecg_tl.recordings import ReadRecord, ReadSettings, read_record

RATES = [100, 128, 200, 250, 257, 360, 400, 500, 512, 1000, 2000]
FACTORS = {"s": 1.0, "ms": 1e3, "µs": 1e6}


def read(
    folder: Path, times: list[str], rate: float | None = None, name: str = "time", comment: str = ""
) -> ReadRecord:
    path = folder / "a.csv"
    rows = [f"{time},{np.sin(number):.3f}" for number, time in enumerate(times)]
    path.write_text("\n".join([*([comment] if comment else []), f"{name},II", *rows]) + "\n")
    return read_record(path, ReadSettings(units="mV", sampling_rate=rate))


@pytest.mark.slow
@given(
    rate=st.sampled_from(RATES), unit=st.sampled_from(list(FACTORS)), start=st.sampled_from([0.0, 3.0, 1e4])
)
@settings(max_examples=60, deadline=None)
def test_any_unit_gives_the_rate_or_asks(
    rate: int, unit: str, start: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("times")
    times = [f"{(start + number / rate) * FACTORS[unit]:.9g}" for number in range(4 * rate)]
    counted = unit == "ms" and rate == 1000
    if counted:
        with pytest.raises(RecordError, match=r"sample numbers, or .*Give --sampling_rate"):
            read(folder, times)
    else:
        found = read(folder, times)
        assert found.recording.sampling_rate == pytest.approx(rate, rel=2e-3)
        assert [remark.kind for remark in found.remarks] == ([] if unit == "s" else ["unit_of_time"])
    # With the rate given, whatever the unit is.
    assert read(folder, times, rate).recording.sampling_rate == pytest.approx(rate, rel=2e-3)
    named = read(folder, times, name=f"time ({unit})").recording
    assert named.sampling_rate == pytest.approx(rate, rel=2e-3)


@pytest.mark.slow
@given(rate=st.sampled_from(RATES), first=st.sampled_from([0, 1, 1000]))
@settings(max_examples=20, deadline=None)
def test_sample_numbers_need_the_rate(
    rate: int, first: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("times")
    times = [str(first + number) for number in range(2000)]
    with pytest.raises(RecordError, match=r"sample numbers.*--sampling_rate"):
        read(folder, times)
    found = read(folder, times, rate)
    assert found.recording.sampling_rate == rate
    assert [remark.kind for remark in found.remarks] == ["unit_of_time"]


@pytest.mark.parametrize(
    ("step", "given_rate", "comment", "found"),
    [
        (0.002, 250.0, "", r"in s 500 Hz.*250 Hz as --sampling_rate says"),
        (2, 250.0, "", r"in ms 500 Hz.*250 Hz as --sampling_rate says"),
        (0.002, None, "# sampling_rate: 250", r"250 Hz as its comment says"),
        (1e9, None, "", "a column of times without a unit"),
        (60, None, "", "a column of times without a unit"),
    ],
)
def test_a_contradiction_is_an_error(
    step: float, given_rate: float | None, comment: str, found: str, tmp_path: Path
) -> None:
    times = [f"{number * step:.6g}" for number in range(100)]
    with pytest.raises(RecordError, match=found):
        read(tmp_path, times, given_rate, comment=comment)


@pytest.mark.parametrize("name", ["time (s)", "time_s", "Time [sec]", "t (seconds)"])
def test_a_unit_that_no_ecg_can_have_is_an_error_with_the_one_that_fits(name: str, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"in s(ec|econds)? that goes on by 2, so 0\.5 Hz.*In ms .* 500 Hz"):
        read(tmp_path, [str(2 * number) for number in range(100)], 500.0, name=name)


@pytest.mark.parametrize(
    "form",
    [
        "2020-01-31 10:00:{:06.3f}",
        "2020-01-31T10:00:{:06.3f}Z",
        "2020-01-31T10:00:{:09.6f}+01:00",
        "10:00:{:06.3f}",
        "0:{:06.3f}",
        "'00:00:{:06.3f}'",
    ],
)
def test_dates_and_clocks(form: str, tmp_path: Path) -> None:
    times = [form.format(number / 250) for number in range(1000)]
    assert read(tmp_path, times).recording.sampling_rate == 250


@pytest.mark.parametrize(
    "times",
    [
        ["10:00:00"] * 100,
        [f"10:00:{number // 50:02d}" for number in range(500)],
        ["10:00:00.000", "soon:ish", "10:00:00.004"],
        ["99999-01-01 00:00:00", "99999-01-01 00:00:01"],
    ],
)
def test_clocks_that_do_not_say_the_rate(times: list[str], tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"column of times that cannot be read|do not go on evenly"):
        read(tmp_path, times)
