"""A study's YAML is read, or what is wrong with it is said in one line."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecg_tl.errors import SettingError
from ecg_tl.study.design.names import check_names
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.settings import Arm, Block, StudySettings, read_study

STUDY: dict[str, Any] = {
    "name": "small",
    "folder": "out",
    "upstreams": {"up": {"data": {"class_path": "PtbXlDataModule", "init_args": {"root": "ptbxl"}}}},
    "downstreams": {"down": {"data": {"class_path": "Cpsc2018DataModule"}}},
    "networks": {"gru": {"model": {"class_path": "RnnClassifier", "init_args": {"network": "gru"}}}},
    "arms": {"scratch": {}, "full": {"transfer": {"recipe": "full"}}},
    "axes": {"normalization": {"fixed_scale": {}, "min_max": {"data": {"init_args": {"batch_size": 3}}}}},
    "grid": [{"sizes": [10, "all"], "axes": {"normalization": ["min_max"]}}],
}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(**changes: Any) -> Path:
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump({**STUDY, **changes}))
        return path

    return write


def test_what_is_written_is_read(write: Any) -> None:
    settings = read_study(write())
    assert settings.arms == {"scratch": Arm(), "full": Arm(transfer={"recipe": "full"})}
    assert settings.grid == (Block(sizes=(10, "all"), axes={"normalization": ("min_max",)}),)
    assert settings.upstreams == STUDY["upstreams"]
    assert settings.seeds == (0, 1, 2, 3, 4)


@pytest.mark.slow
@pytest.mark.parametrize("word", ["run", "status"])
def test_a_study_that_is_finished_needs_no_network_and_no_data(write: Any, tmp_path: Path, word: str) -> None:
    path = write(folder=str(tmp_path / "out"), data_root=str(tmp_path / "not there"))
    for run in make_plan(read_study(path)).runs:
        result = tmp_path / "out" / "runs" / run.id / "result.json"
        result.parent.mkdir(parents=True)
        result.write_text("{}")
    program = (
        "import sys; from ecg_tl.cli import main; status = main(sys.argv[1:]); "
        "assert 'torch' not in sys.modules; sys.exit(status)"
    )
    words = [sys.executable, "-c", program, "study", word, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "finished" in done.stdout


def test_a_class_in_a_part_of_a_config_is_neither_made_nor_filled_in(write: Any) -> None:
    early = {"class_path": "lightning.pytorch.callbacks.EarlyStopping", "init_args": {"patience": 3}}
    data = {"class_path": "ecg_tl.datamodules.Cpsc2018DataModule", "init_args": {"root": "x"}}
    part = {"data": data, "trainer": {"callbacks": [early]}}
    arms = {"scratch": {"settings": part}, "full": {"transfer": data}}
    axes = {"normalization": {"fixed_scale": {}, "min_max": part}}
    settings = read_study(write(downstreams={"down": part}, settings=part, arms=arms, axes=axes))
    assert settings.downstreams == {"down": part}
    assert settings.settings == part
    assert settings.arms == {"scratch": Arm(settings=part), "full": Arm(transfer=data)}
    assert settings.axes == axes


def test_the_command_line_takes_the_place_of_the_file(write: Any) -> None:
    words = ["--folder", "elsewhere", "--seeds", "[7]", "--second_opinion=false"]
    words += ["--settings.trainer.max_epochs", "3", "--downstreams.down.data.init_args.root=there"]
    settings = read_study(write(), words)
    assert (settings.folder, settings.seeds, settings.second_opinion) == ("elsewhere", (7,), False)
    assert settings.settings == {"trainer": {"max_epochs": 3}}  # a number, as in a file
    assert settings.downstreams["down"]["data"] == {
        "class_path": "Cpsc2018DataModule",
        "init_args": {"root": "there"},
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nme": "x"}, r"study.yaml: found Option 'nme' is not accepted.*such as name"),
        ({"grid": [{"armz": ["full"]}]}, r"'armz' is not accepted.*such as arms"),
        ({"arms": {"scratch": {"trnsfer": None}}}, r"'trnsfer' is not accepted.*such as transfer"),
        ({"protocol": "lax"}, r"'strict', 'paper'.*Got value: lax"),
        ({"seeds": ["a"]}, r"seeds.*Got value: a"),
        ({"grid": [{"sizes": ["most"]}]}, r"sizes"),
        ({"networks": 3}, r"networks"),
    ],
)
def test_a_wrong_key_or_value_is_one_line(write: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message) as caught:
        read_study(write(**changes))
    assert "\n" not in str(caught.value)
    assert "(asked, demo, openecg, paper, pretraining, sample, strict) are examples" in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seedz", "[1]"], "command line: found unrecognized arguments: --seedz"),
        (["--seeds", "[a]"], "command line"),
        (["--settings.trainer.max_epochs"], "command line: found no value behind"),
        (["--settings.trainer.max_epochs", "{"], "which is no YAML"),
    ],
)
def test_a_wrong_word_is_one_line(write: Any, words: list[str], message: str) -> None:
    with pytest.raises(SettingError, match=message) as caught:
        read_study(write(), words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\x00", b"", b"- 1", b"name: only"])
def test_a_file_that_is_no_study_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingError, match=r"study\.yaml"):
        read_study(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"nothing\.yaml: found no such file"):
        read_study(tmp_path / "nothing.yaml")
    with pytest.raises(SettingError, match="found a folder"):
        read_study(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": {"full": {"transfer": {}}}, "grid": []}, r"arms: found none from scratch among full"),
        ({"arms": {}}, r"arms: found none"),
        ({"downstreams": {}}, r"downstreams: found none"),
        ({"networks": {}}, r"networks: found none"),
        ({"seeds": []}, r"seeds: found none"),
        ({"upstreams": {}}, r"upstreams: found none, expected one at least for the arm\(s\) full"),
        ({"grid": [{"arms": ["fulll"]}]}, r"grid\[0\]\.arms: found 'fulll'.*Did you mean full\?"),
        ({"grid": [{}, {"networks": ["lstm"]}]}, r"grid\[1\]\.networks: found 'lstm', expected one of gru"),
        ({"grid": [{"downstreams": ["up"]}]}, r"grid\[0\]\.downstreams: found 'up'"),
        ({"grid": [{"upstreams": ["down"]}]}, r"grid\[0\]\.upstreams: found 'down'"),
        ({"grid": [{"axes": {"scale": ["a"]}}]}, r"grid\[0\]\.axes: found 'scale'"),
        ({"grid": [{"axes": {"normalization": ["minmax"]}}]}, r"normalization: found 'minmax'.*min_max\?"),
        ({"grid": [{"arms": []}]}, r"grid\[0\]\.arms: found an empty list"),
        ({"grid": [{"sizes": [0]}]}, r"grid\[0\]\.sizes: found 0"),
        ({"axes": {"normalization": {}}, "grid": []}, r"axes\.normalization: found no values"),
        ({"axes": {"x": {"a": {}, "b": {}}}, "grid": []}, r"axes\.x: found the same settings for a and b"),
        ({"primary_arm": "scratch"}, r"primary_arm: found 'scratch', expected one of full"),
        (
            {"arms": {"scratch": {}, "f": {"transfer": {"upstream": "x"}}}},
            r"arms\.f\.transfer: found `upstream`",
        ),
        ({"size_settings": {"20": {}}}, r"size_settings: found '20', expected one of 10"),
    ],
)
def test_a_name_that_does_not_exist_is_one_line(write: Any, changes: dict[str, Any], message: str) -> None:
    settings: StudySettings = _read_with_empty_blocks(write, changes)
    with pytest.raises(SettingError, match=message) as caught:
        check_names(settings)
    assert "\n" not in str(caught.value)


def _read_with_empty_blocks(write: Any, changes: dict[str, Any]) -> StudySettings:
    grid = [block or {"sizes": ["all"]} for block in changes.get("grid", STUDY["grid"])]
    return read_study(write(**{**changes, "grid": grid}))


def _paths(node: Any, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [above] if above else []
    for key, value in node.items() if isinstance(node, dict) else ():
        found += _paths(value, (*above, key))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("path", _paths({**STUDY, "settings": {"trainer": {}}}), ids=".".join)
def test_a_value_of_any_type_anywhere_gives_a_plan_or_one_line(path: tuple[str, ...], tmp_path: Path) -> None:
    for value in (None, True, 5, 1e308, ";", [], [["x"]], {"": 0}, {"a": {"b": []}}):
        content = deepcopy({**STUDY, "settings": {"trainer": {}}})
        owner = content
        for key in path[:-1]:
            owner = owner[key]
        owner[path[-1]] = value
        file = tmp_path / "study.yaml"
        file.write_text(yaml.safe_dump(content))
        with suppress(SettingError):
            make_plan(read_study(file))
