"""Every option of every command that names a file to write: what it never replaces, and what it keeps."""

from __future__ import annotations

import argparse
import inspect
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny import HALF_TRAINS, data_words

from ecg_tl.cli import main
from ecg_tl.commands import card, data, demo, export, infer, robustness, study, study_options, transfer

_SAYS_SO = re.compile(r"\b(file|folder|draw|write|written)\b", re.IGNORECASE)

NO_OUTPUT = {
    *("infer --help", "infer records", "infer --leads", "infer --trust_program", "infer --plot_format"),
    *("infer checkpoint", "export checkpoint", "export --records", "card checkpoint", "card --run"),
    *("robustness checkpoints", "transfer rank --checkpoints", "transfer inspect checkpoint"),
    *("data synthesize root", "data prepare root", "data prepare dataset", "data check root"),
    *("data prepare store_dir", "data check dataset", "data overlap store_a", "data overlap store_b"),
    *("data verify store", "data download root"),
    "data init output",  # a file that is there is refused, but with --overwrite
    "demo root",
}
"""Options whose help speaks of files, and that write none, or only into a folder that is new or theirs."""


@pytest.fixture(scope="module")
def place(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, and with a recording beside it."""
    folder = tmp_path_factory.mktemp("outputs")
    shutil.copytree(trained_run, folder / "run")
    finished = Path(__file__).parents[1] / "earlier_versions" / "1249b64"
    shutil.copy(finished / "study.yaml", folder)
    shutil.copytree(finished / "study", folder / "study")
    return folder


@pytest.fixture(scope="module")
def words_for(place: Path, ptbxl_root: Path, prepared: Path) -> Callable[[str, Path], list[str]]:
    """Return a command line that gives an option an output; what else it needs is there."""
    checkpoint = str(place / "run" / "checkpoints" / "best.ckpt")
    record = str(next(ptbxl_root.rglob("*.hea")).with_suffix(""))
    store = str(next(prepared.glob("ptbxl-*")))
    described = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]
    words = {
        "infer --csv": ["infer", checkpoint, record, "--csv", "OUT"],
        "infer --json": ["infer", checkpoint, record, "--json", "OUT"],
        "infer --plot": ["infer", checkpoint, record, "--plot", "OUT.png"],
        "export --output": ["export", checkpoint, "--output", "OUT.onnx"],
        "card --output": ["card", checkpoint, "--output", "OUT"],
        "robustness --csv": ["robustness", checkpoint, *described, "--csv", "OUT"],
        "robustness --figure": ["robustness", checkpoint, *described, "--figure", "OUT.svg"],
        "transfer rank --csv": ["transfer", "rank", "--checkpoints", checkpoint, *described, "--csv", "OUT"],
        "study report --figure": ["study", "report", str(place / "study.yaml"), "--figure", "OUT.svg"],
        "data overlap csv": ["data", "overlap", store, store, "--csv", "OUT"],
    }
    for option in ("robustness --csv", "robustness --figure"):
        words[option] += ["--kinds", "gain", "--resamples", "0", "--accelerator", "cpu"]
    words["transfer rank --csv"] += ["--accelerator", "cpu"]
    words["study report --figure"] += ["--folder", str(place / "study"), "--resamples", "50"]

    def make(option: str, output: Path) -> list[str]:
        return [
            word.replace("OUT", str(output.with_suffix(""))) if "OUT." in word else word
            for word in (str(output) if word == "OUT" else word for word in words[option])
        ]

    make.options = set(words)  # type: ignore[attr-defined]
    return make


OPTIONS = (
    *("infer --csv", "infer --json", "infer --plot", "export --output", "card --output"),
    *("robustness --csv", "robustness --figure", "transfer rank --csv", "data overlap csv"),
    "study report --figure",
)
FOLDERS = ("study report --out",)
SUFFIX = {
    "infer --plot": ".png",
    "export --output": ".onnx",
    **dict.fromkeys(("robustness --figure", "study report --figure"), ".svg"),
}


def _options() -> Iterator[tuple[str, str]]:
    """Give each option of each command, and what its help says."""
    parsers = {
        "infer": infer._parser(),
        "export": export._parser(),
        "card": card._parser(),
        "robustness": robustness._parser(),
        "transfer rank": transfer._rank_parser(),
        "transfer inspect": transfer._inspect_parser(),
        **{f"study {word}": study_options.study_parser(word, None) for word in study.COMMANDS},
    }
    for command, parser in parsers.items():
        for action in parser._actions:
            if isinstance(action, argparse._HelpAction) or action.dest.startswith("data"):
                continue
            name = next((o for o in action.option_strings if o.startswith("--")), action.dest)
            if action.nargs != 0 and name != "--config":
                yield f"{command} {name}", str(action.help)
    functions = {f"data {word}": function for word, function in data.COMMANDS.items()} | {"demo": demo.demo}
    for command, function in functions.items():
        described = dict(re.findall(r"^\s+(\w+): (.+)$", inspect.getdoc(function) or "", re.MULTILINE))
        for name in inspect.signature(function).parameters:
            yield f"{command} {name}", described.get(name, "")


def test_no_output_is_forgotten_here() -> None:
    said = {option for option, message in _options() if _SAYS_SO.search(message)}
    assert said - NO_OUTPUT - set(OPTIONS) - set(FOLDERS) == set()
    assert set(OPTIONS) | set(FOLDERS) <= {option for option, _ in _options()}


@pytest.mark.parametrize("way", ["itself", "a link", "a hard link", "a folder"])
@pytest.mark.parametrize("option", OPTIONS)
def test_an_input_or_a_folder_is_no_output(
    option: str,
    way: str,
    place: Path,
    words_for: Callable[[str, Path], list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / f"output{SUFFIX.get(option, '')}"
    given = Path(
        words_for(option, output)[
            3 if "rank" in option else 2 if option.split()[0] in ("data", "study") else 1
        ]
    )
    if given.is_dir():  # a store
        given = given / "records.npz"
    before = given.read_bytes()
    if way == "a folder":
        output.mkdir()
    elif way == "itself" and option not in SUFFIX:
        output = given
    elif way == "a hard link" and "overlap" not in option:
        output.hardlink_to(given)
    else:
        output.symlink_to(given)
    status = main(words_for(option, output))
    said = capsys.readouterr().err
    if way == "a folder" and option == "infer --plot":  # which takes one
        assert status == 0
        return
    assert status == 2
    assert "which is read" in said or "that is read" in said or "folder" in said
    assert given.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("read", [True, False], ids=["read", "beside"])
@pytest.mark.parametrize("option", ["robustness --csv", "transfer rank --csv"])
def test_of_a_datasets_folder_what_is_read_is_no_output_and_the_rest_may_be(
    option: str,
    read: bool,
    ptbxl_root: Path,
    prepared: Path,
    words_for: Callable[[str, Path], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not read:
        output = ptbxl_root / "answers.csv"
        for _ in range(2):  # the second time it is there
            assert main(words_for(option, output)) == 0, capsys.readouterr().err
        output.unlink()
        return
    stored = next(prepared.glob("ptbxl-*")) / "records.npz"
    signals = next(ptbxl_root.rglob("*_hr.dat"))  # the version of 500 Hz is read
    for given in (ptbxl_root / "ptbxl_database.csv", signals, signals.with_suffix(".hea"), stored):
        before = given.read_bytes()
        assert main(words_for(option, given)) == 2
        assert "is read" in capsys.readouterr().err
        assert given.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
def test_links_and_modes_are_kept(
    option: str, words_for: Callable[[str, Path], list[str]], tmp_path: Path
) -> None:
    suffix = SUFFIX.get(option, "")
    target, link = tmp_path / "folder" / f"target{suffix}", tmp_path / f"link{suffix}"
    target.parent.mkdir()
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    assert main(words_for(option, link)) == 0
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert target.read_bytes() != b"old"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("option", [option for option in OPTIONS if option not in SUFFIX])
def test_a_device_stays_a_device(option: str, words_for: Callable[[str, Path], list[str]]) -> None:
    assert main(words_for(option, Path("/dev/null"))) == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
