"""Fitting an upstream's head to other classes: its weights have one row a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import Tensor

from ecg_tl.checkpoints.reading import Upstream
from ecg_tl.datasets.base import LabelClass
from ecg_tl.datasets.diagnoses import class_concept
from ecg_tl.errors import CheckpointError
from ecg_tl.models import EcgNetwork
from ecg_tl.transfer.adapted import Adapted


def adapt_head(
    upstream: Upstream,
    network: EcgNetwork,
    policy: Literal["by_diagnosis", "keep"],
    downstream: Mapping[str, Any] | None,
) -> dict[str, Adapted]:
    """Take over the rows of classes that the upstream has learnt.

    Raises:
        CheckpointError: If the upstream has no such head, another number of features, classes that cannot be
            brought together, or decides in another way than the downstream.
    """
    names = [f"{network.head_name}.{kind}" for kind in ("weight", "bias")]
    weight = upstream.weights.get(names[0])
    if any(name not in upstream.weights for name in names) or weight is None or weight.ndim != 2:
        raise CheckpointError(
            upstream.path, f"no head {network.head_name}", "a linear layer", "Use `head: reset`."
        )
    if weight.shape[1] != network.head.in_features:
        raise CheckpointError(
            upstream.path,
            f"a head of {weight.shape[1]} features",
            f"{network.head.in_features} features",
            "Use `head: reset`, or the same network on signals of the same length.",
        )
    theirs, ours = upstream.data, downstream
    _require_same_kind(policy, theirs, ours, upstream.path)
    if policy == "by_diagnosis":
        rows = rows_by_diagnosis(theirs or {}, ours or {}, upstream.path)
    elif theirs is not None and ours is not None:
        rows = rows_by_name(theirs["class_names"], ours["class_names"], upstream.path)
    elif weight.shape[0] == network.num_classes:
        rows = {row: row for row in range(network.num_classes)}
    else:
        raise CheckpointError(
            upstream.path,
            f"a head of {weight.shape[0]} classes",
            f"{network.num_classes} classes, for `head: keep`",
            "Use `head: reset`.",
        )
    state = network.state_dict()
    note = _rows_note(rows, theirs, ours)
    return {name: copy_rows(state[name], upstream.weights[name], rows, note) for name in names}


def _require_same_kind(
    policy: str, theirs: Mapping[str, Any] | None, ours: Mapping[str, Any] | None, where: object
) -> None:
    """Refuse rows that mean something else here: one of a softmax says nothing without all others."""
    said = [_DECIDES[bool((data or {}).get("single_choice"))] for data in (theirs, ours)]
    if said[0] != said[1]:
        raise CheckpointError(
            where,
            f"a head that {said[0]}",
            f"one that {said[1]}, for `head: {policy}`",
            "Use `head: reset`.",
        )


_DECIDES = {False: "decides each class by itself", True: "chooses one of its classes"}


def _rows_note(rows: dict[int, int], theirs: Mapping[str, Any] | None, ours: Mapping[str, Any] | None) -> str:
    if theirs is None or ours is None:
        return ""
    names = ours["class_names"]
    copied = ", ".join(f"{names[row]} from {theirs['class_names'][other]}" for row, other in rows.items())
    fresh = [name for row, name in enumerate(names) if row not in rows]
    return f"copied: {copied}" + (f"; initialised: {', '.join(fresh)}" if fresh else "")


def rows_by_diagnosis(
    upstream: Mapping[str, Any], downstream: Mapping[str, Any], where: object
) -> dict[int, int]:
    """Find the classes of two label sets that stand for the same diagnosis.

    Args:
        upstream: What the upstream was trained on (`class_names`, `class_codes`, `code_system`).
        downstream: The same of the data at hand.
        where: The upstream's file, for the error.

    Returns:
        Downstream's row to upstream's row. A diagnosis that the upstream has twice is left out.

    Raises:
        CheckpointError: If one of them does not say its codes, or they share no diagnosis.
    """
    theirs, ours = _concepts(upstream, where), _concepts(downstream, downstream.get("dataset"))
    rows = {
        row: theirs.index(concept)
        for row, concept in enumerate(ours)
        if concept is not None and theirs.count(concept) == 1
    }
    if not rows:
        raise CheckpointError(
            where,
            f"classes {', '.join(upstream['class_names'])}",
            f"some of the diagnoses of {', '.join(downstream['class_names'])}",
            "Use `head: reset`.",
        )
    return rows


def _concepts(data: Mapping[str, Any], where: object) -> list[str | None]:
    """Return the diagnosis of each class."""
    try:
        return [
            class_concept(data["code_system"], LabelClass(name, frozenset(data["class_codes"][name])))
            for name in data["class_names"]
        ]
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            where,
            f"classes without codes of a known vocabulary ({error})",
            "class_names, class_codes and code_system",
            "Use `head: reset`.",
        ) from None


def rows_by_name(upstream: Sequence[str], downstream: Sequence[str], where: object) -> dict[int, int]:
    """Find each class of a label set in the same set, in whatever order.

    Raises:
        CheckpointError: If the sets are not the same.
    """
    if sorted(upstream) != sorted(downstream):
        raise CheckpointError(
            where,
            f"classes {', '.join(upstream)}",
            f"classes {', '.join(downstream)}, for `head: keep`",
            "Use `head: by_diagnosis` or `head: reset`.",
        )
    return {row: list(upstream).index(name) for row, name in enumerate(downstream)}


def copy_rows(fresh: Tensor, upstream: Tensor, rows: Mapping[int, int], note: str) -> Adapted:
    """Put rows of an upstream's head into a fresh one.

    Args:
        fresh: `(classes, ...)`, left as it is.
        upstream: `(upstream classes, ...)`, with the same features.
        rows: Row of `fresh` to row of `upstream`.
        note: For the report.
    """
    copied = fresh.clone()
    copied[list(rows)] = upstream[list(rows.values())].to(fresh.dtype)
    exact = len(upstream) == len(fresh) and all(rows.get(row) == row for row in range(len(fresh)))
    return Adapted(copied, len(rows) * fresh[0].numel(), note, exact)
