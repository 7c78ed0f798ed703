"""Shipped configs are found by name, wherever the program is started."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl import shipped
from ecg_tl.cli import main
from ecg_tl.commands.fragments import located
from ecg_tl.errors import SettingError
from ecg_tl.shipped import STUDIES, config_folder, config_names, find_config, fragment_kinds
from ecg_tl.study.design.settings import read_study

FRAGMENTS = [path for kind in fragment_kinds() for path in sorted((config_folder() / kind).glob("*.yaml"))]
STUDY_FILES = sorted((config_folder() / STUDIES).glob("*.yaml"))


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_every_shipped_config_is_found_by_its_name(empty: Path) -> None:
    assert FRAGMENTS
    assert STUDY_FILES
    for path in FRAGMENTS:
        for word in (path.stem, f"{path.parent.name}/{path.stem}", path):
            assert find_config(word, fragment_kinds()).samefile(path)
    for path in STUDY_FILES:
        assert find_config(path.stem, (STUDIES,)).samefile(path)


def test_no_two_fragments_have_one_name() -> None:
    assert set(Counter(path.stem for path in FRAGMENTS).values()) == {1}


def test_a_file_wins_over_a_name_and_a_folder_does_not(empty: Path) -> None:
    Path("strict").write_text("trainer: {max_epochs: 1}")
    Path("demo").mkdir()
    assert find_config("strict", fragment_kinds()) == Path("strict")
    assert find_config("demo", (STUDIES,)).parent.name == STUDIES


def test_a_pipe_is_no_config(empty: Path) -> None:
    os.mkfifo("pipe.yaml")  # opened, it would wait for a writer
    os.mkfifo("with spaces, {and} braces.yaml")
    for name in ("pipe.yaml", "with spaces, {and} braces.yaml"):
        for read in (lambda one: located(["fit", "-c", one]), read_study):
            with pytest.raises(SettingError, match="found a pipe or a device"):
                read(name)


def test_the_words_of_a_command_hold_paths_in_the_place_of_names(empty: Path) -> None:
    Path("my.yaml").touch()
    words = [
        "fit",
        "-c",
        "strict",
        "--config=ludb",
        "-c",
        "my.yaml",
        "-c",
        "{trainer: {max_epochs: 1}}",
        "-c",
    ]
    strict, ludb = find_config("strict", fragment_kinds()), find_config("ludb", fragment_kinds())
    assert located(words) == [
        *("fit", "-c", str(strict), f"--config={ludb}", "-c", "my.yaml"),
        *("-c", "{trainer: {max_epochs: 1}}", "-c"),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["fit", "-c", "strct"],
            "strct: found no such file, and no shipped config of this name, expected a YAML, ",
        ),
        (["fit", "--config=strct"], "or a name, such as strict."),
        (["fit", "-c", "configs/data/ptbxll.yaml"], "such as ptbxl."),
        (["transfer", "rank", "--checkpoints", "x", "-c", "lubd"], "such as ludb."),
        (["robustness", "x", "-c", "lubd"], "such as ludb."),
        (["study", "plan", "papr"], "such as paper."),
        (["study", "plan", "."], ".: found a folder, and no shipped config"),
        (["study", "plan", "ludb"], "The names: asked, demo, openecg, paper, pretraining, sample, strict."),
    ],
)
def test_an_unknown_name_is_one_line_with_the_nearest(
    empty: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line


def test_a_name_of_two_kinds_is_refused_with_both(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("data", "model", STUDIES):
        (empty / "configs" / kind).mkdir(parents=True)
        (empty / "configs" / kind / "twice.yaml").touch()
    monkeypatch.setattr(shipped, "config_folder", lambda: empty / "configs")
    with pytest.raises(SettingError, match="found 2 of this name, expected one of data/twice, model/twice"):
        find_config("twice", fragment_kinds())
    assert find_config("model/twice", fragment_kinds()) == empty / "configs" / "model" / "twice.yaml"
    assert find_config("twice", (STUDIES,)).parent.name == STUDIES


@pytest.mark.slow
@given(st.text(min_size=1) | st.text("a./-_" + "ludb", min_size=200, max_size=400))
def test_any_word_is_a_file_or_refused(word: str) -> None:
    with suppress(SettingError):
        assert not find_config(word, fragment_kinds()).is_dir()
    with suppress(SettingError):
        located(["fit", "-c", word])


def test_a_study_is_planned_by_name_in_an_empty_folder(
    empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "status", "paper"]) == 0
    named = capsys.readouterr().out
    assert main(["study", "status", str(config_folder() / STUDIES / "paper.yaml")]) == 0
    assert capsys.readouterr().out == named
    assert named.startswith("132 runs:")


def test_the_help_lists_what_is_shipped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "--help"]) == 0
    assert ", ".join(config_names(STUDIES)) in capsys.readouterr().out
