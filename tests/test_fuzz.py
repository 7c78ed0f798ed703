"""The fuzzer: a short run of it, and that it sees what it is there to see."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from fuzzing.process import Ended
from fuzzing.raw import BYTES, PLACE, TEXT, Mutator
from fuzzing.trees import bomb_json, bomb_yaml, change_json, change_yaml
from fuzzing.verdict import judge, read_answer

REPOSITORY = Path(__file__).parents[1]
MUTANTS = 150
LINE = b"ecg-tl: error: r.csv: found x, expected y. Do z.\n"


@pytest.mark.slow
def test_damaged_files_of_every_kind_are_refused_or_do_no_harm(tmp_path: Path) -> None:
    words = ["benchmarks/fuzz.py", "--mutants", str(MUTANTS), "--keep", str(tmp_path / "kept")]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, *words], cwd=REPOSITORY, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("clean 100 %\n")


def ended(
    error: bytes = b"", status: int | None = 2, signal: int = 0, out: bytes = b"", hung: bool = False
) -> Ended:
    return Ended(status, signal, hung, 1.0, out, error)


@pytest.mark.parametrize(
    ("end", "verdict"),
    [
        (ended(LINE), "clean"),
        (ended(b"ecg-tl: note: a remark\n" + LINE), "clean"),
        (ended(b"Traceback (most recent call last):\n  ...\nKeyError: 'x'\n", 70), "traceback"),
        (ended(b"Traceback (most recent call last):\n  ...\nMemoryError\n", 70), "memory"),
        (ended(LINE + b"Exception ignored in: <x>\nTraceback (most recent call last):\n"), "traceback"),
        (ended(status=None, signal=11), "signal"),
        (ended(status=None, signal=9, hung=True), "hang"),
        (ended(LINE.replace(b"r.csv", b"other.dat")), "unnamed"),
        (ended(LINE + LINE), "lines"),
        (ended(LINE.replace(b"x", b"\x1b[31m")), "escape"),
        (ended(LINE.replace(b"x", "\u202e".encode())), "escape"),
        (ended(status=2), "status"),
        (ended(LINE, status=0), "status"),
        (ended(LINE, status=130), "status"),
    ],
)
def test_an_end_is_judged(end: Ended, verdict: str) -> None:
    assert judge(end, ("r.csv",), None, "1", covered=True, new=()).kind == verdict


@pytest.mark.parametrize(
    ("answer", "covered", "verdict"),
    [
        ("1", True, "clean"),
        ("2", True, "silent"),
        ("2", False, "clean"),
        ("not finite: x", False, "not finite"),
    ],
)
def test_an_answer_is_judged_by_whether_a_digest_covers_the_file(
    answer: str, covered: bool, verdict: str
) -> None:
    assert judge(ended(status=0), ("r.csv",), answer, "1", covered=covered, new=()).kind == verdict


def test_files_elsewhere_and_executed_commands_are_faults_whatever_else_is_said() -> None:
    assert judge(ended(LINE), ("r.csv",), None, "1", covered=False, new=["x"]).kind == "outside"
    assert judge(ended(LINE), ("r.csv",), None, "1", covered=False, new=["work/owned"]).kind == "executed"


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.csv", "class,probability\nAF,nan\n", "not finite: a.csv: probability nan"),
        ("a.csv", "class,probability,seconds\nAF,0.5,3\n", "[['class', 'probability'], ['AF', '0.5']]"),
        ("a.json", '{"x": NaN}', "not finite: a.json: NaN"),
    ],
)
def test_an_answer_is_read_without_its_seconds(name: str, content: str, found: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert read_answer(tmp_path, ("*",)) == found


MUTATORS = {one.__name__: one for one in (*BYTES, *TEXT, *PLACE)}
TREES = {one.__name__: one for one in (change_json, bomb_json, change_yaml, bomb_yaml)}


@pytest.mark.parametrize("mutator", [*MUTATORS.values(), *TREES.values()], ids=[*MUTATORS, *TREES])
def test_a_mutant_is_the_same_for_the_same_seed_and_not_for_others(mutator: Mutator, tmp_path: Path) -> None:
    text = '{"rate": 500, "leads": ["I", "II"], "deep": {"x": 1.5, "y": null}}\n'

    def mutants(run: str) -> list[tuple[str, bytes | None]]:
        made = []
        for seed in range(12):
            path = tmp_path / run / f"{seed}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            said = mutator(Random(seed), path)
            made.append((said, path.read_bytes() if path.is_file() and not path.is_symlink() else None))
        return made

    first = mutants("first")
    assert first == mutants("second")
    assert len(set(first)) > 1
    assert any(content != text.encode() for _, content in first)
