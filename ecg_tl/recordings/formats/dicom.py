"""DICOM waveforms: the ECG objects of DICOM PS3.3 A.34."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecg_tl.errors import RecordError
from ecg_tl.recordings.cart import damaged, read_cart
from ecg_tl.recordings.contents import ReadRecord
from ecg_tl.recordings.registry import Format, register
from ecg_tl.recordings.settings import ReadSettings

_TITLE = "DICOM waveform"

_DEFLATED = b"1.2.840.10008.1.2.1.99"
"""The transfer syntax whose data set is compressed as a whole, to any size."""


def _read(path: Path, settings: ReadSettings) -> ReadRecord:
    """Read the first group of rhythm channels; median beats and further groups are left out."""
    with path.open("rb") as file:
        if _DEFLATED in file.read(2048):
            raise damaged(path, _TITLE, "a data set that is deflated")
    try:
        return read_cart(
            path,
            settings,
            _TITLE,
            "dicom_waveform:DICOMWaveformParser",
            exact_rate=_exact_rate,
            check=_require_size,
        )
    except RecordError as error:
        if "Waveform Sequence" not in error.found:
            raise
        raise RecordError(
            path, f"a DICOM file without a waveform{_kind(path)}", "an ECG waveform", "Leave the file out."
        ) from error


def _exact_rate(path: Path, record: Any) -> float | None:
    shape = (len(record.leads), len(record.leads[0].samples))
    groups = record.raw_metadata["multiplex_groups"]
    rates = [one["sampling_frequency"] for one in groups if (one["channels"], one["samples"]) == shape]
    return float(rates[0]) if rates else None


def _require_size(path: Path, record: Any) -> None:
    """Refuse a group that has more bytes than its channels and samples: they would be parted wrongly."""
    import pydicom

    content = pydicom.dcmread(path, specific_tags=["WaveformSequence"])
    for number, group in enumerate(content.WaveformSequence):
        try:
            channels, samples = int(group.NumberOfWaveformChannels), int(group.NumberOfWaveformSamples)
            said = channels * samples * (int(group.WaveformBitsAllocated) // 8)
            found = len(group.WaveformData)
        except (AttributeError, TypeError, ValueError) as error:
            raise damaged(path, _TITLE, f"group {number} does not say its size, or has no samples") from error
        if found != said + said % 2:  # values of an odd length are padded to an even one
            reason = f"group {number} has {found:,} bytes, not {said:,}"
            raise damaged(path, _TITLE, f"{reason}: {channels} channels of {samples:,} samples")


def _kind(path: Path) -> str:
    """Return what sort of object a file holds, for an error."""
    import pydicom

    try:
        uid = pydicom.dcmread(path, specific_tags=["SOPClassUID"], stop_before_pixels=True).SOPClassUID
        return f" ({uid.name})"
    except Exception:  # a file that is damaged as well
        return ""


register(Format("dicom", _TITLE, lambda head: head[128:132] == b"DICM", _read, suffixes=(".dcm", ".dicom")))
