"""What speaks against a record's probabilities: signals that are damaged, or unlike those of the training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ecg_tl.inference.model import ModelDescription
from ecg_tl.inference.windows import Windows
from ecg_tl.recordings.remarks import Remark
from ecg_tl.signals import Recording
from ecg_tl.store.inspection import FindingKind, inspect
from ecg_tl.store.ranges import SignalRanges, unfamiliar

_KINDS = {
    FindingKind.FLAT_LEAD: "flat_lead",
    FindingKind.SATURATED: "saturated",
    FindingKind.GAIN: "implausible_gain",
    FindingKind.LEAD_RELATIONS: "lead_relations",
}
"""Of what `inspect` finds. Missing leads and values are reported by those that deal with them."""

_SAME_EXTENT = 1e-3
_MOST_WINDOWS = 200
"""That the ranges are compared with, evenly spaced: a median needs no more."""


def examine(
    recording: Recording, used: Recording, windows: Windows, description: ModelDescription
) -> Iterator[Remark]:
    """Yield what is wrong with a record. A good one yields nothing.

    Args:
        recording: As it was read.
        used: The leads that the network is given of it, but for those that are missing.
        windows: What the network is given.
        description: Of the network.
    """
    yield from _damages(used, windows)
    yield from _normalised(recording)
    if description.signal_ranges is not None:
        ranges = SignalRanges.from_dict(description.signal_ranges, len(description.leads))
        chosen = np.linspace(0, len(windows) - 1, min(len(windows), _MOST_WINDOWS)).round().astype(int)
        signals = [windows.signal(slice(one, one + 1))[0, :, : windows.length] for one in chosen.tolist()]
        # Leads that are missing are flat zeros, which are outside of no range.
        for message in unfamiliar(ranges, signals, description.leads, description.sampling_rate):
            yield Remark("unfamiliar", f"unlike the training records: {message}")


def _damages(used: Recording, windows: Windows) -> Iterator[Remark]:
    """Inspect each window, and say of each kind of damage what it is, in how many windows."""
    found: dict[FindingKind, list[str]] = {}
    for part in windows.parts:
        cut = replace(used, values=used.values[:, part.start : part.stop])
        in_window: dict[FindingKind, list[str]] = {}
        for finding in inspect(cut, ""):
            in_window.setdefault(finding.kind, []).append(finding.detail)
        for kind, details in in_window.items():
            found.setdefault(kind, []).append("; ".join(details))
    for kind, messages in found.items():
        if kind in _KINDS:
            share = f" (in {len(messages)} of {len(windows)} windows)" if len(windows) > 1 else ""
            yield Remark(_KINDS[kind], f"{kind.value}: {messages[0]}{share}")


def _extents(recording: Recording) -> list[float]:
    values = recording.values
    if np.isfinite(values).all():
        extents: list[float] = (values.max(axis=1) - values.min(axis=1)).tolist()
        return extents
    finite = (row[np.isfinite(row)] for row in values)
    return [float(row.max() - row.min()) for row in finite if row.size]


def _normalised(recording: Recording) -> Iterator[Remark]:
    """Tell signals that were stretched lead by lead: no ECG has the same extent in every lead."""
    extents = [extent for extent in _extents(recording) if extent > 0]
    if len(extents) < 3 or max(extents) - min(extents) > _SAME_EXTENT * max(extents):
        return
    yield Remark(
        "normalised",
        f"every lead spans {max(extents):.4g} mV: the signals were stretched lead by lead, which loses the "
        "voltages; if a stored step of the file is 1 µV, as in LUDB, --amplitude steps reads it",
    )
