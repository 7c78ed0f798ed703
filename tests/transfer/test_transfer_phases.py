"""Which groups are trained in which epoch: a function of the settings and the epoch."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    FSDPStrategy,
    ModelParallelStrategy,
    SingleDeviceStrategy,
)

from ecg_tl.errors import SettingError
from ecg_tl.transfer.groups import Training
from ecg_tl.transfer.phases import Phase, phase_warnings, resolve_phases
from ecg_tl.transfer.recipes import RECIPES, get_recipe, planned_phases
from ecg_tl.transfer.trainer_rules import earliest_stop, require_strategy
from ecg_tl.transfer.warmup import warm_up

GROUPS = ("stem", "layer1", "layer2", "layer3", "layer4", "fc1", "head")
few = settings(max_examples=40, deadline=None)
some_groups = st.lists(st.sampled_from([*GROUPS, "layer*", "layer[12]", "*"]), min_size=1, max_size=3)
some_phases = st.lists(st.tuples(st.integers(1, 5), some_groups), min_size=1, max_size=6).map(
    lambda steps: [
        Phase(sum(step for step, _ in steps[1 : n + 1]), train) for n, (_, train) in enumerate(steps)
    ]
)


def phases_of(recipe, phase_epochs=1):
    return planned_phases({"recipe": recipe, "train": {"phase_epochs": phase_epochs}}, GROUPS)


@few
@given(epoch=st.integers(0, 100), phase_epochs=st.integers(1, 9))
def test_recipes_train_what_they_are_named_for(epoch, phase_epochs):
    reached = epoch // phase_epochs
    assert phases_of("full", phase_epochs).trained(epoch) == set(GROUPS)
    assert phases_of("linear_probe", phase_epochs).trained(epoch) == {"head"}
    assert phases_of("lp_ft", phase_epochs).trained(epoch) == ({"head"} if reached == 0 else set(GROUPS))
    assert phases_of("gradual", phase_epochs).trained(epoch) == set(GROUPS[max(0, 6 - reached) :])


@few
@given(phases=some_phases, epoch=st.integers(0, 40))
def test_a_group_is_trained_from_the_first_phase_that_names_it(phases, epoch):
    trained = resolve_phases(phases, GROUPS).trained(epoch)
    named = {g for p in phases if p.epoch <= epoch for g in GROUPS if any(fnmatchcase(g, t) for t in p.train)}
    assert trained == named


@few
@given(phases=some_phases, epoch=st.integers(0, 40))
def test_what_is_trained_stays_so(phases, epoch):
    resolved = resolve_phases(phases, GROUPS)
    assert resolved.trained(epoch) <= resolved.trained(epoch + 1)


@few
@given(steps=st.integers(0, 50), warmup=st.integers(0, 50))
def test_a_warm_up_rises_to_the_whole_rate(steps, warmup):
    factor = warm_up(steps, warmup)
    assert 0 < factor <= 1
    assert factor <= warm_up(steps + 1, warmup)
    assert (factor == 1) == (steps >= warmup)


@pytest.mark.parametrize("name", ["layer5", "conv*", "Head", ""])
def test_a_group_that_does_not_exist_is_refused_with_those_that_do(name):
    with pytest.raises(SettingError) as caught:
        resolve_phases([Phase(0, ["head"]), Phase(2, ["layer4", name])], GROUPS)
    assert name in caught.value.found
    assert all(group in str(caught.value) for group in GROUPS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "phases",
    [
        [],
        [Phase(1, ["head"])],
        [Phase(0, [])],
        [Phase(0, ["head"]), Phase(0, ["fc1"])],
        [Phase(0, ["head"]), Phase(3, ["fc1"]), Phase(2, ["*"])],
        [Phase(-1, ["head"])],
    ],
)
def test_phases_out_of_order_or_without_groups_are_refused(phases):
    with pytest.raises(SettingError):
        resolve_phases(phases, GROUPS)


def test_a_recipe_that_does_not_exist_and_a_phase_without_an_epoch_are_refused():
    with pytest.raises(SettingError, match=r"'half'.*one of full, linear_probe"):
        get_recipe("half")
    with pytest.raises(SettingError, match="phase_epochs"):
        Training(phase_epochs=0)


@few
@given(
    recipe=st.sampled_from(sorted(RECIPES)),
    groups=st.lists(st.sampled_from([f"g{n}" for n in range(9)]), unique=True, max_size=8),
    phase_epochs=st.integers(1, 9),
    epoch=st.integers(0, 100),
)
def test_what_a_recipe_trains_is_a_function_of_the_epoch_alone_and_of_every_epoch(
    recipe, groups, phase_epochs, epoch
):
    names = [*groups, "head"]
    settings = {"recipe": recipe, "train": {"phase_epochs": phase_epochs}}
    phases = planned_phases(settings, names)
    assert [phases.trained(e) for e in range(epoch, -1, -1)] == [
        planned_phases(settings, names).trained(e) for e in range(epoch, -1, -1)
    ]
    assert phases.groups == tuple(names)
    assert phases.phases[0][0] == 0  # each epoch belongs to a phase
    assert "head" in phases.trained(epoch) <= set(names)
    assert phases.trained(epoch) <= phases.trained(epoch + 1)
    assert phases.trained(10**9) == phases.trained(phases.last_epoch)


# What cannot be carried out, or may not be ---------------------------------------------------------------


def test_a_phase_past_the_end_is_warned_of():
    (warning,) = phase_warnings(phases_of("gradual", 2), 9, None, None)
    assert "epochs 10, 12 will never come" in warning
    assert phase_warnings(phases_of("gradual", 2), 13, None, None) == []
    assert phase_warnings(phases_of("full"), 0, None, None) == []
    for unlimited in (None, -1):
        assert phase_warnings(phases_of("gradual", 50), unlimited, None, None) == []


def test_early_stopping_before_the_last_phase_is_warned_of():
    (warning,) = phase_warnings(phases_of("lp_ft", 5), 20, None, 4)
    assert "after 4 epochs" in warning
    assert "min_epochs: 6" in warning
    assert phase_warnings(phases_of("lp_ft", 5), 20, 6, 4) == []
    assert phase_warnings(phases_of("lp_ft", 3), 20, None, 4) == []
    assert phase_warnings(phases_of("full"), 20, None, 1) == []


@pytest.mark.parametrize(
    ("stopping", "every", "earliest"),
    [
        ({"patience": 3}, 1, 4),
        ({"patience": 3}, 2, 8),
        ({"patience": 3, "stopping_threshold": 0.9}, 1, 1),
        ({"patience": 3, "divergence_threshold": 9.0}, 1, 1),
    ],
)
def test_the_earliest_stop_follows_from_patience(stopping, every, earliest):
    trainer = Trainer(
        accelerator="cpu",
        callbacks=[EarlyStopping("val/loss", **stopping)],
        check_val_every_n_epoch=every,
        logger=False,
        enable_checkpointing=False,
    )
    assert earliest_stop(trainer) == earliest


def test_without_early_stopping_there_is_no_earliest_stop():
    assert earliest_stop(Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)) is None


@pytest.mark.parametrize("kind", [FSDPStrategy, DeepSpeedStrategy, ModelParallelStrategy])
def test_sharding_strategies_are_refused_with_a_phases_of(kind):
    strategy = kind.__new__(kind)  # some cannot be made without their package, or a device
    for preset in ("linear_probe", "gradual", "lp_ft"):
        with pytest.raises(SettingError, match=kind.__name__) as caught:
            require_strategy(strategy, freezes=phases_of(preset).freezes)
        assert "\n" not in str(caught.value)
    require_strategy(strategy, freezes=phases_of("full").freezes)


@pytest.mark.parametrize("kind", [DDPStrategy, SingleDeviceStrategy])
def test_other_strategies_are_not(kind):
    require_strategy(kind.__new__(kind), freezes=True)
