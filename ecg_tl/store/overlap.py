"""Which recordings two prepared stores have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ecg_tl.csv_text import write_csv
from ecg_tl.store.copies import find_common
from ecg_tl.store.reader import Store
from ecg_tl.store.traces import has_trace
from ecg_tl.terminal import Group, RenderableType, Table, Text

FIRST = 20
"""How many pairs the terminal shows; the table has all."""


MOST_PAIRS = 1_000_000
"""In the table. More have collections whose records are alike, such as flat lines: all with all."""


@dataclass(frozen=True, eq=False)
class StoreOverlap:
    """What two stores have in common.

    Attributes:
        paths: The stores' folders.
        datasets: Names of what they hold.
        records: How many records each has.
        matched: How many records of each are in the other.
        incomparable: How many records of each have no trace, so that nothing is known of them.
        pairs: A row a pair: `record_id_a`, `record_id_b`, `similarity` (0.82 to 1), and `lag_s`: the
            seconds by which B begins later than A.
        pairs_in_all: How many pairs there are; where there are over `MOST_PAIRS`, `pairs` holds some of them.
    """

    paths: tuple[Path, Path]
    datasets: tuple[str, str]
    records: tuple[int, int]
    matched: tuple[int, int]
    incomparable: tuple[int, int]
    pairs: pd.DataFrame
    pairs_in_all: int


def compare_stores(a: Store, b: Store) -> StoreOverlap:
    """Compare every record of one store with every record of another by trace.

    The stores may differ in everything else: dataset, leads, rate, length.
    """
    traces_a, traces_b = a.traces(), b.traces()
    common = find_common(traces_a, traces_b, MOST_PAIRS)
    pairs = pd.DataFrame(
        {
            "record_id_a": a.column("record_id").to_numpy()[common.one],
            "record_id_b": b.column("record_id").to_numpy()[common.other],
            "similarity": common.similarity.astype(float).round(4),
            "lag_s": common.lag.astype(float).round(3),
        }
    )
    return StoreOverlap(
        paths=(a.path, b.path),
        datasets=(a.manifest.dataset.name, b.manifest.dataset.name),
        records=(len(a), len(b)),
        matched=(int(common.in_one.sum()), int(common.in_other.sum())),
        incomparable=(int((~has_trace(traces_a)).sum()), int((~has_trace(traces_b)).sum())),
        pairs=pairs,
        pairs_in_all=common.pairs,
    )


def write_pairs(overlap: StoreOverlap, path: Path) -> None:
    """Write all pairs as CSV.

    Raises:
        StoreError: If the file cannot be written.
    """
    write_csv(path, overlap.pairs)


def render_overlap(overlap: StoreOverlap) -> RenderableType:
    """Describe an overlap for the terminal: counts, and the first pairs."""
    counts = Table("", "dataset", box=None)
    counts.add_column("store", overflow="fold")
    for name in ("records", "in the other", "not comparable"):
        counts.add_column(name, justify="right")
    for number, name in enumerate("AB"):
        columns = (overlap.records, overlap.matched, overlap.incomparable)
        counts.add_row(
            name,
            overlap.datasets[number],
            overlap.paths[number].name,
            *(f"{column[number]:,}" for column in columns),
        )
    if overlap.pairs.empty:
        return Group(counts, Text("No recording is in both.", style="green"))
    pairs = Table("A", "B", "similarity", "B begins later by", box=None)
    for record_a, record_b, similarity, lag in overlap.pairs.head(FIRST).itertuples(index=False):
        pairs.add_row(str(record_a), str(record_b), f"{similarity:.3f}", f"{lag:.2f} s")
    rest = overlap.pairs_in_all - FIRST
    listed = f"; the table has {len(overlap.pairs):,} of them" * (len(overlap.pairs) < overlap.pairs_in_all)
    title = Text(f"{overlap.pairs_in_all:,} pairs of the same recording{listed}", style="red")
    return Group(counts, title, pairs, *([Text(f"and {rest:,} more")] if rest > 0 else []))
