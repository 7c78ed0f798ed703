"""A class chosen from several: softmax, the most probable class, no thresholds; everywhere the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.pytorch import Trainer

from ecg_tl.calibration import Calibration, calibrate, fit_temperature
from ecg_tl.callbacks.monitors import score_names
from ecg_tl.checkpoints.description import CheckpointDescription, check_fits
from ecg_tl.checkpoints.reading import Upstream
from ecg_tl.datamodules.parts import Parts, divide
from ecg_tl.datamodules.settings import SplitSettings
from ecg_tl.datasets.base import UNANSWERED, LabelClass, LabelRule, record_table
from ecg_tl.errors import CheckpointError, DatasetError, SettingError
from ecg_tl.inference.answer import decide, require_aggregation
from ecg_tl.inference.model import ModelDescription
from ecg_tl.metrics import confusion, multilabel_scores, sensitivity_and_specificity
from ecg_tl.signals import LEADS
from ecg_tl.statistics.calibration import temper
from ecg_tl.statistics.decisions import MOST_PROBABLE, decided, softmax
from ecg_tl.statistics.resampling import resample_patients
from ecg_tl.statistics.scoring import score_run
from ecg_tl.tasks import CnnClassifier, EcgClassifier, RnnClassifier
from ecg_tl.tasks.links import LINKED_TO_DATA, settings_from
from ecg_tl.tasks.loss import classification_loss, positive_weights
from ecg_tl.tasks.predictions import Predictions, gather, join_windows
from ecg_tl.tasks.scoring import calibrated_scores, plain_scores
from ecg_tl.transfer.head import adapt_head

NAMES = ("A", "B", "C")


@st.composite
def choices(draw: st.DrawFn, missing: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Logits of three classes, and targets: one class a record, or no answer."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    records = draw(st.integers(1, 60))
    logits = rng.normal(0, 2, (records, 3)).round(1)
    targets = np.eye(3)[rng.choice(3, records, p=rng.dirichlet(np.ones(3)))]
    if missing:
        targets[rng.random(records) < rng.choice([0.0, 0.3])] = np.nan
    return logits, targets


def tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(one).float() for one in arrays]


# Loss ---------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(choices())
def test_the_loss_is_the_mean_surprise_at_the_class_that_each_record_has(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    logits, y = drawn
    found = float(classification_loss(*tensors(logits, y), single_choice=True))
    answered = ~np.isnan(y[:, 0])
    expected = -np.log(softmax(logits)[answered][y[answered] == 1])
    assert found == pytest.approx(expected.mean() if answered.any() else 0.0, abs=1e-5)


@settings(max_examples=25)
@given(choices(), st.integers(1, 59))
def test_processes_with_other_numbers_of_answers_have_the_loss_of_all_of_them_as_their_mean(
    drawn: tuple[np.ndarray, np.ndarray], cut: int
) -> None:
    logits, y = tensors(*drawn)
    cut = min(cut, len(y))
    mean_of_answers = (~y[:, 0].isnan()).sum() / 2  # what `answers_of_batch` gives each of two processes
    halves = [
        classification_loss(z, t, answers=mean_of_answers, single_choice=True)
        for z, t in ((logits[:cut], y[:cut]), (logits[cut:], y[cut:]))
    ]
    whole = classification_loss(logits, y, single_choice=True)
    if mean_of_answers >= 1:
        assert float(sum(halves) / 2) == pytest.approx(float(whole), abs=1e-5)


def test_a_class_that_is_ruled_out_does_not_spoil_the_loss_of_another() -> None:
    logits = torch.tensor([[0.0, -torch.inf, 1.0]], requires_grad=True)
    loss = classification_loss(logits, torch.tensor([[0.0, 0.0, 1.0]]), single_choice=True)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_balanced_weights_give_each_class_the_same_sum_and_all_records_together_their_number() -> None:
    targets = np.eye(4, dtype=np.float32)[[0] * 12 + [1] * 6 + [2] * 2]
    counts = targets.sum(axis=0)
    balanced = positive_weights(targets, "balanced", single_choice=True)
    assert (balanced * counts)[:3] == pytest.approx([20 / 3] * 3)
    assert balanced[3] == 1.0  # which no record has
    assert positive_weights(targets, "root", single_choice=True)[:3] == pytest.approx(balanced[:3] ** 0.5)
    assert positive_weights(targets, "none", single_choice=True).tolist() == [1.0] * 4
    logits = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    classes = torch.from_numpy(targets).argmax(dim=1)
    weights = torch.from_numpy(balanced)
    found = classification_loss(
        logits, torch.from_numpy(targets), positive_weights=weights, single_choice=True
    )
    assert float(found) == pytest.approx(float(F.cross_entropy(logits, classes, weight=weights)), abs=1e-5)


# Scores -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=25)
@given(choices())
def test_scores_are_those_of_the_most_probable_class(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    logits, y = drawn
    answered = ~np.isnan(y[:, 0])
    if not answered.any():
        return
    p = softmax(logits)
    scores = multilabel_scores(p, y, NAMES, None)
    chosen, truth = p[answered].argmax(axis=1), y[answered].argmax(axis=1)
    assert scores.accuracy == pytest.approx((chosen == truth).mean())
    assert scores.fmax is None
    assert "fmax" not in scores.as_dict()
    counts = confusion(p, y, None)
    sensitivity, specificity = sensitivity_and_specificity(p, y, NAMES, None)
    for k, name in enumerate(NAMES):
        said, is_so = chosen == k, truth == k
        tp, fp, fn = (said & is_so).sum(), (said & ~is_so).sum(), (~said & is_so).sum()
        assert counts[k].tolist() == [tp, fp, fn, (~said & ~is_so).sum()]
        assert scores.f1[name] == pytest.approx(2 * tp / max(2 * tp + fp + fn, 1))
        assert sensitivity.get(name) == (tp / is_so.sum() if is_so.any() else None)
        assert specificity.get(name) == ((~said & ~is_so).sum() / (~is_so).sum() if (~is_so).any() else None)
    usual = multilabel_scores(p, y, NAMES)  # what looks at no decision is the same
    for name in ("auroc", "auprc", "support", "auroc_macro", "brier", "ece", "unanswered"):
        assert getattr(scores, name) == pytest.approx(getattr(usual, name), nan_ok=True)
    assert usual.accuracy is None
    assert "accuracy" not in usual.as_dict()


@settings(max_examples=10)
@given(choices())
def test_a_study_scores_the_same_choices_as_the_training(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    logits, y = drawn
    if np.isnan(y).all():
        return
    p = softmax(logits)
    found = score_run(p, None, resample_patients(y, np.arange(len(y)), 20)).f1
    scores = multilabel_scores(p, y, NAMES, None)
    assert (found.macro, found.weighted) == pytest.approx((scores.f1_macro, scores.f1_weighted))
    assert np.isfinite(found.macro_resampled).all()


def test_a_training_logs_accuracy_in_the_place_of_fmax_and_nothing_that_was_tuned() -> None:
    truth = np.eye(3)[np.arange(60) % 3]
    logits, y = tensors(np.random.default_rng(0).normal(0, 2, (60, 3)) + 1.5 * truth, truth)
    predictions = Predictions(torch.arange(60), logits, y, single_choice=True)
    calibration = calibrate(logits, y, single_choice=True)
    scores = plain_scores(predictions, NAMES) | calibrated_scores(predictions, NAMES, calibration)
    logged = {f"val_{name}" if "/" in name else f"val/{name}" for name in plain_scores(predictions, NAMES)}
    counts = {"val/auroc_classes_scored", "val/auprc_classes_scored", *(f"val_support/{n}" for n in NAMES)}
    watched = {name for name in score_names(NAMES, single_choice=True) if name.startswith("val")}
    assert logged - counts == watched
    assert not [name for name in scores if "tuned" in name or "fmax" in name]
    assert {"accuracy", "loss_calibrated", "ece_calibrated", "sensitivity/A", "specificity/C"} <= set(scores)
    gathered = gather([predictions])
    assert gathered.single_choice
    assert torch.allclose(gathered.probabilities.sum(dim=1), torch.ones(60))


# Calibration --------------------------------------------------------------------------------------------


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.floats(0.4, 2.5))
def test_the_temperature_has_the_least_loss_and_follows_the_scale_of_the_logits(
    seed: int, factor: float
) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (300, 3))
    drawn = (softmax(logits).cumsum(axis=1) > rng.random((300, 1))).argmax(axis=1)
    targets = np.eye(3)[drawn]
    temperature, why_not = fit_temperature(logits, targets, single_choice=True)
    assert why_not is None
    losses = {
        scale: float(
            F.cross_entropy(torch.from_numpy(logits / (temperature * scale)), torch.from_numpy(drawn))
        )
        for scale in (0.97, 1.0, 1.03)
    }
    assert losses[1.0] == min(losses.values())
    scaled, _ = fit_temperature(logits * factor, targets, single_choice=True)
    if 1.0 not in (temperature, scaled):
        assert scaled == pytest.approx(temperature * factor, rel=1e-4)


@settings(max_examples=25)
@given(choices(), st.floats(0.1, 10))
def test_a_temperature_changes_probabilities_and_never_the_choice(
    drawn: tuple[np.ndarray, np.ndarray], temperature: float
) -> None:
    p = softmax(drawn[0])
    tempered = temper(p, temperature, single_choice=True)
    assert tempered == pytest.approx(softmax(drawn[0] / temperature), abs=1e-9)
    assert tempered.sum(axis=1) == pytest.approx(1.0)
    ranked = np.sort(p, axis=1)
    clear = ranked[:, -1] > ranked[:, -2] + 1e-9
    assert (decided(p, None) == decided(tempered, None))[clear].all()


def test_no_thresholds_are_kept_and_what_a_file_says_otherwise_is_refused() -> None:
    calibration = Calibration((), (), 1.5, MOST_PROBABLE)
    said = calibration.as_dict()
    assert Calibration.from_dict(said, NAMES) == calibration
    assert calibration.cuts is None
    assert calibration.summary(NAMES) == [
        "no thresholds: the most probable class is chosen",
        "temperature 1.500",
    ]
    with pytest.raises(CheckpointError, match="3 thresholds for 0 classes"):
        Calibration.from_dict({**said, "thresholds": [0.5] * 3, "tuned": [True] * 3}, NAMES)
    with pytest.raises(CheckpointError, match="0 thresholds for 3 classes"):
        Calibration.from_dict({**said, "rule": "f1"}, NAMES)


# Records ------------------------------------------------------------------------------------------------

RULE = LabelRule(tuple(LabelClass(name, frozenset({name})) for name in NAMES))


def parts_of(codes: list[str], where: Path, unanswered: dict[int, str] | None = None, **more: Any) -> Parts:
    rows = [
        {
            "record_id": f"r{number}",
            "patient_id": f"p{number}",
            "path": f"r{number}",
            "sampling_rate": 100.0,
            "length": 1000,
            "fold": number % 3,
            "age": 50.0 + number,
            "sex": None,
            "codes": tuple(one),
            UNANSWERED: tuple((unanswered or {}).get(number, "")),
            "first_row": number,
        }
        for number, one in enumerate(codes)
    ]
    table = record_table(rows, where)
    return divide(
        table, RULE, SplitSettings(), drop_unlabelled=False, single_choice=True, where=where, **more
    )


def test_a_record_with_none_of_the_classes_is_left_out_and_counted(tmp_path: Path) -> None:
    codes = ["A", "B", "C", "A", "", "x", "B", "C", "A"]
    parts = parts_of(codes, tmp_path, unanswered={0: "B", 4: "ABC", 5: "AB"})
    used = np.sort(np.concatenate(list(parts.split.parts().values()))).tolist()
    assert used == [0, 1, 2, 3, 6, 7, 8]
    assert parts.targets[used].tolist() == np.eye(3)[[0, 1, 2, 0, 1, 2, 0]].tolist()
    assert np.isnan(parts.targets[[4, 5]]).all()  # no guess, although B and A are ruled out in neither
    assert (parts.unanswered, parts.unlabelled) == (2, 0)
    assert "2 records have none of the classes, or no answer: left out" in parts.summary()


def test_a_record_with_two_of_the_classes_is_an_error_that_names_it_unless_the_query_leaves_it_out(
    tmp_path: Path,
) -> None:
    codes = ["A", "B", "C", "A", "AC", "A", "B", "C", "CB"]
    with pytest.raises(DatasetError) as caught:
        parts_of(codes, tmp_path)
    assert "2 record(s) with several classes; the first, r4: A and C" in str(caught.value)
    assert "\n" not in str(caught.value)
    parts = parts_of(codes, tmp_path, query="age != 54 and age != 58")
    assert sum(len(rows) for rows in parts.split.parts().values()) == 7


# The task and what it is told ---------------------------------------------------------------------------

SIZES: dict[str, Any] = {
    "num_classes": 3,
    "num_leads": 12,
    "num_samples": 100,
    "class_names": NAMES,
    "normalization": {"name": "none"},
}


class FakeData:
    """What a task takes from its data."""

    num_classes, class_names, num_leads, num_samples = 3, list(NAMES), 12, 100
    normalization = SIZES["normalization"]

    def __init__(self, single_choice: bool) -> None:
        self.single_choice = single_choice


def make(cls: type[EcgClassifier], **settings: Any) -> EcgClassifier:
    network = "resnet1d18" if cls is CnnClassifier else "gru"
    return cls(network=network, **SIZES, **settings)


@pytest.mark.parametrize("cls", [EcgClassifier, CnnClassifier, RnnClassifier])
def test_a_task_keeps_that_it_chooses_and_one_that_does_not_keeps_what_it_kept_before(
    cls: type[EcgClassifier],
) -> None:
    assert make(cls, single_choice=True).hparams["single_choice"] is True
    assert "single_choice" not in make(cls, single_choice=False).hparams
    assert dict(make(cls, single_choice=False).hparams) == dict(make(cls).hparams)


def test_data_hand_it_to_the_task_and_say_nothing_where_each_class_is_a_question_by_itself() -> None:
    assert "single_choice" in LINKED_TO_DATA
    assert settings_from(FakeData(True))["single_choice"] is True  # type: ignore[arg-type]
    assert "single_choice" not in settings_from(FakeData(False))  # type: ignore[arg-type]
    assert EcgClassifier.for_data(FakeData(True), "gru").single_choice  # type: ignore[arg-type]


@pytest.mark.parametrize("of_task", [True, False])
def test_a_task_and_data_of_two_kinds_are_refused_before_anything_is_trained(of_task: bool) -> None:
    task = make(EcgClassifier, single_choice=of_task)
    task.trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    task.trainer.datamodule = FakeData(not of_task)  # type: ignore[attr-defined]
    with pytest.raises(SettingError, match="single_choice"):
        task.setup("fit")
    task.trainer.datamodule = FakeData(of_task)  # type: ignore[attr-defined]
    task.setup("fit")


def test_one_class_is_no_choice_and_a_choice_has_no_thresholds_to_set() -> None:
    one = {**SIZES, "num_classes": 1, "class_names": ["A"]}
    with pytest.raises(SettingError, match="one class"):
        EcgClassifier(network="gru", **one, single_choice=True)
    with pytest.raises(SettingError, match="sensitivity beside single_choice"):
        make(EcgClassifier, single_choice=True, thresholds="sensitivity")


def test_a_checkpoint_says_that_it_chooses_in_a_format_that_earlier_versions_refuse() -> None:
    def format_of(data: dict[str, Any]) -> int:
        return int(CheckpointDescription({}, NAMES, data, None, None).as_dict()["format"])

    assert [format_of(data) for data in ({}, {"preprocessing": []}, {"single_choice": True})] == [1, 2, 3]
    with pytest.raises(CheckpointError, match="single_choice"):
        check_fits({"single_choice": True}, {})
    check_fits({"single_choice": True}, {"single_choice": True})


@pytest.mark.parametrize("policy", ["keep", "by_diagnosis"])
@pytest.mark.parametrize("chooses", [True, False])
def test_rows_of_a_head_of_the_other_kind_are_refused(policy: Any, chooses: bool) -> None:
    network = make(EcgClassifier).network
    said = {"class_names": list(NAMES), "class_codes": {n: [n] for n in NAMES}, "code_system": "custom"}
    theirs, ours = ({**said, **({"single_choice": True} if one else {})} for one in (chooses, not chooses))
    weights = {f"{network.head_name}.{kind}": getattr(network.head, kind) for kind in ("weight", "bias")}
    upstream = Upstream(Path("up.ckpt"), weights, CheckpointDescription({}, NAMES, theirs, None, None))
    with pytest.raises(CheckpointError, match="head: reset"):
        adapt_head(upstream, network, policy, ours)
    if policy == "keep":
        assert adapt_head(upstream, network, policy, theirs)


# Answers ------------------------------------------------------------------------------------------------


def description(**settings: Any) -> ModelDescription:
    shape: dict[str, Any] = {
        "class_names": NAMES,
        "leads": LEADS,
        "sampling_rate": 100.0,
        "num_samples": 1000,
        "validated": True,
        "uncalibrated": None,
        "calibrated": True,
        "temperature": 2.0,
    }
    return ModelDescription(**{**shape, **settings}).checked("test")


@settings(max_examples=25)
@given(choices(missing=False), st.sampled_from([None, 3000]))
def test_an_answer_chooses_one_class_by_the_mean_of_its_windows(
    drawn: tuple[np.ndarray, np.ndarray], record_samples: int | None
) -> None:
    logits = drawn[0]
    answers = decide(logits, description(single_choice=True, record_samples=record_samples), "mean")
    assert sum(one.probability for one in answers) == pytest.approx(1.0)
    assert sum(one.found for one in answers) == 1
    assert all(one.threshold is None and one.threshold_uncalibrated is None for one in answers)
    calibrated_first = record_samples is None
    mean = softmax(logits / 2 if calibrated_first else logits).mean(axis=0)
    expected = mean if calibrated_first else temper(mean[None], 2.0, single_choice=True)[0]
    assert [one.probability for one in answers] == pytest.approx(expected.tolist(), abs=1e-9)
    assert answers[int(mean.argmax())].found or np.sort(mean)[-1] - np.sort(mean)[-2] < 1e-12
    if not calibrated_first:  # as the training joined them when it was validated
        joined = join_windows(torch.from_numpy(logits), torch.tensor([len(logits)]), single_choice=True)
        assert [one.probability_uncalibrated for one in answers] == pytest.approx(
            joined.softmax(dim=1)[0].tolist(), abs=1e-5
        )


def test_a_description_says_it_in_a_format_that_earlier_versions_refuse_and_others_stay_as_they_were() -> (
    None
):
    chooses, usual = description(single_choice=True), description()
    assert chooses.as_dict()["format"] == 3
    assert (chooses.thresholds, chooses.threshold_rule) == ((), MOST_PROBABLE)
    assert ModelDescription.from_dict(chooses.as_dict(), "test") == chooses
    assert usual.as_dict()["format"] == 1
    assert "single_choice" not in usual.as_dict()
    with pytest.raises(CheckpointError, match="none where one class is chosen"):
        ModelDescription.from_dict({**chooses.as_dict(), "thresholds": [0.5] * 3}, "test")
    with pytest.raises(CheckpointError, match="true or false"):
        ModelDescription.from_dict({**chooses.as_dict(), "single_choice": 1}, "test")


def test_the_maximum_over_windows_is_refused_where_it_would_be_no_probability_of_a_choice() -> None:
    require_aggregation("max", description())
    require_aggregation("mean", description(single_choice=True))
    with pytest.raises(SettingError, match="do not sum up to 1"):
        require_aggregation("max", description(single_choice=True))
