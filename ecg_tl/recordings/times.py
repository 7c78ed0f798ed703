"""The sampling rate that a column of times says, whatever the unit it is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecg_tl.errors import RecordError
from ecg_tl.limits import SAMPLING_RATE
from ecg_tl.recordings.remarks import Remark

SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "μs", "usec", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("min", "minutes"), 60.0),
}
"""Units of time as they are written behind a column's name."""

USUAL_RATES = (40.0, 16_000.0)
"""In Hz. Within these an unsaid unit is decided: seconds, milliseconds and microseconds are a factor of 1000
apart, so that at most one of them fits. What is said may be anything that an ECG can be (`SAMPLING_RATE`)."""

_UNSAID = ("s", "ms", "µs")
_SAME = 0.01
"""Of two rates: a given 360 Hz and times of 2.78 ms agree."""

_EVEN = 0.75  # of a time step
_ROUNDED = 1e-3
"""Of a rate: times are written with few digits, 0.004 and 0.008 mean 250 Hz."""


@dataclass(frozen=True)
class Rate:
    """What a column of times says.

    Attributes:
        value: In Hz.
        remarks: On what was decided.
    """

    value: float
    remarks: tuple[Remark, ...] = ()


def rate_of_times(
    path: Path, times: NDArray[np.float64], unit: str | None, given: float | None, given_by: str
) -> Rate:
    """Find the sampling rate of a column of times.

    A unit that is not said is decided by what an ECG can be: the one of s, ms and µs that gives a usual rate.
    Times 0, 1, 2, ... may be sample numbers as well as milliseconds: then the rate must be given.

    Args:
        path: Of the file, for errors.
        times: As written, in any unit.
        unit: Out of `SECONDS`, or None if the file says none.
        given: The rate that somebody says, in Hz.
        given_by: Who says it: the option, or the file's comment.

    Raises:
        RecordError: If the times do not go on evenly, the unit cannot be decided, or what is given
            contradicts them.
    """
    step = _even_step(path, times)
    if unit is not None:
        rate = _rounded(1 / (step * SECONDS[unit]))
        if not SAMPLING_RATE.holds(rate):
            fits = next((one for one in _UNSAID if _is_usual(1 / (step * SECONDS[one]))), None)
            hint = "" if fits is None else f" In {fits} it would be {1 / (step * SECONDS[fits]):g} Hz."
            raise RecordError(
                path,
                f"a column of times in {unit} that goes on by {step:g}, so {rate:g} Hz",
                str(SAMPLING_RATE),
                f"Correct the column's unit.{hint}",
            )
        return Rate(rate)
    rates = {one: _rounded(1 / (step * SECONDS[one])) for one in _UNSAID}
    counted = abs(step - 1) < 1e-9 and bool(np.all(times == np.rint(times)))
    readings = "; ".join(f"in {one} {rate:g} Hz" for one, rate in rates.items())
    if given is not None:
        agreeing = [one for one, rate in rates.items() if abs(rate - given) <= _SAME * given]
        if agreeing:
            return Rate(rates[agreeing[0]], _decided(agreeing[0], rates[agreeing[0]]))
        if counted:
            message = "the column of times holds sample numbers"
            return Rate(given, (Remark("unit_of_time", message, is_warning=False),))
        raise RecordError(
            path,
            f"a column of times that goes on by {step:g} ({readings}), and {given:g} Hz as {given_by} says",
            "one sampling rate",
            f"Correct {given_by}, or write the unit behind the column's name, as in `time (ms)`.",
        )
    usual = [one for one, rate in rates.items() if _is_usual(rate)]
    if not usual or counted:
        meaning = "sample numbers, or " if counted else ""
        raise RecordError(
            path,
            f"a column of times without a unit that goes on by {step:g} ({meaning}{readings})",
            f"a rate of {USUAL_RATES[0]:g} to {USUAL_RATES[1]:g} Hz in one of these units alone",
            "Give --sampling_rate, or write the unit behind the column's name, as in `time (ms)`.",
        )
    return Rate(rates[usual[0]], _decided(usual[0], rates[usual[0]]))


def clock_seconds(path: Path, cells: Sequence[str]) -> NDArray[np.float64]:
    """Turn dates with times, or times of a clock (`10:00:00.002`, `0:00.002`), into seconds from the first.

    Raises:
        RecordError: If they are neither.
    """
    texts = pd.Series(list(cells), dtype=str).str.strip().str.strip("'\"[]")
    short = texts.str.fullmatch(r"\d+:\d+(?:\.\d+)?")  # minutes and seconds alone
    try:
        if texts.str.fullmatch(r"(?:\d+:)?\d+:\d+(?:\.\d+)?").all():
            spans = pd.to_timedelta(texts.where(~short, "0:" + texts))
        else:
            instants = pd.to_datetime(texts, format="ISO8601", utc=True)
            spans = instants - instants.iloc[0]
        return np.asarray(spans.dt.total_seconds(), dtype=np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:120]
        raise RecordError(
            path,
            f"a column of times that cannot be read ({reason})",
            "numbers, times such as 10:00:00.002, or dates as 2020-01-31T10:00:00.002",
            "Correct the column, or leave it out and give --sampling_rate.",
        ) from error


def _decided(unit: str, rate: float) -> tuple[Remark, ...]:
    if unit == "s":  # as everybody expects
        return ()
    message = f"the column of times says no unit: taken as {unit}, which makes {rate:g} Hz"
    return (Remark("unit_of_time", message, is_warning=False),)


def _is_usual(rate: float) -> bool:
    return USUAL_RATES[0] <= rate <= USUAL_RATES[1]


def _even_step(path: Path, times: NDArray[np.float64]) -> float:
    """Return the step between two times."""
    steps = len(times) - 1
    duration = float(times[-1] - times[0]) if steps > 0 else 0.0
    # How far each time is from where it would be at a constant rate; rounded times are near it.
    even = np.linspace(times[0], times[-1], len(times)) if steps > 0 else times
    if not (0 < duration < np.inf and np.abs(times - even).max() < _EVEN * duration / steps):
        raise RecordError(
            path,
            "times that do not go on evenly",
            "a constant sampling rate, without pauses",
            "Correct the column of times, or resample the signal.",
        )
    return duration / steps


def _rounded(rate: float) -> float:
    return float(round(rate)) if np.isfinite(rate) and abs(rate - round(rate)) < _ROUNDED * rate else rate
