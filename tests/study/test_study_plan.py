"""A plan's runs: which there are, what they depend on, and that their names stay."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_tl.errors import SettingError
from ecg_tl.shipped import config_names
from ecg_tl.study.design import check
from ecg_tl.study.design.overlay import decisive, digest, layered
from ecg_tl.study.design.plan import make_plan, primary_arm
from ecg_tl.study.design.runs import Plan, Run
from ecg_tl.study.design.settings import Arm, Block, Protocol, StudySettings, read_study

CONFIGS = Path(__file__).parents[2] / "configs"


def dataset(name: str, **more: Any) -> dict[str, Any]:
    return {"data": {"class_path": f"{name}DataModule", "init_args": {"root": name, **more}}}


def network(name: str) -> dict[str, Any]:
    return {"model": {"class_path": "RnnClassifier", "init_args": {"network": name}}}


STUDY = StudySettings(
    name="study",
    folder="out",
    upstreams={"a": dataset("A"), "b": dataset("B")},
    downstreams={"b": dataset("B"), "c": dataset("C")},
    networks={"gru": network("gru"), "lstm": network("lstm")},
    arms={
        "scratch": Arm(),
        "full": Arm(transfer={"recipe": "full"}),
        "frozen": Arm(transfer={"recipe": "linear_probe"}, pretrained=False),
    },
    axes={"normalization": {"usual": {}, "min_max": {"data": {"init_args": {"normalization": "min_max"}}}}},
    seeds=(0, 1),
    grid=(Block(),),
    second_opinion=False,
)


def ids(study: StudySettings) -> set[str]:
    return {run.id for run in make_plan(study).runs}


def only(plan: Plan, **said: Any) -> Run:
    (run,) = [run for run in plan.runs if all(getattr(run, name) == value for name, value in said.items())]
    return run


# Which runs there are ---------------------------------------------------------------------------------------


def test_every_combination_once_and_a_dataset_is_no_upstream_of_itself() -> None:
    runs = make_plan(STUDY).runs
    tuned = {(run.upstream, run.dataset, run.network, run.seed) for run in runs if run.arm == "full"}
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    assert tuned == {(*pair, net, seed) for pair, net, seed in product(pairs, ("gru", "lstm"), (0, 1))}
    for arm, kind in (("scratch", "scratch"), ("frozen", "control")):
        own = [run for run in runs if run.arm == arm]
        assert {(run.dataset, run.network, run.seed) for run in own} == set(
            product(("b", "c"), ("gru", "lstm"), (0, 1))
        )
        assert {run.kind for run in own} == {kind}
        assert {run.needs for run in own} == {run.upstream for run in own} == {None}
    assert sum(run.kind == "upstream" for run in runs) == 4
    assert len({run.id for run in runs}) == len(runs) == 4 + 12 + 8 + 8


def test_an_empty_grid_is_every_combination_of_every_axis() -> None:
    runs = make_plan(replace(STUDY, grid=())).runs
    assert len(runs) == 2 * len(make_plan(STUDY).runs)
    assert {run.axes["normalization"] for run in runs} == {"usual", "min_max"}


def test_blocks_that_overlap_share_their_runs() -> None:
    twice = replace(STUDY, grid=(*STUDY.grid, Block(networks=("gru",), arms=("scratch", "full"))))
    assert make_plan(twice) == make_plan(STUDY)


def test_a_value_of_an_axis_changes_the_upstream_too() -> None:
    block = Block(
        networks=("gru",), downstreams=("c",), upstreams=("a",), arms=("scratch", "full"), seeds=(0,)
    )
    plan = make_plan(replace(STUDY, grid=(replace(block, axes={"normalization": ("usual", "min_max")}),)))
    for value in ("usual", "min_max"):
        tuned = only(plan, arm="full", axes={"normalization": value})
        upstream = plan[str(tuned.needs)]
        assert upstream.axes == tuned.axes
        for run in (upstream, tuned):
            said = run.config["data"]["init_args"]["normalization"]
            assert said == ("min_max" if value == "min_max" else "fixed_scale")


def test_the_second_opinion_judges_each_pair_and_network_once_as_the_paper_does() -> None:
    grid = (Block(sizes=(10, "all"), axes={"normalization": ("usual", "min_max")}),)
    plain = make_plan(replace(STUDY, grid=grid))
    plan = make_plan(replace(STUDY, grid=grid, second_opinion=True))
    added = [run for run in plan.runs if run.protocol == "second_opinion"]
    assert [run for run in plan.runs if run.protocol != "second_opinion"] == list(plain.runs)
    assert sorted((run.arm, run.upstream or "", run.dataset, run.network) for run in added) == sorted(
        [("full", *pair, net) for pair in (("a", "b"), ("a", "c"), ("b", "c")) for net in ("gru", "lstm")]
        + [("scratch", "", data, net) for data in ("b", "c") for net in ("gru", "lstm")]
    )
    for run in added:
        assert (run.seed, run.size, run.axes) == (0, None, {"normalization": "usual"})
        assert run.config["data"]["init_args"]["split"]["kind"] == "paper"
        assert run.config["checkpoint"]["monitor"] == "val/f1_weighted"
        if run.upstream:  # trained once, and judged twice
            assert (
                run.needs
                == only(plain, kind="upstream", dataset=run.upstream, network=run.network, axes=run.axes).id
            )
            assert plan[str(run.after)].protocol == "second_opinion"
    papers = make_plan(replace(STUDY, protocol="paper", second_opinion=True))
    assert {run.protocol for run in papers.runs} == {"paper"}


# What they depend on ----------------------------------------------------------------------------------------


def test_each_comes_after_what_it_needs_and_after_the_scratch_run_like_it() -> None:
    plan = make_plan(replace(STUDY, grid=(Block(sizes=(10, "all")),), second_opinion=True))
    run_folder = {run.id: number for number, run in enumerate(plan.runs)}
    for run in plan.runs:
        assert (run.needs is not None) == (run.kind == "fine-tuned")
        assert (run.after is not None) == (run.kind in ("fine-tuned", "control"))
        for other in (run.needs, run.after):
            assert other is None or run_folder[other] < run_folder[run.id]
        if run.needs is not None:
            assert (plan[run.needs].dataset, plan[run.needs].network) == (run.upstream, run.network)
        if run.after is not None:
            before = plan[run.after]
            assert before.kind == "scratch"
            for name in ("dataset", "network", "size", "seed", "axes", "protocol"):
                assert getattr(before, name) == getattr(run, name)


def test_a_study_that_is_cut_off_has_whole_comparisons() -> None:
    seeds = [run.seed for run in make_plan(STUDY).runs if run.kind != "upstream"]
    assert seeds == sorted(seeds)


def test_an_arm_without_a_scratch_run_like_it_is_refused() -> None:
    grid = (Block(arms=("scratch",)), Block(arms=("full",), sizes=(10,)))
    with pytest.raises(SettingError, match=r"grid\[1\]: found no run of `scratch` like \w+-gru-full-from"):
        make_plan(replace(STUDY, grid=grid))


# What they are told -----------------------------------------------------------------------------------------


def test_layers_lie_over_each_other_in_the_order_that_is_documented() -> None:
    order = ["settings", "downstream_settings", "networks", "downstreams", "axes", "arm", "size_settings"]
    layers = {name: {"trainer": dict.fromkeys(order[order.index(name) :], name)} for name in order}
    study = StudySettings(
        name="s",
        folder="f",
        settings=layers["settings"],
        upstream_settings={"trainer": {"settings": "upstream"}},
        downstream_settings=layers["downstream_settings"],
        networks={"gru": layered(network("gru"), layers["networks"])},
        downstreams={"c": layered(dataset("C"), layers["downstreams"])},
        axes={"x": {"one": layers["axes"]}},
        arms={"scratch": Arm(settings=layers["arm"])},
        size_settings={"10": layers["size_settings"]},
        grid=(Block(sizes=(10,)),),
        seeds=(4,),
    )
    (run,) = make_plan(study).runs
    # Each layer wrote its own key first, and all keys of the layers after it, which wrote over them.
    assert {key: run.config["trainer"][key] for key in order} == {key: key for key in order}
    assert run.config["data"]["init_args"]["split"]["train_records"] == 10
    assert run.config["data"]["init_args"]["batch_size"] == 64  # the protocol's, the lowest layer
    assert run.config["seed_everything"] == 4


def test_callbacks_are_added_and_other_lists_replaced() -> None:
    stop, other = {"class_path": "EarlyStopping"}, {"class_path": "Timer"}
    study = replace(
        STUDY,
        settings={"trainer": {"callbacks": [stop]}, "data": {"init_args": {"leads": ["I", "II"]}}},
        downstreams={"c": layered(dataset("C"), {"data": {"init_args": {"leads": ["I"]}}})},
        arms={
            **STUDY.arms,
            "full": replace(STUDY.arms["full"], settings={"trainer": {"callbacks": [other]}}),
        },
        seeds=(0,),
    )
    plan = make_plan(study)
    tuned = only(plan, arm="full", upstream="a", network="gru")
    assert [one["class_path"] for one in tuned.config["trainer"]["callbacks"]] == [
        *("EarlyStopping", "Timer", "TransferLearning")
    ]
    assert tuned.config["data"]["init_args"]["leads"] == ["I"]
    assert only(plan, arm="scratch", network="gru").config["trainer"]["callbacks"] == [stop]
    for arm in ("full", "frozen"):  # the executor fills in a checkpoint where one is needed
        run = next(run for run in plan.runs if run.arm == arm)
        assert run.config["trainer"]["callbacks"][-1]["init_args"]["upstream"] is None


def test_roots_lie_below_the_data_root_and_stores_in_the_folder() -> None:
    absolute = replace(STUDY, data_root="/data", upstreams={"a": dataset("A"), "b": dataset("/else")})
    found = {run.dataset: run.config["data"]["init_args"] for run in make_plan(absolute).runs}
    assert found["c"]["root"] == "/data/C"
    assert found["c"]["store_dir"] == "out/stores"
    upstream = only(make_plan(absolute), kind="upstream", dataset="b", network="gru")
    assert upstream.config["data"]["init_args"]["root"] == "/else"


def test_protocols_are_those_of_the_shipped_configs() -> None:
    assert set(get_args(Protocol)) == set(config_names("protocol"))
    for name in get_args(Protocol):
        shipped = yaml.safe_load((CONFIGS / "protocol" / f"{name}.yaml").read_text())
        for run in make_plan(replace(STUDY, protocol=name, axes={})).runs:
            assert run.config["checkpoint"] == shipped["checkpoint"]
            assert layered(run.config, shipped) == run.config


def test_the_primary_arm_is_the_first_that_starts_from_an_upstream() -> None:
    assert primary_arm(STUDY) == "full"
    assert primary_arm(replace(STUDY, primary_arm="frozen")) == "frozen"
    assert primary_arm(replace(STUDY, arms={"scratch": Arm()})) is None


# Names that stay --------------------------------------------------------------------------------------------


IDS = [
    "a-gru-upstream-min_max-s0-1f32c487be",
    "a-gru-upstream-s0-86c15740b9",
    "c-gru-full-from-a-min_max-s0-adab1fd765",
    "c-gru-full-from-a-n10-min_max-s0-cfc378dbf6",
    "c-gru-full-from-a-n10-s0-f116d4485a",
    "c-gru-full-from-a-s0-8a8c85dab7",
    "c-gru-scratch-min_max-s0-641d3e748f",
    "c-gru-scratch-n10-min_max-s0-b09290c4c4",
    "c-gru-scratch-n10-s0-54b22c45ac",
    "c-gru-scratch-s0-cc437c25c6",
]


def test_ids_are_these() -> None:
    """Ids are the folders of results that people have: a change here makes all of those runs anew."""
    study = replace(STUDY, arms={"scratch": Arm(), "full": STUDY.arms["full"]}, seeds=(0,))
    block = Block(
        upstreams=("a",),
        downstreams=("c",),
        networks=("gru",),
        sizes=(10, "all"),
        axes={"normalization": ("usual", "min_max")},
    )
    assert sorted(ids(replace(study, grid=(block,)))) == IDS


def test_names_that_are_no_file_names_become_some() -> None:
    study = replace(STUDY, downstreams={"PTB-XL: sites 1/2 é": dataset("C")}, seeds=(0,))
    assert all(run.id.isascii() and "/" not in run.id and " " not in run.id for run in make_plan(study).runs)


GROWN: dict[str, Any] = {
    "a seed": {"seeds": (0, 1, 2)},
    "a seed in front": {"seeds": (7, 0, 1)},
    "a size": {"grid": (Block(sizes=(10, "all")),)},
    "an arm": {"arms": {**STUDY.arms, "gradual": Arm(transfer={"recipe": "gradual"})}},
    "a network": {"networks": {**STUDY.networks, "bilstm": network("bilstm")}},
    "an upstream": {"upstreams": {**STUDY.upstreams, "d": dataset("D")}},
    "a downstream": {"downstreams": {**STUDY.downstreams, "d": dataset("D")}},
    "an axis": {"axes": {**STUDY.axes, "rate": {"same": {}, "half": {"model": {"x": 1}}}}},
    "a value": {"axes": {"normalization": {**STUDY.axes["normalization"], "z": {"data": {"z": 1}}}}},
    "values of an axis": {"grid": (Block(axes={"normalization": ("usual", "min_max")}),)},
    "the second opinion": {"second_opinion": True},
    "settings of a size": {"size_settings": {"10": {"trainer": {"max_epochs": 9}}},
                           "grid": (Block(sizes=(10, "all")),)},
}  # fmt: skip


@pytest.mark.parametrize("what", GROWN)
def test_a_study_that_grows_keeps_its_runs(what: str) -> None:
    before, after = ids(STUDY), ids(replace(STUDY, **GROWN[what]))
    assert before <= after
    assert (before == after) == (what in ("an axis", "a value"))  # which no block asks for yet


def test_settings_of_a_size_change_runs_of_that_size_alone() -> None:
    grid = (Block(sizes=(10, 20, "all")),)
    before = ids(replace(STUDY, grid=grid))
    after = ids(replace(STUDY, grid=grid, size_settings={"10": {"trainer": {"max_epochs": 9}}}))
    assert before - after == {one for one in before if "-n10-" in one}


PATH_SETTINGS: dict[str, Any] = {
    "title": {"title": "other"},
    "folder": {"folder": "elsewhere"},
    "data root": {"data_root": "/mnt"},
    "store folder": {"store_dir": "/tmp/stores"},
    "kept checkpoints": {"keep": "best"},
    "name": {"name": "other"},
    "device": {"settings": {"trainer": {"accelerator": "gpu", "devices": 1, "enable_progress_bar": False}}},
    "logger": {"settings": {"trainer": {"logger": False, "default_root_dir": "x", "log_every_n_steps": 3}}},
    "loaders": {"settings": {"data": {"init_args": {"num_workers": 4, "residency": "disk"}}}},
    "pictures": {"settings": {"pictures": {"records": 3}, "curves": {"every_n_epochs": 0}}},
    "runs folder": {"settings": {"runs_dir": "x", "experiment": "y"}},
    "roots": {"downstreams": {"b": dataset("B", root="B2"), "c": dataset("C", root="/else")}},
}


@pytest.mark.parametrize("what", PATH_SETTINGS)
def test_the_place_changes_no_id(what: str) -> None:
    assert ids(replace(STUDY, **PATH_SETTINGS[what])) == ids(STUDY)


DECIDES: dict[str, Any] = {
    "epochs": {"settings": {"trainer": {"max_epochs": 3}}},
    "learning rate": {"settings": {"model": {"init_args": {"learning_rate": 0.1}}}},
    "precision": {"settings": {"trainer": {"precision": "bf16-mixed"}}},
    "callback": {"settings": {"trainer": {"callbacks": [{"class_path": "EarlyStopping"}]}}},
    "monitor": {"settings": {"checkpoint": {"monitor": "val/loss"}}},
    "protocol": {"protocol": "paper"},
}


@pytest.mark.parametrize("what", DECIDES)
def test_what_decides_the_numbers_changes_every_id(what: str) -> None:
    assert not ids(replace(STUDY, **DECIDES[what])) & ids(STUDY)


def test_another_upstream_run_changes_those_that_start_from_it() -> None:
    before, after = ids(STUDY), ids(replace(STUDY, upstream_settings={"trainer": {"max_epochs": 3}}))
    assert before - after == {one for one in before if "-from-" in one or "-upstream-" in one}
    query = replace(STUDY, downstreams={**STUDY.downstreams, "c": dataset("C", query="site == 1")})
    assert before - ids(query) == {one for one in before if one.startswith("c-")}


# Overlays ---------------------------------------------------------------------------------------------------

LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=3))
OVERLAYS = st.recursive(
    st.dictionaries(st.sampled_from("abc"), LEAVES, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), st.one_of(LEAVES, inner), max_size=3),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(OVERLAYS, OVERLAYS)
def test_layering_keeps_all_that_is_above_and_changes_nothing_that_it_is_given(a: Any, b: Any) -> None:
    before = digest([a, b])
    together = layered(a, b)
    assert layered(together, b) == together
    assert set(together) == {*a, *b}
    assert {key: together[key] for key in a.keys() - b.keys()} == {key: a[key] for key in a.keys() - b.keys()}
    assert layered(a, {}) == layered({}, a) == layered(a) == a
    assert digest([a, b]) == before


@settings(max_examples=50, deadline=None)
@given(OVERLAYS, st.randoms())
def test_a_digest_does_not_depend_on_the_order_of_keys(overlay: Any, shuffle: random.Random) -> None:
    def mixed(content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        items = [(key, mixed(value)) for key, value in content.items()]
        shuffle.shuffle(items)
        return dict(items)

    assert digest(mixed(overlay)) == digest(overlay)


def test_what_says_nothing_is_not_decisive() -> None:
    said = {"trainer": {"accelerator": "cpu"}, "data": {"init_args": {"root": "x"}}, "model": {"a": 1}}
    assert decisive(said) == {"model": {"a": 1}}


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_grid_is_ordered_paired_and_contained_in_a_larger_one(data: st.DataObject) -> None:
    def some(names: Any) -> Any:
        return st.none() | st.lists(st.sampled_from(sorted(names)), min_size=1, unique=True).map(tuple)

    blocks = st.builds(
        Block,
        upstreams=some(STUDY.upstreams),
        downstreams=some(STUDY.downstreams),
        networks=some(STUDY.networks),
        arms=some(STUDY.arms).map(lambda arms: None if arms is None else tuple({*arms, "scratch"})),
        sizes=st.lists(st.sampled_from([5, 10, "all"]), min_size=1, unique=True).map(tuple),
        seeds=some([0, 1, 2]),
        axes=st.sampled_from([{}, {"normalization": ("min_max",)}, {"normalization": ("usual", "min_max")}]),
    )
    grid = data.draw(st.lists(blocks, min_size=1, max_size=3).map(tuple))
    study = replace(STUDY, grid=grid, second_opinion=data.draw(st.booleans()))
    plan = make_plan(study)
    run_folder = {run.id: number for number, run in enumerate(plan.runs)}
    assert len(run_folder) == len(plan.runs)
    for run in plan.runs:
        assert all(
            other is None or run_folder[other] < run_folder[run.id] for other in (run.needs, run.after)
        )
    assert ids(replace(study, grid=grid[:1])) <= set(run_folder)
    assert ids(replace(study, grid=grid[::-1])) == set(run_folder)


def test_long_names_are_cut_in_ids_and_told_apart_by_the_digest() -> None:
    plans = [
        make_plan(replace(STUDY, arms={"scratch": Arm(), "x" * 300 + end: Arm(transfer={})})) for end in "ab"
    ]
    ids = [[run.id for run in plan.runs if run.kind == "fine-tuned"] for plan in plans]
    assert all(len(one) < 200 for one in ids[0])
    assert not set(ids[0]) & set(ids[1])


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"seeds": (0, 1, 0)}, "seeds"),
        ({"grid": (Block(seeds=(3, 3)),)}, r"grid\[0\]\.seeds"),
        ({"grid": (Block(arms=("scratch", "full", "full")),)}, r"grid\[0\]\.arms"),
        ({"grid": (Block(), Block(sizes=("all", 20, 20)))}, r"grid\[1\]\.sizes"),
    ],
)
def test_what_is_listed_twice_is_refused(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(SettingError, match=rf"^{where}: found .* twice"):
        make_plan(replace(STUDY, **changes))


def test_many_seeds_are_checked_as_fast_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    monkeypatch.setattr(check, "_parse", lambda parser, section, *rest, **named: parsed.append(section))
    check.check_runs(make_plan(replace(STUDY, seeds=(0,))).runs)
    once = len(parsed)
    check.check_runs(make_plan(replace(STUDY, seeds=tuple(range(20)))).runs)
    assert len(parsed) == 2 * once


@pytest.mark.parametrize(
    ("earlier", "now"),
    [
        ({"schedule": "full"}, {"recipe": "full"}),
        (
            {"schedule": "lp_ft", "phase_epochs": 4, "warmup_steps": 20, "head": "by_diagnosis"},
            {
                "recipe": "lp_ft",
                "train": {"phase_epochs": 4, "warmup_steps": 20},
                "match": {"head": "by_diagnosis"},
            },
        ),
        ({"l2_sp": 0.1, "prefix": "x"}, {"train": {"l2_sp": 0.1}, "file": {"prefix": "x"}}),
    ],
)
def test_an_arm_in_the_words_of_an_earlier_version_has_the_same_runs(
    earlier: dict[str, Any], now: dict[str, Any]
) -> None:
    one, other = (
        make_plan(replace(STUDY, arms={**STUDY.arms, "full": Arm(transfer=transfer)})).runs
        for transfer in (earlier, now)
    )
    assert [run.id for run in one] == [run.id for run in other]
    assert [run.config for run in one] == [run.config for run in other]


def test_an_arm_with_both_words_of_a_setting_is_refused() -> None:
    both = {"phase_epochs": 3, "train": {"phase_epochs": 4}}
    arms = {**STUDY.arms, "full": Arm(transfer=both)}
    with pytest.raises(SettingError, match=r"both `phase_epochs` and `train.phase_epochs`"):
        make_plan(replace(STUDY, arms=arms))


# Splits and trainings of the upstream -----------------------------------------------------------------------


def test_further_splits_add_runs_and_change_none() -> None:
    more = replace(STUDY, splits=3)
    assert ids(STUDY) < ids(more)
    runs = make_plan(more).runs
    assert sum(run.kind == "upstream" for run in runs) == 4  # which are shared
    assert {run.split for run in runs} == {0, 1, 2}
    assert len(runs) == 4 + 3 * 28
    for run in runs:
        split = run.config["data"]["init_args"].get("split", {})
        drawn = ("patient", run.split) if run.split else ("auto", None)
        assert (split.get("kind"), split.get("seed")) == drawn
        assert ("split" in run.describe()) == bool(run.split)
        if run.after is not None:
            assert only(Plan(runs), id=run.after).split == run.split


def test_trainings_of_the_upstream_take_turns() -> None:
    study = replace(STUDY, upstream_seeds=(0, 5))
    runs = make_plan(study).runs
    assert {run.seed for run in runs if run.kind == "upstream"} == {0, 5}
    tuned = [run for run in runs if run.arm == "full"]
    assert {(run.seed, run.upstream_seed) for run in tuned} == {(0, 0), (1, 5)}
    assert all(only(Plan(runs), id=run.needs).seed == run.upstream_seed for run in tuned)
    assert ids(replace(STUDY, upstream_seeds=(0,))) == ids(STUDY)


@pytest.mark.parametrize(
    "changes",
    [
        {"splits": 0},
        {"splits": 1000},
        {"splits": 2, "protocol": "paper"},
        {"upstream_seeds": (1, 1)},
        {"margin": 0.0},
    ],
)
def test_repetitions_that_make_no_sense_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        make_plan(replace(STUDY, **changes))


@pytest.mark.slow
def test_the_protocol_of_ecg_fm_benchmarking_crops_and_chooses_on_validation_data() -> None:
    plan = make_plan(read_study("strict", ["--protocol", "fm_benchmark"]))
    assert {run.protocol for run in plan.runs} == {"fm_benchmark"}
    for run in plan.runs:
        data, model = run.config["data"]["init_args"], run.config["model"]["init_args"]
        assert (data["crop_seconds"], data["split"]["kind"], data["batch_size"]) == (2.5, "auto", 64)
        assert (model["learning_rate"], model["weight_decay"], model["schedule"]) == (1e-3, 1e-3, "constant")
        assert run.config["trainer"]["max_epochs"] == 100
        assert run.config["checkpoint"]["monitor"] == "val/auroc_macro"
