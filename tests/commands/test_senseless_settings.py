"""Settings that make no sense are one line that names them, before anything is read or trained."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from ecg_tl.callbacks import EcgPictures, RunCheckpoint, ScoreCurves, ScoreStopping
from ecg_tl.cli import main
from ecg_tl.commands.arguments import argument_errors
from ecg_tl.datamodules.custom import CustomDataModule
from ecg_tl.datamodules.settings import SplitSettings
from ecg_tl.errors import SettingError
from ecg_tl.limits import Limit
from ecg_tl.tasks import EcgClassifier, RnnClassifier
from ecg_tl.transfer.groups import Matching, Training
from ecg_tl.transfer.lora import LoraOptions
from ecg_tl.transforms import Augmentation

NONSENSE: tuple[Any, ...] = (float("nan"), float("-inf"), -5, "x")
TASK: dict[str, Any] = {"class_names": ["A"], "normalization": {"name": "none"}}
RNN: dict[str, Any] = {"network": "gru", "num_classes": 1, "num_leads": 2, "num_samples": 50, **TASK}
MADE: dict[str, tuple[Callable[..., Any], type, dict[str, Any]]] = {
    "EcgClassifier": (
        EcgClassifier,
        EcgClassifier,
        {"network": "gru", "num_classes": 1, "num_leads": 2, "num_samples": 50, **TASK},
    ),
    "RnnClassifier": (RnnClassifier, RnnClassifier, RNN),
    "CustomDataModule": (CustomDataModule, CustomDataModule, {"root": "nowhere"}),
    "SplitSettings": (SplitSettings, SplitSettings, {}),
    "Augmentation": (Augmentation, Augmentation, {}),
    "Matching": (Matching, Matching, {}),
    "Training": (Training, Training, {}),
    "LoraOptions": (LoraOptions, LoraOptions, {}),
    "EcgPictures": (EcgPictures, EcgPictures, {}),
    "ScoreCurves": (ScoreCurves, ScoreCurves, {}),
    "ScoreStopping": (ScoreStopping, ScoreStopping, {}),
}
SECTIONS = {
    "EcgPictures": "pictures",
    "ScoreCurves": "curves",
    "ScoreStopping": "ScoreStopping",
    "Matching": "transfer.match",
    "Training": "transfer.train",
    "LoraOptions": "transfer.options",
}
"""Of callbacks and what they are given: an error names the whole setting, as several have one name."""
FROM_ELSEWHERE = (
    *("num_classes", "num_leads", "num_samples", "sampling_rate"),  # with limits of their own
    *("min_delta", "stopping_threshold", "divergence_threshold"),  # Lightning's
)


def numeric() -> Iterator[tuple[str, str]]:
    """List every numeric setting of what is made from settings."""
    for name, (_, kind, _) in MADE.items():
        owners = (
            [kind] if dataclasses.is_dataclass(kind) else [one.__init__ for one in (kind, *kind.__bases__)]
        )
        for setting, hint in ((s, h) for owner in owners for s, h in get_type_hints(owner).items()):
            kinds = set(get_args(hint)) or {hint}
            is_one = get_origin(hint) not in (tuple, list, dict) and bool not in kinds
            if is_one and kinds & {int, float} and setting not in FROM_ELSEWHERE:
                yield name, setting


@pytest.mark.parametrize(("name", "setting"), sorted(numeric()))
def test_every_numeric_setting_refuses_nonsense(name: str, setting: str) -> None:
    make, _, given = MADE[name]
    make(**given)  # the rest is right
    for value in NONSENSE:
        with pytest.raises(SettingError) as refused:
            make(**{**given, setting: value})
        assert setting.split("_")[0] in str(refused.value), value
        if name in SECTIONS:
            assert refused.value.where == f"{SECTIONS[name]}.{setting}"


@pytest.mark.parametrize("setting", ["save_top_k", "every_n_epochs", "every_n_train_steps"])
def test_lightnings_settings_of_a_checkpoint_are_named_too(setting: str) -> None:
    for value in NONSENSE:
        with pytest.raises(SettingError) as refused:
            RunCheckpoint(**{setting: value})
        assert refused.value.where == f"checkpoint.{setting}"


def test_the_settings_that_are_gone_through_are_those_that_there_are() -> None:
    found = set(numeric())
    for one in (
        *(("EcgClassifier", s) for s in ("learning_rate", "weight_decay", "lr_decay", "threshold_target")),
        *(("CustomDataModule", s) for s in ("batch_size", "num_workers", "seed", "prepare_workers")),
        *(("Matching", s) for s in ("min_coverage", "reinit_last")),
        *(("Training", s) for s in ("warmup_steps", "l2_sp", "phase_epochs")),
        *(("LoraOptions", s) for s in ("rank", "alpha")),
        *(
            ("ScoreStopping", "patience"),
            ("ScoreCurves", "every_n_epochs"),
        ),
    ):
        assert one in found


@pytest.mark.parametrize("names", ["NORM", [1], "AB"])
def test_class_names_are_a_list_of_names(names: Any) -> None:
    with pytest.raises(SettingError, match="class_names"):
        EcgClassifier(
            "gru",
            len(names),
            2,
            50,
            class_names=names,
            normalization={"name": "none"},
        )


DATA = ["--data", "CustomDataModule", "--data.root"]
MODEL = ["--model", "RnnClassifier", "--model.network", "gru"]
FIT = [*DATA, "DATA", *MODEL]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--trainer.max_epochs", "-1"], "trainer.max_epochs"),
        (["--trainer.max_epochs", "0"], "trainer.max_epochs"),
        (["--trainer.max_epochs", "1.5"], "trainer.max_epochs"),
        (["--trainer.max_epochs", "null"], "trainer.max_epochs"),
        (["--trainer.enable_checkpointing", "false"], "trainer.enable_checkpointing"),
        (["--trainer.accelerator", "mps"], "trainer.accelerator"),
        (["--trainer.accelerator", "foo"], "trainer.accelerator"),
        (["--trainer.strategy", "foo"], "trainer.strategy"),
        (["--trainer.precision", "7"], "trainer.precision"),
        (["--trainer.logger", "nonsense"], "trainer.logger"),
        (["--data.batch_size", "0"], "batch_size"),
        (["--data.num_workers", "null"], "num_workers"),
        (["--model.weight_decay", "-5"], "weight_decay"),
        (["--model.learning_rate", "nan"], "learning_rate"),
        (["--transfer.min_coverage", "3"], "min_coverage"),
        (["--checkpoint.mode", "min"], "checkpoint.mode"),
        (["--pictures.records", "-1"], "pictures.records"),
        (["--pictures.every_n_epochs", "0"], "pictures.every_n_epochs"),
        (["--checkpoint.save_top_k", "-2"], "checkpoint.save_top_k"),
        (["--checkpoint.every_n_epochs", "-2"], "checkpoint.every_n_epochs"),
        (["--curves.every_n_epochs", "x"], "curves.every_n_epochs"),
        (["--speed.precision", "7"], "speed.precision"),
    ],
)
def test_a_senseless_flag_is_one_line_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], named: str
) -> None:
    (tmp_path / "labels.csv").write_text("record,A,B\nr1,1,0\nr2,0,1\n")
    assert main(["fit", *DATA, str(tmp_path), *MODEL, "--runs_dir", str(tmp_path), *words]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("ecg-tl: error: ")
    assert named in line


@pytest.mark.parametrize(
    "content", [b"trainer:\n  max_epochs: \xff", b"a: &a [*a]", b"trainer: [", b"\x00", b"trainer: 3"]
)
def test_a_config_that_is_none_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    config = tmp_path / "c.yaml"
    config.write_bytes(content)
    assert main(["fit", *DATA, str(tmp_path), *MODEL, "-c", str(config)]) == 2
    assert str(config) in capsys.readouterr().err.splitlines()[-1]


def test_a_flags_fault_is_the_flags_also_where_a_config_has_the_key(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("trainer: {max_epochs: 3}")
    from jsonargparse import ArgumentError

    words = ["-c", str(config), "--trainer.max_epochs", "x"]
    with pytest.raises(SettingError) as refused, argument_errors("fit", words, [RunCheckpoint]):
        raise ArgumentError(None, "Parser key \"trainer.max_epochs\": Expected a <class 'int'>. Got: x")
    assert refused.value.where == "--trainer.max_epochs"


def test_a_limit_is_no_place_for_what_is_no_number() -> None:
    for value in (None, True, "1", float("nan"), [1]):
        assert not Limit("x", 0, 1).holds(value)


# The other commands ---------------------------------------------------------------------------------------

LARGE = "9" * 40
PTBXL, LUDB = (
    {"data": {"class_path": f"{n}DataModule", "init_args": {"root": "x"}}} for n in ("PtbXl", "Ludb")
)
STUDY = {
    "name": "nowhere",
    "folder": "study",
    "upstreams": {"up": PTBXL},
    "downstreams": {"down": LUDB},
    "networks": {"gru": {"model": {"class_path": "RnnClassifier", "init_args": {"network": "gru"}}}},
    "arms": {"scratch": {}, "full": {"transfer": {"schedule": "full"}}},
    "seeds": [0, 1],
    "second_opinion": False,
}
OTHER_COMMANDS: list[tuple[list[str], str]] = [
    (["transfer", "rank", "--checkpoints", "CK", "CK", *DATA, "DATA"], "checkpoints: found"),
    (["transfer", "rank", "--checkpoints", "CK", "SAME", *DATA, "DATA"], "checkpoints: found"),
    (["transfer", "rank", "-c", "EMPTY", *DATA, "DATA"], "checkpoints"),
    (["transfer", "rank", "--checkpoints", "CK", *DATA, "DATA", "--sort_by", "x"], "sort_by"),
    (["transfer", "rank", "--checkpoints", "CK", *DATA, "DATA", "--data.batch_size", LARGE], "batch_size"),
    (["transfer", "rank", "--checkpoints", "CK", *DATA, "DATA", "--csv", "CK"], "--csv"),
    (["transfer", "inspect", "CK", "--json", "perhaps"], "perhaps"),
    (["transfer", "inspect", ""], "found"),
    (["transfer", "inspect", "CK", "CK"], "CK"),
    (["robustness", "CK", "CK", *DATA, "DATA", "--names", "a", "b"], "checkpoints: found"),
    (["robustness", "CK", "SAME", *DATA, "DATA"], "checkpoints: found"),
    (["robustness", "CK", *DATA, "DATA", "--kinds", "mains", "mains"], "kinds: found"),
    (["robustness", "CK", *DATA, "DATA", "--resamples", LARGE], "resamples"),
    (["robustness", "CK", *DATA, "DATA", "--resamples", "99999999999"], "resamples: found"),
    (["robustness", "CK", *DATA, "DATA", "--resamples", "-1"], "resamples: found"),
    (["robustness", "CK", *DATA, "DATA", "--seed", "-1"], "seed: found"),
    (["robustness", "CK", *DATA, "DATA", "--seed", str(2**70)], "seed: found"),
    (["robustness", "CK", *DATA, "DATA", "--mains_frequency", "nan"], "mains_frequency: found"),
    (["robustness", "CK", *DATA, "DATA", "--names", "a", "b"], "names: found"),
    (["export", "CK", "--format", "x"], "format"),
    (["export", "CK", "--output", "CK"], "--output"),
    (["export", "CK", "--output", ""], "--output"),
    (["export", "CK", "--records", "nowhere"], "nowhere"),
    (["export", "CK", "CK"], "CK"),
    (["card", "CK", "--output", "CK"], "--output"),
    (["card", "CK", "--run", "nowhere"], "nowhere"),
    (["card", "CK", "--run", ""], "--run"),
    (["card", "CK", "--output", ""], "--output"),
    (["card", "CK", "CK"], "CK"),
    (["test", "--ckpt_path", "CK", *FIT, "--transfer.upstream", "CK"], "--transfer.upstream: found"),
    (["predict", "--ckpt_path", "CK", *FIT, "--checkpoint.monitor=val/loss"], "--checkpoint.monitor: found"),
    (["validate", "--ckpt_path", "CK", *FIT, "--data.batch_size", "0"], "batch_size"),
    (["test", "--ckpt_path", "", *FIT], "found"),
    (["test", *FIT], "ckpt_path: found"),
    (["test", "--ckpt_path", "best", *FIT], "best"),
    (["test", "--ckpt_path", "CK", *FIT, "--trainer.limit_test_batches", "-1"], "limit_test_batches"),
    (["test", "--ckpt_path", "CK", *FIT, "--trainer.devices", "0"], "devices"),
    (["test", "--ckpt_path", "CK", *FIT, "--trainer.devices", "x"], "devices"),
    (["study", "plan", "STUDY", "--concurrent", LARGE], "--concurrent"),
    (["study", "plan", "STUDY", "--runs_per_gpu", "99999999999"], "--runs_per_gpu"),
    (["study", "run", "STUDY", "--address", "auto"], "--address: found"),
    (["study", "report", "STUDY", "--resamples", "99999999999"], "--resamples"),
    (["study", "plan", "STUDY", "--seeds", "[0,0]"], "seeds"),
    (["study", "plan", "STUDY", "--seeds", "[]"], "seeds"),
    (["study", "plan", "STUDY", "--seeds", f"[{LARGE}]"], "seed"),
    (["study", "plan", "STUDY", "--seeds", "[-1]"], "seed"),
    (["study", "plan", "STUDY", "--arms", "{}"], "arms"),
    (["study", "plan", "STUDY", "--downstreams", "{}"], "downstreams"),
    (["study", "plan", "STUDY", "--networks", "{}"], "networks"),
    (["study", "plan", "STUDY", "--settings.trainer.max_epochs", "-5"], "max_epochs"),
    (["study", "plan", "STUDY", "--settings.trainer.max_epochs", LARGE], "max_epochs"),
    (["study", "plan", "STUDY", "--folder", ""], "folder"),
    (["study", "plan", "STUDY", "STUDY"], "STUDY"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("words", "named"), OTHER_COMMANDS)
def test_a_senseless_word_of_any_command_is_one_line(
    words: list[str],
    named: str,
    trained_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = trained_run / "checkpoints" / "best.ckpt"
    Path("same.ckpt").symlink_to(checkpoint)
    Path("empty.yaml").write_text("checkpoints: []")
    Path("study.yaml").write_text(json.dumps(STUDY))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "labels.csv").write_text("record,A,B\nr1,1,0\nr2,0,1\n")
    before = sorted(tmp_path.rglob("*"))
    stands_for = {"CK": str(checkpoint), "SAME": "same.ckpt", "EMPTY": "empty.yaml", "STUDY": "study.yaml"}
    stands_for |= {"DATA": str(tmp_path / "data")}
    assert main([stands_for.get(word, word) for word in words]) == 2
    error = capsys.readouterr().err
    (line,) = [line for line in error.splitlines() if line.startswith("ecg-tl: error: ")]
    assert error.splitlines()[-1] == line
    assert stands_for.get(named, named) in line
    assert len(line) < 2000
    assert "Traceback" not in error
    left = [path for path in sorted(tmp_path.rglob("*")) if path.name not in ("study", "plan.json")]
    assert left == before  # but for a plan that is kept for the next command
