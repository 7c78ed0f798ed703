"""What was found in a folder, for people."""

from __future__ import annotations

from collections.abc import Mapping

from ecg_tl.datasets.named_records import first_few
from ecg_tl.survey.folder import FolderFound
from ecg_tl.terminal import Table

_SHOWN = 8
CHOICE = "`single_choice: true`"


def render_folder(found: FolderFound) -> Table:
    """Lay out what was found, a line a fact."""
    recordings, columns = found.recordings, found.columns
    table = Table.grid(padding=(0, 2))
    read = f"{recordings.looked_at:,} of them" if recordings.looked_at < len(recordings.names) else "all"
    looked = f"{read} read"
    table.add_row("recordings", f"{len(recordings.names):,} ({_counts(recordings.formats)}); {looked}")
    table.add_row("rates", _counts({f"{rate:g} Hz": count for rate, count in recordings.rates.items()}))
    lengths = {f"{length:g} s": count for length, count in recordings.seconds.items()}
    table.add_row("lengths", _counts(lengths))
    table.add_row("leads", _counts({" ".join(leads): count for leads, count in recordings.leads.items()}))
    if recordings.unreadable:
        name, reason = recordings.unreadable[0]
        table.add_row("unreadable", f"{len(recordings.unreadable):,}; the first, {name}: {reason}")
    if recordings.identical:
        groups = first_few(" = ".join(group) for group in recordings.identical)
        what = f"{len(recordings.identical):,} group(s) of files with the same bytes"
        table.add_row("identical", f"{what}: {groups}")
    table.add_row("table", f"{found.table.name}: {found.rows:,} rows")
    table.add_row("record", f"column {columns.record}")
    if found.without_recording:
        cells = first_few(found.without_recording)
        table.add_row("", f"{len(found.without_recording):,} row(s) without a recording: {cells}")
    if found.unnamed:
        table.add_row("", f"{len(found.unnamed):,} recording(s) in no row: {first_few(found.unnamed)}")
    if found.twice:
        table.add_row("", f"{len(found.twice):,} recording(s) in several rows: {first_few(found.twice)}")
    if found.patients is not None:
        how = f"column {columns.patient}" if columns.patient else f"pattern {found.patient_pattern}"
        missing = f"; {found.without_patient:,} row(s) name none" if found.without_patient else ""
        table.add_row("patients", f"{found.patients:,} ({how}){missing}")
    for name in ("fold", "age", "sex", "site"):
        column = getattr(columns, name)
        if column is not None:
            table.add_row(name, f"column {column}")
    if columns.codes is None:
        table.add_row("classes", f"{len(columns.labels)} columns of 0 and 1: {_counts(columns.labels)}")
    else:
        codes = f"{len(columns.code_counts)} codes (column {columns.codes}, parted by {columns.separator!r})"
        table.add_row("classes", f"{codes}: {_counts(columns.code_counts)}")
    table.add_row("", _choice(found))
    if columns.others:
        table.add_row("not used", first_few(columns.others))
    for note in (*recordings.passed_over, *found.notes):
        table.add_row("note", note)
    return table


def _choice(found: FolderFound) -> str:
    """Say how many classes rows have, and what to set where that is one."""
    by_row, columns = found.columns.classes_by_row, found.columns
    if columns.have_one_class:
        return f"each row has exactly one: if they exclude each other, set {CHOICE} in the config"
    several = sum(count for number, count in by_row.items() if number > 1)
    return f"{by_row.get(1, 0):,} row(s) with one, {by_row.get(0, 0):,} with none, {several:,} with several"


def _counts(counts: Mapping[str, int]) -> str:
    named = [f"{name} {count:,}" for name, count in list(counts.items())[:_SHOWN]]
    more = f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
    return ", ".join(named) + more
