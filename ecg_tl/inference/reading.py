"""Anybody's recording, as a file or a folder names it, in millivolts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tl.datasets.fillers import NOT_MEASURED
from ecg_tl.datasets.folders import list_files
from ecg_tl.datasets.ludb import Amplitude, Ludb
from ecg_tl.datasets.wfdb_header import read_header
from ecg_tl.errors import EcgTlError, RecordError, SettingError
from ecg_tl.inference.arrays import ArrayFile, Said, read_csv, read_numpy
from ecg_tl.inference.first_line import FirstLine
from ecg_tl.inference.remarks import Remark
from ecg_tl.limits import SAMPLING_RATE, VALUES, require
from ecg_tl.signals import LEADS, Recording, millivolts_per, standard_lead
from ecg_tl.store.conform import read_recording
from ecg_tl.store.inspection import LARGEST_PEAK, SMALLEST_PEAK

HEADER_SUFFIX = ".hea"
CSV_SUFFIX = ".csv"
NUMPY_SUFFIXES = (".npy", ".npz")
ARRAY_SUFFIXES = (CSV_SUFFIX, *NUMPY_SUFFIXES)

NO_LEAD = "-"
"""In a list of leads: a column that is none of the twelve."""

_UNITS = ("nV", "uV", "mV", "V")


@dataclass(frozen=True)
class ReadSettings:
    """What the user says of files that do not say it themselves.

    Attributes:
        leads: Names of the columns or rows; `-` for one that is no standard lead.
        sampling_rate: In Hz.
        units: Of the values: `mV`, `uV`, `V` or `nV`.
        amplitude: Of WFDB records: `header` converts as the header says; `steps` takes a stored step as 1 µV,
            whatever the header says, as LUDB's records must be read.
        first_line: Of CSV files: whether it is the columns' `names` or `values`, where that is not clear.

    Raises:
        SettingError: If a lead or the unit is unknown, or no ECG has the rate.
    """

    leads: tuple[str, ...] | None = None
    sampling_rate: float | None = None
    units: str | None = None
    amplitude: Amplitude = "header"
    first_line: FirstLine | None = None

    def __post_init__(self) -> None:
        if self.leads is not None:
            names = tuple(lead if lead == NO_LEAD else standard_lead(lead) for lead in self.leads)
            object.__setattr__(self, "leads", names)
            unknown = [lead for lead in names if lead not in LEADS and lead != NO_LEAD]
            repeated = {lead for lead in names if lead != NO_LEAD and names.count(lead) > 1}
            if unknown or repeated or not set(names) - {NO_LEAD}:
                found = f"the unknown lead {', '.join(unknown)}" if unknown else "a lead twice, or none"
                raise SettingError(
                    "--leads",
                    f"{found} in {' '.join(self.leads)}",
                    f"names out of {' '.join(LEADS)}, each once, and `{NO_LEAD}` for what is none of them",
                    "Name the columns in the file's order.",
                )
        if self.sampling_rate is not None and not SAMPLING_RATE.holds(self.sampling_rate):
            raise SettingError(
                "--sampling_rate", f"{self.sampling_rate:g}", str(SAMPLING_RATE), "Correct it."
            )
        if self.units is not None:
            try:
                millivolts_per(self.units, "--units")
            except RecordError as error:
                raise SettingError("--units", error.found, error.expected, "Correct the unit.") from None


@dataclass(frozen=True)
class ReadRecord:
    """A recording with its own leads and rate.

    Attributes:
        recording: In millivolts; leads in standard spelling where they are standard ones.
        remarks: On what was read.
    """

    recording: Recording
    remarks: tuple[Remark, ...] = ()


def find_records(paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """List the records that paths name: files as they are, folders with all records below them.

    A folder's records are its WFDB records; if it has none, its CSV and NumPy files. (Collections of WFDB
    records have CSV files that are tables of labels.)

    Returns:
        The records, WFDB records without extension, each once; and what was passed over, in lines. What is
        not there is listed as it is named: reading it is an error of that record alone.
    """
    found: list[Path] = []
    passed_over = []
    for path in paths:
        if not path.is_dir() or _beside(path, HEADER_SUFFIX).is_file():
            found.append(_without_suffix(path))
            continue
        listing = list_files(path, (HEADER_SUFFIX, *ARRAY_SUFFIXES))
        headers = [file for file in listing.files if file.suffix.lower() == HEADER_SUFFIX]
        arrays = [file for file in listing.files if file.suffix.lower() in ARRAY_SUFFIXES]
        passed_over += [f"{where} could not be listed: {why.lower()}" for where, why in listing.unreadable]
        found += [file.with_suffix("") for file in headers] or arrays or [path]
        if headers and arrays:
            passed_over.append(
                f"{path} holds WFDB records: its {len(arrays)} CSV or NumPy file(s) were passed over"
            )
    return list(dict.fromkeys(found)), passed_over


def read_record(path: Path, settings: ReadSettings) -> ReadRecord:
    """Read one record.

    Args:
        path: As `find_records` gave it.
        settings: What the user says of files that do not say it themselves.

    Raises:
        RecordError: If it is missing, cannot be read, does not say what it must, or is in other units than it
            is said to be.
    """
    if _beside(path, HEADER_SUFFIX).is_file():
        return _read_wfdb(path, settings)
    try:
        if path.is_dir():
            raise RecordError(
                path,
                "a folder without records",
                f"WFDB headers (*{HEADER_SUFFIX}), or files {', '.join(f'*{s}' for s in ARRAY_SUFFIXES)}",
                "Check the path.",
            )
        if not path.is_file():
            found = "no regular file" if path.exists() else "no such file"
            raise RecordError(
                path, found, f"a record, or a header {path.name}{HEADER_SUFFIX}", "Check the path."
            )
        if path.suffix.lower() == CSV_SUFFIX:
            said = Said(settings.leads, settings.sampling_rate, settings.first_line)
            return _from_array(path, read_csv(path, said), settings)
        if path.suffix.lower() in NUMPY_SUFFIXES:
            return _from_array(path, read_numpy(path), settings)
    except (OSError, ValueError) as error:  # a zero byte in the name is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise RecordError(
            path, reason, "a file that can be read", "Check the path and its permissions."
        ) from error
    raise RecordError(
        path,
        f"a file {path.suffix or 'without extension'}, and no header {path.stem}{HEADER_SUFFIX} beside it",
        f"a WFDB record with its header, or a file {', '.join(f'*{s}' for s in ARRAY_SUFFIXES)}",
        "Fetch the header too, or convert the file.",
    )


def record_files(records: Iterable[Path]) -> Iterator[Path]:
    """Give the files that records are read from, as far as they can be found.

    Args:
        records: As `find_records` gave them.
    """
    for record in records:
        header = _beside(record, HEADER_SUFFIX)
        if not header.is_file():
            yield record
            continue
        yield header
        try:
            signals = read_header(record).signals
        except (EcgTlError, OSError):  # said when it is read
            continue
        yield from {record.with_name(signal.file_name) for signal in signals}


def _read_wfdb(path: Path, settings: ReadSettings) -> ReadRecord:
    # The reader of LUDB is the one that can take steps as they are.
    recording = read_recording(Ludb(amplitude=settings.amplitude), path.parent, path.name)
    leads = recording.leads
    remarks = []
    if (
        settings.leads is not None
        and len(settings.leads) == len(leads)
        and not any(lead in LEADS for lead in leads)
    ):
        leads = settings.leads
    else:
        remarks += _ignored("leads", settings.leads, leads, contradicts=False)
    rate = recording.sampling_rate
    remarks += _ignored("sampling_rate", settings.sampling_rate, rate, contradicts=False)
    header = read_header(path)
    remarks += _ignored_units(settings, tuple(dict.fromkeys(signal.unit for signal in header.signals)), path)
    if header.has_filled_checksums:
        message = "the header's checksums are all 0, which is a filler: damage of the samples is not seen"
        remarks.append(Remark("fillers", message, is_warning=False))
    if settings.first_line is not None:
        remarks.append(_not_used("first_line", "of CSV files alone", is_warning=False))
    return ReadRecord(replace(recording, leads=leads), tuple(remarks))


def _from_array(path: Path, file: ArrayFile, settings: ReadSettings) -> ReadRecord:
    named = None if file.leads is None else tuple(map(standard_lead, file.leads))
    remarks = [
        *_ignored("leads", settings.leads, named),
        *_ignored("sampling_rate", settings.sampling_rate, file.sampling_rate),
        *_ignored_units(settings, None if file.units is None else (file.units,), path, contradicts=True),
        *file.remarks,
    ]
    if settings.amplitude != "header":
        remarks.append(_not_used("amplitude", "of WFDB records alone", is_warning=False))
    if settings.first_line is not None and path.suffix.lower() != CSV_SUFFIX:
        remarks.append(_not_used("first_line", "of CSV files alone", is_warning=False))
    leads = settings.leads if named is None else named
    rate = settings.sampling_rate if file.sampling_rate is None else file.sampling_rate
    units = settings.units if file.units is None else file.units
    missing = {"leads": leads, "sampling_rate": rate, "units": units}
    unsaid = [name for name, value in missing.items() if value is None]
    if leads is None or rate is None or units is None:
        options = " ".join(f"--{name}" for name in unsaid)
        raise RecordError(
            path,
            f"nothing about its {', '.join(name.replace('_', ' ') for name in unsaid)}",
            "it in the file or on the command line",
            f"Add {options} (such as --leads I,II,V1 --sampling_rate 500 --units mV).",
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
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is told as infinite
            lead = np.asarray(raw, dtype=np.float64) * scale
            if abs(NOT_MEASURED * scale) > LARGEST_PEAK and (filled := raw == NOT_MEASURED).any():
                lead[filled] = np.nan
                fillers += int(filled.sum())
            millivolts[position] = lead
        peaks.append(_peak(lead))
    _check_units(path, float(np.median(peaks)), units, source="--units" if file.units is None else "the file")
    if fillers:
        message = f"{fillers} samples of {NOT_MEASURED}, which means not measured"
        remarks.append(Remark("fillers", message, is_warning=False))
    recording = Recording(millivolts, tuple(leads[row] for row in kept), float(rate))
    return ReadRecord(recording, tuple(remarks))


def _ignored(option: str, given: object, found: object, *, contradicts: bool = True) -> list[Remark]:
    """Say that an option is not used; it is expected where it is meant for other files of the same run."""
    if given is None or found is None or given == found:
        return []
    shown = " ".join(found) if isinstance(found, tuple) else found
    return [_not_used(option, f"the file says its {option} itself ({shown})", is_warning=contradicts)]


def _ignored_units(
    settings: ReadSettings, found: tuple[str, ...] | None, path: Path, *, contradicts: bool = False
) -> list[Remark]:
    """Say that the units are not used; `uV` and `µV` are one."""
    if settings.units is None or found is None:
        return []
    given = millivolts_per(settings.units, path)
    if all(millivolts_per(unit, path) == given for unit in found):
        return []
    return _ignored("units", settings.units, found, contradicts=contradicts)


def _not_used(option: str, reason: str, *, is_warning: bool) -> Remark:
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


def _without_suffix(path: Path) -> Path:
    """Name a WFDB record by its header's stem, whichever of its files was named."""
    if _beside(path, HEADER_SUFFIX).is_file():
        return path
    stem = path.with_suffix("")
    if path.suffix and path.suffix.lower() not in ARRAY_SUFFIXES and _beside(stem, HEADER_SUFFIX).is_file():
        return stem
    return path


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix) if path.name else path
