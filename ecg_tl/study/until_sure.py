"""`--until sure`: seeds (or splits) are added in rounds until the answer is sure, or there are no more."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ecg_tl.study.design.check import check_runs
from ecg_tl.study.design.folder import StudyFolder
from ecg_tl.study.design.kept_plan import keep_plan
from ecg_tl.study.design.looks import Looks, keep_looks, plan_looks
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.runs import Plan
from ecg_tl.study.design.settings import StudySettings
from ecg_tl.study.find import find
from ecg_tl.study.findings.findings import Findings
from ecg_tl.study.run.results import load_results
from ecg_tl.study.run.scheduler import StudyEnd

RESAMPLES = 1000
"""Of each look: as those of a report, so that both say the same."""


@dataclass(frozen=True)
class Until:
    """How a study ended that was to go on until it is sure.

    Attributes:
        settings: Of the study as it was last run.
        looks: At it.
        end: What became of the runs of the last round.
        runs: That the study has now.
        all_runs: That it would have with the most that there may be.
        out_of_time: Whether the next round would not have fitted into the time.
    """

    settings: StudySettings
    looks: Looks
    end: StudyEnd
    runs: int
    all_runs: int
    out_of_time: bool = False

    def words(self) -> str:
        """Say how it ended, and what was saved."""
        looks, done = self.looks, self.looks.done
        number = looks.numbers[max(done - 1, 0)]
        where = (
            f"look {done} of {len(looks.numbers)}, with {number} of at most {looks.numbers[-1]} {looks.unit}"
        )
        saved = f"{self.all_runs - self.runs} of {self.all_runs} runs were not needed"
        if looks.ended == "sure":
            tail = f"; {saved}" if self.runs < self.all_runs else ""
            return f"Sure at {where}{tail}. So that looking often does not make it wrong, {self._price()}."
        if looks.ended == "most":
            return f"Not sure at {where}: there are no more. For the looks {self._price()}."
        if self.out_of_time:
            return (
                f"Not sure at {where}: the next round does not fit into the time. The same command with more "
                "goes on."
            )
        return f"Cut off after {where}. The same command goes on."

    def _price(self) -> str:
        price = self.looks.price(max(self.looks.done - 1, 0))
        return f"p-values are multiplied by {price:.3g}"


Round = Callable[[StudySettings, Plan], StudyEnd]
"""Does the runs of a plan that are not finished."""


def run_until_sure(
    own: StudySettings,
    do_round: Round,
    *,
    most: int | None = None,
    seconds: float | None = None,
    time_of: Callable[[StudySettings, Plan], float] = lambda settings, plan: 0.0,
    say: Callable[[str], None] = lambda line: None,
) -> Until:
    """Do rounds until every downstream's answer is sure.

    It can be killed at any moment and called again: finished runs are not touched, and every look is made
    with the same runs and at the same price.

    Args:
        own: The study as it begins.
        do_round: Does the runs.
        most: Seeds (splits) that there may be; `MOST_TIMES` as many as the study has if None.
        seconds: A further round begins only if it fits into what is left of these; None for no limit.
        time_of: Foretells how long a round takes.
        say: Shows a line.

    Raises:
        SettingError: If the study cannot be looked at so, or was begun otherwise.
    """
    started = time.monotonic()
    folder = Path(own.folder)
    looks = plan_looks(own, most)
    keep_looks(folder, looks)
    all_runs = len(make_plan(looks.settings(own, len(looks.numbers) - 1)).runs)
    if looks.ended:
        last = looks.settings(own, looks.done - 1)
        planned = make_plan(last)
        return Until(last, looks, do_round(last, planned), len(planned.runs), all_runs)
    while True:
        look = looks.done
        settings = looks.settings(own, look)
        plan = make_plan(settings)
        unfinished = [one for one in plan.runs if not StudyFolder(folder).run(one.id).finished]
        if look and seconds is not None:
            left = seconds - (time.monotonic() - started)
            if unfinished and time_of(settings, plan) > left:
                before = looks.settings(own, look - 1)
                done = make_plan(before)
                end = StudyEnd(tuple(one.id for one in done.runs), {}, {})
                keep_plan(before, done)
                return Until(before, looks, end, len(done.runs), all_runs, out_of_time=True)
        check_runs(unfinished)
        keep_plan(settings, plan)
        end = do_round(settings, plan)
        if end.interrupted or end.failed or end.skipped:
            return Until(settings, looks, end, len(plan.runs), all_runs)
        sure = is_sure(look_at(settings, looks.price(look), plan))
        last_look = look + 1 == len(looks.numbers)
        looks = replace(looks, done=look + 1, ended="sure" if sure else "most" if last_look else "")
        keep_looks(folder, looks)
        until = Until(settings, looks, end, len(plan.runs), all_runs)
        if looks.ended:
            return until
        so_many = f"{looks.numbers[look]} {looks.unit}"
        say(f"Look {look + 1} of {len(looks.numbers)}: not sure with {so_many}; going on.")


def look_at(settings: StudySettings, price: float, plan: Plan) -> Findings:
    """Analyse a study as its report would."""
    results = load_results(Path(settings.folder), [run.id for run in plan.runs])
    return find(results, settings, resamples=RESAMPLES, price=price)


def is_sure(findings: Findings) -> bool:
    """Say whether each downstream has an answer, and each is sure."""
    return bool(findings.answers) and all(answer.certainty == "sure" for answer in findings.answers)
