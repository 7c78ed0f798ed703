"""The README's commands run as typed, in order, on simulated records; only the trainings are cut short."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import ecg_tl
from ecg_tl import run_defaults
from ecg_tl.cli import main
from ecg_tl.models import create_network
from ecg_tl.signals import LEADS
from ecg_tl.study import from_python

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
OF_MAKE = {"MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES"} | set(
    re.findall(r"^(\w+) \?=", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
)
# `make test` is what runs this; `make demo` and TensorBoard's server have tests of their own.
ELSEWHERE = {"make demo", "make test", "make tensorboard"}
CUT_SHORT = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2"]
CUT_SHORT += ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
CUT_SHORT += ["--pictures.records", "1"]
SHORT_STUDY = ["--seeds", "[0]"]
SHORT_STUDY += [
    "--upstream_settings.trainer.max_epochs",
    "1",
    "--downstream_settings.trainer.max_epochs",
    "1",
]


def commands(text: str = README) -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def python_code(text: str = README) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def names_in_row(first_cell: str) -> list[str]:
    """Return what stands in backticks in a row of the README's tables."""
    (row,) = re.findall(rf"^\| {first_cell} \|(.*)\|$", README, flags=re.MULTILINE)
    return re.findall(r"`(.+?)`", row)


def write_published_weights(folder: Path) -> None:
    """Write the file that `upstream check` reads, in the layout of the original and drawn at random."""
    network = create_network("merl_resnet18", 5, 12, 5000)
    head = network.layer_groups()["head"]
    state = {name: tensor for name, tensor in network.state_dict().items() if name not in head}
    torch.save(state, folder / "res18_best_encoder.pth")


def words_behind_make(command: str) -> list[str]:
    """Return the words that a make target hands to `ecg-tl`."""
    target = [*shlex.split(command), "--dry-run", "--no-print-directory", "--assume-old=.venv/.installed"]
    # Settings of a make that runs this test, such as ARGS, are none of the README's.
    environment = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
    printed = subprocess.run(
        target, cwd=REPOSITORY, capture_output=True, text=True, check=True, env=environment
    ).stdout
    line = next(line for line in printed.replace("\\\n", " ").splitlines() if "/bin/ecg-tl " in line)
    return shlex.split(line)[1:]


def test_the_readme_begins_with_the_two_commands() -> None:
    assert commands()[:2] == ["make demo", "make test"]


def test_the_readme_lists_the_networks_and_datasets_that_are_registered() -> None:
    papers, published = names_in_row("the paper's networks"), names_in_row("published networks")
    assert sorted(papers + published) == sorted(ecg_tl.list_networks())
    assert sorted(names_in_row("datasets")) == sorted(ecg_tl.list_datasets())
    counted = {6: "six", 18: "eighteen", 14: "fourteen"}
    assert (
        f"the paper's {counted[len(papers)]} networks and {counted[len(published)]} published ones, "
        f"{counted[len(ecg_tl.list_datasets())]} dataset layouts"
    ) in " ".join(README.split())
    assert f"Of {len(ecg_tl.list_upstreams())} published upstreams" in README


@pytest.mark.slow
def test_what_the_readme_says_of_published_weights_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_published_weights(tmp_path)
    text = section("Published weights")
    assert len(commands(text)) == 4
    for command in commands(text):
        assert main(shlex.split(command)[1:]) == 0, command
    names: dict[str, Any] = {"ecg_tl": ecg_tl}  # the section before has imported it
    (block,) = python_code(text)
    exec(compile(block, "README.md", "exec"), names)
    signal = names["prepare"](torch.randn(12, 2500).numpy(), 250.0, LEADS)
    with torch.no_grad():
        assert names["network"](torch.from_numpy(signal).float()[None]).isfinite().all()


@pytest.mark.slow
def test_every_command_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_published_weights(tmp_path)
    for command in commands():
        if command in ELSEWHERE:
            continue
        program, *words = shlex.split(command)
        assert program in ("ecg-tl", "make"), command
        if program == "make":
            words = words_behind_make(command)
        if words[0] in ("fit", "pretrain"):
            words += CUT_SHORT
        if words[0] == "study":
            words += SHORT_STUDY
        if words[:2] == ["data", "synthesize"]:
            words[words.index("--records") + 1] = "80"
        assert main(words) == 0, command
    run_python(monkeypatch)


def run_python(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {"limit_train_batches": 1, "enable_progress_bar": False, "enable_model_summary": False}
    for name, value in quick.items():
        monkeypatch.setitem(run_defaults.TRAINER_DEFAULTS, name, value)
    as_written = from_python._read

    def short(config: Any, settings: dict[str, Any]) -> Any:
        options = [word.removeprefix("--") for word in SHORT_STUDY[::2]]
        values = [yaml.safe_load(word) for word in SHORT_STUDY[1::2]]
        return as_written(config, {**settings, **dict(zip(options, values, strict=True))})

    monkeypatch.setattr(from_python, "_read", short)
    names: dict[str, Any] = {}
    for block in python_code():
        exec(compile(block, "README.md", "exec"), names)
    assert Path("answer.png").is_file()
    assert Path("main.svg").is_file()


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
