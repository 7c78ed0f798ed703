"""What was prepared, and what a check found, for the terminal."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from ecg_tl.datasets.base import UNANSWERED, LeftOut
from ecg_tl.store.check import CheckReport
from ecg_tl.store.inspection import ERRORS, FindingKind
from ecg_tl.store.manifest import Manifest
from ecg_tl.store.reader import Store
from ecg_tl.store.traces import SHORTEST_TRACE, TRACE_LEADS, has_trace
from ecg_tl.store.verification import StoreCheck
from ecg_tl.terminal import Group, RenderableType, Table, Text

FIRST = 5
"""How many ids or codes of a long list are shown; the manifest has all."""


def render_store(store: Store) -> RenderableType:
    """Describe a prepared store: what is in it, what was done, what was left out and why."""
    manifest, counts = store.manifest, store.manifest.counts
    settings = manifest.settings
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    rows: list[tuple[str, str]] = [
        ("dataset", f"{manifest.dataset.title} ({manifest.dataset.licence})"),
        ("stored", f"{counts.stored:,} of {counts.scanned:,} records"),
        *_shard(manifest),
        (
            "signals",
            f"{len(settings.leads)} leads, {settings.num_samples} samples at {settings.sampling_rate:g} Hz "
            f"({settings.resampling if settings.chain is None else 'by a chain'}), "
            f"{manifest.signals_bytes / 1e6:,.1f} MB",
        ),
        *([] if settings.chain is None else [("preprocessing", settings.chain.in_words())]),
        ("left out", f"{counts.left_out:,}"),
        *_reasons(manifest.left_out),
    ]
    if counts.too_short:
        rows.append(("too short", f"{counts.too_short:,}: {_few(manifest.too_short)}"))
    rows.append(("cropped", f"{counts.cropped:,} records"))
    rows.append(("zero-padded", f"{counts.padded:,} records"))
    rows.append(("NaN filled", f"{counts.nan_samples:,} samples in {counts.mended:,} records"))
    rows.append(("clipped", f"{counts.clipped_samples:,} samples in {counts.clipped:,} records"))
    rows.append(("classes", _classes(store)))
    rows.append(("patients", _patients(store)))
    rows.append(("unknown codes", _codes(manifest.unknown_codes)))
    shard = manifest.shard
    if shard is None:
        rows.append(("duplicates", _duplicates(manifest)))
    else:
        rows.append(("duplicates", "looked for when the shards are joined"))
    without = int((~has_trace(store.traces())).sum()) if len(store) else 0
    if without:
        rows.append(
            (
                "no fingerprint",
                f"{without:,} records: under {SHORTEST_TRACE:g} s, or without {', '.join(TRACE_LEADS)}",
            )
        )
    rows += [("note", note) for note in manifest.notes]
    rows.append(("store", str(store.path)))
    for name, value in rows:
        table.add_row(name, value)
    return table


def render_check(report: CheckReport) -> RenderableType:
    """Describe what a check found: by kind, the first few records of each."""
    parts: list[RenderableType] = [
        Text(f"{report.title}: {report.records:,} records in {report.root}", style="bold")
    ]
    table = Table("finding", "records", "the first of them", box=None, padding=(0, 2, 0, 0))
    for kind in FindingKind:
        findings = report.of_kind(kind)
        if findings:
            style = "red" if kind in ERRORS else "yellow"
            lines = [f"{finding.record_id}: {finding.detail}" for finding in findings[:FIRST]]
            if len(findings) > FIRST:
                lines.append(f"and {len(findings) - FIRST:,} more")
            table.add_row(Text(kind.value, style=style), f"{len(findings):,}", "\n".join(lines))
    if table.row_count:
        parts.append(table)
    else:
        parts.append(Text("Nothing is wrong with these records.", style="green"))
    if report.unknown_codes:
        parts.append(Text(f"unknown codes: {_codes(report.unknown_codes)}", style="yellow"))
    parts += [Text(f"note: {note}") for note in report.notes]
    return Group(*parts)


def render_stores(checks: Iterable[StoreCheck]) -> RenderableType:
    """Describe which stores are what was written."""
    table = Table("store", "what was found", box=None, padding=(0, 2, 0, 0))
    for check in checks:
        if check.faults:
            said = Text("\n".join(check.faults), style="red")
        elif check.can_be_verified:
            said = Text(f"as it was written ({check.size / 1e6:,.1f} MB read)", style="green")
        else:
            said = Text("no digests: an earlier version prepared it, so nothing was verified", style="yellow")
        table.add_row(Text(str(check.path)), said)
    return table


def _shard(manifest: Manifest) -> list[tuple[str, str]]:
    """Say which records these are, where they are not all."""
    shard = manifest.shard
    if shard is None:
        return []
    listed = f"records {shard.begin + 1:,} to {shard.end:,} of {shard.total:,}"
    return [("shard", f"{shard.number} of {shard.of}: {listed}; `ecg-tl data join` makes one store of all")]


def _reasons(left_out: Iterable[LeftOut]) -> list[tuple[str, str]]:
    """Group records whose reasons differ in nothing but paths, ids and numbers."""
    groups: dict[str, list[LeftOut]] = defaultdict(list)
    for record in left_out:
        fault = record.reason.partition(": found ")[2] or record.reason
        groups[re.sub(r"\d+", "#", fault.replace(record.record_id, "*"))].append(record)
    return [
        ("", f"{len(group):,} such as {_few([record.record_id for record in group])}: {group[0].reason}")
        for group in sorted(groups.values(), key=len, reverse=True)
    ]


def _codes(counts: Mapping[str, int]) -> str:
    if not counts:
        return "none"
    shown = [f"{code} ({count:,})" for code, count in list(counts.items())[: 2 * FIRST]]
    return ", ".join(shown) + (f" and {len(counts) - len(shown)} more" if len(counts) > len(shown) else "")


def _classes(store: Store) -> str:
    """Name the classes of the default task with their records."""
    rule = store.manifest.rule()
    counts = np.nansum(rule.targets_of(store.columns(("codes", UNANSWERED))), axis=0).astype(int).tolist()
    return _codes(dict(zip(rule.class_names, counts, strict=True)))


def _patients(store: Store) -> str:
    known = store.column("patient_id").dropna()
    if known.empty:
        return "not known: each record counts as a patient of its own"
    unknown = len(store) - len(known)
    said = f"{known.nunique():,}"
    if unknown:
        said += (
            f", and {unknown:,} records that do not say whose they are: each counts as a patient of its own"
        )
    return said


def _duplicates(manifest: Manifest) -> str:
    groups = manifest.duplicates
    if not groups:
        return "none"
    return f"{len(groups):,} recordings under several ids: " + _few([" = ".join(group) for group in groups])


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:FIRST]) + (", ..." if len(listed) > FIRST else "")
