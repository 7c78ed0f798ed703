"""The recipe `exact_probe`: what is solved, by which strength, and what becomes of the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging
from sklearn.linear_model import LogisticRegression
from trainings import Study, equal, weights

from ecg_tl.callbacks import RunCheckpoint
from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.errors import SettingError
from ecg_tl.tasks.restoring import restore_task
from ecg_tl.transfer.callback import TransferLearning
from ecg_tl.transfer.exact_probe import ExactProbeOptions, solve_head
from ecg_tl.transfer.settling import EncodedPart
from ecg_tl.transforms import Augmentation


def encoded(records: int, features: int, classes: int, seed: int, windows: int = 1) -> EncodedPart:
    """Draw records whose features go together, are of other sizes, and tell their classes in part."""
    draw = np.random.default_rng(seed)
    mixed = draw.normal(size=(records * windows, features)) @ draw.normal(size=(features, features))
    x = mixed * 10.0 ** draw.uniform(-2, 2, features) + draw.normal(size=features)
    score = (x - x.mean(0)) / x.std(0) @ np.linspace(1, -1, features)
    of_record = score.reshape(records, windows).mean(axis=1)
    noise = draw.normal(size=(records, classes))
    y = (of_record[:, None] / of_record.std() + noise > 0.3).astype(np.float64)
    return EncodedPart(x, y, np.full(records, windows))


def reference(train: EncodedPart, k: int, strength: float) -> tuple[np.ndarray, float]:
    """Solve a class by scikit-learn, whose C is the strength's inverse on sums in place of means."""
    known = ~np.isnan(train.targets[:, k])
    mean, deviation = train.features.mean(0), train.features.std(0)
    deviation[deviation < 1e-9] = np.inf  # what a ReLU passes nothing of
    x = (train.features[known] - mean) / deviation
    solver = LogisticRegression(C=1 / (strength * known.sum()), tol=1e-10, max_iter=10_000)
    solver.fit(x, train.targets[known, k])
    weight = solver.coef_[0] / deviation
    return weight, float(solver.intercept_[0] - weight @ mean)


@pytest.mark.parametrize("strength", [1e-4, 1e-1])
def test_the_head_is_that_of_a_solver_of_others_and_a_question_without_an_answer_counts_for_nobody(
    strength: float,
) -> None:
    train, validation = encoded(120, 6, 3, 0), encoded(40, 6, 3, 1)
    train.targets[::3, 1] = np.nan
    solved = solve_head(train, validation, [strength])
    for k in range(3):
        weight, bias = reference(train, k, strength)
        np.testing.assert_allclose(
            train.features @ solved.weight[k] + solved.bias[k], train.features @ weight + bias, atol=2e-4
        )
    assert solved.strengths == (strength,) * 3


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), features=st.integers(1, 5), unanswered=st.floats(0, 1))
@example(seed=614, features=5, unanswered=0.0)  # classes that are parted without a fault: the loss is flat
def test_each_class_has_the_strength_with_the_least_validation_loss(
    seed: int, features: int, unanswered: float
) -> None:
    train, validation = encoded(30, features, 2, seed), encoded(20, features, 2, seed + 1)
    draw = np.random.default_rng(seed)
    for one in (train, validation):
        one.targets[draw.random(one.targets.shape) < unanswered] = np.nan
    tried = [1e-3, 1e-1, 10.0]
    solved = solve_head(train, validation, tried)
    assert np.isfinite(solved.weight).all()
    assert np.isfinite(solved.bias).all()
    apart = [solve_head(train, validation, [one]) for one in tried]
    for k, strength in enumerate(solved.strengths):
        losses = [one.losses[k] for one in apart]
        if strength is None:
            assert "alone" in solved.remarks[k] or "no answers" in solved.remarks[k]
            assert not solved.weight[k].any()
        elif losses[0] is None:
            assert "no validation answers" in solved.remarks[k]
        else:
            assert solved.losses[k] == pytest.approx(min(losses), abs=1e-6)
            assert losses[tried.index(strength)] == pytest.approx(min(losses), abs=1e-6)


def test_a_class_of_one_kind_says_its_share_and_a_feature_that_never_changes_says_nothing() -> None:
    train, validation = encoded(20, 3, 3, 0), encoded(10, 3, 3, 1)
    train.features[:, 1] = 0.1
    train.targets[:, 0], train.targets[:, 1] = 0.0, np.nan
    solved = solve_head(train, validation, [0.1, 1.0])
    assert solved.remarks == {
        0: "negatives alone among 20 training answers: it says 0.024 of every record",
        1: "no answers among 0 training answers: it says 0.500 of every record",
    }
    assert solved.bias[0] == pytest.approx(np.log(0.5 / 20.5))
    assert solved.weight[2, 1] == 0
    assert np.isfinite(solved.weight).all()


def test_windows_of_a_record_weigh_as_one_record_together() -> None:
    one, validation = encoded(40, 4, 1, 0), encoded(20, 4, 1, 1)
    times = np.where(np.arange(40) % 3 == 0, 3, 1)
    repeated = EncodedPart(np.repeat(one.features, times, axis=0), one.targets, times)
    many = EncodedPart(np.repeat(validation.features, 2, axis=0), validation.targets, np.full(20, 2))
    first, second = solve_head(one, validation, [0.1]), solve_head(repeated, many, [0.1])
    assert first.losses == pytest.approx(second.losses, rel=1e-5)
    np.testing.assert_allclose(first.weight, second.weight, rtol=1e-4)


@pytest.mark.parametrize(
    "given", [[], "1", [0.0], [-1.0], [float("nan")], [1e9], [True], None, [1.0] * 101, {}]
)
def test_strengths_that_are_none_are_refused_in_one_line(given: Any) -> None:
    with pytest.raises(SettingError, match="strengths") as caught:
        ExactProbeOptions(given)
    assert "\n" not in str(caught.value)


def train(
    study: Study, folder: Path, upstream: Path, *callbacks: Any, ckpt_path: Path | None = None, **how: Any
):
    settings = {name: how.pop(name) for name in ("augmentation", "crop_seconds") if name in how}
    data = study.data(**settings)
    task = study.task(data, "cnn", seed=0 if ckpt_path is None else 9, **how.pop("task", {}))
    saver = RunCheckpoint(dirpath=folder / "kept")
    transfer = TransferLearning(str(upstream), **{"recipe": "exact_probe", **how})
    trainer = study.trainer(folder, transfer, *callbacks, saver, max_epochs=9, enable_checkpointing=True)
    trainer.fit(task, data, ckpt_path=ckpt_path, weights_only=None if ckpt_path is None else True)
    return task, data, trainer


@pytest.mark.slow
def test_from_the_features_to_use(study: Study, cnn_upstream: Path, tmp_path: Path) -> None:
    task, data, trainer = train(study, tmp_path / "whole", cnn_upstream)
    upstream = torch.load(cnn_upstream, weights_only=True)["state_dict"]
    for name, tensor in weights(task).items():
        assert name.startswith("fc2.") or equal(tensor, upstream[f"network.{name}"]), name
    assert trainer.current_epoch == 1  # solved, judged, over
    # The head is what another solver finds on the same features, with the strengths that the report names.
    report = json.loads((tmp_path / "whole" / "transfer_report.json").read_text())
    assert report == task.transfer_report
    assert report["training"]["recipe"] == "exact_probe"
    chosen = report["chosen"]
    assert chosen["training_records"] == 24
    task.eval()
    with torch.no_grad():
        part = [
            task.network.forward_features(task.normalization(b["signal"]))
            for b in data.batches_of("train", task.device, as_judged=True)
        ]
    features = torch.cat(part).double().numpy()
    targets = data.parts.targets[data.parts.split.train].astype(np.float64)
    truth = EncodedPart(features, targets, np.ones(24, np.int64))
    solved = [k for k, name in enumerate(task.class_names) if chosen["strengths"][name] is not None]
    assert solved
    for k in solved:
        weight, bias = reference(truth, k, chosen["strengths"][task.class_names[k]])
        found = features @ task.network.head.weight[k].detach().double().numpy() + float(
            task.network.head.bias[k]
        )
        np.testing.assert_allclose(found, features @ weight + bias, atol=5e-3)
    assert set(chosen["remarks"]) >= {name for name in task.class_names if chosen["strengths"][name] is None}
    # The checkpoint is an ordinary one, and a training that goes on from it is over.
    last = tmp_path / "whole" / "kept" / "last.ckpt"
    best = tmp_path / "whole" / "kept" / "best.ckpt"
    restored = restore_task(best, read_checkpoint(best))
    assert restored.transfer_report == report
    signal = torch.randn(3, 12, 100)
    with torch.no_grad():
        assert equal(restored(signal), task(signal))
    assert restored.calibration is not None
    (scores,) = trainer.test(study.task(data, "cnn", seed=5), data, ckpt_path=best, weights_only=True)
    (expected,) = trainer.test(task, data)
    assert scores == expected
    resumed, _, again = train(study, tmp_path / "again", cnn_upstream, ckpt_path=last)
    assert again.current_epoch == 1
    assert all(equal(tensor, weights(task)[name]) for name, tensor in weights(resumed).items())
    # Another seed, and its other name, end with the same head: nothing is drawn.
    named, _, _ = train(
        study,
        tmp_path / "named",
        cnn_upstream,
        recipe="linear_probe",
        options={"solver": "exact"},
        task={"learning_rate": 0.1},
    )
    assert all(equal(tensor, weights(task)[name]) for name, tensor in weights(named).items())
    assert named.transfer_report == report


@pytest.mark.slow
def test_records_are_taken_as_they_are_judged(
    study: Study, cnn_upstream: Path, tmp_path: Path, caplog: Any
) -> None:
    plain, _, _ = train(study, tmp_path / "plain", cnn_upstream)
    with caplog.at_level("INFO"):
        noisy, _, _ = train(
            study, tmp_path / "noisy", cnn_upstream, augmentation=Augmentation(gaussian_noise=0.5)
        )
    assert "exact_probe: training records as they are, without augmentation" in caplog.text
    for name, tensor in weights(plain).items():
        torch.testing.assert_close(tensor, weights(noisy)[name])
    cropped, _, trainer = train(
        study,
        tmp_path / "crops",
        cnn_upstream,
        crop_seconds=0.5,
        match={"allow": ["preprocessing"]},
        task={"pos_weight": "root"},
    )
    assert trainer.current_epoch == 1
    assert torch.isfinite(cropped.network.head.weight).all()


def test_what_would_move_or_hide_the_head_is_refused(
    study: Study, cnn_upstream: Path, tmp_path: Path
) -> None:
    for how, message in (
        ({"train": {"batch_norm": "train"}}, r"train\.batch_norm: found train beside `recipe: exact_probe`"),
        ({"train": {"l2_sp": 0.1}}, r"train\.l2_sp"),
        ({"options": {"strength": 1}}, r"options: found strength, expected strengths"),
        (
            {"recipe": "linear_probe", "options": {"solver": "newton"}},
            r"solver: found 'newton', expected epochs or exact",
        ),
    ):
        with pytest.raises(SettingError, match=message):
            train(study, tmp_path, cnn_upstream, **how)
    with pytest.raises(SettingError, match=r"callbacks: found EMAWeightAveraging beside"):
        train(study, tmp_path, cnn_upstream, EMAWeightAveraging(decay=0.9))


@pytest.mark.slow
def test_it_waits_for_its_validation_whatever_stops_others(
    study: Study, cnn_upstream: Path, tmp_path: Path
) -> None:
    _, _, trainer = train(study, tmp_path, cnn_upstream, EarlyStopping("val/loss", patience=0))
    assert trainer.current_epoch == 1
