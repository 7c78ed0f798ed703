"""Checkpoints scored on disturbed test records."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import HALF_TRAINS, NUM_SAMPLES, QUIET, SAMPLING_RATE, data_words
from torch import Tensor, nn

from ecg_tl.checkpoints.digest import DIGEST, weights_digest
from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.cli import main
from ecg_tl.datamodules import SplitSettings
from ecg_tl.datamodules.ptbxl import PtbXlDataModule
from ecg_tl.disturbances import lose_leads, record_generators
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.metrics import multilabel_scores
from ecg_tl.robustness.conditions import Recorder, make_kinds
from ecg_tl.robustness.evaluation import CLEAN, Robustness, evaluate
from ecg_tl.robustness.output import as_table, render
from ecg_tl.robustness.predictions import predict_disturbed
from ecg_tl.robustness.subjects import Subject
from ecg_tl.signals import Batch
from ecg_tl.store.reader import Store
from ecg_tl.tasks.restoring import restore_task

SOME = ("muscle", "leads_lost", "gain")
SPLIT = SplitSettings(kind="patient", fractions=(0.5, 0.25, 0.25))


@pytest.fixture(scope="session")
def checkpoint(trained_run: Path) -> Path:
    return trained_run / "checkpoints" / "best.ckpt"


@pytest.fixture
def make_data(ptbxl_root: Path, ptbxl_store: Store, prepared: Path) -> Callable[..., PtbXlDataModule]:
    def make(**settings: Any) -> PtbXlDataModule:
        known = {"sampling_rate": SAMPLING_RATE, "num_samples": NUM_SAMPLES, "split": SPLIT}
        return PtbXlDataModule(str(ptbxl_root), store_dir=str(prepared), **(known | settings))

    return make


@pytest.fixture(scope="session")
def other(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint with other weights."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    generator = torch.Generator().manual_seed(0)
    for name, tensor in content["state_dict"].items():
        content["state_dict"][name] = torch.randn(tensor.shape, generator=generator)
    content[DIGEST] = weights_digest(content["state_dict"])
    path = tmp_path_factory.mktemp("other") / "best.ckpt"
    torch.save(content, path)
    return path


@pytest.fixture(scope="session")
def result(checkpoint: Path, other: Path, ptbxl_root: Path, ptbxl_store: Store, prepared: Path) -> Robustness:
    data = PtbXlDataModule(
        str(ptbxl_root),
        store_dir=str(prepared),
        sampling_rate=SAMPLING_RATE,
        num_samples=NUM_SAMPLES,
        split=SPLIT,
    )
    names = ["one", "other"]
    return evaluate([checkpoint, other], data, names=names, kinds=SOME, resamples=200, progress=False)


class Witness(nn.Module):
    """A network that notes what it is shown."""

    single_choice = False

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, signal: Tensor) -> Tensor:
        self.seen.append(signal)
        return torch.zeros(len(signal), 5)

    def judge(self, batch: Batch) -> Tensor:
        return self(batch["signal"])


def witnessed(data: Any, kinds: list[str], seed: int = 0, subjects: int = 1) -> list[list[Tensor]]:
    """What networks are shown of the test records: by subject, in the order of batches and conditions."""
    data.prepare_data()
    data.setup()
    made, _ = make_kinds(Recorder(tuple(data.leads), data.sampling_rate, data.num_samples), kinds)
    witnesses = [Witness() for _ in range(subjects)]
    tried = [Subject("w", Path("w"), witness, np.zeros(5), None) for witness in witnesses]
    predict_disturbed(tried, data, made, seed, torch.device("cpu"), progress=False)
    return [witness.seen for witness in witnesses]


def test_where_a_network_takes_windows_the_whole_record_is_disturbed_once(make_data: Any) -> None:
    """Neighbours show the same noise where they overlap, and it is that of the record taken whole."""
    whole = witnessed(make_data(), ["muscle"])[0]
    cut = witnessed(make_data(crop_seconds=4), ["muscle"])[0]
    assert len(cut) == len(whole)
    for windows, records in zip(cut, whole, strict=True):
        parts = torch.stack([records[:, :, start : start + 100] for start in (0, 75, 150)], dim=1)
        assert torch.equal(windows, parts.flatten(0, 1))


def test_clean_scores_are_those_of_the_test_command(
    result: Robustness, run_copy: Path, ptbxl_root: Path, prepared: Path
) -> None:
    words = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS, *QUIET]
    model = ["--model", "RnnClassifier", "--model.network", "gru", "--model.hidden_size", "8"]
    path = str(run_copy / "checkpoints" / "best.ckpt")
    assert main(["test", *words, *model, "--ckpt_path", path, "--verbose", "false"]) == 0
    (scores,) = run_copy.glob("test/scores.json")
    tested = json.loads(scores.read_text())["scores"]
    clean = result.of("one", CLEAN)[0].scores
    for name in ("auroc_macro", "auprc_macro", "f1_weighted", "f1_macro_tuned", "brier", "auroc/NORM"):
        assert clean[name] == pytest.approx(tested[name], abs=1e-6), name
    (predictions,) = run_copy.glob("test/predictions.csv")
    assert result.records == len(predictions.read_text().splitlines()) - 1


def test_scores_under_a_condition_are_those_of_records_disturbed_so(
    result: Robustness, checkpoint: Path, make_data: Callable[..., PtbXlDataModule]
) -> None:
    data = make_data()
    data.setup()
    rows = data.parts.split.test
    signal = torch.from_numpy(data.store.signals()[rows].astype(np.float32)) / 1000
    (kind,) = (kind for kind in result.kinds if kind.name == "leads_lost")
    task = restore_task(checkpoint, read_checkpoint(checkpoint))
    outcome = result.of("one", "leads_lost")[3]
    assert outcome.label == "6 leads"
    with torch.inference_mode():
        lost = lose_leads(signal, 6, record_generators(0, kind.number, rows.tolist()))
        expected = multilabel_scores(task(lost).sigmoid(), data.parts.targets[rows], data.class_names)
    assert outcome.scores["auroc_macro"] == pytest.approx(expected.auroc_macro, abs=1e-6)
    assert outcome.scores["brier"] == pytest.approx(expected.brier, abs=1e-6)


def test_every_outcome_has_classes_records_and_intervals(result: Robustness) -> None:
    conditions = 1 + sum(len(kind.conditions) for kind in result.kinds)
    assert len(result.outcomes) == 2 * conditions
    for one in result.outcomes:
        assert 0 < result.classes_scored(one) <= 5
        assert one.interval is not None
        assert one.interval.low is not None
        assert one.interval.high is not None
        assert one.interval.low <= one.scores["auroc_macro"] <= one.interval.high
        assert (one.snr_db is None) == (one.kind != "muscle")
        assert (one.change is None) == (one.kind == CLEAN)
        if one.change is not None:
            clean = result.of(one.subject, CLEAN)[0].scores["auroc_macro"]
            assert one.change.estimate == pytest.approx(one.scores["auroc_macro"] - clean, abs=1e-6)
        assert (one.difference is None) == (one.subject == "one")
        if one.difference is not None:
            (first,) = (o for o in result.of("one", one.kind) if o.label == one.label)
            apart = one.scores["auroc_macro"] - first.scores["auroc_macro"]
            assert one.difference.estimate == pytest.approx(apart, abs=1e-6)
    ratios = [one.snr_db for one in result.of("one", "muscle")]
    assert ratios == sorted(ratios, key=lambda ratio: -(ratio or 0))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_scores_in_batches_of_any_size(
    result: Robustness, checkpoint: Path, make_data: Callable[..., PtbXlDataModule]
) -> None:
    again = evaluate([checkpoint], make_data(batch_size=3), kinds=SOME, resamples=0, progress=False)
    for one in again.outcomes:
        (before,) = (o for o in result.of("one", one.kind) if o.label == one.label)
        assert one.scores == pytest.approx(before.scores, abs=1e-5)
        assert one.interval is None
    other = evaluate([checkpoint], make_data(), kinds=SOME, seed=1, resamples=0, progress=False)
    briers = [[one.scores["brier"] for one in r.of("best", "leads_lost")] for r in (again, other)]
    assert briers[0] != briers[1]


def test_networks_meet_the_same_disturbed_test_records_and_no_others(
    make_data: Callable[..., PtbXlDataModule],
) -> None:
    data = make_data()
    one, other = witnessed(data, ["muscle", "leads_lost"], subjects=2)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    clean = torch.from_numpy(data.store.signals()[data.parts.split.test].astype(np.float32)) / 1000
    assert torch.allclose(one[0], clean, atol=1e-6)  # one batch holds them all
    assert len(one) == 1 + 5 + 5 + 1


def test_noise_ends_where_the_recording_does(make_data: Callable[..., PtbXlDataModule]) -> None:
    data = make_data()
    data.prepare_data()
    data.store.records["padded_samples"] = np.arange(len(data.store)) * 3
    ((clean, *disturbed),) = witnessed(data, ["wander", "muscle", "motion"])
    assert len(disturbed) == 15
    for signal in disturbed:
        for row, record in enumerate(data.parts.split.test):
            end = NUM_SAMPLES - 3 * record
            assert (signal[row, :, end:] == 0).all()
            assert not torch.equal(signal[row, :, :end], clean[row, :, :end])


def test_records_that_a_checkpoint_was_trained_on_are_refused_unless_allowed(
    checkpoint: Path, make_data: Callable[..., PtbXlDataModule]
) -> None:
    other_split = replace(SPLIT, seed=5)
    with pytest.raises(CheckpointError, match=r"test records of ptbxl among .* `--data.allow_overlap true`"):
        evaluate([checkpoint], make_data(split=other_split), kinds=["gain"], progress=False)
    with pytest.warns(UserWarning, match="This is allowed"):
        allowed = evaluate(
            [checkpoint],
            make_data(split=other_split, allow_overlap=True),
            kinds=["gain"],
            resamples=0,
            progress=False,
        )
    assert any("OVERLAP, allowed" in remark for remark in allowed.remarks)


def test_checkpoints_that_normalise_otherwise_are_compared_and_other_signals_refused(
    checkpoint: Path, make_data: Callable[..., PtbXlDataModule]
) -> None:
    other = make_data(normalization="z_score")
    evaluate([checkpoint], other, kinds=["gain"], resamples=0, progress=False)
    with pytest.raises(CheckpointError, match="class_names"):
        evaluate([checkpoint], make_data(task="rhythm"), kinds=["gain"], progress=False)


def test_settings_that_make_no_sense_are_refused(
    checkpoint: Path, make_data: Callable[..., PtbXlDataModule]
) -> None:
    for more, words in (
        ({"names": ["a", "b"]}, "a, b for 1 checkpoint"),
        ({"metric": "accuracy"}, "'accuracy', expected one of auroc_macro"),
        ({"resamples": -1}, "resamples: found -1, expected a whole number from 0"),
        ({"mains_frequency": 55.0}, "55, expected 50 or 60"),
    ):
        with pytest.raises(SettingError, match=words):
            evaluate([checkpoint], make_data(), progress=False, **more)
    with pytest.raises(SettingError, match="at least one"):
        evaluate([], make_data(), progress=False)
    with pytest.raises(SettingError, match="twice, expected each once"):
        evaluate([checkpoint] * 2, make_data(), progress=False)
    two = [checkpoint, checkpoint.with_name("last.ckpt")]
    with pytest.raises(SettingError, match="one distinct name"):
        evaluate(two, make_data(), names=["a", "a"], progress=False)


def test_a_network_that_gives_no_numbers_is_named(
    checkpoint: Path, make_data: Callable[..., PtbXlDataModule], tmp_path: Path
) -> None:
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    for tensor in content["state_dict"].values():
        tensor.fill_(float("nan"))
    broken = tmp_path / "broken.ckpt"
    del content[DIGEST]
    torch.save(content, broken)
    with pytest.raises(CheckpointError, match="NaN or infinite"):
        evaluate([broken], make_data(), kinds=["gain"], progress=False)


def test_the_table_has_a_row_a_checkpoint_and_condition(result: Robustness) -> None:
    table = as_table(result)
    assert len(table) == len(result.outcomes)
    assert set(table["checkpoint"]) == {"one", "other"}
    assert (table["records"] == result.records).all()
    assert table["classes_scored"].between(1, 5).all()
    assert np.allclose(table["score"], table["auroc_macro"])
    assert (table["low"] <= table["score"]).all()
    assert table.loc[table["checkpoint"] == "one", "difference"].isna().all()
    assert table["auroc/NORM"].notna().all()
    assert table["support/NORM"].nunique() == 1


def test_the_printed_table_says_classes_and_records_in_every_row(result: Robustness) -> None:
    table = render(result)
    columns = {str(column.header): list(column.cells) for column in table.columns}
    conditions = len(result.outcomes) // 2
    assert len([cell for cell in columns["records"] if cell == str(result.records)]) == conditions
    assert len([cell for cell in columns["classes\nscored"] if cell]) == conditions
    assert "other\nless one" in columns
