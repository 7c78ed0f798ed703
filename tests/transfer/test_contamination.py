"""Nothing is fine-tuned or scored on what it was trained on, unless that is allowed and said."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.signal import resample
from trainings import Study

from ecg_tl.callbacks import PredictionTables
from ecg_tl.contamination.overlap import find_overlap
from ecg_tl.contamination.training_sets import (
    TRAINED_ON,
    TrainingSet,
    join_sets,
    read_training_sets,
    training_set,
)
from ecg_tl.datamodules import EcgDataModule, SplitSettings
from ecg_tl.datamodules.custom import CustomDataModule
from ecg_tl.datasets import get_dataset
from ecg_tl.errors import CheckpointError
from ecg_tl.signals import LEADS, Recording
from ecg_tl.splits import Split
from ecg_tl.store.identity import FINGERPRINT_BYTES, recording_fingerprint
from ecg_tl.store.traces import TRACE_BYTES, recording_trace
from ecg_tl.synthesis.simulator import simulate
from ecg_tl.synthesis.wfdb_files import HeaderStyle, signal_lines, to_steps, write_header, write_matlab
from ecg_tl.transfer.callback import TransferLearning
from ecg_tl.transfer.summary import markdown_report

FOLDS = {"train": 1, "validation": 2, "test": 3}


def publish_again(study: Study, folder: Path, copies: dict[str, list[str]]) -> Path:
    """Write 18 records of one dataset and copies of another's as a third collection with folds.

    Args:
        copies: For each part, ids of the laboratory's records that are among it: renamed, at 257 Hz, with
            another gain and the leads in reverse.
    """
    folder.mkdir()
    rows = []

    def write(name: str, signal: np.ndarray, part: str) -> None:
        signal = resample(signal, round(signal.shape[1] * 257 / 500), axis=1)[::-1] * 1.3
        steps = to_steps(signal.astype(np.float32), 200.0)
        write_matlab(folder / f"{name}.mat", steps)
        style = HeaderStyle(storage="16+24", gain="{gain:.0f}/mV")
        lines = signal_lines(f"{name}.mat", LEADS[::-1], steps, style, [200.0] * 12, [0] * 12)
        write_header(folder / f"{name}.hea", 257, steps.shape[1], lines)
        rows.append({"record": name, "fold": FOLDS[part], "A": len(rows) % 2, "B": (len(rows) + 1) % 2})

    fresh = get_dataset("cpsc2018")
    paths = fresh.scan(study.roots / "cpsc2018").records["path"]
    for number in range(18):
        part = list(FOLDS)[number % 3]
        write(f"new{number:02d}", fresh.read(study.roots / "cpsc2018", paths[number]).values, part)
    for part, record_ids in copies.items():
        for number, record_id in enumerate(record_ids):
            signal = get_dataset("custom").read(study.roots / "custom", record_id).values
            write(f"{part}{number}", signal, part)
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    return folder


def republished(study: Study, root: Path, **settings: Any) -> EcgDataModule:
    known = {
        "num_samples": 100,
        "batch_size": 4,
        "split": SplitSettings(kind="official"),
        "prepare_workers": 1,
    }
    return CustomDataModule(root=str(root), store_dir=str(study.roots / "stores"), **(known | settings))


@pytest.fixture(scope="module")
def trained_on(gru_upstream: Path) -> list[str]:
    """Ids of the laboratory's records that the upstream was trained on."""
    (own,) = torch.load(gru_upstream, weights_only=True)[TRAINED_ON]
    return own["record_ids"]


@pytest.fixture(scope="module")
def contaminated(study: Study, trained_on: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection with four copies: one to train, one to validate, two to test."""
    copies = {"train": trained_on[:1], "validation": trained_on[1:2], "test": trained_on[2:4]}
    return publish_again(study, tmp_path_factory.mktemp("again") / "contaminated", copies)


def fine_tune(study: Study, folder: Path, upstream: Path, data: EcgDataModule, **settings: Any):
    """Fine-tune for an epoch, keep the checkpoint, and return the callback."""
    transfer = TransferLearning(str(upstream), **settings)
    trainer = study.trainer(folder, transfer)
    trainer.fit(study.task(data), data)
    trainer.save_checkpoint(folder / "fine-tuned.ckpt")
    return transfer


def score(study: Study, folder: Path, checkpoint: Path, data: EcgDataModule, command: str = "test"):
    """Score a checkpoint, and return the task."""
    task = study.task(data)
    trainer = study.trainer(folder, PredictionTables())
    getattr(trainer, command)(task, data, ckpt_path=str(checkpoint), verbose=False, weights_only=True)
    return task


@pytest.fixture(scope="module")
def allowed(
    study: Study, gru_upstream: Path, contaminated: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TransferLearning]:
    """The folder of a fine-tuning in which the overlap was allowed, and the callback."""
    folder = tmp_path_factory.mktemp("allowed")
    return folder, fine_tune(
        study, folder, gru_upstream, republished(study, contaminated), allow_overlap=True
    )


def test_a_checkpoint_carries_what_it_was_trained_on(study: Study, gru_upstream: Path) -> None:
    data = study.data("custom")
    data.setup()
    checkpoint = torch.load(gru_upstream, weights_only=True)
    (own,) = read_training_sets(checkpoint, gru_upstream)
    rows = np.sort(data.parts.split.train)
    assert own.dataset == "custom"
    assert own.record_ids == tuple(data.parts.record_ids[rows])
    assert own.fingerprints.dtype == torch.int8
    assert np.array_equal(own.fingerprints.numpy(), data.store.fingerprints()[rows])
    json.dumps(checkpoint["ecg_tl"])  # what goes into results holds no tensor


def test_fine_tuning_on_copies_is_an_error_that_counts_and_names_them(
    study: Study, tmp_path: Path, gru_upstream: Path, contaminated: Path, trained_on: list[str]
) -> None:
    data = republished(study, contaminated)
    with pytest.raises(CheckpointError) as refused:
        fine_tune(study, tmp_path, gru_upstream, data)
    message = str(refused.value)
    assert str(gru_upstream) in message
    assert "1 of 7 train records and 1 of 7 validation records and 2 of 8 test records" in message
    for name, original in zip(("train0", "validation0", "test0", "test1"), trained_on, strict=False):
        assert f"{name} (custom {original})" in message
    assert "allow_overlap: true" in message
    assert not (tmp_path / "transfer_report.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("part", FOLDS)
def test_copies_in_any_part_are_refused(
    part: str, study: Study, tmp_path: Path, gru_upstream: Path, trained_on: list[str]
) -> None:
    root = publish_again(study, tmp_path / "again", {part: trained_on[:1]})
    with pytest.raises(CheckpointError, match=f"found 1 of 7 {part} records"):
        fine_tune(study, tmp_path, gru_upstream, republished(study, root))


@pytest.mark.slow
def test_records_that_the_upstream_was_not_trained_on_are_no_overlap(
    study: Study, tmp_path: Path, gru_upstream: Path, trained_on: list[str]
) -> None:
    """Those that it was validated and tested on."""
    every = get_dataset("custom").scan(study.roots / "custom").records["record_id"]
    unseen = [record_id for record_id in every if record_id not in trained_on]
    root = publish_again(study, tmp_path / "again", {"test": unseen})
    transfer = fine_tune(study, tmp_path / "run", gru_upstream, republished(study, root))
    assert transfer.report.overlap.records == 0
    assert transfer.report.as_dict()["overlap"]["parts"]["test"] == {
        "records": 6 + len(unseen),
        "overlap": 0,
        "first": [],
    }


def test_an_allowed_overlap_is_in_every_report(allowed: tuple[Path, TransferLearning], trained_on) -> None:
    folder, transfer = allowed
    reported = json.loads((folder / "transfer_report.json").read_text())["overlap"]
    assert (reported["records"], reported["allowed"], reported["unknown"]) == (4, True, [])
    assert {part: found["overlap"] for part, found in reported["parts"].items()} == {
        "train": 1,
        "validation": 1,
        "test": 2,
    }
    named = reported["parts"]["test"]["first"]
    assert [pair["record_id"] for pair in named] == ["test0", "test1"]
    assert [pair["trained_on"] for pair in named] == [f"custom {original}" for original in trained_on[2:4]]
    assert "OVERLAP, allowed: 1 of 7 train records" in markdown_report(transfer.report)
    kept = torch.load(folder / "fine-tuned.ckpt", weights_only=True)["ecg_tl"]["transfer"]["overlap"]
    assert kept == reported


@pytest.mark.slow
def test_contamination_is_handed_on_through_fine_tuning(
    study: Study, allowed: tuple[Path, TransferLearning], tmp_path: Path, contaminated: Path, gru_upstream
) -> None:
    checkpoint = allowed[0] / "fine-tuned.ckpt"
    upstream, own = read_training_sets(torch.load(checkpoint, weights_only=True), checkpoint)
    (original,) = read_training_sets(torch.load(gru_upstream, weights_only=True), gru_upstream)
    assert upstream.same_as(original)
    assert len(own.record_ids) == 7
    # Its own training records are not among these, its upstream's are.
    with pytest.raises(CheckpointError, match=r"found 2 of 8 test records of custom .*test0 \(custom "):
        score(study, tmp_path, checkpoint, republished(study, contaminated))
    with pytest.raises(CheckpointError, match="found 1 of 7 validation records"):
        score(study, tmp_path, checkpoint, republished(study, contaminated), "validate")


def test_allowed_scores_say_what_they_are_worth(
    study: Study, allowed: tuple[Path, TransferLearning], tmp_path: Path, contaminated: Path
) -> None:
    data = republished(study, contaminated, allow_overlap=True)
    task = score(study, tmp_path, allowed[0] / "fine-tuned.ckpt", data)
    assert task.overlap.records == 2
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["overlap"]["allowed"] is True
    assert scores["overlap"]["parts"]["test"]["overlap"] == 2


@pytest.mark.parametrize("command", ["test", "validate"])
def test_its_own_held_out_records_are_no_overlap(
    command: str, study: Study, gru_upstream: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    task = score(study, tmp_path, gru_upstream, study.data("custom"), command)
    assert task.overlap.records == 0
    assert not [warning for warning in recwarn if "trained on" in str(warning.message)]
    if command == "test":
        assert json.loads((tmp_path / "scores.json").read_text())["overlap"]["records"] == 0


def test_another_split_of_the_same_records_is_refused(
    study: Study, gru_upstream: Path, tmp_path: Path
) -> None:
    data = study.data("custom", split=SplitSettings(fractions=(0.6, 0.2, 0.2), seed=1))
    with pytest.raises(CheckpointError, match=r"test records of custom .*--data\.allow_overlap true"):
        score(study, tmp_path, gru_upstream, data)


@pytest.mark.slow
def test_an_upstream_that_does_not_say_is_named_from_then_on(
    study: Study, gru_upstream: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.pt"
    state = torch.load(gru_upstream, weights_only=True)["state_dict"]
    torch.save({name.removeprefix("network."): tensor for name, tensor in state.items()}, weights)
    data = study.data("cpsc2018")
    with pytest.warns(UserWarning, match=r"weights\.pt does not say which records"):
        transfer = fine_tune(study, tmp_path, weights, data)
    assert transfer.report.overlap.unknown == (str(weights),)
    checkpoint = tmp_path / "fine-tuned.ckpt"
    sets = read_training_sets(torch.load(checkpoint, weights_only=True), checkpoint)
    assert [(one.dataset, one.is_known) for one in sets] == [(str(weights), False), ("cpsc2018", True)]
    with pytest.warns(UserWarning, match=r"weights\.pt does not say which records"):
        score(study, tmp_path, checkpoint, study.data("cpsc2018"))
    assert json.loads((tmp_path / "scores.json").read_text())["overlap"]["unknown"] == [str(weights)]


@pytest.mark.slow
def test_going_on_with_a_training_adds_nothing(study: Study, gru_upstream: Path, tmp_path: Path) -> None:
    data = study.data("custom")
    trainer = study.trainer(tmp_path, logger=False, max_epochs=2)
    trainer.fit(study.task(data), data, ckpt_path=str(gru_upstream), weights_only=True)
    trainer.save_checkpoint(tmp_path / "on.ckpt")
    before, after = (
        read_training_sets(torch.load(path, weights_only=True), path)
        for path in (gru_upstream, tmp_path / "on.ckpt")
    )
    assert len(after) == 1
    assert after[0].same_as(before[0])


@pytest.mark.slow
def test_a_copy_under_another_patient_is_taken_out_of_training(
    study: Study, trained_on: list[str], tmp_path: Path
) -> None:
    root = publish_again(study, tmp_path / "again", {"train": trained_on[:3], "test": trained_on[:2]})
    data = republished(study, root)
    data.prepare_data()
    data.setup()
    assert data.parts.leaks.train == 2
    kept = data.parts.record_ids[data.parts.split.train]
    assert [name for name in kept if name.startswith("train")] == ["train2"]
    assert find_overlap([training_set(data)], data, ["validation", "test"]).records == 0


def unusable(value: object) -> dict[str, object]:
    good = {
        "version": 1,
        "dataset": "x",
        "record_ids": ["1"],
        "fingerprints": torch.zeros(1, FINGERPRINT_BYTES, dtype=torch.int8),
    }
    return {TRAINED_ON: [good | value] if isinstance(value, dict) else value}


@pytest.mark.parametrize(
    "value",
    [
        "text",
        [],
        [3],
        {"version": 99},
        {"dataset": 3},
        {"record_ids": "1"},
        {"record_ids": [1]},
        {"record_ids": ["1", "2"]},
        {"fingerprints": None},
        {"fingerprints": torch.zeros(1, FINGERPRINT_BYTES)},
        {"fingerprints": torch.zeros(1, 7, dtype=torch.int8)},
    ],
)
def test_training_sets_that_make_no_sense_are_refused(value: object) -> None:
    with pytest.raises(CheckpointError, match=r"some\.ckpt"):
        read_training_sets(unusable(value), "some.ckpt")


def test_what_is_kept_is_what_is_read() -> None:
    one = TrainingSet("x", ("1", "2"), torch.randint(-127, 128, (2, FINGERPRINT_BYTES), dtype=torch.int8))
    (again,) = read_training_sets({TRAINED_ON: [one.as_dict()]}, "some.ckpt")
    assert again.same_as(one)
    other = TrainingSet("x", ("1", "2"), one.fingerprints + 1)
    assert join_sets([one], [again, other]) == (one, other)


def test_records_without_a_fingerprint_are_told_by_dataset_and_id() -> None:
    def with_blanks(dataset: str) -> Any:
        split = Split(np.array([0]), np.array([1]), np.array([2, 3]))
        record_ids = np.array(["a", "b", "c", "d"], dtype=object)
        prints = np.zeros((4, FINGERPRINT_BYTES), np.int8)
        return SimpleNamespace(
            dataset=SimpleNamespace(name=dataset),
            parts=SimpleNamespace(split=split, record_ids=record_ids),
            store=SimpleNamespace(fingerprints=lambda: prints),
        )

    trained = TrainingSet("x", ("z", "d"), torch.zeros(2, FINGERPRINT_BYTES, dtype=torch.int8))
    (found,) = find_overlap([trained], with_blanks("x"), ["test"]).parts
    assert found.pairs == (("d", "x", "d"),)
    assert find_overlap([trained], with_blanks("y"), ["test"]).records == 0


def test_records_without_a_fingerprint_are_found_in_a_collection_that_holds_them() -> None:
    split = Split(np.array([0]), np.array([1]), np.array([2, 3]))
    blank = np.zeros((4, FINGERPRINT_BYTES), np.int8)
    challenge: Any = SimpleNamespace(
        dataset=SimpleNamespace(name="cinc2021"),
        parts=SimpleNamespace(
            split=split, record_ids=np.array(["A0001", "E00001", "HR00007", "S0001"], dtype=object)
        ),
        store=SimpleNamespace(fingerprints=lambda: blank),
    )
    trained = TrainingSet("ptbxl", ("6", "7"), torch.zeros(2, FINGERPRINT_BYTES, dtype=torch.int8))
    (found,) = find_overlap([trained], challenge, ["test"]).parts
    assert found.pairs == (("HR00007", "ptbxl", "7"),)


def at_hand(signals: list[np.ndarray]) -> Any:
    """Make what `find_overlap` asks of a datamodule, of records that are all tested on."""
    recordings = [Recording(signal, LEADS, 500.0) for signal in signals]
    names = np.array([f"here{row}" for row in range(len(signals))], dtype=object)
    blank = np.array([], dtype=np.int64)
    return SimpleNamespace(
        dataset=SimpleNamespace(name="here"),
        parts=SimpleNamespace(
            split=SimpleNamespace(
                parts=lambda: {"train": blank, "validation": blank, "test": np.arange(len(signals))}
            ),
            record_ids=names,
        ),
        store=SimpleNamespace(
            fingerprints=lambda: np.stack([recording_fingerprint(one) for one in recordings]),
            traces=lambda: np.stack([recording_trace(one) for one in recordings]),
        ),
    )


def trained_set(signals: list[np.ndarray], *, with_traces: bool) -> TrainingSet:
    recordings = [Recording(signal, LEADS, 500.0) for signal in signals]
    return TrainingSet(
        "there",
        tuple(f"there{row}" for row in range(len(signals))),
        torch.from_numpy(np.stack([recording_fingerprint(one) for one in recordings])),
        traces=torch.from_numpy(np.stack([recording_trace(one) for one in recordings]))
        if with_traces
        else None,
    )


def test_a_copy_that_begins_elsewhere_is_found_by_a_checkpoint_with_traces_alone() -> None:
    signals = list(simulate([set(), {"AF"}, {"LBBB"}], seed=3))
    here = at_hand([signals[0][:, 700:], signals[1], signals[2][:, 5:]])
    (found,) = find_overlap([trained_set(signals[:2], with_traces=True)], here, ["test"]).parts
    assert found.pairs == (("here0", "there", "there0"), ("here1", "there", "there1"))
    earlier = find_overlap([trained_set(signals[:2], with_traces=False)], here, ["test"])
    assert earlier.parts[0].pairs == (("here1", "there", "there1"),)
    assert earlier.unshifted == ("there",)
    assert any("begin elsewhere not excluded: there" in line for line in earlier.lines())


def test_training_sets_with_traces_come_back_and_other_traces_are_refused() -> None:
    one = trained_set(list(simulate([set()], seed=3)), with_traces=True)
    (again,) = read_training_sets({TRAINED_ON: [one.as_dict()]}, "some.ckpt")
    assert again.traces is not None
    assert torch.equal(again.traces, one.traces)
    for wrong in (torch.zeros(1, 7, dtype=torch.uint8), torch.zeros(1, TRACE_BYTES), [1]):
        with pytest.raises(CheckpointError, match="traces of another kind"):
            read_training_sets({TRAINED_ON: [one.as_dict() | {"traces": wrong}]}, "some.ckpt")
    (later,) = read_training_sets({TRAINED_ON: [one.as_dict() | {"trace_version": 99}]}, "some.ckpt")
    assert later.traces is None
