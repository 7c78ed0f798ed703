"""Each diagnosis can be measured on the signal, whoever the patient is and however mild it is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from ecg_measures import BEFORE, RATE, Clean, MeanBeat, beat_times, intervals, lead, mean_beat

from ecg_tl.signals import LEADS
from ecg_tl.synthesis.patients import draw_patient
from ecg_tl.synthesis.rhythm import VENTRICULAR, draw_rhythm

MILD_TO_SEVERE = [0.0, 0.5, 1.0]

severities = pytest.mark.parametrize("severity", MILD_TO_SEVERE)


def variation(signal: np.ndarray) -> float:
    rr = intervals(signal)
    return float(rr.std() / rr.mean())


def rate(signal: np.ndarray) -> float:
    return 60.0 / float(intervals(signal).mean())


def p_amplitude(signal: np.ndarray) -> float:
    """Range of lead II where the P wave lies, in the averaged beat."""
    beat = mean_beat(signal)
    part = beat.values[1, beat.onset - int(0.20 * RATE) : beat.onset - int(0.03 * RATE)]
    return float(np.ptp(part - np.linspace(part[0], part[-1], len(part))))


def test_a_normal_ecg_is_normal(clean: Clean) -> None:
    for signal in clean("NORM"):
        beat = mean_beat(signal)
        assert 59 < rate(signal) < 101
        assert variation(signal) < 0.05
        assert beat.qrs_duration < 0.115
        assert -30 < beat.axis < 100
        assert beat.t_peak("II") > 0.05
        assert beat.t_peak("V5") > 0.05
        assert abs(beat.st("V5")) < 0.1
        assert beat.terminal("V1") < 0 < beat.qrs("V6").max()
        assert p_amplitude(signal) > 0.05
        assert beat.qrs("V1").max() < -beat.qrs("V1").min()  # rS in V1
        assert beat.qrs("V5").max() > -beat.qrs("V5").min()  # R in V5


@severities
def test_atrial_fibrillation_is_irregular_without_p_and_with_a_restless_baseline(
    clean: Clean, severity: float
) -> None:
    records = clean("AF", severity=severity)
    assert all(variation(signal) > 0.08 for signal in records)
    without, with_p = (np.median([p_amplitude(signal) for signal in x]) for x in (records, clean("NORM")))
    assert without < 0.5 * with_p
    # Fast hearts leave no pause to look at.
    restless = np.array([restlessness(signal) for signal in records])
    calm = np.array([restlessness(signal) for signal in clean("SB")])
    assert np.isfinite(restless).sum() >= 4
    assert np.nanmin(restless) > 2 * np.nanmedian(calm)


def restlessness(signal: np.ndarray) -> float:
    """Spread of V1 between the end of T and the next P wave, in the longest pauses."""
    row = lead(signal, "V1")
    times = beat_times(signal)
    spans = []
    for start, end in pairwise(times):
        part = row[int((start + 0.44) * RATE) : int((end - 0.23) * RATE)]
        if len(part) > 15:
            spans.append(part.std())
    return float(np.median(spans)) if spans else np.nan


@severities
def test_rates(clean: Clean, severity: float) -> None:
    assert all(36 < rate(signal) < 60 for signal in clean("SB", severity=severity))
    assert all(100 < rate(signal) < 155 for signal in clean("STACH", severity=severity))


@severities
def test_sinus_arrhythmia_follows_the_breath(clean: Clean, severity: float) -> None:
    for signal in clean("SARRH", severity=severity):
        rr = intervals(signal) - intervals(signal).mean()
        assert variation(signal) > 0.045
        power = np.abs(np.fft.rfft(rr, n=64)) ** 2
        assert power[1:].max() > 1.5 * len(rr) / 4 * (rr**2).sum()  # nearly one tone


@severities
def test_first_degree_block_prolongs_pr_and_nothing_else(clean: Clean, severity: float) -> None:
    for signal, normal in zip(clean("IAVB", severity=severity), clean("NORM"), strict=True):
        beat, healthy = mean_beat(signal), mean_beat(normal)
        assert healthy.pr < 0.203
        assert beat.pr > 0.203
        assert beat.qrs_duration == pytest.approx(healthy.qrs_duration, abs=0.006)


@severities
def test_left_bundle_branch_block(clean: Clean, severity: float) -> None:
    for signal in clean("LBBB", severity=severity):
        beat = mean_beat(signal)
        assert beat.qrs_duration > 0.115
        assert beat.qrs("V1").min() < -0.25  # deep S
        assert late(beat, "V1") < 0 < late(beat, "V6")
        assert beat.qrs("V6").min() > -0.1  # neither q nor s
        assert beat.t_peak("V6") < 0 < beat.t_peak("V1")  # discordant


@severities
def test_right_bundle_branch_block(clean: Clean, severity: float) -> None:
    for signal in clean("RBBB", severity=severity):
        beat = mean_beat(signal)
        assert beat.qrs_duration > 0.092
        assert late(beat, "V1") > 0.15  # R'
        assert late(beat, "V6") < -0.08  # wide S
        assert late(beat, "I") < 0
    durations = [mean_beat(signal).qrs_duration for signal in clean("RBBB", severity=severity)]
    assert np.median(durations) > 0.114


def late(beat: MeanBeat, name: str) -> float:
    """Voltage 80 to 110 ms after the QRS began, when the normal QRS is over."""
    row = beat.values[LEADS.index(name)]
    return float((row[beat.onset + 40 : beat.onset + 56] - row[beat.onset]).mean())


def test_incomplete_block_lies_between_normal_and_complete(clean: Clean) -> None:
    normal, incomplete, complete = (
        np.mean([late(mean_beat(signal), "V1") for signal in clean(name)])
        for name in ("NORM", "IRBBB", "RBBB")
    )
    assert normal < incomplete < complete
    assert all(mean_beat(signal).qrs_duration < 0.125 for signal in clean("IRBBB", severity=1.0))


@severities
def test_conduction_delay_is_wide_and_keeps_the_sequence(clean: Clean, severity: float) -> None:
    for signal in clean("IVCD", severity=severity):
        beat = mean_beat(signal)
        assert beat.qrs_duration > 0.095
        assert beat.terminal("V1") < 0


@severities
@pytest.mark.parametrize(("condition", "limit"), [("LAD", -25), ("LAFB", -38)])
def test_left_axis(clean: Clean, condition: str, limit: float, severity: float) -> None:
    for signal in clean(condition, severity=severity):
        beat = mean_beat(signal)
        assert beat.axis < limit
        assert beat.qrs("I").sum() > 0 > beat.qrs("aVF").sum()


@severities
def test_hypertrophy_meets_sokolow_lyon_and_others_do_not(clean: Clean, severity: float) -> None:
    assert all(sokolow_lyon(signal) > 3.4 for signal in clean("LVH", severity=severity))
    assert all(sokolow_lyon(signal) < 3.6 for signal in clean("NORM"))


def sokolow_lyon(signal: np.ndarray) -> float:
    beat = mean_beat(signal)
    return float(-beat.qrs("V1").min() + max(beat.qrs("V5").max(), beat.qrs("V6").max()))


def test_marked_hypertrophy_strains_the_lateral_leads(clean: Clean) -> None:
    for signal, normal in zip(clean("LVH", severity=1.0), clean("NORM"), strict=True):
        assert mean_beat(signal).t_peak("V6") < mean_beat(normal).t_peak("V6") - 0.05
        assert mean_beat(signal).st("V6") < mean_beat(normal).st("V6")


@severities
def test_st_depression_and_elevation(clean: Clean, severity: float) -> None:
    for signal in clean("STD", severity=severity):
        assert mean_beat(signal).st("V5") < -0.045
    for signal in clean("STE", severity=severity):
        beat = mean_beat(signal)
        assert max(beat.st("V2"), beat.st("III")) > 0.09


@severities
def test_t_waves(clean: Clean, severity: float) -> None:
    for inverted, flat, normal in zip(
        clean("TINV", severity=severity), clean("TAB", severity=severity), clean("NORM"), strict=True
    ):
        assert mean_beat(inverted).t_peak("II") < -0.06
        assert mean_beat(inverted).t_peak("V5") < -0.05
        assert abs(mean_beat(flat).t_peak("V5")) < 0.75 * mean_beat(normal).t_peak("V5")


@severities
def test_long_qt(clean: Clean, severity: float) -> None:
    for signal, normal in zip(clean("LQT", severity=severity), clean("NORM"), strict=True):
        assert corrected_qt(signal) > 0.46
        assert corrected_qt(normal) < 0.46


def corrected_qt(signal: np.ndarray) -> float:
    return mean_beat(signal).qt / float(np.cbrt(intervals(signal).mean()))


@severities
@pytest.mark.parametrize(("condition", "name"), [("AMI", "V2"), ("IMI", "III"), ("LMI", "aVL")])
def test_infarction_has_q_waves_and_st_elevation_where_it_lies(
    clean: Clean, condition: str, name: str, severity: float
) -> None:
    change = []
    for signal, normal in zip(clean(condition, severity=severity), clean("NORM"), strict=True):
        beat, healthy = mean_beat(signal), mean_beat(normal)
        assert beat.st(name) > healthy.st(name) + 0.01
        # The first 40 ms point away from the dead wall.
        assert first_forces(beat, name) < -0.02
        change.append(first_forces(beat, name) - first_forces(healthy, name))
    assert np.median(change) < -0.05


def first_forces(beat: MeanBeat, name: str) -> float:
    row = beat.values[LEADS.index(name)]
    return float((row[beat.onset + 5 : beat.onset + 20] - row[beat.onset]).mean())


@severities
def test_left_atrial_enlargement_prolongs_p(clean: Clean, severity: float) -> None:
    longer = [
        p_width(signal) - p_width(normal)
        for signal, normal in zip(clean("LAE", severity=severity), clean("NORM"), strict=True)
    ]
    assert min(longer) > 0.004


def p_width(signal: np.ndarray) -> float:
    """Second moment of the P wave's energy in time, over all leads."""
    beat = mean_beat(signal)
    part = beat.values[:, beat.onset - int(0.22 * RATE) : beat.onset]
    energy = ((part - part[:, :1]) ** 2).sum(axis=0)
    time = np.arange(len(energy)) / RATE
    centre = (energy * time).sum() / energy.sum()
    return 4.0 * float(np.sqrt((energy * (time - centre) ** 2).sum() / energy.sum()))


@severities
@pytest.mark.parametrize("condition", ["PAC", "PVC"])
def test_premature_beats_come_early(clean: Clean, condition: str, severity: float) -> None:
    for signal in clean(condition, severity=severity):
        rr = intervals(signal)
        assert rr.min() < 0.85 * np.median(rr)
    for signal in clean("NORM"):
        assert intervals(signal).min() > 0.9 * np.median(intervals(signal))


@severities
def test_premature_ventricular_beats_look_different_and_pause(clean: Clean, severity: float) -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        rhythm = draw_rhythm(draw_patient(rng), {"PVC": severity}, 10.0, rng)
        (ectopic,) = np.nonzero(rhythm.kind == VENTRICULAR)
        inside = [e for e in ectopic if 0 < rhythm.onset[e] < 9.5]
        assert inside
        for beat in inside:
            pair = rhythm.preceding[beat] + rhythm.preceding[beat + 1]
            mean = np.median(rhythm.preceding)
            assert pair == pytest.approx(2 * mean, rel=0.2)  # full compensatory pause
    assert alikeness(clean("PVC", severity=severity)) < alikeness(clean("PAC", severity=severity)) - 0.02


def alikeness(signals: np.ndarray) -> float:
    """Mean correlation of each beat's QRS with the averaged one."""
    found = []
    for signal in signals:
        beat = mean_beat(signal)
        shape = beat.values[:, int(BEFORE * RATE) - 30 : int(BEFORE * RATE) + 40]
        for time in beat_times(signal):
            at = int(time * RATE)
            part = signal[:, at - 30 : at + 40]
            if part.shape == shape.shape:
                found.append(np.corrcoef(part.ravel(), shape.ravel())[0, 1])
    return float(np.mean(found))


def test_conditions_combine(clean: Clean) -> None:
    for signal in clean("AF", "RBBB", "TINV"):
        assert variation(signal) > 0.1
        assert late(mean_beat(signal), "V1") > 0.1
    for signal in clean("LVH", "IMI", "LAE"):
        assert sokolow_lyon(signal) > 3.2
        assert first_forces(mean_beat(signal), "III") < 0
