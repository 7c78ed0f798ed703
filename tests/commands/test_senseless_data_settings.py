"""Settings of `data` and `infer` that make no sense are one line that names them; nothing is written."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecg_tl.cli import main
from ecg_tl.datasets import get_dataset
from ecg_tl.errors import SettingError
from ecg_tl.synthesis import synthesize

NUMBERS = ("0", "-5", "1.5e300", "nan", "-inf", "x", "", "[]", "{}", "[1, 2]", "null")
NAMES = ("x", "5", "[]", "null")
PATHS = ("", " ", "a\0b")
FILE = "root/labels.csv"
SENSELESS = {
    "prepare custom --root root": {
        "--sampling_rate": (*NUMBERS, "true"),
        "--num_samples": (*NUMBERS, "1.5", "99999999999"),
        "--workers": tuple(set(NUMBERS) - {"null"}),
        "--leads": ("[]", "[I, I]", "[X]", "I", "5", "null", "[1]", "[null]", "{}", "[[I]]"),
        "--options": ("[]", "5", "x", '{"a": 1}', '{"source_rate": 100}', '{"a": [1]}', '{"1": 2}'),
        "--resampling": NAMES,
        "--short": NAMES,
        "--bad_records": NAMES,
        "--store_dir": (*PATHS, FILE),
        "--root": (*PATHS, FILE, "absent"),
    },
    "check custom --root root": {
        "--workers": tuple(set(NUMBERS) - {"null"}),
        "--options": ("[]", '{"a": 1}'),
        "--store_dir": (*PATHS, FILE, "absent"),
        "--root": (*PATHS, FILE, "absent"),
    },
    "synthesize custom --root new": {
        "--records": (*NUMBERS, "1.5", "99999999999"),
        "--seed": (*(set(NUMBERS) - {"0"}), "1.5", "9" * 20),
        "--difficulty": tuple(set(NUMBERS) - {"0", "null"}),
        "--root": (*PATHS, FILE, "root"),
    },
    "list": {"--x": ("1",), "": ("x",)},
    "verify": {"": (*PATHS, FILE, "absent", "root"), "root --repair": NAMES},
    "overlap root": {"": PATHS},
    "prepare ludb --root root --options": {
        "": ('{"min_records": -5}', '{"min_records": true}', '{"min_records": 1.5}', '{"amplitude": "x"}')
    },
    "prepare ptbxl --root root --options": {"": ('{"source_rate": true}', '{"source_rate": "500"}')},
    "prepare cpsc2018 --root root --options": {"": ('{"equivalences": 7}', '{"equivalences": null}')},
    "prepare code_test --root root --options": {"": ('{"expected_records": 0}', '{"expected_records": "x"}')},
    "prepare": {"": ("nope", "5", "[]", "null", "")},
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("here")
    synthesize("custom", folder / "root", 4, progress=False)
    return folder


def cases() -> Iterator[tuple[str, str, str]]:
    for command, options in SENSELESS.items():
        for option, values in options.items():
            yield from ((command, option, value) for value in values)


@pytest.mark.parametrize(("command", "option", "value"), sorted(cases()))
def test_a_senseless_setting_of_data_is_one_line_that_names_it(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    option: str,
    value: str,
) -> None:
    monkeypatch.chdir(here)
    before = sorted(here.rglob("*"))
    assert main(["data", *command.split(), *option.split(), value]) == 2
    shown = capsys.readouterr()
    (line,) = shown.err.splitlines()
    assert line.startswith("ecg-tl: error: ")
    flag = option.rpartition("--")[2]
    keys = re.findall(r'"(\w+)"', value)
    names = (
        [flag, value if len(value) > 3 else flag]
        if flag
        else [*keys, "expected a", '"dataset"', f": {value},"]
    )
    assert any(name in line for name in names)
    assert sorted(here.rglob("*")) == before
    assert not shown.out


@pytest.mark.parametrize("options", [{"amplitude": "header"}, {"min_records": 0}, {}, None])
def test_every_option_of_a_reader_can_be_given(
    tmp_path: Path, options: dict[str, object] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    synthesize("ludb", tmp_path / "root", 3, progress=False)
    words = ["data", "prepare", "ludb", "--root", str(tmp_path / "root"), "--options", json.dumps(options)]
    made = main([*words, "--store_dir", str(tmp_path / "stores")])
    # Of three records no class has ten.
    assert made == (0 if options and "min_records" in options else 2)
    assert (made == 0) or "no class with 10 records" in capsys.readouterr().err


def test_an_option_of_another_type_is_refused_in_python_as_well() -> None:
    for name, option in (("ludb", {"min_records": True}), ("georgia", {"equivalences": 1})):
        with pytest.raises(SettingError, match=next(iter(option))):
            get_dataset(name, **option)


INFER = ["infer", "absent.ckpt", "root"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--plot_class", "MI"], "--plot_class"),
        (["--plot_format", "pdf"], "--plot_format"),
        (["--plot", "x.png", "--plot_format", "pdf"], "--plot_format"),
        (["--sampling_rate", "-1"], "sampling_rate"),
        (["--sampling_rate", "nan"], "sampling_rate"),
        (["--units", "parsec"], "units"),
        (["--leads", ""], "leads"),
        (["--leads", "I,I"], "leads"),
        (["--windows", "x"], "windows"),
        (["--csv", "-", "--json", "-"], "--csv"),
    ],
)
def test_a_senseless_setting_of_infer_is_one_line_that_names_it(
    capsys: pytest.CaptureFixture[str], words: list[str], named: str
) -> None:
    assert main([*INFER, *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("which", [1, 2])
def test_an_empty_path_of_infer_is_not_the_folder_one_is_in(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, path: str, which: int
) -> None:
    shutil.copy(Path(__file__), tmp_path / "x.ckpt")
    words = [*INFER]
    words[which] = path
    assert main(words) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
