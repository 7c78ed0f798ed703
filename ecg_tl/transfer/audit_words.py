"""What an audit of two files of weights found, in words and as a table."""

from __future__ import annotations

from collections.abc import Iterable

from ecg_tl.terminal import SIMPLE_HEAD, Table, Text
from ecg_tl.transfer.audit import Audit, TensorMovement

_LISTED = 5


def sentences(found: Audit) -> list[str]:
    """Say what happened, the most important first."""
    encoder, head = found.weights(head=False), found.weights(head=True)
    moved = [one for one in encoder if one.moved]
    head_moved = any(one.moved for one in head) or bool(found.new_head())
    statistics = found.statistics()
    gathered = [one for one in statistics if one.moved]
    said = []
    if not encoder:
        said.append("There is nothing to compare beside the head.")
    elif not moved and head_moved:
        said.append(
            f"ONLY THE HEAD WAS TRAINED: all {len(encoder)} tensors of the encoder "
            f"({_values(encoder)} numbers) are bit for bit what they were. That is a probe. If it was meant "
            "to be a fine-tuning, the optimizer holds no tensor of the encoder, or all of them are frozen."
        )
    elif not moved:
        said.append(f"Nothing was trained: all {len(encoder) + len(head)} tensors are what they were.")
    elif len(moved) == len(encoder):
        said.append(f"All {len(encoder)} tensors of the encoder moved ({_values(encoder)} numbers).")
    else:
        still = [one for one in encoder if not one.moved]
        groups = list(dict.fromkeys(one.group for one in still))
        whole = [g for g in groups if all(not one.moved for one in encoder if one.group == g)]
        said.append(
            f"{len(moved)} of {len(encoder)} tensors of the encoder moved; {len(still)} "
            f"({_values(still)} numbers) did not"
            + (f", among them all of {_listed(whole)}." if whole else f", in {_listed(groups)}.")
        )
    if head and not head_moved and moved:
        said.append("The head did not move, though the encoder did.")
    if gathered and not moved:
        said.append(
            f"BATCH NORMS MOVED WITHOUT WEIGHTS: {len(gathered)} of {len(statistics)} running means and "
            "variances changed, so the encoder was run in training mode: for the same record it gives other "
            "features than before, though none of its weights was trained."
        )
    elif gathered and len(gathered) < len(statistics):
        said.append(f"{len(gathered)} of {len(statistics)} running means and variances of batch norms moved.")
    elif statistics and not gathered and moved:
        said.append("No running mean or variance of a batch norm moved: they were kept as they were.")
    scaled = [one for one in moved if one.factor is not None]
    if scaled:
        said.append(
            f"{len(scaled)} tensors were multiplied by one number each and nothing else "
            f"({_listed([one.name for one in scaled])}): weight decay without a gradient leaves that."
        )
    if not found.head_known:
        said.append(
            "Which tensors are the head is guessed: those that are new or have another shape, else the last "
            "linear layer. `--as NAME` of a published upstream says it."
        )
    for names, words in (
        (found.only_before, "the second file lacks them"),
        (found.only_after, "the first file lacks them"),
        (tuple(name for name, _ in found.reshaped), "they have another shape"),
    ):
        if names:
            more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
            said.append(f"Not compared, since {words}: {', '.join(names[:_LISTED])}{more}.")
    return said


def table_of(found: Audit) -> Table:
    """Lay out how far each group moved."""
    table = Table(
        title=f"by {found.grouped_by}", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=0
    )
    table.add_column("group", overflow="fold")
    for name in ("tensors\nmoved", "numbers", "distance\nrelative", "greatest\nchange", "batch norm\nmoved"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found.groups():
        table.add_row(
            Text(one.group),
            f"{one.moved} of {one.weights}" if one.weights else "-",
            f"{one.values:,}",
            "-" if one.relative is None else f"{one.relative:.2g}",
            f"{one.largest:.2g}",
            f"{one.statistics_moved} of {one.statistics}" if one.statistics else "-",
        )
    return table


def _values(tensors: Iterable[TensorMovement]) -> str:
    return f"{sum(one.values for one in tensors):,}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
