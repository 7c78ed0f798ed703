"""Energy by a stated power, and what is to be cited: both as stated, and nothing that is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_study import FakeStudy

from ecg_tl.errors import SettingError
from ecg_tl.models import network_names
from ecg_tl.pretraining.running import METHODS
from ecg_tl.published import UPSTREAMS
from ecg_tl.study.design.kept_plan import keep_plan
from ecg_tl.study.design.names import check_names
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.find import find
from ecg_tl.study.findings.citations import NETWORKS, NOT_STATED, PRETRAINING, RECIPES
from ecg_tl.study.findings.costs import costs_table
from ecg_tl.study.findings.findings import Findings
from ecg_tl.study.run.results import load_results
from ecg_tl.transfer.recipes import RECIPES as KNOWN_RECIPES


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> FakeStudy:
    made = FakeStudy(tmp_path_factory.mktemp("study"), patients=30)
    made.add("scratch", 1.0, (0, 1))
    made.add("full", 1.5, (0, 1), upstream="up")
    return made


def found(study: FakeStudy, **settings: Any) -> Findings:
    return find(load_results(study.folder, study.ids), study.settings(**settings), resamples=64)


def shown(findings: Findings, column: str) -> list[str]:
    table = costs_table(findings.costs)
    assert table is not None
    place = table.columns.index(column)
    return [row[place].text for row in table.rows]


def test_without_a_power_the_energy_is_not_stated(study: FakeStudy) -> None:
    findings = found(study)
    assert {row.kwh for row in findings.costs} == {None}
    assert set(shown(findings, "#Energy")) == {"not stated"}


def test_energy_and_its_cost_follow_from_device_time(study: FakeStudy) -> None:
    findings = found(study, watts=120.0, kwh_price=0.25, currency="CHF")
    whole = findings.costs[-1]
    assert whole.device_seconds == 100.0  # four runs of 25 s
    assert whole.kwh == pytest.approx(100 * 120 / 3.6e6)
    assert whole.price == pytest.approx(whole.kwh * 0.25)
    assert sum(row.kwh for row in findings.costs[:-1]) == pytest.approx(whole.kwh)
    assert shown(findings, "#Energy")[-1] == "0.0033 kWh"
    assert shown(findings, "#Cost of it")[-1] == "0.00083 CHF"
    assert found(study, watts=120.0).costs[-1].price is None


@pytest.mark.parametrize("wrong", [{"watts": 0.0}, {"watts": float("nan")}, {"kwh_price": -1.0}])
def test_a_senseless_power_is_refused(study: FakeStudy, wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=r"watts|kwh_price"):
        check_names(study.settings(**wrong))


def test_saying_the_power_leaves_the_plan_as_it_was(tmp_path: Path) -> None:
    plans = []
    said: dict[str, Any]
    for name, said in (("one", {}), ("other", {"watts": 65.0, "kwh_price": 0.3})):
        settings = FakeStudy(tmp_path / name).settings(**said)
        plan = make_plan(settings)
        keep_plan(settings, plan)
        plans.append((tmp_path / name / "plan.json").read_bytes())
    assert plans[0] == plans[1]


def test_what_is_cited_is_what_the_entries_state(study: FakeStudy) -> None:
    entry = next(iter(UPSTREAMS.values()))
    upstreams = {"up": {"published": entry.name, "weights": "w.pt"}, "mine": {"checkpoint": "best.ckpt"}}
    cited = found(study, upstreams=upstreams).of("citations")
    by_kind = {kind: [one for one in cited if one.kind == kind] for kind in ("data", "weights", "method")}
    assert [(one.name, one.citation) for one in by_kind["data"]] == [("A dataset", NOT_STATED)]
    published, own = by_kind["weights"]
    assert (published.citation, own.citation) == (entry.citation, NOT_STATED)
    assert entry.weights_licence in published.licence
    names = {one.name for one in by_kind["method"]}
    assert {"network resnet1d18", "network gru"} <= names
    assert "MELEP" not in names  # no run has it
    assert len(cited) == len(set(cited))


def test_every_method_that_is_cited_is_there() -> None:
    assert set(RECIPES) <= set(KNOWN_RECIPES)
    assert all(any(name.startswith(prefix) for name in network_names()) for prefix in NETWORKS)
    assert set(PRETRAINING) <= set(METHODS)
