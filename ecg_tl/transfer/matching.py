"""Deciding what of an upstream goes where in a network, before anything is copied.

`load_state_dict(strict=False)` says nothing of what it skipped and raises on the first other shape: so names
and shapes are compared first, and what is loaded is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from ecg_tl.checkpoints.reading import Upstream
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.models import EcgNetwork
from ecg_tl.transfer.adapt import (
    Adapted,
    copy_rows,
    mean_leads,
    resample_kernel,
    rows_by_diagnosis,
    rows_by_name,
    select_leads,
)
from ecg_tl.transfer.report import HEAD, TAKEN, UNMATCHED, State, TensorReport, TransferReport

HeadPolicy = Literal["reset", "by_diagnosis", "keep"]
StemPolicy = Literal["error", "select", "mean"]

COMPARED = ("leads", "sampling_rate", "units", "normalization")
"""What of an upstream's signals is compared with the downstream's."""


@dataclass(frozen=True)
class Policies:
    """What is done where upstream and downstream differ; see `TransferLearning`."""

    head: HeadPolicy = "reset"
    stem: StemPolicy = "error"
    resample_stem: bool = False
    reinit_last: int = 0
    min_coverage: float = 0.9
    allow: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Transfer:
    """What shall be loaded into a network.

    Attributes:
        report: Of every tensor.
        weights: By the network's names; all of them fit.
    """

    report: TransferReport
    weights: dict[str, Tensor]


def plan_transfer(
    upstream: Upstream, network: EcgNetwork, policies: Policies, downstream: Mapping[str, Any] | None
) -> Transfer:
    """Decide what goes where; changes nothing.

    Args:
        upstream: What was read.
        network: The downstream network, freshly initialised.
        policies: What to do about differences.
        downstream: What the data at hand say of themselves (`EcgDataModule.describe()`), if anything does.

    Raises:
        CheckpointError: If signals differ in a way that no policy allows, the first or last layer cannot be
            fitted, or less than `min_coverage` of the backbone is there.
        SettingError: If the network has not as many groups as `reinit_last`, or no kernels to resample.
    """
    if upstream.data is not None and downstream is not None:
        require_same_signals(upstream, downstream, policies)
    groups = list(network.layer_groups())
    fresh = fresh_groups(groups, policies.reinit_last)
    if policies.head == "reset":
        fresh |= {HEAD}
    adapted: dict[str, Adapted] = {}
    if groups[0] not in fresh:
        adapted |= adapt_stem(upstream, network, policies, downstream)
    if policies.head != "reset":
        adapted |= adapt_head(upstream, network, policies.head, downstream)
    state = network.state_dict()
    report = match(upstream, state, network.layer_groups(), adapted, fresh)
    require_coverage(report, policies.min_coverage)
    weights = {
        t.name: adapted[t.name].tensor if t.name in adapted else upstream.weights[t.name]
        for t in report.tensors
        if t.state in TAKEN
    }
    return Transfer(report, weights)


def fresh_groups(groups: list[str], reinit_last: int) -> frozenset[str]:
    """Return the last groups before the head that are to start fresh.

    Raises:
        SettingError: If that would leave none, or there are not so many.
    """
    backbone = [group for group in groups if group != HEAD]
    if not 0 <= reinit_last < len(backbone):
        raise SettingError(
            "reinit_last",
            str(reinit_last),
            f"0 to {len(backbone) - 1} of the groups {', '.join(backbone)}",
            "Correct reinit_last; the head has a policy of its own, and a network that is to be random "
            "throughout takes `upstream: null`.",
        )
    return frozenset(backbone[len(backbone) - reinit_last :])


def require_same_signals(upstream: Upstream, downstream: Mapping[str, Any], policies: Policies) -> None:
    """Refuse an upstream that was trained on signals of another kind.

    Raises:
        CheckpointError: Names the difference and both sides.
    """
    trained_on = upstream.data or {}
    handled = set(policies.allow)
    if policies.stem != "error":
        handled.add("leads")
    if policies.resample_stem:
        handled.add("sampling_rate")
    for field in COMPARED:
        theirs, ours = trained_on.get(field), downstream.get(field)
        if field in handled or theirs == ours:
            continue
        remedy = {
            "leads": "Prepare the data with these leads, or choose `stem: select` or `stem: mean`",
            "sampling_rate": f"Prepare the store at the upstream's rate (`sampling_rate: {theirs}`), "
            "or set `resample_stem: true`",
        }.get(field, "Prepare the data as the upstream has it")
        raise CheckpointError(
            upstream.path,
            f"{field} {theirs}",
            f"{field} {ours}, as the downstream data have",
            f"{remedy}, or allow it as it is with `allow: [{field}]`.",
        )


def adapt_stem(
    upstream: Upstream, network: EcgNetwork, policies: Policies, downstream: Mapping[str, Any] | None
) -> dict[str, Adapted]:
    """Fit the weights that meet the leads.

    Raises:
        CheckpointError: If the leads differ and no policy says what to do, or the upstream does not say which
            leads it has.
        SettingError: If kernels are to be resampled where there are none, or rates are not known.
    """
    theirs, ours = upstream.data or {}, downstream or {}
    adapted: dict[str, Adapted] = {}
    for name in network.input_weight_names:
        weight = upstream.weights.get(name)
        wanted = network.get_parameter(name)
        if weight is None or weight.ndim != wanted.ndim or weight.shape[0] != wanted.shape[0]:
            continue  # reported as missing or of another shape
        result = Adapted(weight, weight.numel(), "", exact=True)
        if policies.resample_stem and theirs.get("sampling_rate") != ours.get("sampling_rate"):
            result = _resampled(weight, theirs.get("sampling_rate"), ours.get("sampling_rate"), upstream)
        if policies.stem == "select":
            result = _joined(
                result, _selected(result.tensor, theirs.get("leads"), ours.get("leads"), upstream)
            )
        elif policies.stem == "mean" and weight.shape[1] != wanted.shape[1]:
            result = _joined(result, mean_leads(result.tensor, wanted.shape[1]))
        elif weight.shape[1] != wanted.shape[1]:
            raise CheckpointError(
                upstream.path,
                f"{name} for {weight.shape[1]} leads",
                f"{wanted.shape[1]} leads",
                "Choose `stem: select` (by the leads' names) or `stem: mean`.",
            )
        if not result.exact and result.tensor.shape == wanted.shape:
            adapted[name] = result
    return adapted


def _resampled(weight: Tensor, theirs: float | None, ours: float | None, upstream: Upstream) -> Adapted:
    if weight.ndim != 3:
        raise SettingError(
            "resample_stem",
            "a network without kernels over time in its first layer",
            "a convolutional network",
            "Prepare the store at the upstream's sampling rate.",
        )
    if theirs is None or ours is None:
        raise CheckpointError(
            upstream.path,
            "no sampling rate",
            "one to resample the kernels from",
            "Remove resample_stem, and prepare the store at the upstream's rate.",
        )
    return Adapted(
        resample_kernel(weight, theirs, ours), weight.numel(), f"kernels from {theirs:g} to {ours:g} Hz"
    )


def _selected(
    weight: Tensor, theirs: list[str] | None, ours: list[str] | None, upstream: Upstream
) -> Adapted:
    if theirs is None or ours is None or len(theirs) != weight.shape[1]:
        raise CheckpointError(
            upstream.path,
            "no names of its leads",
            "names to select leads by",
            "Choose `stem: mean`, or prepare the data with the upstream's leads in its order.",
        )
    if not set(theirs) & set(ours):
        raise CheckpointError(
            upstream.path,
            f"leads {', '.join(theirs)}",
            f"some of {', '.join(ours)}",
            "Choose `stem: mean`.",
        )
    return select_leads(weight, theirs, ours)


def _joined(first: Adapted, then: Adapted) -> Adapted:
    """Tell of two adaptations of one tensor."""
    notes = [step.note for step in (first, then) if not step.exact]
    return Adapted(then.tensor, then.taken, "; ".join(notes), first.exact and then.exact)


def adapt_head(
    upstream: Upstream,
    network: EcgNetwork,
    policy: Literal["by_diagnosis", "keep"],
    downstream: Mapping[str, Any] | None,
) -> dict[str, Adapted]:
    """Take over the rows of classes that the upstream has learnt.

    Raises:
        CheckpointError: If the upstream has no such head, another number of features, or classes that cannot
            be brought together.
    """
    names = [f"{network.head_name}.{kind}" for kind in ("weight", "bias")]
    weight = upstream.weights.get(names[0])
    if any(name not in upstream.weights for name in names) or weight is None or weight.ndim != 2:
        raise CheckpointError(
            upstream.path, f"no head {network.head_name}", "a linear layer", "Use `head: reset`."
        )
    if weight.shape[1] != network.num_features:
        raise CheckpointError(
            upstream.path,
            f"a head of {weight.shape[1]} features",
            f"{network.num_features} features",
            "Use `head: reset`, or the same network on signals of the same length.",
        )
    theirs, ours = upstream.data, downstream
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


def _rows_note(rows: dict[int, int], theirs: Mapping[str, Any] | None, ours: Mapping[str, Any] | None) -> str:
    if theirs is None or ours is None:
        return ""
    names = ours["class_names"]
    copied = ", ".join(f"{names[row]} from {theirs['class_names'][other]}" for row, other in rows.items())
    fresh = [name for row, name in enumerate(names) if row not in rows]
    return f"copied: {copied}" + (f"; initialised: {', '.join(fresh)}" if fresh else "")


def match(
    upstream: Upstream,
    downstream: Mapping[str, Tensor],
    layer_groups: Mapping[str, Iterable[str]],
    adapted: Mapping[str, Adapted],
    fresh: frozenset[str] = frozenset({HEAD}),
) -> TransferReport:
    """Compare an upstream's tensors with a downstream network's by name and shape; copies nothing.

    Args:
        upstream: What was read.
        downstream: The network's `state_dict()`.
        layer_groups: The network's `layer_groups()`.
        adapted: Tensors that were fitted already, in the network's shapes.
        fresh: Groups that are to stay as they were initialised.
    """
    group_of = {name: group for group, names in layer_groups.items() for name in names}
    group_of |= {name: _group_of_buffer(name, group_of) for name in downstream if name not in group_of}
    parameters = {name for names in layer_groups.values() for name in names}
    tensors: list[TensorReport] = []
    for name, tensor in downstream.items():
        other = upstream.weights.get(name)
        state = _state(name, tensor, group_of[name] in fresh, upstream, adapted.get(name))
        size = tensor.numel() if name in parameters else 0
        notes = [f"from {upstream.renamed[name]}"] if name in upstream.renamed and state in TAKEN else []
        notes += [adapted[name].note] if name in adapted and adapted[name].note else []
        taken = min(size, adapted[name].taken if name in adapted else size) if state in TAKEN else 0
        tensors.append(
            TensorReport(
                name=name,
                group=group_of[name],
                state=state,
                shape=tuple(tensor.shape),
                upstream_shape=None if other is None else tuple(other.shape),
                parameters=size,
                taken=taken,
                note="; ".join(notes),
            )
        )
    left = {n: t for n, t in upstream.weights.items() if n not in downstream} | upstream.outside
    unexpected = [
        TensorReport(upstream.renamed.get(n, n), "-", "unexpected", tuple(t.shape), tuple(t.shape), t.numel())
        for n, t in left.items()
    ]
    return TransferReport(str(upstream.path), (*tensors, *unexpected))


def _state(name: str, tensor: Tensor, fresh: bool, upstream: Upstream, adapted: Adapted | None) -> State:
    if fresh:
        return "reinitialised"
    if adapted is not None and not adapted.exact:
        return "adapted"
    other = upstream.weights.get(name)
    if other is None:
        return "missing"
    if other.shape != tensor.shape:
        return "shape-skipped"
    return "renamed" if name in upstream.renamed else "loaded"


def _group_of_buffer(name: str, group_of: Mapping[str, str]) -> str:
    """Return the group of the parameters beside a buffer (a batch norm's running mean)."""
    module = name.rpartition(".")[0]
    return next((g for other, g in group_of.items() if other.rpartition(".")[0] == module), "-")


def nothing_loaded(network: EcgNetwork) -> TransferReport:
    """Report a network that starts at random, on purpose."""
    state, groups = network.state_dict(), network.layer_groups()
    parameters = {name: group for group, names in groups.items() for name in names}
    return TransferReport(
        None,
        tuple(
            TensorReport(
                name,
                parameters.get(name) or _group_of_buffer(name, parameters),
                "reinitialised",
                tuple(tensor.shape),
                None,
                tensor.numel() if name in parameters else 0,
            )
            for name, tensor in state.items()
        ),
    )


def require_coverage(report: TransferReport, min_coverage: float) -> None:
    """Refuse a transfer that hardly took place.

    Raises:
        CheckpointError: If less than `min_coverage` of the backbone was loaded, or of the weights or of the
            running statistics of its batch norms; lists what did not match.
    """
    shares = {"backbone's parameters": report.coverage}
    shares |= {f"backbone's batch norms' {kind}": share for kind, share in report.norm_coverage.items()}
    least = min(shares, key=lambda kind: shares[kind])
    if shares[least] >= min_coverage:
        return
    unmatched = [f"{t.name} ({t.state})" for t in report.tensors if t.state in UNMATCHED]
    listed = ", ".join(unmatched[:12]) + (f" and {len(unmatched) - 12} more" if len(unmatched) > 12 else "")
    raise CheckpointError(
        report.upstream,
        f"values for {shares[least]:.1%} of the {least}; without a match: {listed}",
        f"at least {min_coverage:.0%} (min_coverage)",
        "Give a checkpoint of the same network, give `prefix` and `renames`, or lower min_coverage.",
    )
