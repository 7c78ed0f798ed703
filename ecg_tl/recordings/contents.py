"""What a file holds, and how it becomes a recording in millivolts by lead names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import RecordError
from ecg_tl.limits import SAMPLING_RATE, VALUES, require
from ecg_tl.recordings.fillers import NOT_MEASURED
from ecg_tl.recordings.remarks import Remark
from ecg_tl.recordings.settings import NO_LEAD, ReadSettings
from ecg_tl.signals import LARGEST_PEAK, SMALLEST_PEAK, Recording, millivolts_per, standard_lead

_UNITS = ("nV", "uV", "mV", "V")


@dataclass(frozen=True)
class Person:
    """What a file says of whose recording it is.

    Attributes:
        patient_id: As written; None if it does not say.
        age: In years; None if it does not say.
        sex: `"F"`, `"M"` or None.
    """

    patient_id: str | None = None
    age: float | None = None
    sex: str | None = None


@dataclass(frozen=True)
class ReadRecord:
    """A recording with its own leads and rate.

    Attributes:
        recording: In millivolts; leads in standard spelling where they are standard ones.
        remarks: On what was read.
        person: Whose it is, as far as the file says.
    """

    recording: Recording
    remarks: tuple[Remark, ...] = ()
    person: Person = Person()


@dataclass(frozen=True)
class ArrayFile:
    """What such a file holds; None for what it does not say.

    Attributes:
        values: In the file's unit, as the file has them: `(samples, leads)` or `(leads, samples)`.
        leads: Names, in the file's spelling.
        sampling_rate: In Hz.
        units: Of the values.
        samples_first: Whether rows are samples; None if the file does not say.
        remarks: On what was decided.
        has_first_line: Whether it is a table, whose first line may be names or values.
        has_gains: Whether the file says of its steps what they are; its values are millivolts then.
    """

    values: NDArray[Any]
    leads: tuple[str, ...] | None = None
    sampling_rate: float | None = None
    units: str | None = None
    samples_first: bool | None = None
    remarks: tuple[Remark, ...] = ()
    has_first_line: bool = False
    has_gains: bool = False


_OF_DATA = {"leads": "recorded_leads", "sampling_rate": "recorded_rate", "units": "recorded_units"}
"""What the settings of a dataset call what the file does not say."""


def complete(path: Path, file: ArrayFile, settings: ReadSettings) -> ReadRecord:
    """Turn what a file holds into millivolts by lead names, with what the user says where the file is silent.

    Raises:
        RecordError: If neither says the leads, the rate or the unit, the array has another shape, or the unit
            is one in which no ECG can be.
    """
    named = None if file.leads is None else tuple(map(standard_lead, file.leads))
    remarks = [
        *ignored("leads", settings.leads, named),
        *ignored("sampling_rate", settings.sampling_rate, file.sampling_rate),
        *ignored_units(settings, None if file.units is None else (file.units,), path, contradicts=True),
        *file.remarks,
    ]
    if settings.amplitude != "header":
        remarks.append(not_used("amplitude", "of WFDB records alone", is_warning=False))
    if settings.first_line is not None and not file.has_first_line:
        remarks.append(not_used("first_line", "of CSV files alone", is_warning=False))
    leads = settings.leads if named is None else named
    rate = settings.sampling_rate if file.sampling_rate is None else file.sampling_rate
    units = settings.units if file.units is None else file.units
    missing = {"leads": leads, "sampling_rate": rate, "units": units}
    unsaid = [name for name, value in missing.items() if value is None]
    if leads is None or rate is None or units is None:
        options = " ".join(f"--{name}" for name in unsaid)
        of_data = ", ".join(f"`{_OF_DATA[name]}`" for name in unsaid)
        raise RecordError(
            path,
            f"nothing about its {', '.join(name.replace('_', ' ') for name in unsaid)}",
            "it in the file or in the settings",
            f"Add {options} (such as --leads I,II,V1 --sampling_rate 500 --units mV); for a dataset of "
            f"your own, {of_data} under `data`.",
        )
    values = _leads_first(path, file, len(leads))
    if values.shape[1] == 0:
        raise RecordError(path, "no samples", "a signal", "Leave the record out.")
    scale = millivolts_per(units, path)
    kept = [row for row, lead in enumerate(leads) if lead != NO_LEAD]
    require(VALUES, len(kept) * values.shape[1], path, RecordError)
    millivolts = np.empty((len(kept), values.shape[1]), dtype=np.float32)
    peaks, fillers = [], 0
    for position, row in enumerate(kept):  # one by one: in double precision they are large
        raw = values[row]
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 counts as infinite
            lead = np.asarray(raw, dtype=np.float64) * scale
            if abs(NOT_MEASURED * scale) > LARGEST_PEAK and (filled := raw == NOT_MEASURED).any():
                lead[filled] = np.nan
                fillers += int(filled.sum())
            millivolts[position] = lead
        peaks.append(_peak(lead))
    peak = float(np.median(peaks))
    if file.has_gains:
        _check_gains(path, peak)
    else:
        _check_units(path, peak, units, source="--units" if file.units is None else "the file")
    if fillers:
        message = f"{fillers} samples of {NOT_MEASURED}, which means not measured"
        remarks.append(Remark("fillers", message, is_warning=False))
    recording = Recording(millivolts, tuple(leads[row] for row in kept), float(rate))
    return ReadRecord(recording, tuple(remarks))


def ignored(option: str, given: object, found: object, *, contradicts: bool = True) -> list[Remark]:
    """Say that an option is not used; it is expected where it is meant for other files of the same run."""
    if given is None or found is None or given == found:
        return []
    shown = " ".join(found) if isinstance(found, tuple) else found
    return [not_used(option, f"the file says its {option} itself ({shown})", is_warning=contradicts)]


def ignored_units(
    settings: ReadSettings, found: tuple[str, ...] | None, path: Path, *, contradicts: bool = False
) -> list[Remark]:
    """Say that the units are not used; `uV` and `µV` are one."""
    if settings.units is None or found is None:
        return []
    given = millivolts_per(settings.units, path)
    if all(millivolts_per(unit, path) == given for unit in found):
        return []
    return ignored("units", settings.units, found, contradicts=contradicts)


def not_used(option: str, reason: str, *, is_warning: bool) -> Remark:
    """Say that an option is not used, and why."""
    return Remark("option_not_used", f"{reason}: --{option} is not used", is_warning=is_warning)


def _leads_first(path: Path, file: ArrayFile, leads: int) -> NDArray[Any]:
    values = file.values
    if values.ndim != 2:
        raise RecordError(path, f"an array of shape {values.shape}", "(leads, samples)", "Give one record.")
    if file.samples_first:
        return values.T
    fits = [axis for axis in (0, 1) if values.shape[axis] == leads]
    if not fits:
        raise RecordError(
            path,
            f"{values.shape[0]} rows and {values.shape[1]} columns",
            f"{leads} of one of them, one for each lead",
            "Name each row or column with --leads, `-` for one that is no lead.",
        )
    return values if fits[0] == 0 else values.T


def _peak(lead: NDArray[np.float64]) -> float:
    """Return how far a lead goes from its median; what is not finite counts as nothing."""
    finite = np.where(np.isfinite(lead), lead, 0.0)
    excursion = np.abs(finite - np.median(finite), out=finite)
    return float(np.where(np.isfinite(lead), excursion, 0.0).max())


def _check_units(path: Path, peak: float, units: str, source: str) -> None:
    """Refuse a unit in which no ECG can be, where another one would fit."""
    if peak == 0 or SMALLEST_PEAK <= peak <= LARGEST_PEAK:
        return
    scale = millivolts_per(units, path)
    for unit in _UNITS:
        fitting = peak / scale * millivolts_per(unit, path)
        if SMALLEST_PEAK <= fitting <= LARGEST_PEAK:
            raise RecordError(
                path,
                f"a median peak of {peak:.4g} mV, its values being {units} as {source} says",
                f"{SMALLEST_PEAK:g} to {LARGEST_PEAK:g} mV",
                f"Correct the unit: in {unit} it would be {fitting:.3g} mV.",
            )


def _check_gains(path: Path, peak: float) -> None:
    """Refuse gains that are wrong by a thousand or a million, as a unit is that was mistaken."""
    if peak == 0 or SMALLEST_PEAK <= peak <= LARGEST_PEAK:
        return
    for factor in (1e-6, 1e-3, 1e3, 1e6):
        if SMALLEST_PEAK <= peak * factor <= LARGEST_PEAK:
            times = f"{factor:g} times as large" if factor > 1 else f"{1 / factor:g} times smaller"
            raise RecordError(
                path,
                f"a median peak of {peak:.4g} mV by the gains and units in the file",
                f"{SMALLEST_PEAK:g} to {LARGEST_PEAK:g} mV",
                f"Correct them, or leave the record out: {times} it would be {peak * factor:.3g} mV.",
            )


def stated_rate(path: Path, field: str, value: object) -> float | None:
    """Return the sampling rate that a file states, in Hz; None if it states none.

    Raises:
        RecordError: If no ECG has it.
    """
    if value is None:
        return None
    text = value[0] if isinstance(value, list) and value else value
    try:
        number = float(str(text).lower().removesuffix("hz"))
    except ValueError:
        number = 0.0
    if not SAMPLING_RATE.holds(number):
        raise RecordError(path, f"{field} {str(text)[:60]}", str(SAMPLING_RATE), "Correct it.")
    return number
