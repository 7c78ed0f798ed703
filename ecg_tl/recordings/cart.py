"""Files of ECG carts and recorders, decoded by ecgdatakit and made millivolts here.

The library is asked for steps and for what the file says of them, never for its own conversion: what a file
does not say is an error here, where the library warns and goes on. It rounds sampling rates to whole numbers,
names a lead that is there twice `II_2`, and reads files that are cut off or whose checksum is wrong: each of
these is looked at again.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import EcgTlError, RecordError
from ecg_tl.limits import LEADS as MOST_LEADS
from ecg_tl.limits import SAMPLES, SAMPLING_RATE, VALUES, require
from ecg_tl.recordings.contents import ArrayFile, Person, ReadRecord, complete
from ecg_tl.recordings.fillers import NOT_MEASURED
from ecg_tl.recordings.remarks import Remark
from ecg_tl.recordings.settings import ReadSettings
from ecg_tl.signals import LARGEST_PEAK, LEADS, LIMB_LEADS, millivolts_per, standard_lead

LARGEST_TEXT = 64 * 2**20
"""Bytes of XML or JSON. Ten minutes of 12 leads at 1 kHz, written as numbers, take 40 MB."""

LARGEST_BINARY = 2 * 2**30
"""Bytes: 24 hours of 12 leads at 1 kHz."""

_SUFFIXED = re.compile(r"(.+)_\d+", re.DOTALL)
_DAMAGE = re.compile(
    r"truncat|incomplete|odd number|mismatch|shorter than|no waveform data|without a gap", re.IGNORECASE
)
_UNCERTAIN = re.compile(r"assum|not stated|not applied|additional|only the first", re.IGNORECASE)

ExactRate = Callable[[Path, Any], float | None]
Check = Callable[[Path, Any], None]


def read_cart(
    path: Path,
    settings: ReadSettings,
    title: str,
    parser: str,
    *,
    largest: int = LARGEST_BINARY,
    exact_rate: ExactRate = lambda path, record: None,
    check: Check = lambda path, record: None,
) -> ReadRecord:
    """Read one recording of a format that ecgdatakit knows.

    Args:
        path: Of the file.
        settings: What the user says of it.
        title: Of the format, for errors.
        parser: Module and class in `ecgdatakit.parsing.parsers`, as `edf:EDFParser`.
        largest: Bytes that such a file may have.
        exact_rate: Gives the rate in Hz as the file says it; None where the library's is right.
        check: Raises a `RecordError` for what is wrong with this format's files and the library lets pass.

    Raises:
        RecordError: If the package is missing, or the file is damaged, holds no rhythm strip, or does not say
            in which unit, gain or rate its samples are.
    """
    size = path.stat().st_size
    if size > largest:
        raise RecordError(
            path, f"{size:,} bytes", f"{title} of at most {largest:,}", "Cut the recording into several."
        )
    record, said = _parse(path, title, parser)
    check(path, record)
    if not record.leads:
        raise RecordError(path, "no leads", f"a rhythm strip in {title}", "Leave the record out.")
    require(MOST_LEADS, len(record.leads), path, RecordError)
    names = _names([lead.label for lead in record.leads])
    chosen = _same_kind(path, names, record.leads)
    rate = exact_rate(path, record) or float(record.leads[chosen[0]].sampling_rate)
    require(SAMPLING_RATE, rate, path, RecordError)
    rows = [_millivolts(path, names[row], record.leads[row]) for row in chosen]
    leads = tuple(names[row] for row in chosen)
    values, leads, computed = _with_limb_leads(np.stack(rows), leads)
    file = ArrayFile(values, leads, rate, "mV", False, (*said, *computed), has_gains=True)
    read = complete(path, file, settings)
    return ReadRecord(read.recording, read.remarks, _person(record))


def _parse(path: Path, title: str, parser: str) -> tuple[Any, list[Remark]]:
    """Return what ecgdatakit makes of a file, and its warnings as remarks; those of damage are errors."""
    module, name = parser.split(":")
    try:
        kind = getattr(import_module(f"ecgdatakit.parsing.parsers.{module}"), name)
        if module == "dicom_waveform":
            import_module("pydicom")
    except ImportError as error:
        raise RecordError(
            path,
            f"{title}, for which the package {error.name or 'ecgdatakit'} is not installed",
            "the packages of the formats of carts",
            'Install them: pip install "ecg-tl[formats]".',
        ) from None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            record = kind().parse(path)
        except EcgTlError:
            raise
        except Exception as error:  # whatever a decoder makes of a damaged file
            raise damaged(path, title, _one_line(error, path)) from error
    remarks = []
    for warning in caught:
        message = _one_line(warning.message, path)
        if _DAMAGE.search(message) or warning.category.__name__ == "ChecksumWarning":
            raise damaged(path, title, message)
        if issubclass(warning.category, UserWarning):
            uncertain = bool(_UNCERTAIN.search(message))
            remarks.append(Remark("format", f"{title}: {message}", is_warning=uncertain))
    return record, list(dict.fromkeys(remarks))


def damaged(path: Path, title: str, reason: str) -> RecordError:
    """Make the error of a file that its format does not allow."""
    return RecordError(
        path,
        f"a file that cannot be read as {title} ({reason})",
        f"an intact file of {title} with an ECG",
        "Export the record again, or leave it out.",
    )


def _one_line(error: object, path: Path) -> str:
    text = " ".join(str(error).split()).replace(str(path), path.name)
    return text[:200] or type(error).__name__


def _names(labels: Sequence[str]) -> list[str]:
    """Return the leads' names in standard spelling; what the library calls `II_2` is a second II."""
    bare = set(labels)
    names = []
    for label in labels:
        match = _SUFFIXED.fullmatch(label)
        names.append(standard_lead(match[1] if match and match[1] in bare else label))
    return names


def _same_kind(path: Path, names: Sequence[str], leads: Sequence[Any]) -> list[int]:
    """Return which signals belong to the ECG: all, or the standard leads if rates, lengths or units differ.

    Raises:
        RecordError: If the standard leads themselves differ.
    """

    def kinds(rows: Sequence[int]) -> Counter[tuple[float, int]]:
        return Counter((leads[row].sampling_rate, len(leads[row].samples)) for row in rows)

    everything = list(range(len(names)))
    standard = [row for row in everything if names[row] in LEADS]
    if standard and (len(kinds(everything)) > 1 or any(_unit(leads[row]) is None for row in everything)):
        everything = standard
    found = kinds(everything)
    if len(found) > 1:
        shown = " and ".join(f"{length} samples at {rate:g} Hz" for rate, length in sorted(found))
        raise RecordError(path, f"leads of {shown}", "one rate and length", "Leave the record out.")
    ((_, length),) = found
    require(SAMPLES, length, path, RecordError)
    require(VALUES, length * len(everything), path, RecordError)
    return everything


def _unit(lead: Any) -> float | None:
    """Return how many millivolts a lead's unit is; None if it has none of voltage."""
    try:
        return millivolts_per(lead.resolution_unit if lead.is_raw else lead.units, "")
    except RecordError:
        return None


def _millivolts(path: Path, name: str, lead: Any) -> NDArray[np.float64]:
    unit = _unit(lead)
    said = (lead.resolution_unit if lead.is_raw else lead.units) or lead.adc_resolution_unit
    if unit is None:
        found = f"the unit {said!r} of lead {name}" if said else f"no gain or no unit for lead {name}"
        raise RecordError(
            path, found, "how many volts a step is, of every lead", "Export the record with its units."
        )
    samples = np.asarray(lead.samples, dtype=np.float64)
    scale = float(lead.resolution) * unit if lead.is_raw else unit
    offset = float(lead.offset) * unit if lead.is_raw else 0.0
    if not (np.isfinite(scale) and scale != 0 and np.isfinite(offset)):
        raise RecordError(path, f"steps of {scale:g} mV in lead {name}", "a gain", "Export the record again.")
    values = samples * scale + offset
    if abs(NOT_MEASURED * scale) > LARGEST_PEAK:
        values[samples == NOT_MEASURED] = np.nan
    return values


def _with_limb_leads(
    values: NDArray[np.float64], leads: tuple[str, ...]
) -> tuple[NDArray[np.float64], tuple[str, ...], tuple[Remark, ...]]:
    """Append the limb leads that a file leaves out because I and II determine them."""
    missing = [lead for lead in LIMB_LEADS if lead not in leads]
    if not missing or leads.count("I") != 1 or leads.count("II") != 1:
        return values, leads, ()
    one, two = values[leads.index("I")], values[leads.index("II")]
    rows = [a * one + b * two for a, b in (LIMB_LEADS[lead] for lead in missing)]
    message = f"{', '.join(missing)} computed from I and II"
    remark = Remark("computed_leads", message, is_warning=False)
    return np.concatenate([values, np.stack(rows)]), (*leads, *missing), (remark,)


def _person(record: Any) -> Person:
    patient = record.patient
    sex = patient.sex if patient.sex in ("F", "M") else None
    return Person(patient.patient_id.strip() or None, patient.age, sex)


def is_xml(head: bytes, *roots: str) -> bool:
    """Tell whether the first bytes are XML in which one of these elements begins."""
    text = head_text(head)
    return text.lstrip().startswith("<") and any(
        re.search(rf"<(?:[A-Za-z_][\w.-]*:)?{root}[\s>/]", text, re.IGNORECASE) for root in roots
    )


def head_text(head: bytes) -> str:
    """Decode the first bytes of a file of text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head[: len(head) // 2 * 2].decode("utf-16", errors="ignore")
    return head.decode("utf-8-sig", errors="ignore")


def whole_rate(path: Path, product: float) -> None:
    """Refuse a rate that the library would round.

    Raises:
        RecordError: If it is no whole number of Hz.
    """
    if abs(product - round(product)) > 1e-9 * max(1.0, product):
        raise RecordError(
            path,
            f"a sampling rate of {product:g} Hz",
            "a whole number",
            "Convert or leave out the record.",
        )
