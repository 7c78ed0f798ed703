"""A config names classes that a training takes, and nothing else, unless it is trusted."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecg_tl.cli import main
from ecg_tl.errors import SettingError
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.settings import read_study
from ecg_tl.study.run.job import make_jobs
from ecg_tl.trust import config_is_trusted, config_trust, parsing_limits

LAMBDA = "lightning.pytorch.callbacks.LambdaCallback"

HOSTILE: dict[str, dict[str, Any]] = {
    "a class of its author": {"callbacks": [{"class_path": "named_by_configs.Mark"}]},
    "a class of Python": {"callbacks": [{"class_path": "subprocess.Popen", "init_args": {"args": "true"}}]},
    "a function": {"callbacks": [{"class_path": "os.system", "init_args": {"command": "true"}}]},
    "a function as a hook": {
        "callbacks": [{"class_path": LAMBDA, "init_args": {"on_fit_start": "named_by_configs.touch"}}]
    },
    "a function of Python as a hook": {
        "callbacks": [{"class_path": LAMBDA, "init_args": {"setup": "os.getcwd"}}]
    },
    "a function of PyTorch as a hook": {
        "callbacks": [{"class_path": LAMBDA, "init_args": {"setup": "torch.load"}}]
    },
    "a module behind an allowed one": {
        "callbacks": [{"class_path": LAMBDA, "init_args": {"setup": "torch.serialization.os.system"}}]
    },
    "an object that can be called": {
        "callbacks": [{"class_path": LAMBDA, "init_args": {"setup": {"class_path": "torch.nn.Identity"}}}]
    },
    "a class of PyTorch that no training takes": {"callbacks": [{"class_path": "torch.nn.Identity"}]},
    "a function that gives what is asked for": {
        "logger": {"class_path": "lightning.pytorch.loggers.utilities._version"}
    },
    "a strategy's argument": {
        "strategy": {
            "class_path": "lightning.pytorch.strategies.DDPStrategy",
            "init_args": {"ddp_comm_hook": "named_by_configs.touch"},
        }
    },
    "a strategy's dictionary": {
        "strategy": {
            "class_path": "lightning.pytorch.strategies.DDPStrategy",
            "init_args": {"cluster_environment": {"class_path": "named_by_configs.Mark"}},
        }
    },
    "a profiler": {"profiler": {"class_path": "named_by_configs.Mark"}},
    "a plugin": {"plugins": [{"class_path": "named_by_configs.Mark"}]},
}


@pytest.fixture(autouse=True)
def _log_to_a_closed_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    # Lightning's handler writes to what standard error was when it was imported: some other test's.
    monkeypatch.setattr(logging, "raiseExceptions", False)


@pytest.fixture(autouse=True)
def owned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that is there once something was imported, made or called."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setenv("OWNED", str(tmp_path / "owned"))
    monkeypatch.delitem(sys.modules, "named_by_configs", raising=False)
    return tmp_path / "owned"


def _config(trainer: dict[str, Any]) -> dict[str, Any]:
    return {
        "data": {"class_path": "PtbXlDataModule", "init_args": {"root": "nowhere"}},
        "model": {"class_path": "RnnClassifier", "init_args": {"network": "gru"}},
        "trainer": {"accelerator": "cpu", "logger": False, **trainer},
    }


def _written(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _line(capsys: pytest.CaptureFixture[str]) -> str:
    err = capsys.readouterr().err
    (line,) = [line for line in err.splitlines() if line.startswith("ecg-tl: error: ")]
    assert "Traceback" not in err
    return line


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_config_imports_and_calls_nothing_else(
    kind: str, tmp_path: Path, owned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _written(tmp_path, _config(HOSTILE[kind]))
    assert main(["fit", "-c", str(path)]) == 2
    line = _line(capsys)
    assert "nowhere" not in line, "the config was carried out"
    assert not owned.exists()


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_the_other_commands_import_nothing_else_either(
    command: str, tmp_path: Path, owned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _written(tmp_path, _config(HOSTILE["a class of its author"]))
    assert main([command, "-c", str(path), "--ckpt_path", "best.ckpt"]) == 2
    line = _line(capsys)
    assert line.startswith(f"ecg-tl: error: {path}: found `named_by_configs.Mark`")
    assert line.endswith("If you trust whoever wrote the config, add `--trust_config`.")
    assert not owned.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--trainer.callbacks+=named_by_configs.Mark"],
        [f"--trainer.callbacks+={LAMBDA}", "--trainer.callbacks.setup=os.getcwd"],
        ["--data", "named_by_configs.Mark"],
        ["--model", "named_by_configs.Mark"],
    ],
)
def test_a_command_line_imports_nothing_else(
    words: list[str], tmp_path: Path, owned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", "-c", str(_written(tmp_path, _config({}))), *words]) == 2
    assert "nowhere" not in _line(capsys)
    assert not owned.exists()


@pytest.mark.parametrize(
    "command", [["robustness", "a.ckpt"], ["transfer", "rank", "--checkpoints", "a.ckpt"]]
)
def test_configs_of_data_import_nothing_else(
    command: list[str], tmp_path: Path, owned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _written(tmp_path, {"data": {"class_path": "named_by_configs.Mark"}})
    assert main([*command, "-c", str(path)]) == 2
    assert "named_by_configs" in _line(capsys)
    assert not owned.exists()


@pytest.mark.slow
def test_a_trusted_config_may_name_anything(
    tmp_path: Path, owned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _written(tmp_path, _config(HOSTILE["a class of its author"]))
    assert main(["fit", "-c", str(path), "--trust_config"]) == 2
    assert "nowhere" in _line(capsys), "nothing but the records is missing"
    assert owned.exists()
    owned.unlink()
    assert main(["fit", "-c", str(path)]) == 2
    assert not owned.exists(), "trust ends with the command"


def test_a_file_cannot_say_that_it_is_trusted(
    tmp_path: Path, owned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = _config(HOSTILE["a class of its author"]) | {"trust_config": True}
    assert main(["fit", "-c", str(_written(tmp_path, content))]) == 2
    _line(capsys)
    assert not owned.exists()


@pytest.mark.slow
def test_what_a_training_takes_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = {
        "callbacks": [
            {"class_path": "lightning.pytorch.callbacks.EarlyStopping", "init_args": {"monitor": "val/loss"}},
            {"class_path": "ecg_tl.transfer.callback.TransferLearning", "init_args": {"upstream": None}},
            {"class_path": LAMBDA},
        ],
        "strategy": {
            "class_path": "lightning.pytorch.strategies.DDPStrategy",
            "init_args": {
                "cluster_environment": {
                    "class_path": "lightning.pytorch.plugins.environments.LightningEnvironment"
                }
            },
        },
        "profiler": {"class_path": "lightning.pytorch.profilers.SimpleProfiler"},
        "logger": {
            "class_path": "lightning.pytorch.loggers.CSVLogger",
            "init_args": {"save_dir": str(tmp_path)},
        },
    }
    assert main(["fit", "-c", str(_written(tmp_path, _config(parts)))]) == 2
    assert "nowhere" in _line(capsys)


def _study(folder: Path, trainer: dict[str, Any]) -> Path:
    data = {"class_path": "PtbXlDataModule", "init_args": {"root": "nowhere"}}
    content = {
        "name": "strange",
        "folder": str(folder / "study"),
        "upstreams": {"up": {"data": data}},
        "downstreams": {"down": {"data": data}},
        "networks": {"gru": {"model": {"class_path": "RnnClassifier", "init_args": {"network": "gru"}}}},
        "arms": {"scratch": {}},
        "settings": {"trainer": {"accelerator": "cpu", **trainer}},
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("word", ["plan", "run"])
def test_a_study_imports_and_calls_nothing_else(
    word: str, kind: str, tmp_path: Path, owned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", word, str(_study(tmp_path, HOSTILE[kind]))]) == 2
    assert "nowhere" not in _line(capsys)
    assert not owned.exists()


def test_trust_is_passed_on_to_a_studys_runs(tmp_path: Path) -> None:
    settings = read_study(_study(tmp_path, HOSTILE["a class of its author"]))
    plan = make_plan(settings)
    assert not any(job.trust_config for job in make_jobs(settings, plan).values())
    with config_trust(True):
        assert all(job.trust_config for job in make_jobs(settings, plan).values())
    assert not config_is_trusted()


@pytest.mark.slow
def test_a_trusted_study_may_name_anything(
    tmp_path: Path, owned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["study", "plan", str(_study(tmp_path, HOSTILE["a class of its author"])), "--trust_config"])
    assert owned.exists()
    assert "trust" not in capsys.readouterr().err


def test_other_parsers_of_the_process_keep_their_rules() -> None:
    from jsonargparse._common import parsing_settings

    before = {name: parsing_settings[name] for name in parsing_settings}
    with pytest.raises(SettingError), parsing_limits():
        raise ValueError("Importing 'os.system' is not allowed")
    with config_trust(True), parsing_limits():
        assert parsing_settings["import_path_verdicts"] == {}
    assert parsing_settings == before
