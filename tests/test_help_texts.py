"""Help that is kept: for the same installation, words and terminal alone, and as text."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ecg_tl import help_texts, installed
from ecg_tl.cli import main
from ecg_tl.help_texts import CACHE_FOLDER, cache_folder, say_help

WORDS = ("fit", "--help")


class Writer:
    """Says another text each time."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> int:
        self.times += 1
        # With a backspace between a flag and its values, as jsonargparse writes it.
        print(f"help, written {self.times} times: \x1b[2J µ --print_config \b[=flags]")
        raise SystemExit(0)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_FOLDER, str(tmp_path / "cache"))
    monkeypatch.setattr(help_texts, "digest_of_installation", lambda: "as installed")
    return tmp_path / "cache" / "help"


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[Writer], str]:
    def say(writer: Writer) -> str:
        assert say_help(WORDS, writer) == 0
        return capsys.readouterr().out

    return say


Said = Callable[[Writer], str]


def test_help_is_written_once_and_shown_as_text(said: Said) -> None:
    writer = Writer()
    first = said(writer)
    assert first == "help, written 1 times: \\x1b[2J µ --print_config[=flags]\n"
    assert said(writer) == first


@pytest.mark.parametrize("change", ["installation", "width", "environment"])
def test_help_is_written_anew_where_it_may_be_another(
    said: Said, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    writer = Writer()
    said(writer)
    if change == "installation":
        monkeypatch.setattr(help_texts, "digest_of_installation", lambda: "changed")
    else:
        monkeypatch.setenv({"width": "COLUMNS", "environment": "JSONARGPARSE_X"}[change], "40")
    assert "2 times" in said(writer)


@pytest.mark.parametrize("damage", ["edited", "cut off", "empty", "no text", "a pipe", "a folder", "a link"])
def test_a_file_that_is_not_as_it_was_written_is_not_shown(
    said: Said, cache: Path, tmp_path: Path, damage: str
) -> None:
    writer = Writer()
    said(writer)
    (kept,) = cache.iterdir()
    content = kept.read_bytes()
    kept.unlink()
    if damage == "a pipe":
        os.mkfifo(kept)
    elif damage == "a folder":
        kept.mkdir()
    elif damage == "a link":
        (tmp_path / "elsewhere").write_bytes(content)
        kept.symlink_to(tmp_path / "elsewhere")
    else:
        kept.write_bytes(
            {
                "edited": content.replace(b"written", b"WRITTEN"),
                "cut off": content[:-3],
                "empty": b"",
                "no text": b"\xff" * 50,
            }[damage]
        )
    assert "2 times" in said(writer)


def test_a_home_that_cannot_be_written_is_no_error(
    said: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CACHE_FOLDER, str(tmp_path / "file" / "below"))
    writer = Writer()
    assert "1 times" in said(writer)
    assert "2 times" in said(writer)


def test_a_command_that_fails_keeps_nothing(cache: Path) -> None:
    def fail() -> int:
        print("half of it")
        raise SystemExit(3)

    assert say_help(WORDS, fail) == 3
    assert not cache.exists()


def test_few_texts_are_kept(said: Said, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(help_texts, "MOST_TEXTS", 3)
    for width in range(40, 50):
        monkeypatch.setenv("COLUMNS", str(width))
        said(Writer())
    assert len(list(cache.iterdir())) == 3


def test_the_systems_folder_is_taken_unless_another_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(CACHE_FOLDER)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "ecg_tl"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == Path.home() / ".cache" / "ecg_tl"


def test_in_a_process_of_somebody_elses_nothing_is_kept(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    assert "usage: ecg-tl export" in capsys.readouterr().out
    assert not cache.exists()


def test_a_changed_file_of_this_project_is_another_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, library = tmp_path / "package", tmp_path / "site"
    package.mkdir()
    (package / "module.py").write_text("a = 1")
    (library / "torch-2.0.dist-info").mkdir(parents=True)
    monkeypatch.setattr(installed, "__file__", str(package / "installed.py"))
    monkeypatch.setattr(sys, "path", [str(library), str(tmp_path / "not there")])
    digests = [installed.digest_of_installation()]
    assert installed.digest_of_installation() == digests[0]
    times = (package / "module.py").stat().st_mtime_ns
    (package / "module.py").write_text("a = 2")
    os.utime(package / "module.py", ns=(times, times))  # an archive may give every file one time
    digests.append(installed.digest_of_installation())
    (library / "torch-2.0.dist-info").rename(library / "torch-2.1.dist-info")
    digests.append(installed.digest_of_installation())
    (package / "new.py").write_text("")
    digests.append(installed.digest_of_installation())
    assert len(set(digests)) == len(digests)


@pytest.mark.slow
def test_the_help_of_fit_imports_pytorch_once(tmp_path: Path) -> None:
    code = (
        "import sys; from ecg_tl.cli import main; sys.argv = ['ecg-tl', 'fit', '--help']; status = main(); "
        "print('with' if 'torch' in sys.modules else 'without', file=sys.stderr); sys.exit(status)"
    )
    first, second = (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    )
    assert "--trainer.max_epochs" in first.stdout
    assert first.stdout == second.stdout
    assert (first.stderr.split()[-1], second.stderr.split()[-1]) == ("with", "without")
