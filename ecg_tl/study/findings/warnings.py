"""What must be read before anything else."""

from __future__ import annotations

from ecg_tl.statistics.replication import count_splits, seed_of
from ecg_tl.study.design.pretraining import is_transductive
from ecg_tl.study.design.settings import StudySettings
from ecg_tl.study.findings.grid import SECOND_OPINION
from ecg_tl.study.findings.sentences import counted
from ecg_tl.study.run.results import StudyResults
from ecg_tl.study.run.threads import uneven_threads


def page_warnings(results: StudyResults, settings: StudySettings) -> list[str]:
    """Give the sentences that the page opens with."""
    warnings = []
    if settings.protocol == "paper":
        warnings.append(
            "Protocol `paper`: the epoch is chosen on the test records and patients may be in both parts. "
            "Scores are too high, and differences are not trustworthy; it is here to repeat the paper."
        )
    elif any(
        run.result["data"].get("selects_on_test") and run.run["protocol"] != SECOND_OPINION
        for run in results.runs
    ):
        warnings.append("Some runs choose their epoch on test records: their scores are too high.")
    fed = [name for name, one in settings.upstreams.items() if is_transductive(one)]
    if fed:
        warnings.append(
            f"Transductive: {', '.join(fed)} was pre-trained, without labels, on the very records on which "
            "downstreams are validated and tested. What starts from it is no estimate for other records."
        )
    failed = sum(m.state == "failed" for m in results.missing)
    planned = len(results.runs) + len(results.missing)
    if results.missing:
        warnings.append(
            f"{len(results.missing)} of {counted(planned, 'run')} are missing"
            + (f", {failed} of which failed" if failed else "")
            + ": what is said here may change when they are there."
        )
    downstream = {
        run.training
        for run in results.runs
        if run.run["kind"] != "upstream" and run.run["protocol"] != SECOND_OPINION
    }
    if len(downstream) == 1:
        warnings.append(
            "One seed: nothing is judged. Differences stand with intervals over test patients alone; another "
            "training of the same kind could turn any of them round, so no comparison is called better or "
            "worse, no answer is more than a preference of validation scores, and every claim is open."
        )
    elif len({seed_of(one) for one in downstream}) == 2 and count_splits(list(downstream)) == 1:
        warnings.append(
            "Two seeds: how much trainings differ is known poorly, and intervals are wide for it."
        )
    undigested = sum(not run.result.get("digests") for run in results.runs)
    if undigested:
        warnings.append(
            f"{undigested} of {len(results.runs)} runs are of an earlier version, which kept no digests of "
            "its files: whether any was changed since cannot be seen."
        )
    warnings += _declared(results)
    warnings += uneven_threads((run.run, run.result.get("threads")) for run in results.runs)
    return warnings


def price_warning(price: float) -> list[str]:
    """Say what verdicts cost in a study that is looked at until it is sure; nothing of one that is not."""
    if price <= 1:
        return []
    return [
        "This study is looked at in rounds, until it is sure. So that it is not wrong more often for that, "
        f"p-values of scores are multiplied by {price:.3g}, and their 95 % intervals are as much wider "
        "(alpha spending); those of times are not, since nothing is stopped by them."
    ]


def _declared(results: StudyResults) -> list[str]:
    """Name the upstreams that were trained on what they are fine-tuned or judged on, as declared or found."""
    said: dict[str, None] = {}
    for run in results.runs:
        name = run.run.get("upstream") or (run.result.get("transfer") or {}).get("upstream")
        for line in run.overlap:
            said[f"Upstream {name} on {run.run['dataset']}: {line}. Allowed; its scores flatter."] = None
    return list(said)
