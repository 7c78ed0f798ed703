"""`check`: every record of a dataset, read and looked at, and nothing written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from ecg_tl.datasets.base import EcgDataset, LeftOut
from ecg_tl.errors import RecordError
from ecg_tl.store.conform import read_recording
from ecg_tl.store.inspection import ERRORS, Finding, FindingKind, inspect, recording_hash
from ecg_tl.store.parallel import count_workers, map_ordered
from ecg_tl.store.progress import record_progress

USUAL_SHARE = 0.8
"""Of the records: where so many have one rate or one length, the others are worth a word."""


@dataclass(frozen=True)
class CheckReport:
    """What reading a whole dataset brought to light.

    Attributes:
        title: The dataset's full name.
        root: The folder that was read.
        records: How many records its files name.
        findings: In the order of the records; duplicates last.
        unknown_codes: Codes that the dataset's vocabulary does not know, and in how many records.
        notes: The dataset's remarks on these files.
    """

    title: str
    root: Path
    records: int
    findings: tuple[Finding, ...]
    unknown_codes: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def has_errors(self) -> bool:
        """Whether a record cannot be used at all."""
        return any(finding.kind in ERRORS for finding in self.findings)

    def of_kind(self, kind: FindingKind) -> tuple[Finding, ...]:
        """Return the findings of one kind."""
        return tuple(finding for finding in self.findings if finding.kind == kind)


@dataclass(frozen=True)
class _Inspected:
    findings: tuple[Finding, ...]
    sampling_rate: float | None = None
    samples: int = 0
    signal_hash: str | None = None


def check_dataset(
    dataset: EcgDataset, root: str | Path, *, workers: int | None = None, progress: bool = True
) -> CheckReport:
    """Read every record of a dataset and report what is wrong, without writing anything.

    Args:
        dataset: What reads the files; picklable.
        root: The dataset's folder.
        workers: Processes that read; None is one a core. Few records are read without any.
        progress: Whether to show a progress bar on standard error.

    Raises:
        DatasetError: If the dataset's folder cannot be used at all.
    """
    root = Path(root)
    scan = dataset.scan(root)
    findings = [Finding(FindingKind.UNREADABLE, record.record_id, record.reason) for record in scan.left_out]
    rows = list(zip(scan.records["record_id"], scan.records["path"], strict=True))
    outcomes = map_ordered(partial(_read_and_inspect, dataset, root), rows, count_workers(workers, len(rows)))
    inspected = []
    with closing(outcomes), record_progress(f"Checking {dataset.name}", len(rows), progress) as advance:
        for outcome in outcomes:
            inspected.append(outcome)
            findings += outcome.findings
            advance()
    record_ids = [record_id for record_id, _ in rows]
    findings += _unusual(record_ids, inspected)
    findings += _duplicates(scan.records, [outcome.signal_hash for outcome in inspected])
    unknown = dataset.label_rule(None, root).unknown_codes(scan.records["codes"])
    return CheckReport(
        title=dataset.title,
        root=root,
        records=len(rows) + len(scan.left_out),
        findings=tuple(findings),
        unknown_codes=dict(unknown.most_common()),
        notes=scan.notes,
    )


def _read_and_inspect(dataset: EcgDataset, root: Path, row: tuple[str, str]) -> _Inspected:
    record_id, path = row
    try:
        recording = read_recording(dataset, root, path)
    except RecordError as error:
        return _Inspected(
            (Finding(FindingKind.UNREADABLE, record_id, LeftOut.because(record_id, error).reason),)
        )
    return _Inspected(
        tuple(inspect(recording, record_id)),
        recording.sampling_rate,
        recording.values.shape[1],
        recording_hash(recording),
    )


def _unusual(record_ids: Iterable[str], inspected: list[_Inspected]) -> list[Finding]:
    readable = [
        (record_id, outcome.sampling_rate, outcome.samples / outcome.sampling_rate)
        for record_id, outcome in zip(record_ids, inspected, strict=True)
        if outcome.sampling_rate is not None
    ]
    findings = []
    rate = _usual([rate for _, rate, _ in readable])
    seconds = _usual([seconds for _, _, seconds in readable])
    for record_id, record_rate, record_seconds in readable:
        if rate is not None and record_rate != rate:
            detail = f"{record_rate:g} Hz, most have {rate:g} Hz"
            findings.append(Finding(FindingKind.UNUSUAL_RATE, record_id, detail))
        if seconds is not None and record_seconds != seconds:
            detail = f"{record_seconds:g} s, most have {seconds:g} s"
            findings.append(Finding(FindingKind.UNUSUAL_LENGTH, record_id, detail))
    return findings


def _usual(values: list[float]) -> float | None:
    if not values:
        return None
    value, count = Counter(values).most_common(1)[0]
    return value if count >= USUAL_SHARE * len(values) else None


def _duplicates(records: pd.DataFrame, hashes: list[str | None]) -> list[Finding]:
    findings = []
    for _, group in records.groupby(pd.Series(hashes, index=records.index), sort=False):
        if len(group) < 2:
            continue
        patients = [patient for patient in group["patient_id"] if patient is not None]
        folds = [fold for fold in group["fold"] if fold is not None]
        if len(patients) < len(group):
            detail = "patients unknown"
        else:
            detail = "different patients" if len(set(patients)) > 1 else "one patient"
        if len(set(folds)) > 1:
            detail += f", in folds {', '.join(f'{fold:g}' for fold in sorted(set(folds)))}"
        findings.append(Finding(FindingKind.DUPLICATE, ", ".join(group["record_id"]), detail))
    return findings
