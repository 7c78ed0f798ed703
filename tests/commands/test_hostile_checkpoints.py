"""Checkpoints that ask for something to be executed: every command that opens one says so in one line."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import GRU, HALF_TRAINS, QUIET, data_words

from ecg_tl.cli import main

Settings = dict[str, Any]


def _call(command: str) -> Settings:
    return {"class_path": "os.system", "init_args": {"command": command}}


def _in_normalization(settings: Settings, command: str) -> None:
    settings["normalization"]["x"] = _call(command)


def _as_normalization(settings: Settings, command: str) -> None:
    settings["normalization"] = _call(command)


def _deep_down(settings: Settings, command: str) -> None:
    settings["normalization"]["x"] = [{"y": [_call(command)]}]


def _as_a_setting(settings: Settings, command: str) -> None:
    settings["learning_rate"] = _call(command)


def _of_another_name(settings: Settings, command: str) -> None:
    settings["callback"] = {"class_path": "subprocess.Popen", "init_args": {"args": command, "shell": True}}


def _by_the_name_of_a_function(settings: Settings, command: str) -> None:
    settings["optimizer"] = "os.system"


def _as_the_class(settings: Settings, command: str) -> None:
    settings["_class_path"] = _call(command)


def _as_the_instantiator(settings: Settings, command: str) -> None:
    settings["_instantiator"] = _call(command)


HOSTILE: dict[str, Callable[[Settings, str], None]] = {
    change.__name__.removeprefix("_"): change
    for change in (
        _in_normalization,
        _as_normalization,
        _deep_down,
        _as_a_setting,
        _of_another_name,
        _by_the_name_of_a_function,
        _as_the_class,
        _as_the_instantiator,
    )
}

Words = Callable[[Path, list[str], Path], list[str]]

COMMANDS: dict[str, Words] = {
    "infer": lambda path, data, folder: ["infer", str(path), data[3] + "/records500/00000/00001_hr"],
    "export": lambda path, data, folder: ["export", str(path), "--output", str(folder / "model.onnx")],
    "card": lambda path, data, folder: ["card", str(path)],
    "robustness": lambda path, data, folder: ["robustness", str(path), *data, "--kinds", "gain"],
    "transfer rank": lambda path, data, folder: ["transfer", "rank", "--checkpoints", str(path), *data],
    "transfer inspect": lambda path, data, folder: ["transfer", "inspect", str(path)],
    "transfer inspect as JSON": lambda path, data, folder: ["transfer", "inspect", str(path), "--json"],
    **{
        word: lambda path, data, folder, word=word: [  # type: ignore[misc]
            *(word, *data, *GRU, *QUIET, "--ckpt_path", str(path))
        ]
        for word in ("test", "predict", "validate")
    },
    "fit that goes on": lambda path, data, folder: [
        *("fit", *data, *GRU, *QUIET, "--ckpt_path", str(path), "--runs_dir", str(folder / "more"))
    ],
    "fit from an upstream": lambda path, data, folder: [
        *("fit", *data, *GRU, *QUIET, "--trainer.callbacks+=TransferLearning"),
        *(f"--trainer.callbacks.upstream={path}", "--trainer.callbacks.allow_overlap=true"),
        *("--runs_dir", str(folder / "more"), "--pictures.records", "0"),
    ],
}


_TRAINER = ("test", "predict", "validate", "fit that goes on", "fit from an upstream")


@pytest.fixture(autouse=True)
def _log_to_a_closed_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    # Lightning's handler writes to what standard error was when it was imported: some other test's.
    monkeypatch.setattr(logging, "raiseExceptions", False)


@pytest.fixture
def data(ptbxl_root: Path, prepared: Path, ptbxl_store: object) -> list[str]:
    return [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_the_same_command_takes_an_intact_checkpoint(
    command: str, run_copy: Path, data: list[str], tmp_path: Path
) -> None:
    words = COMMANDS[command](run_copy / "checkpoints" / "last.ckpt", data, tmp_path)
    if words[0] == "fit":
        words += ["--trainer.max_epochs", "2"]
    assert main(words) == 0


# A trainer's command takes seconds to reach the checkpoint, and reads it by the same function.
_PAIRS = [
    (command, change)
    for command in COMMANDS
    for change in HOSTILE
    if command not in _TRAINER or change in ("in_normalization", "as_the_class")
]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "change"), _PAIRS)
def test_nothing_that_a_checkpoint_names_is_executed(
    command: str,
    change: str,
    run_copy: Path,
    data: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, owned = run_copy / "checkpoints" / "last.ckpt", tmp_path / "owned"
    content = torch.load(path, weights_only=True)
    HOSTILE[change](content["hyper_parameters"], f"touch {owned}")
    torch.save(content, path)
    assert main(COMMANDS[command](path, data, tmp_path)) == 2
    assert not owned.exists()
    captured = capsys.readouterr()
    (line,) = [line for line in captured.err.splitlines() if line.startswith("ecg-tl: error: ")]
    assert str(path) in line
    assert "in its settings" in line
    assert "Traceback" not in captured.err


@pytest.mark.slow
def test_a_checkpoint_with_other_objects_than_weights_is_not_opened(
    run_copy: Path, tmp_path: Path, data: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    class Owned:
        def __reduce__(self) -> tuple[Any, ...]:
            return shutil.copy, (__file__, str(tmp_path / "owned"))

    path = run_copy / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True) | {"more": Owned()}
    torch.save(content, path)
    for words in COMMANDS.values():
        assert main(words(path, data, tmp_path)) == 2
        assert "Nothing of it was executed" in capsys.readouterr().err
    assert not (tmp_path / "owned").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", [one for one in COMMANDS if one != "transfer inspect as JSON"])
def test_what_is_malformed_in_a_checkpoint_is_said_of_its_file(
    command: str, run_copy: Path, data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run_copy / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    content["ecg_tl"]["calibration"]["thresholds"][0] = ""
    torch.save(content, path)
    words = COMMANDS[command](path, data, tmp_path)
    if command in ("transfer inspect", "fit from an upstream"):
        content["ecg_tl"]["class_names"] = 7
        torch.save(content, path)
    assert main(words) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ecg-tl: error: ")]
    assert str(path) in line
