"""The recipe `wise_ft`: what is mixed, which alpha is chosen, and that a kill changes nothing."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from trainings import Study, equal, weights

from ecg_tl.callbacks import RunCheckpoint, RunHistory
from ecg_tl.callbacks.stopping import StayStopped
from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.errors import SettingError
from ecg_tl.tasks.restoring import restore_task
from ecg_tl.transfer.callback import TransferLearning
from ecg_tl.transfer.wise_ft import WiseFtOptions, between, choose

EPOCHS = 4
ALPHAS = [0.0, 0.25, 0.5, 1.0]


@given(
    alpha=st.floats(0, 1), values=st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1)
)
def test_what_is_between_lies_between_and_the_ends_are_as_they_are(
    alpha: float, values: list[tuple[float, float]]
) -> None:
    start, tuned = (
        {"w": torch.tensor([pair[end] for pair in values], dtype=torch.float32), "n": torch.tensor(end)}
        for end in (0, 1)
    )
    mixed = between(start, tuned, alpha)
    low, high = torch.minimum(start["w"], tuned["w"]), torch.maximum(start["w"], tuned["w"])
    assert bool(((low <= mixed["w"]) & (mixed["w"] <= high)).all())
    assert mixed["n"] == 1
    assert torch.equal(between(start, tuned, 0)["w"], start["w"])
    assert torch.equal(between(start, tuned, 1)["w"], tuned["w"])


def test_the_greatest_of_the_best_is_chosen_and_what_has_no_score_is_not() -> None:
    nan = math.nan
    assert choose([0, 0.5, 1], [1.0, 2.0, 2.0], more=True) == 2
    assert choose([0, 0.5, 1], [1.0, 2.0, 2.0], more=False) == 0
    assert choose([0, 0.5, 1], [nan, 2.0, nan], more=False) == 1
    assert choose([0, 1], [nan, nan], more=True) is None


@pytest.mark.parametrize("given", [[], "1", [1.5], [-0.1], [float("nan")], [True], None, {}])
def test_alphas_that_are_none_are_refused_in_one_line(given: Any) -> None:
    with pytest.raises(SettingError, match="alphas") as caught:
        WiseFtOptions(given)
    assert "\n" not in str(caught.value)


class Killed(BaseException):
    """Ends a training in the middle."""


class Kill(Callback):
    """Ends a training in an epoch: at its first batch, or between its two checkpoints."""

    def __init__(self, epoch: int, moment: str) -> None:
        self.epoch, self.moment = epoch, moment

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.current_epoch == self.epoch:
            if self.moment == "batch":
                raise Killed
            trainer.checkpoint_callback._save_last_checkpoint = self._fail

    def _fail(self, *_: Any) -> None:
        raise Killed


def train(
    study: Study, folder: Path, upstream: Path, *callbacks: Any, ckpt_path: Path | None = None, **how: Any
):
    data = study.data()
    task = study.task(data, "cnn", seed=0 if ckpt_path is None else 9)
    settings = {"recipe": "wise_ft", "options": {"alphas": ALPHAS}, **how}
    saver = RunCheckpoint(monitor="val/loss", dirpath=folder / "kept")
    own = [TransferLearning(str(upstream), **settings), StayStopped(), RunHistory(), saver, *callbacks]
    trainer = study.trainer(folder, *own, max_epochs=EPOCHS, enable_checkpointing=True)
    trainer.fit(task, data, ckpt_path=ckpt_path, weights_only=None if ckpt_path is None else True)
    return task, data, trainer


@pytest.fixture(scope="module")
def whole(study: Study, cnn_upstream: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("wise")
    every = ModelCheckpoint(
        folder / "epochs", save_top_k=-1, filename="{epoch}", enable_version_counter=False
    )
    return folder, *train(study, folder, cnn_upstream, every)


def of_network(path: Path) -> dict[str, torch.Tensor]:
    state = torch.load(path, weights_only=True)["state_dict"]
    return {n.removeprefix("network."): x for n, x in state.items() if n.startswith("network.")}


@pytest.mark.slow
def test_the_weights_are_those_of_the_alpha_that_scores_best(whole: Any, study: Study) -> None:
    folder, task, data, trainer = whole
    report = json.loads((folder / "transfer_report.json").read_text())
    chosen = report["chosen"]
    assert chosen["by"] == "val/loss"
    assert chosen["alphas"] == ALPHAS
    # The start is what the head's phase ended with, the end the best epoch since.
    rows = {row["epoch"]: row for row in next(c for c in trainer.callbacks if isinstance(c, RunHistory)).rows}
    assert set(rows) == {1, 2, 3, 4}
    best = min((2, 3), key=lambda epoch: rows[epoch]["val/loss"])
    start, tuned = (of_network(folder / "epochs" / f"epoch={epoch - 1}.ckpt") for epoch in (1, best))
    probe = study.task(data, "cnn")
    for alpha, score in zip(ALPHAS, chosen["scores"], strict=True):
        probe.network.load_state_dict(between(start, tuned, alpha))
        (found,) = study.trainer(folder / "judged", logger=False).validate(probe, data, verbose=False)
        assert found["val/loss"] == pytest.approx(score, rel=1e-6)
    assert chosen["alpha"] == ALPHAS[chosen["scores"].index(min(chosen["scores"]))]
    expected = between(start, tuned, chosen["alpha"])
    kept = of_network(folder / "kept" / "best.ckpt")
    assert all(equal(tensor, expected[name]) for name, tensor in kept.items())
    assert all(equal(tensor, expected[name]) for name, tensor in weights(task).items())
    assert rows[4]["val/loss"] == pytest.approx(min(chosen["scores"]), rel=1e-6)
    # The checkpoint is an ordinary one, and says what was chosen.
    restored = restore_task(folder / "kept" / "best.ckpt", read_checkpoint(folder / "kept" / "best.ckpt"))
    assert restored.transfer_report["chosen"] == chosen
    assert restored.calibration is not None
    result = json.loads((folder / "result.json").read_text())
    assert result["epochs_to_best"] == EPOCHS
    assert result["trainable_parameters"] == sum(p.numel() for p in task.network.parameters())


@pytest.mark.slow
@pytest.mark.parametrize(("epoch", "moment"), [(1, "batch"), (3, "batch"), (3, "kept")])
def test_cut_off_at_any_moment_it_ends_with_the_same_weights(
    whole: Any, study: Study, cnn_upstream: Path, tmp_path: Path, epoch: int, moment: str
) -> None:
    _, task, _, _ = whole
    with pytest.raises(Killed):
        train(study, tmp_path, cnn_upstream, Kill(epoch, moment))
    last = tmp_path / "kept" / "last.ckpt"
    # Weights that were set may have been kept as the best already: they are not what was trained.
    if moment == "kept":
        saved = torch.load(tmp_path / "kept" / "best.ckpt", weights_only=True)
        assert any(
            "settling" in s and s["settling"]["chosen"]
            for s in saved["callbacks"].values()
            if isinstance(s, dict)
        )
    resumed, _, _ = train(study, tmp_path, cnn_upstream, ckpt_path=last)
    assert resumed.transfer_report == task.transfer_report
    assert all(equal(tensor, weights(task)[name]) for name, tensor in weights(resumed).items())
    assert json.loads((tmp_path / "transfer_report.json").read_text()) == task.transfer_report


@pytest.mark.slow
def test_a_training_that_is_over_is_not_gone_on_with(
    whole: Any, study: Study, cnn_upstream: Path, tmp_path: Path
) -> None:
    folder, task, _, _ = whole
    shutil.copytree(folder / "kept", tmp_path / "kept")
    for name in ("best", "last"):
        again, _, trainer = train(study, tmp_path, cnn_upstream, ckpt_path=tmp_path / "kept" / f"{name}.ckpt")
        assert trainer.current_epoch == EPOCHS
        assert all(equal(tensor, weights(task)[key]) for key, tensor in weights(again).items())


@pytest.mark.slow
def test_stopped_early_it_chooses_in_one_epoch_more(study: Study, cnn_upstream: Path, tmp_path: Path) -> None:
    stopping = {"monitor": "val/loss", "patience": 0, "min_delta": 1e9}  # stops after its second look
    task, _, trainer = train(study, tmp_path / "whole", cnn_upstream, EarlyStopping(**stopping))
    assert trainer.current_epoch == 3
    assert task.transfer_report["chosen"]["alpha"] in ALPHAS
    # Killed between the stop and the choice.
    with pytest.raises(Killed):
        train(study, tmp_path / "cut", cnn_upstream, EarlyStopping(**stopping), Kill(2, "batch"))
    last = tmp_path / "cut" / "kept" / "last.ckpt"
    resumed, _, trainer = train(
        study, tmp_path / "cut", cnn_upstream, EarlyStopping(**stopping), ckpt_path=last
    )
    assert trainer.current_epoch == 3
    assert resumed.transfer_report == task.transfer_report
    assert all(equal(tensor, weights(task)[name]) for name, tensor in weights(resumed).items())


@pytest.mark.slow
def test_a_training_without_a_last_epoch_to_choose_in_is_refused_or_warned_of(
    study: Study, cnn_upstream: Path, tmp_path: Path
) -> None:
    data = study.data()
    for limits, message in (
        ({"max_steps": 3}, r"trainer\.max_steps"),
        ({"check_val_every_n_epoch": 2}, "check_val"),
    ):
        trainer = study.trainer(tmp_path, TransferLearning(str(cnn_upstream), recipe="wise_ft"), **limits)
        with pytest.raises(SettingError, match=message):
            trainer.fit(study.task(data, "cnn"), data)
    transfer = TransferLearning(str(cnn_upstream), recipe="wise_ft", train={"phase_epochs": 5})
    with pytest.warns(UserWarning, match="it needs 7 at least"):
        study.trainer(tmp_path, transfer).fit(study.task(data, "cnn"), data)
