"""Deciding what of an upstream goes where in a network, before anything is copied.

`load_state_dict(strict=False)` says nothing of what it skipped and raises on the first other shape: so names
and shapes are compared first, and what is loaded is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ecg_tl.checkpoints.reading import Upstream
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.models import EcgNetwork
from ecg_tl.transfer.adapted import Adapted
from ecg_tl.transfer.groups import COMPARED, Matching
from ecg_tl.transfer.head import adapt_head
from ecg_tl.transfer.report import HEAD, TAKEN, UNMATCHED, State, TensorReport, TransferReport
from ecg_tl.transfer.stem import adapt_stem


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
    upstream: Upstream, network: EcgNetwork, settings: Matching, downstream: Mapping[str, Any] | None
) -> Transfer:
    """Decide what goes where; changes nothing.

    Args:
        upstream: What was read.
        network: The downstream network, freshly initialised.
        settings: What to do about differences.
        downstream: What the data at hand say of themselves (`EcgDataModule.describe()`), if anything does.

    Raises:
        CheckpointError: If signals differ in a way that no policy allows, the first or last layer cannot be
            fitted, or less than `min_coverage` of the backbone is there.
        SettingError: If the network has not as many groups as `reinit_last`, or no kernels to resample.
    """
    if upstream.data is not None and downstream is not None:
        require_same_signals(upstream, downstream, settings)
    groups = list(network.layer_groups())
    fresh = fresh_groups(groups, settings.reinit_last)
    if settings.head == "reset":
        fresh |= {HEAD}
    adapted: dict[str, Adapted] = {}
    if groups[0] not in fresh:
        adapted |= adapt_stem(upstream, network, settings, downstream)
    if settings.head != "reset":
        adapted |= adapt_head(upstream, network, settings.head, downstream)
    state = network.state_dict()
    report = match(upstream, state, network.layer_groups(), adapted, fresh)
    require_coverage(report, settings.min_coverage)
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


def require_same_signals(upstream: Upstream, downstream: Mapping[str, Any], settings: Matching) -> None:
    """Refuse an upstream that was trained on signals of another kind.

    Raises:
        CheckpointError: Names the difference and both sides.
    """
    trained_on = upstream.data or {}
    handled = set(settings.allow or ())
    if settings.stem != "error":
        handled.add("leads")
    if settings.resample_stem:
        handled.add("sampling_rate")
    for field in COMPARED:
        theirs, ours = trained_on.get(field), downstream.get(field)
        if field in handled or _without_leads(theirs) == _without_leads(ours):
            continue
        remedy = {
            "leads": "Prepare the data with these leads, or choose `stem: select` or `stem: mean`",
            "sampling_rate": f"Prepare the store at the upstream's rate (`sampling_rate: {theirs}`), "
            "or set `resample_stem: true`",
        }.get(field, "Prepare the data as the upstream has it")
        if upstream.published is not None:
            remedy = f"Prepare the data under its contract (`--data.contract {upstream.published}`)"
        raise CheckpointError(
            upstream.path,
            f"{field} {_in_words(theirs)}",
            f"{field} {_in_words(ours)}, as the downstream data have",
            f"{remedy}, or allow it as it is with `allow: [{field}]`.",
        )


def _without_leads(said: Any) -> Any:
    """Leave out of preprocessing, and of what it learnt, whose leads they are: leads are compared by name.

    Mean and deviation are learnt anew of the downstream's training records, unless the contract has them.
    """
    if isinstance(said, Mapping):
        return {name: _without_leads(value) for name, value in said.items()}
    if isinstance(said, list) and all(isinstance(step, Mapping) and "step" in step for step in said):
        return [
            {name: value for name, value in step.items() if name not in ("names", "mean", "deviation")}
            for step in said
        ]
    return said


def _in_words(said: Any) -> str:
    steps = said.get("steps") if isinstance(said, Mapping) else said
    if isinstance(steps, list) and steps and all(isinstance(step, Mapping) for step in steps):
        return ", ".join(str(step.get("step")) for step in steps)
    return "none" if said is None else str(said)


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
