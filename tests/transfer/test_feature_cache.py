"""Frozen layers are computed once for each record, and nothing else changes by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from trainings import Study, equal, weights

from ecg_tl.tasks import EcgClassifier
from ecg_tl.tasks.feature_cache import FeatureCache
from ecg_tl.transfer.callback import TransferLearning
from ecg_tl.transforms import Augmentation

EPOCHS = 4


def train(
    study: Study, folder: Path, upstream: Path, *callbacks: Any, ckpt_path: Path | None = None, **how: Any
):
    """Train; returns the task, and how many records went through the frozen layers in training and beside."""
    settings = {key: how.pop(key) for key in ("batch_size", "augmentation", "crop_seconds") if key in how}
    data = study.data(**settings)
    task = study.task(data, how.pop("family", "cnn"), seed=0 if ckpt_path is None else 9)
    passed = {"train": 0, "validation": 0}
    below, features = task.network.forward_below, task.network.forward_features

    def note(signal):
        if task._trainer is not None and not task.trainer.sanity_checking:
            passed["train" if task.training else "validation"] += len(signal)

    def counted_features(signal):
        note(signal)
        return features(signal)

    how = {"recipe": "linear_probe", "track": False, **how}

    def counted_below(signal, group="head"):
        if group != "head" or how["recipe"] == "attention_probe":  # else it goes through `forward_features`
            note(signal)
        return below(signal, group)

    task.network.forward_below = counted_below
    task.network.forward_features = counted_features
    saver = ModelCheckpoint(folder / "kept", save_top_k=-1, filename="{epoch}")
    transfer = TransferLearning(str(upstream), **how)
    trainer = study.trainer(folder, transfer, *callbacks, saver, max_epochs=EPOCHS, enable_checkpointing=True)
    trainer.fit(task, data, ckpt_path=ckpt_path, weights_only=None if ckpt_path is None else True)
    assert task.frozen_below is None
    assert not data.varied_elsewhere
    return task, passed, data.parts.split


def require_same(one: EcgClassifier, other: EcgClassifier, batch_size: int) -> None:
    """Bit for bit, where all batches are of one size: kernels may round otherwise in a smaller last one."""
    for name, tensor in weights(one).items():
        if batch_size == 4:
            assert equal(tensor, weights(other)[name]), name
        else:
            torch.testing.assert_close(tensor, weights(other)[name], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "recipe", "batch_size"),
    [
        ("cnn", "linear_probe", 4),
        ("cnn", "linear_probe", 5),
        ("cnn", "attention_probe", 5),
        ("gru", "linear_probe", 4),
    ],
)
def test_a_probe_costs_one_pass_and_ends_with_the_same_weights(
    study: Study,
    cnn_upstream: Path,
    gru_upstream: Path,
    tmp_path: Path,
    family: str,
    recipe: str,
    batch_size: int,
) -> None:
    upstream = cnn_upstream if family == "cnn" else gru_upstream
    how = {"recipe": recipe, "batch_size": batch_size, "family": family}
    cached, passed, split = train(study, tmp_path / "cached", upstream, **how)
    plain, every, _ = train(study, tmp_path / "plain", upstream, train={"cache": "off"}, **how)
    assert passed == {"train": len(split.train), "validation": len(split.validation)}
    if recipe == "linear_probe":  # the other way to tokens has no name to count by
        assert every == {part: EPOCHS * number for part, number in passed.items()}
    require_same(cached, plain, batch_size)
    assert cached.scores["val"] == pytest.approx(plain.scores["val"], rel=0 if batch_size == 4 else 1e-5)
    resumed, again, _ = train(
        study, tmp_path / "again", upstream, ckpt_path=tmp_path / "cached/kept/epoch=1.ckpt", **how
    )
    assert again == passed
    require_same(resumed, plain, batch_size)


DEEPER = [{"epoch": 0, "train": ["layer4", "fc1", "head"]}, {"epoch": 2, "train": ["layer2", "layer3"]}]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "passes"),
    [
        # Two epochs of the head alone cost one pass, two of a higher group as well; all layers one each.
        ({"recipe": "lp_ft", "train": {"phase_epochs": 2}}, 1 + 2),
        ({"recipe": "gradual", "train": {"phase_epochs": 2}}, 1 + 1),
        ({"recipe": "full", "train": {"phases": DEEPER}}, 1 + 1),
    ],
)
def test_it_lasts_as_long_as_layers_are_frozen_below(
    study: Study, cnn_upstream: Path, tmp_path: Path, caplog: Any, how: dict[str, Any], passes: int
) -> None:
    with caplog.at_level("INFO"):
        cached, passed, split = train(study, tmp_path / "cached", cnn_upstream, batch_size=4, **how)
    if how["recipe"] == "full":
        for group in ("layer4", "layer2"):
            assert f"feature_cache: on (all layers below {group} are frozen)" in caplog.text
    off = {**how, "train": {**how["train"], "cache": "off"}}
    plain, every, _ = train(study, tmp_path / "plain", cnn_upstream, batch_size=4, **off)
    assert every["train"] == EPOCHS * len(split.train)
    assert passed["train"] == passes * len(split.train)
    assert all(equal(tensor, weights(plain)[name]) for name, tensor in weights(cached).items())
    # In the middle of a phase, whose features are then computed anew.
    last = tmp_path / "cached" / "kept" / "epoch=2.ckpt"
    resumed, _, _ = train(study, tmp_path / "again", cnn_upstream, batch_size=4, ckpt_path=last, **how)
    assert all(equal(tensor, weights(plain)[name]) for name, tensor in weights(resumed).items())


@pytest.mark.slow
def test_a_network_that_is_not_cut_computes_all_of_itself_and_says_so(
    study: Study, gru_upstream: Path, tmp_path: Path, caplog: Any
) -> None:
    with caplog.at_level("INFO"):
        _, passed, split = train(study, tmp_path, gru_upstream, family="gru", recipe="gradual")
    assert "feature_cache: off (a RecurrentNetwork is not cut at rnn.2: all of it is computed)" in caplog.text
    assert passed["train"] == EPOCHS * len(split.train)


@pytest.mark.slow
def test_augmented_views_take_turns_and_cost_a_pass_each(
    study: Study, cnn_upstream: Path, tmp_path: Path, caplog: Any
) -> None:
    how = {"augmentation": Augmentation(gaussian_noise=0.1, time_shift=0.1), "batch_size": 4}
    two = {"augmented_views": 2}
    with caplog.at_level("INFO"):
        cached, passed, split = train(study, tmp_path / "cached", cnn_upstream, train=two, **how)
    assert "2 augmented views of each training record take turns" in caplog.text
    assert passed == {"train": 2 * len(split.train), "validation": len(split.validation)}
    off = {**two, "cache": "off"}
    plain, every, _ = train(study, tmp_path / "plain", cnn_upstream, train=off, **how)
    assert every["train"] == EPOCHS * len(split.train)
    for other in (
        plain,
        train(
            study,
            tmp_path / "again",
            cnn_upstream,
            train=two,
            ckpt_path=tmp_path / "cached" / "kept" / "epoch=2.ckpt",
            **how,
        )[0],
    ):
        assert all(equal(tensor, weights(other)[name]) for name, tensor in weights(cached).items())
    one, _, _ = train(study, tmp_path / "one", cnn_upstream, train={"augmented_views": 1}, **how)
    assert not all(equal(tensor, weights(one)[name]) for name, tensor in weights(cached).items())


def test_a_view_of_a_record_is_the_same_in_any_batch(study: Study) -> None:
    data = study.data(augmentation=Augmentation(gaussian_noise=0.1, amplitude_scale=0.2, time_shift=0.2))
    signal, rows = torch.randn(5, 12, 100), torch.tensor([7, 3, 20, 1, 11])
    whole = data.view_of(signal, rows, 1)
    order = torch.tensor([4, 0, 2])
    assert torch.equal(data.view_of(signal[order], rows[order], 1), whole[order])
    assert not torch.equal(data.view_of(signal, rows, 2), whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"augmentation": Augmentation(gaussian_noise=0.1)}, "augmentation gives other signals"),
        ({"crop_seconds": 0.5}, "each epoch sees other crops"),
        ({"train": {"batch_norm": "train"}}, "batch norms of frozen layers go on"),
        ({"train": {"dropout": "train"}}, "frozen layers go on dropping"),
        ({"train": {"cache": "off"}}, "as set"),
    ],
)
def test_where_features_change_they_are_computed_and_the_log_says_why(
    study: Study, cnn_upstream: Path, tmp_path: Path, caplog: Any, how: dict[str, Any], said: str
) -> None:
    with caplog.at_level("INFO"):
        _, passed, split = train(study, tmp_path, cnn_upstream, **how)
    assert f"feature_cache: off ({said}" in caplog.text
    assert passed["train"] == EPOCHS * len(split.train)


@pytest.mark.slow
def test_averages_of_weights_are_no_frozen_weights(
    study: Study, cnn_upstream: Path, tmp_path: Path, caplog: Any
):
    with caplog.at_level("INFO"):
        train(study, tmp_path, cnn_upstream, EMAWeightAveraging(decay=0.9))
    assert "feature_cache: off (EMAWeightAveraging validates other weights)" in caplog.text


def test_values_come_back_lying_as_they_lay() -> None:
    cache = FeatureCache(10, 10, torch.device("cpu"))
    values = torch.randn(4, 3, 1, 5).contiguous(memory_format=torch.channels_last)
    rows = torch.arange(4)
    for _ in range(2):
        taken = cache.take(rows, lambda mask: values)
        assert taken.stride() == values.stride()
        assert torch.equal(taken, values)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("limit", [0, 10**9])
def test_values_come_back_as_they_were_from_memory_and_from_a_file(dtype: torch.dtype, limit: int) -> None:
    cache = FeatureCache(100, 50, torch.device("cpu"), limit)
    truth = torch.randn(100, 3, 2).to(dtype)
    asked = []

    def compute_of(rows: torch.Tensor):
        def compute(mask: torch.Tensor | None) -> torch.Tensor:
            chosen = rows if mask is None else rows[mask]
            asked.extend(chosen.tolist())
            return truth[chosen]

        return compute

    for training in (False, True):
        for rows in torch.arange(40).split(7):
            with torch.inference_mode(not training):
                assert torch.equal(cache.take(rows, compute_of(rows)), truth[rows])
        assert asked == list(range(40))
    some = torch.tensor([3, 45, 12, 44])
    assert torch.equal(cache.take(some, compute_of(some)), truth[some])
    assert asked[40:] == [45, 44]
    many = torch.arange(90, 10, -1)  # more than there is room for
    assert torch.equal(cache.take(many, compute_of(many)), truth[many])
    row = torch.tensor([45])
    # What was computed while nothing needed a gradient serves where something does.
    (cache.take(row, compute_of(row)).float() * torch.ones(2, requires_grad=True)).sum().backward()


def test_without_room_values_are_computed_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10})())
    cache = FeatureCache(10, 10, torch.device("cpu"), 0)
    rows = torch.arange(4)
    with pytest.warns(UserWarning, match="has room: they are computed again in each epoch"):
        assert torch.equal(cache.take(rows, lambda mask: torch.ones(4, 2)), torch.ones(4, 2))
    assert torch.equal(cache.take(rows, lambda mask: torch.zeros(4, 2)), torch.zeros(4, 2))
