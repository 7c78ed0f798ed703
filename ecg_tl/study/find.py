"""From results to findings: all that a report shows, in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from ecg_tl.statistics.intervals import FEW_PATIENTS, HOLDS_FOR, LEAST_PATIENTS
from ecg_tl.study.analysis.account import calibration_rows, cost_rows, data_rows, model_scores
from ecg_tl.study.analysis.answers import answer_all
from ecg_tl.study.analysis.axis_effects import axis_effects
from ecg_tl.study.analysis.comparisons import compare_all
from ecg_tl.study.analysis.convergence import break_even, converge
from ecg_tl.study.analysis.curves import gain_trends, label_efficiencies, learning_curves
from ecg_tl.study.analysis.families import contrast_families
from ecg_tl.study.analysis.foresight import correlate
from ecg_tl.study.analysis.grid import SECOND_OPINION, Grid
from ecg_tl.study.analysis.opinions import second_opinions, summarize_opinions
from ecg_tl.study.analysis.wording import plural
from ecg_tl.study.claims import judge_claims
from ecg_tl.study.design.settings import StudySettings
from ecg_tl.study.findings import Findings, StudyRecord
from ecg_tl.study.run.results import RunResult, StudyResults
from ecg_tl.study.run.threads import uneven_threads

METHODS = (
    "A difference is that of two arms on the same test patients, averaged over the same seeds of both. "
    "Its 95 % interval is over patients and seeds together: test patients are drawn again, with all "
    "their records and for all trainings alike; to that variance the spread between seeds is added, "
    "less what the two count twice; each part has its own t quantile. How much seeds change is weighed "
    "with what all configurations of the study say of it, since two to five trainings say little by "
    "themselves. Comparing on the same patients is what makes intervals narrow; two trainings of one "
    "seed are no more alike than others.",
    "One seed, or one of anything else that a sentence speaks of in the plural, gives no verdict: with one "
    "training each an interval holds patients only, no comparison is called better or worse, no answer is "
    "sure or likely, and claims stay open, as they do with one pair, one downstream, one network of a family "
    "or one training of an upstream.",
    "A class is scored if at least two test patients have it and two do not. Patients of a class that "
    "fewer than ten have (or lack) are drawn as a group of their own, so that resamples keep it. A "
    f"class of fewer than {LEAST_PATIENTS} such patients has no interval and is not judged, since from "
    "two or three it would hold the truth too seldom; nor is a mean over classes in which such a class "
    f"weighs as much. With fewer than {FEW_PATIENTS} the interval of a mean is marked as rough.",
    "Verdicts are corrected by Holm's method: over the primary comparisons (the primary arm at the default "
    "of all axes), over the other pretrained ones, and over the controls; over all classes of each of these "
    "three; over the downstreams' answers; and over the claims. "
    "Of studies in which no arm differs from another, at most one in twenty calls any of a group better or "
    "worse. Sure: p below 0.05 after correction. Likely: p from 0.05 to 0.10; one such study in twenty says "
    "so of some downstream. docs/statistics.md has how often each word appears where it is wrong.",
    "Two trainings are timed to the same validation score, 80 % of the way from the worse of their first "
    "epochs to the worse of their best ones, which both reach.",
    "What is recommended is chosen on validation scores; its gain is measured on the test set afterwards.",
    HOLDS_FOR,
)


def find(
    results: StudyResults,
    settings: StudySettings,
    *,
    config: str = "",
    resamples: int = 1000,
    on_progress: Callable[[int, int], None] | None = None,
) -> Findings:
    """Analyse a study.

    Args:
        results: What `load_results` read.
        settings: Of the study.
        config: The study's settings as YAML, for the record.
        resamples: Of each test set's patients.
        on_progress: Called with the number of runs that are scored, and of all, after each; scoring is what
            takes the time.
    """
    grid = Grid(results.runs, settings, resamples, on_progress)
    compared, problems = compare_all(grid)
    comparisons = tuple(one.comparison for one in compared)
    trends = gain_trends(grid, compared)
    families = contrast_families(grid, compared)
    pay = break_even(grid, comparisons)
    opinions = second_opinions(grid, compared)
    data = data_rows(grid)
    return Findings(
        name=settings.name,
        title=settings.title,
        protocol=settings.protocol,
        generated=datetime.now(UTC).isoformat(timespec="seconds"),
        runs=len(results.runs),
        planned=len(results.runs) + len(results.missing),
        warnings=(*_warnings(results, settings), *problems),
        answers=answer_all(grid, compared),
        claims=judge_claims(grid, compared, trends, families, pay),
        comparisons=comparisons,
        models=model_scores(grid),
        curves=learning_curves(grid),
        trends=tuple(trend.found for trend in trends),
        label_efficiency=label_efficiencies(grid, compared),
        convergence=converge(comparisons),
        families=families,
        break_even=pay,
        transferability=correlate(compared),
        calibration=calibration_rows(grid),
        axis_effects=axis_effects(grid, compared),
        second_opinions=opinions,
        second_opinion=summarize_opinions(opinions),
        data=data,
        costs=cost_rows(grid),
        missing=results.missing,
        record=_record(results.runs, settings, config, grid.resamples or resamples),
    )


def _warnings(results: StudyResults, settings: StudySettings) -> list[str]:
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
    failed = sum(m.state == "failed" for m in results.missing)
    if results.missing:
        warnings.append(
            f"{len(results.missing)} of {plural(len(results.runs) + len(results.missing), 'run')} are missing"
            + (f", {failed} of which failed" if failed else "")
            + ": what is said here may change when they are there."
        )
    downstream = {
        run.seed
        for run in results.runs
        if run.run["kind"] != "upstream" and run.run["protocol"] != SECOND_OPINION
    }
    if len(downstream) == 1:
        warnings.append(
            "One seed: nothing is judged. Differences stand with intervals over test patients alone; another "
            "training of the same kind could turn any of them round, so no comparison is called better or "
            "worse, no answer is more than a preference of validation scores, and every claim is open."
        )
    elif 1 < len(downstream) < 3:
        warnings.append(
            "Two seeds: how much trainings differ is known poorly, and intervals are wide for it."
        )
    undigested = sum(not run.result.get("digests") for run in results.runs)
    if undigested:
        warnings.append(
            f"{undigested} of {len(results.runs)} runs are of an earlier version, which kept no digests of "
            "its files: whether any was changed since cannot be seen."
        )
    warnings += uneven_threads((run.run, run.result.get("threads")) for run in results.runs)
    return warnings


def _record(runs: Sequence[RunResult], settings: StudySettings, config: str, resamples: int) -> StudyRecord:
    versions: dict[str, set[str]] = {}
    hardware: dict[str, None] = {}
    for run in runs:
        for package, version in (run.result.get("versions") or {}).items():
            versions.setdefault(str(package), set()).add(str(version))
        hardware[_machine(run.result.get("hardware") or {})] = None
    finished = sorted(str(run.result.get("finished") or "") for run in runs)
    return StudyRecord(
        config=config,
        versions={package: tuple(sorted(found)) for package, found in sorted(versions.items())},
        hardware=tuple(line for line in hardware if line),
        seeds=tuple(settings.seeds),
        first_finished=finished[0] if finished else "",
        last_finished=finished[-1] if finished else "",
        resamples=resamples,
        methods=METHODS,
    )


def _machine(hardware: dict[str, object]) -> str:
    words = [str(hardware[key]) for key in ("gpu", "cpu") if hardware.get(key)]
    if hardware.get("cores"):
        words.append(f"{hardware['cores']} cores")
    memory = hardware.get("memory_bytes")
    if isinstance(memory, int | float):
        words.append(f"{memory / 2**30:.0f} GiB")
    if hardware.get("platform"):
        words.append(str(hardware["platform"]))
    return ", ".join(words)
