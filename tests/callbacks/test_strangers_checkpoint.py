"""A checkpoint of a stranger names files; what goes on from it deletes none of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.pytorch.trainer.states import TrainerFn
from tiny import GRU

from ecg_tl.callbacks.checkpoint import RunCheckpoint, best_scores, require_ordinary_paths
from ecg_tl.checkpoints.names import BEST, LAST, last_of
from ecg_tl.cli import main
from ecg_tl.errors import CheckpointError

SCORE = torch.tensor(0.9)


def state_of(folder: Path, path: str | None = None, **changes: Any) -> dict[str, Any]:
    path = str(folder / BEST) if path is None else path
    return {
        "monitor": "val/auroc_macro",
        "best_model_score": SCORE,
        "current_score": SCORE,
        "dirpath": str(folder),
        "best_k_models": {path: SCORE},
        "kth_best_model_path": path,
        "kth_value": SCORE,
        "best_model_path": path,
        "last_model_path": str(folder / LAST),
        **changes,
    }


def resume(folder: Path, state: dict[str, Any], here: Path | None = None) -> RunCheckpoint:
    """Load a state as Lightning does when a training goes on from `last.ckpt` in a folder."""
    callback = RunCheckpoint(dirpath=str(here or folder))
    trainer: Any = SimpleNamespace(
        state=SimpleNamespace(fn=TrainerFn.FITTING), ckpt_path=str(folder / LAST), is_global_zero=True
    )
    checkpoint = {"callbacks": {callback.state_key: state}}
    callback.on_load_checkpoint(trainer, None, checkpoint)  # type: ignore[arg-type]  # not looked at
    if callback.state_key in checkpoint["callbacks"]:
        callback.load_state_dict(checkpoint["callbacks"][callback.state_key])
    return callback


def paths_of(callback: RunCheckpoint) -> set[str]:
    named = {callback.best_model_path, callback.kth_best_model_path, callback.last_model_path}
    return {*callback.best_k_models, *named} - {""}


OUTSIDE: list[Callable[[Path], str]] = [
    lambda home: str(home / "precious.csv"),
    lambda home: str(home / "run" / ".." / "precious.csv"),
    lambda home: str(home / "run" / "checkpoints" / ".." / ".." / "precious.csv"),
    lambda home: f"file://{home / 'precious.csv'}",
    lambda home: f"memory://{home / 'precious.csv'}",
    lambda home: "../../precious.csv",
    lambda home: "precious.csv",
]


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("entry", ["all", "best_model_path", "kth_best_model_path", "last_model_path"])
def test_no_path_leads_out_of_the_runs_own_folder(
    tmp_path: Path, path: Callable[[Path], str], entry: str, elsewhere: bool
) -> None:
    folder, here = tmp_path / "run" / "checkpoints", tmp_path / "other" / "checkpoints"
    folder.mkdir(parents=True)
    for name in (BEST, LAST):
        (folder / name).write_bytes(b"x")
    outside = path(tmp_path)
    state = state_of(folder, outside) if entry == "all" else state_of(folder, **{entry: outside})
    into = here if elsewhere else folder
    try:
        resumed = resume(folder, state, into)
    except CheckpointError:
        return
    assert all(Path(one).parent == into for one in paths_of(resumed))


def test_an_ordinary_state_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / BEST).write_bytes(b"x")
    resumed = resume(tmp_path, state_of(Path("/moved/since/then"), None))
    assert resumed.best_k_models == {str(tmp_path / BEST): SCORE}
    assert resumed.best_model_path == resumed.kth_best_model_path == str(tmp_path / BEST)
    assert resumed.last_model_path == str(tmp_path / LAST)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([SCORE, BEST, ".."]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(sorted(state_of(Path("/run")))), value=anything)
def test_a_state_is_one_of_a_training_or_refused(name: str, value: Any) -> None:
    state = state_of(Path("/run"), **{name: value})
    try:
        scores = best_scores(state, LAST)
    except CheckpointError:
        return
    assert all("/" not in one and one != ".." for one in scores)
    assert all(isinstance(score, torch.Tensor) for score in scores.values())


@pytest.mark.parametrize("state", [None, 3, [], {}, {"rows": []}, {"best_k_models": 3}])
def test_states_of_other_callbacks_pass(state: object) -> None:
    require_ordinary_paths(state, LAST)


@pytest.mark.slow
def test_a_strangers_checkpoint_deletes_nothing(
    run_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    precious = tmp_path / "precious.ckpt"
    precious.write_text("never to be deleted")
    path = last_of(run_copy)
    content = torch.load(path, weights_only=True)
    (key,) = [key for key in content["callbacks"] if "RunCheckpoint" in key]
    dirpath = content["callbacks"][key]["dirpath"]
    hostile = f"{dirpath}/{'../' * len(Path(dirpath).parts)}{precious.relative_to('/')}"
    worst = torch.tensor(-1.0)  # any epoch is better, so that this one goes
    content["callbacks"][key] |= {
        "best_k_models": {hostile: worst},
        "kth_best_model_path": hostile,
        "kth_value": worst,
    }
    torch.save(content, path)
    words = ["fit", "-c", str(run_copy / "config.yaml"), *GRU, "--ckpt_path", str(path)]
    assert main([*words, "--trainer.max_epochs", "3", "--model.schedule", "constant"]) != 0
    assert "one of a file in the run's own folder" in capsys.readouterr().err
    assert precious.read_text() == "never to be deleted"
