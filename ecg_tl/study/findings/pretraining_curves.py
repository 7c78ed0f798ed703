"""What upstreams that were pre-trained without labels were worth, against the hours that it took.

While it is pre-trained, an upstream is probed every few epochs: a ridge regression from its frozen features
to the labels of training records, scored on validation records. No upstream is chosen by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecg_tl.statistics.replication import training_words
from ecg_tl.study.findings.columns import rows_of_parts
from ecg_tl.study.findings.tables import Line, Table, make_table
from ecg_tl.study.findings.topic import Topic, register_topic
from ecg_tl.study.findings.values import Axes
from ecg_tl.study.findings.wording import number
from ecg_tl.study.run.results import RunResult

PROBE, RANK, COLLAPSED = "val/probe_auroc", "val/feature_rank", "val/collapsed"


@dataclass(frozen=True)
class ProbedEpoch:
    """An epoch of a pre-training after which its features were probed.

    Attributes:
        epoch: From 1.
        hours: Of training and validating until then.
        probe_auroc: Macro AUROC of the probe on validation records.
        feature_rank: Effective rank of the features of validation records.
        collapsed: Whether nearly the same was said of every record.
    """

    epoch: int
    hours: float
    probe_auroc: float
    feature_rank: float
    collapsed: bool


@dataclass(frozen=True)
class PretrainingCurve:
    """One pre-training.

    Attributes:
        upstream: As the study names it.
        network: As the study names it.
        training: Its seed, and its split if that is not the first.
        points: First epoch first.
    """

    upstream: str
    network: str
    training: str
    points: tuple[ProbedEpoch, ...]


def pretraining_curves(runs: Sequence[RunResult]) -> tuple[PretrainingCurve, ...]:
    """Give the curve of every upstream of a study that was probed while it was pre-trained."""
    curves = []
    for run in runs:
        if run.run["kind"] != "upstream" or not {PROBE, RANK, COLLAPSED} <= set(run.history.columns):
            continue
        probes = run.history[PROBE]
        # Runs of earlier versions repeat a probe in the rows of the epochs until the next one.
        probed = run.history[probes.notna() & (probes != probes.shift())]
        columns = (probed[name] for name in ("epoch", "seconds", PROBE, RANK, COLLAPSED))
        points = tuple(
            ProbedEpoch(int(epoch), float(seconds) / 3600, float(auroc), float(rank), bool(collapsed))
            for epoch, seconds, auroc, rank, collapsed in zip(*columns, strict=True)
        )
        if points:
            upstream, network = str(run.run["dataset"]), str(run.run["network"])
            curves.append(PretrainingCurve(upstream, network, training_words(run.training), points))
    return tuple(curves)


def _table(found: Sequence[PretrainingCurve]) -> Table | None:
    rows: list[Line] = []
    for one in found:
        first, last = one.points[0], one.points[-1]
        rows.append(
            {
                "Pre-trained": f"{one.upstream}, {one.network}",
                "Seed": one.training,
                "#Epochs of pre-training": str(last.epoch),
                "#Hours": f"{last.hours:.2f}",
                "#Probe, first": number(first.probe_auroc),
                "#Probe, end": number(last.probe_auroc),
                "#Rank of the features": f"{last.feature_rank:.1f}",
                "": "collapsed" if last.collapsed else "",
            }
        )
    return make_table(
        "What pre-training without labels was worth",
        rows,
        "No upstream is chosen by its probe: each is that of its last epoch.",
    )


def _tables(found: Sequence[PretrainingCurve], default: Axes) -> dict[str, Table | None]:
    return {"pretraining_curves": _table(found)}


register_topic(
    Topic(
        "pretraining_curves",
        lambda study: pretraining_curves(study.results.runs),
        lambda found: {
            "pretraining_curves": rows_of_parts(found, ("upstream", "network", "training"), "points")
        },
        _tables,
        words="Pre-training",
        title="What was pre-training without labels worth?",
    )
)
