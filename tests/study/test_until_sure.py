"""`--until sure`: rounds, looks, their price, and going on after any cut."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_study import FakeStudy

from ecg_tl.errors import SettingError, StoreError
from ecg_tl.study import until_sure
from ecg_tl.study.design.looks import LOOKS_FILE, as_looked_at, kept_looks, plan_looks
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.runs import Plan
from ecg_tl.study.design.settings import Arm, Block, StudySettings
from ecg_tl.study.run.scheduler import StudyEnd
from ecg_tl.study.until_sure import run_until_sure


class KilledError(Exception):
    """In place of a signal."""


class Rounds:
    """Does runs by writing made-up results, and can be killed after some of them."""

    def __init__(self, gain: float, runs: int = 10**6) -> None:
        self.gain, self.left = gain, runs
        self.seen: list[int] = []

    def __call__(self, settings: StudySettings, plan: Plan) -> StudyEnd:
        folder = Path(settings.folder)
        self.seen.append(len(plan.runs))
        for run in plan.runs:
            target = folder / "runs" / run.id
            if target.is_dir():
                continue
            if not self.left:
                raise KilledError
            self.left -= 1
            self._write(run.describe(), target)
        return StudyEnd(tuple(run.id for run in plan.runs), {}, {})

    def _write(self, run: dict[str, Any], target: Path) -> None:
        made = FakeStudy(target.parents[1] / "made", patients=150, seed_spread=0.02, noise=0.3)
        skill = 1.0 + self.gain * (run["kind"] == "fine-tuned")
        split = run.get("split", 0)
        made.add(
            run["arm"], skill, (run["seed"],), dataset=run["dataset"], upstream=run["upstream"], split=split
        )
        source = made.folder / "runs" / made.ids[0]
        result = json.loads((source / "result.json").read_text())
        (source / "result.json").write_text(json.dumps(result | {"run": run}))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, target)
        shutil.rmtree(made.folder)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(until_sure, "check_runs", lambda runs: None)  # there are no records
    monkeypatch.setattr(until_sure, "RESAMPLES", 128)


def study(folder: Path, **changes: Any) -> StudySettings:
    given: dict[str, Any] = {
        "name": "sequential",
        "folder": str(folder),
        "upstreams": {"up": {}},
        "downstreams": {"down": {}},
        "networks": {"resnet1d18": {}},
        "arms": {"scratch": Arm(), "full": Arm(transfer={"recipe": "full"})},
        "seeds": (0, 1, 2),
        "second_opinion": False,
    }
    return StudySettings(**given | changes)


@pytest.mark.slow
def test_it_stops_as_soon_as_it_is_sure_and_says_what_it_saved(tmp_path: Path) -> None:
    own, rounds = study(tmp_path), Rounds(gain=3.0)
    until = run_until_sure(own, rounds)
    assert until.looks.ended == "sure"
    assert until.looks.done < len(until.looks.numbers) == 3
    assert until.runs < until.all_runs == len(make_plan(replace(own, seeds=tuple(range(9)))).runs)
    assert f"{until.all_runs - until.runs} of {until.all_runs} runs were not needed" in until.words()
    assert run_until_sure(own, Rounds(3.0, runs=0)).looks == until.looks  # nothing is left to do
    looked, price = as_looked_at(own)
    assert looked.seeds == until.settings.seeds
    assert price == until.looks.price(until.looks.done - 1) > 1


@pytest.mark.slow
def test_where_there_is_nothing_to_find_it_goes_to_the_most_and_is_not_sure(tmp_path: Path) -> None:
    lines: list[str] = []
    until = run_until_sure(study(tmp_path), Rounds(gain=0.0), most=5, say=lines.append)
    assert (until.looks.ended, until.looks.numbers, until.looks.done) == ("most", (3, 4, 5), 3)
    assert len(lines) == 2
    assert until.words().startswith("Not sure at look 3 of 3, with 5 of at most 5 seeds")


@pytest.mark.slow
def test_killed_anywhere_and_called_again_it_comes_to_the_same(tmp_path: Path) -> None:
    whole = run_until_sure(study(tmp_path / "whole"), Rounds(gain=0.5))
    own = study(tmp_path / "cut")
    for _ in range(40):
        try:
            cut = run_until_sure(own, Rounds(gain=0.5, runs=4))
            break
        except KilledError:
            continue
    assert cut.looks == whole.looks
    answers = [
        until_sure.look_at(one.settings, one.looks.price(one.looks.done - 1), make_plan(one.settings)).answers
        for one in (whole, cut)
    ]
    assert answers[0] == answers[1]


@pytest.mark.slow
def test_a_round_that_does_not_fit_into_the_time_is_not_begun(tmp_path: Path) -> None:
    rounds = Rounds(gain=0.0)
    until = run_until_sure(study(tmp_path), rounds, seconds=100.0, time_of=lambda own, plan: 1e6)
    assert until.out_of_time
    assert (until.looks.done, len(rounds.seen)) == (1, 1)
    assert "does not fit into the time" in until.words()
    again = run_until_sure(study(tmp_path), rounds, seconds=1e9, time_of=lambda own, plan: 1.0)
    assert again.looks.ended == "most"


def test_of_a_study_with_splits_splits_are_added(tmp_path: Path) -> None:
    looks = plan_looks(study(tmp_path, splits=2), 6)
    assert (looks.unit, looks.numbers) == ("splits", (2, 4, 6))
    assert looks.settings(study(tmp_path, splits=2), 1).splits == 4


@pytest.mark.slow
def test_what_would_break_the_error_rate_is_refused(tmp_path: Path) -> None:
    own = study(tmp_path)
    run_until_sure(own, Rounds(gain=0.0), most=4)
    with pytest.raises(SettingError, match="planned before the first"):
        plan_looks(own, 12)
    assert plan_looks(own) == kept_looks(tmp_path)
    with pytest.raises(SettingError, match="more than 3"):
        plan_looks(study(tmp_path / "new"), 3)
    with pytest.raises(SettingError, match="seeds of its own"):
        plan_looks(study(tmp_path / "new", grid=(Block(seeds=(0, 1)),)))


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"unit": "seeds", "numbers": [3, 1], "done": 0, "ended": ""}']
)
def test_damaged_looks_are_an_error_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / LOOKS_FILE).write_text(content)
    with pytest.raises(StoreError, match="looks") as refused:
        as_looked_at(study(tmp_path))
    assert "\n" not in str(refused.value)


def test_without_looks_a_study_is_as_it_was(tmp_path: Path) -> None:
    own = study(tmp_path)
    assert as_looked_at(own) == (own, 1.0)
