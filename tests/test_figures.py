"""ECGs on paper: to scale, laid out as a cardiograph does, and what the heading says."""

import os
import subprocess
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, TextArea

from ecg_tl.errors import SettingError
from ecg_tl.figures import ecg_figure, figure_to_image
from ecg_tl.signals import LEADS, standard_lead

RATE = 100.0
MM = 25.4


def beats(leads: int = 12, seconds: float = 10.0, rate: float = RATE) -> np.ndarray:
    """A spike of 1 mV every second, 0.5 s into it, on a baseline of 0 mV."""
    signal = np.zeros((leads, round(seconds * rate)), dtype=np.float32)
    signal[:, round(rate / 2) :: round(rate)] = 1.0
    return signal


def words(figure: Figure) -> list[str]:
    axes = figure.axes[0]
    boxes = [artist for artist in axes.artists if isinstance(artist, AnnotationBbox)]
    packed = [
        area.get_text()
        for box in boxes
        for area in box.offsetbox.get_children()
        if isinstance(area, TextArea)
    ]
    return [text.get_text() for text in axes.texts] + packed


def traces(figure: Figure) -> list[np.ndarray]:
    """The drawn leads as `(2, samples)` in mm; pulses and separators are shorter."""
    return [line.get_xydata().T for line in figure.axes[0].lines if len(line.get_xdata()) > 10]


def test_a_millimetre_is_a_millimetre() -> None:
    figure = ecg_figure(beats(), LEADS, RATE)
    axes = figure.axes[0]
    width, height = (inches * MM for inches in figure.get_size_inches())
    assert np.ptp(axes.get_xlim()) == pytest.approx(width)
    assert np.ptp(axes.get_ylim()) == pytest.approx(height)
    assert tuple(axes.get_position().bounds) == (0, 0, 1, 1)


def test_25_mm_a_second_and_10_mm_a_millivolt() -> None:
    rhythm = traces(ecg_figure(beats(), LEADS, RATE))[-1]
    peaks = rhythm[0][rhythm[1] > rhythm[1].min() + 1]
    np.testing.assert_allclose(np.diff(peaks), 25.0)
    assert np.ptp(rhythm[1]) == pytest.approx(10.0)
    assert np.ptp(rhythm[0]) == pytest.approx(250.0, abs=0.3)


def test_ten_seconds_of_twelve_leads_are_laid_out_classically() -> None:
    signal = beats() * np.arange(1, 13)[:, None] / 10  # each lead is known by its height
    drawn = traces(ecg_figure(signal, LEADS, RATE))
    assert len(drawn) == 13
    order = ["I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6", "II"]
    heights = [LEADS.index(lead) + 1 for lead in order]
    np.testing.assert_allclose([np.ptp(y) for _, y in drawn], heights, rtol=1e-5)
    for row in range(3):
        starts = [drawn[4 * row + column][0][0] for column in range(4)]
        np.testing.assert_allclose(np.diff(starts), 2.5 * 25)


def test_columns_follow_each_other_in_time() -> None:
    signal = np.zeros((12, 1000))
    signal[:, 300] = 1.0  # 3 s: in the second column, half a second from its start
    drawn = traces(ecg_figure(signal, LEADS, RATE))
    assert [np.ptp(y) > 5 for _, y in drawn] == [False, True, False, False] * 3 + [True]
    x, y = drawn[1]
    assert x[y.argmax()] - x[0] == pytest.approx(12.5)


@pytest.mark.parametrize(("leads", "seconds"), [(LEADS[:3], 10.0), (LEADS, 6.0), (("II",), 2.0)])
def test_other_leads_and_lengths_are_drawn_a_lead_a_row(leads: tuple[str, ...], seconds: float) -> None:
    drawn = traces(ecg_figure(beats(len(leads), seconds), leads, RATE))
    assert len(drawn) == len(leads)
    assert all(np.ptp(x) == pytest.approx(25 * seconds, abs=0.3) for x, _ in drawn)
    baselines = [np.median(y) for _, y in drawn]
    assert baselines == sorted(baselines, reverse=True)


def test_leads_are_found_by_name() -> None:
    signal = beats()
    signal[LEADS.index("II")] *= 2
    turned = ecg_figure(signal[::-1], LEADS[::-1], RATE)
    assert np.ptp(traces(turned)[-1][1]) == pytest.approx(20.0)


def test_the_beginning_of_a_long_record_is_drawn_and_said_so() -> None:
    figure = ecg_figure(beats(seconds=30), LEADS, RATE)
    assert len(traces(figure)) == 13
    assert any("first 10 s of 30 s" in word for word in words(figure))


def test_each_row_begins_with_a_pulse_of_one_millivolt_and_a_fifth_of_a_second() -> None:
    lines = ecg_figure(beats(), LEADS, RATE).axes[0].lines
    pulses = [line.get_xydata().T for line in lines if len(line.get_xdata()) == 6]
    assert len(pulses) == 4
    for x, y in pulses:
        assert np.ptp(y) == 10.0
        assert np.ptp(x[y == y.max()]) == 5.0


def test_an_offset_does_not_leave_the_paper() -> None:
    plain, offset = (traces(ecg_figure(beats() + shift, LEADS, RATE)) for shift in (0.0, 40.0))
    np.testing.assert_allclose(plain[0], offset[0], atol=1e-4)


def test_missing_values_are_gaps_and_an_empty_lead_is_drawn_empty() -> None:
    signal = beats()
    signal[1, 100:200] = np.nan
    signal[2] = np.nan
    assert figure_to_image(ecg_figure(signal, LEADS, RATE)).size


def test_the_heading_says_what_is_right_wrong_and_missed() -> None:
    figure = ecg_figure(
        beats(), LEADS, RATE, title="record 7", true=["MI", "CD"], predicted={"MI": 0.934, "HYP": 0.6}
    )
    text = words(figure)
    assert {"record 7", "true", "predicted", "MI", "CD (missed)", "MI 0.93 ✓", "HYP 0.60 ✗"} <= set(text)


def test_predictions_without_truth_are_not_judged() -> None:
    text = words(ecg_figure(beats(), LEADS, RATE, predicted=["MI"]))
    assert "MI" in text
    assert "true" not in text


def test_no_labels_is_said_and_many_are_counted() -> None:
    assert "none" in words(ecg_figure(beats(), LEADS, RATE, true=[]))
    many = words(ecg_figure(beats(), LEADS, RATE, true=[f"L{i}" for i in range(40)]))
    assert "and 30 more" in many


def test_labels_are_not_taken_for_formulas() -> None:
    figure_to_image(ecg_figure(beats(), LEADS, RATE, title="cost $x_{", true=["a$b$_{"]))


def test_pixels_are_on_the_grid_and_three_channels() -> None:
    image = figure_to_image(ecg_figure(beats(), LEADS, RATE))
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    assert image.shape[1] == 5 * 275
    assert (image[0, 0] == 255).all()
    assert image.min() < 60, "there is ink"
    reddish = (image[..., 0].astype(int) - image[..., 1]) > 15
    assert 0.2 < reddish.mean() < 0.8, "there is a grid"


def test_global_state_of_matplotlib_is_left_alone() -> None:
    before = dict(matplotlib.rcParams)
    figure_to_image(ecg_figure(beats(), LEADS, RATE))
    assert dict(matplotlib.rcParams) == before
    imports = "import sys, ecg_tl.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", imports], check=False).returncode == 0


def test_drawing_takes_less_than_a_second() -> None:
    signal = beats(rate=500.0)
    figure_to_image(ecg_figure(signal, LEADS, 500.0))
    start = time.perf_counter()
    figure_to_image(ecg_figure(signal, LEADS, 500.0, true=["NORM"], predicted={"NORM": 0.5}))
    assert time.perf_counter() - start < 1.0


@pytest.mark.parametrize(
    ("signal", "leads", "rate"),
    [
        (beats(11), LEADS, RATE),
        (beats(2), ("I", "I"), RATE),
        (np.zeros(10), ("I",), RATE),
        (np.zeros((1, 0)), ("I",), RATE),
        (np.zeros((0, 10)), (), RATE),
        (beats(), LEADS, 0.0),
        (beats(), LEADS, float("nan")),
    ],
)
def test_what_is_no_ecg_is_refused(signal: np.ndarray, leads: tuple[str, ...], rate: float) -> None:
    with pytest.raises(SettingError, match="ECG to draw"):
        ecg_figure(signal, leads, rate)


@pytest.mark.realdata
@pytest.mark.skipif("ECG_TL_SAMPLE_DATA" not in os.environ, reason="ECG_TL_SAMPLE_DATA names no real records")
def test_a_real_record_is_drawn() -> None:
    import wfdb

    header = min((Path(os.environ["ECG_TL_SAMPLE_DATA"]) / "ptb-xl" / "records500").rglob("*.hea"))
    signal, fields = wfdb.rdsamp(str(header.with_suffix("")))
    leads = tuple(standard_lead(name) for name in fields["sig_name"])
    figure = ecg_figure(signal.T, leads, fields["fs"], title=header.stem)
    assert len(traces(figure)) == 13
    assert figure_to_image(figure).min() < 60
