"""WFDB records: a header and the files that it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ecg_tl.errors import EcgTlError
from ecg_tl.recordings.contents import ReadRecord, ignored, ignored_units, not_used
from ecg_tl.recordings.registry import Format, register
from ecg_tl.recordings.remarks import Remark
from ecg_tl.recordings.settings import ReadSettings
from ecg_tl.recordings.wfdb_header import SeveralSegmentsError, header_path, read_header
from ecg_tl.recordings.wfdb_recording import read_wfdb
from ecg_tl.recordings.wfdb_segments import read_segmented, read_segments, segment_records
from ecg_tl.signals import LEADS


def _read(path: Path, settings: ReadSettings) -> ReadRecord:
    """Read one recording, named without extension."""
    try:
        headers = [read_header(path)]
        recording = read_wfdb(path, settings.amplitude, headers[0])
    except SeveralSegmentsError:
        recording = read_segmented(path, read_segments(path), settings.amplitude)
        headers = [read_header(part) for part in segment_records(path)]
    leads = recording.leads
    remarks = []
    if (
        settings.leads is not None
        and len(settings.leads) == len(leads)
        and not any(lead in LEADS for lead in leads)
    ):
        leads = settings.leads
    else:
        remarks += ignored("leads", settings.leads, leads, contradicts=False)
    rate = recording.sampling_rate
    remarks += ignored("sampling_rate", settings.sampling_rate, rate, contradicts=False)
    units = dict.fromkeys(signal.unit for header in headers for signal in header.signals)
    remarks += ignored_units(settings, tuple(units), path)
    if any(header.has_filled_checksums for header in headers):
        message = "the header's checksums are all 0, which is a filler: damage of the samples is not seen"
        remarks.append(Remark("fillers", message, is_warning=False))
    if settings.first_line is not None:
        remarks.append(not_used("first_line", "of CSV files alone", is_warning=False))
    return ReadRecord(replace(recording, leads=leads), tuple(remarks))


def files(path: Path) -> Iterator[Path]:
    """Give the header and the files that it names, as far as they can be found."""
    yield header_path(path)
    for part in segment_records(path):
        yield from files(part)
    try:
        signals = read_header(path).signals
    except (EcgTlError, OSError):  # said when it is read
        return
    yield from {path.with_name(signal.file_name) for signal in signals}


register(Format("wfdb", "WFDB", lambda head: False, _read, suffixes=(".hea",), files=files))
