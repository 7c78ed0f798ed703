"""ECGs on paper: to scale, laid out as a cardiograph does, and what the heading says."""

import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, TextArea

from ecg_tl.errors import SettingError, StoreError
from ecg_tl.figures import Decision, ecg_figure, figure_to_image, finding_figure, save_figure
from ecg_tl.figures.attribution import AGAINST, FOR
from ecg_tl.figures.scores import confusion_figure, reliability_figure
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_global_state_of_matplotlib_is_left_alone() -> None:
    before = dict(matplotlib.rcParams)
    figure_to_image(ecg_figure(beats(), LEADS, RATE))
    assert dict(matplotlib.rcParams) == before
    imports = "import sys, ecg_tl.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", imports], check=False).returncode == 0


def test_drawing_takes_less_than_a_second_of_the_processor() -> None:
    signal = beats(rate=500.0)
    figure_to_image(ecg_figure(signal, LEADS, 500.0))
    start = time.process_time()  # another program's time is no fault
    figure_to_image(ecg_figure(signal, LEADS, 500.0, true=["NORM"], predicted={"NORM": 0.5}))
    assert time.process_time() - start < 1.0


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


# What a network looked at -----------------------------------------------------------------------------------


def bands(figure: Figure) -> list[LineCollection]:
    """The coloured stretches, of the strips in the order drawn."""
    collections = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    return [c for c in collections if c.get_zorder() == 1.8]


def looked_at(lead: str, second: float, value: float) -> np.ndarray:
    attribution = np.zeros((12, 1000))
    middle = round(second * RATE)
    attribution[LEADS.index(lead), middle - 5 : middle + 5] = value
    return attribution


@pytest.mark.parametrize(("value", "colour"), [(0.3, FOR), (-0.3, AGAINST)])
def test_attribution_colours_the_trace_where_it_lies(value: float, colour: str) -> None:
    # V1 is in the third column, from 5 s to 7.5 s: half a second into it.
    figure = ecg_figure(beats(), LEADS, RATE, attribution=looked_at("V1", 5.5, value), explained="MI")
    coloured = [band for band in bands(figure) if len(band.get_segments())]
    (band,) = coloured
    x = np.concatenate(band.get_segments())[:, 0]
    pulse = 10.0
    assert x.mean() == pytest.approx(pulse + 5.5 * 25, abs=0.5)
    assert np.ptp(x) < 8
    strongest = band.get_colors()[np.argmax(band.get_linewidths())]
    np.testing.assert_allclose(strongest[:3], to_rgba(colour)[:3], atol=0.05)
    assert {"speaks for MI", "speaks against MI"} <= set(words(figure))


def test_what_the_classic_layout_cuts_off_is_on_the_map() -> None:
    # Lead V1 at 1 s is not among its traces, which begin at 5 s.
    figure = ecg_figure(beats(), LEADS, RATE, attribution=looked_at("V1", 1.0, 0.3))
    assert not any(len(band.get_segments()) for band in bands(figure))
    maps = [image for image in figure.axes[0].images if image.get_array().shape == (12, 1000)]
    (drawn,) = maps
    row, column = np.unravel_index(np.argmax(drawn.get_array()), (12, 1000))
    assert LEADS[row] == "V1"
    assert column == pytest.approx(100, abs=8)
    left, right, _, _ = drawn.get_extent()
    assert (left, right) == (10.0, 260.0), "in line with the rhythm strip"


def test_leads_that_are_drawn_in_full_need_no_map() -> None:
    figure = ecg_figure(beats(2, 3.0), LEADS[:2], RATE, attribution=np.ones((2, 300)))
    assert len(bands(figure)) == 2
    assert not [image for image in figure.axes[0].images if image.get_array().shape == (2, 300)]
    right = max(text.get_window_extent().x1 for text in figure.axes[0].texts)
    assert right < figure.bbox.width, "the legend fits a narrow sheet"


def test_an_attribution_of_nothing_is_drawn_as_nothing() -> None:
    figure = ecg_figure(beats(), LEADS, RATE, attribution=np.zeros((12, 1000)))
    assert not any(len(band.get_segments()) for band in bands(figure))
    figure_to_image(figure)


def test_an_attribution_of_another_record_is_refused() -> None:
    with pytest.raises(SettingError, match="attribution to draw"):
        ecg_figure(beats(), LEADS, RATE, attribution=np.zeros((12, 500)))


# The finding ------------------------------------------------------------------------------------------------

DECISIONS = [
    Decision("NORM", 0.1, 0.4, False),
    Decision("MI", 0.934, 0.41, True),
    Decision("CD", 0.4004, 0.4, True),
]


def test_the_finding_says_what_was_found_and_how_it_was_decided() -> None:
    figure = finding_figure(
        beats(),
        LEADS,
        RATE,
        DECISIONS,
        title="record 7",
        subtitle="a network",
        warnings=["lead V3 is flat"],
        attribution=looked_at("V1", 5.5, 1.0),
        explained="MI",
        notice="Research software.",
    )
    text = words(figure)
    assert {"record 7", "a network", "⚠ lead V3 is flat", "Research software.", "speaks for MI"} <= set(text)
    assert {"0.93 ≥ 0.41  found", "0.4004 ≥ 0.4000  found", "0.10 < 0.40"} <= set(text)
    positions = {t.get_text(): t.get_position()[1] for t in figure.axes[0].texts}
    assert positions["MI"] > positions["CD"], "what is found comes first, the surest before others"
    assert len(traces(figure)) == 13


def test_the_finding_is_drawn_to_scale() -> None:
    figure = finding_figure(beats(), LEADS, RATE, DECISIONS, title="t", warnings=["w"] * 3)
    axes = figure.axes[0]
    assert [np.ptp(limits) for limits in (axes.get_xlim(), axes.get_ylim())] == pytest.approx(
        [inches * MM for inches in figure.get_size_inches()]
    )


def test_nothing_of_the_finding_overlaps_or_leaves_the_sheet() -> None:
    long = "a class that is called at length and never ends"
    decisions = [Decision(f"{long} {k}", 0.2, 0.3 + k / 200, k < 3) for k in range(70)]
    figure = finding_figure(
        beats(2, 2.0),
        LEADS[:2],
        RATE,
        decisions,
        subtitle="a long line " * 20,
        warnings=["a warning that goes on and on " * 10, *("w" * k for k in range(1, 20))],
    )
    figure_to_image(figure)
    boxes = {t.get_text(): t.get_window_extent() for t in figure.axes[0].texts if t.get_text()}
    assert any("and 58 classes" in text for text in boxes)
    assert any("and 14 more warnings" in text for text in boxes)
    for text, box in boxes.items():
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width, text
        assert 0 <= box.y0 < box.y1 <= figure.bbox.height, text
    extents = sorted(boxes.values(), key=lambda box: box.y0)
    assert not any(
        first.overlaps(second)
        for first, second in combinations(extents, 2)
        if min(first.y1, second.y1) - max(first.y0, second.y0) > 3
    )


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".PDF", b"%PDF"), (".svg", b"<?xml")])
def test_a_figure_is_saved_by_its_suffix_and_always_the_same(
    suffix: str, magic: bytes, tmp_path: Path
) -> None:
    contents = []
    for name in ("a", "b"):
        path = tmp_path / "new" / f"{name}{suffix}"
        save_figure(finding_figure(beats(1, 1.0), ("II",), RATE, DECISIONS), path)
        contents.append(path.read_bytes())
    assert contents[0].startswith(magic)
    assert contents[0] == contents[1]


def test_other_files_are_refused_and_nothing_half_is_left(tmp_path: Path) -> None:
    figure = finding_figure(beats(1, 1.0), ("II",), RATE, DECISIONS)
    with pytest.raises(SettingError, match=r"\.png or \.pdf"):
        save_figure(figure, tmp_path / "a.gif")
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreError, match="folder"):
        save_figure(figure, tmp_path / "taken" / "a.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(StoreError):
        save_figure(figure, tmp_path / "folder.png")
    assert {path.name for path in tmp_path.iterdir()} == {"taken", "folder.png"}


# Scores -----------------------------------------------------------------------------------------------------


def test_probabilities_that_hold_lie_on_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    p = rng.random((4000, 2))
    y = (rng.random((4000, 2)) < p).astype(float)
    figure = reliability_figure(p**3, p, y, ["A", "B"], "title")
    assert [axes.get_title() for axes in figure.axes] == ["all classes", "A", "B"]
    for axes in figure.axes:
        _, before, after = (line.get_xydata().T for line in axes.lines)
        assert np.abs(after[0] - after[1]).max() < 0.08
        assert (before[1] - before[0]).max() > 0.2
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels[0].startswith("uncalibrated, ECE 0.")
    assert labels[1].startswith("calibrated, ECE 0.0")


def test_many_classes_share_one_reliability_diagram() -> None:
    p = np.full((6, 30), 0.3)
    figure = reliability_figure(p, None, np.eye(6, 30), [str(k) for k in range(30)])
    assert len(figure.axes) == 1
    figure_to_image(figure)


def test_each_class_has_its_four_counts() -> None:
    p = np.array([[0.9, 0.2], [0.5, 0.4], [0.3, 0.6], [0.1, 0.8]])
    y = np.array([[1, 0], [0, 0], [1, 0], [0, 0]])
    figure = confusion_figure(p, y, ["A", "B"], [0.3, 0.5], "title")
    cells = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert cells[0] == ["2\n100%", "0\n0%", "1\n50%", "1\n50%"]
    assert cells[1] == ["none", "none", "2\n50%", "2\n50%"]
    assert [axes.get_title() for axes in figure.axes] == ["A", "B"]
    figure_to_image(figure)


@pytest.mark.realdata
def test_a_real_record_is_drawn(sample_data: Path) -> None:
    import wfdb

    header = min((sample_data / "ptb-xl" / "records500").rglob("*.hea"))
    signal, fields = wfdb.rdsamp(str(header.with_suffix("")))
    leads = tuple(standard_lead(name) for name in fields["sig_name"])
    figure = ecg_figure(signal.T, leads, fields["fs"], title=header.stem)
    assert len(traces(figure)) == 13
    assert figure_to_image(figure).min() < 60
