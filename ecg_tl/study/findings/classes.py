"""Which classes gain, and which lose: the primary comparisons class by class."""

from __future__ import annotations

from collections.abc import Sequence

from ecg_tl.study.findings.compared import ClassChange, Comparison, at_largest_size
from ecg_tl.study.findings.tables import (
    Table,
    TableCell,
    difference_cell,
)
from ecg_tl.study.findings.wording import count


def class_tables(found: Sequence[Comparison]) -> tuple[Table, ...]:
    """Gain and loss by class, a table for each downstream, at the largest size of the primary arm."""
    primary = at_largest_size([one for one in found if one.primary])
    tables = []
    for downstream in dict.fromkeys(one.downstream for one in primary):
        own = [one for one in primary if one.downstream == downstream and one.per_class]
        if not own:
            continue
        names = list(dict.fromkeys(change.name for one in own for change in one.per_class))
        by_name = [{change.name: change for change in one.per_class} for one in own]
        rows = [_class_row(name, by_name) for name in names]
        columns = [f"#{one.upstream} → {one.network}" for one in own]
        first = own[0]
        tables.append(
            Table(
                f"{downstream}: change of AUROC by class, {first.arm} less scratch",
                ("Class", "#Positives, test", "#Positives, training", *columns),
                tuple(rows),
                f"{first.records} test records of {first.patients} patients, {len(first.seeds)} "
                f"{'seed' if len(first.seeds) == 1 else 'seeds'}. Coloured where the difference holds after "
                "correction for all classes of all such comparisons; the 95 % interval stands below each.",
            )
        )
    return tuple(tables)


def _class_row(name: str, by_name: Sequence[dict[str, ClassChange]]) -> tuple[TableCell, ...]:
    first = next(changes[name] for changes in by_name if name in changes)
    cells = [TableCell(name), TableCell(count(first.support)), TableCell(count(first.train_support))]
    for changes in by_name:
        change = changes.get(name)
        if change is None or change.difference.estimate is None:
            cells.append(TableCell("not scored", tone="muted"))
        else:
            cells.append(difference_cell(change.difference, change.verdict, drawn=False))
    return tuple(cells)


def negative_transfer(comparisons: Sequence[Comparison]) -> tuple[int, int, int]:
    """Count the classes that gain, lose and are scored, of the primary comparisons at their largest size."""
    scored = [
        change
        for one in at_largest_size([one for one in comparisons if one.primary])
        for change in one.per_class
        if change.difference.estimate is not None
    ]
    gains, losses = (sum(change.verdict == verdict for change in scored) for verdict in ("win", "loss"))
    return gains, losses, len(scored)
