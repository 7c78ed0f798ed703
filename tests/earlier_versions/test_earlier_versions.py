"""Files that earlier revisions wrote work as they did then, or are refused in a line that says what to do.

`make.py` wrote them, each folder with the revision of its name. The first is the last with stores of format
1, the second the last with stores of format 2 (and has studies and exports), the third has those of format 3.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from integer_records import LEADS, SAMPLES, write_records
from make import RECORDS

from ecg_tl.cli import main
from ecg_tl.errors import EcgTlError
from ecg_tl.inference.opening import open_model
from ecg_tl.store.reader import open_store
from ecg_tl.study.run.results import load_results

HERE = Path(__file__).parent
REVISIONS = ("8f60d86", "41f13f2", "1249b64")
WITH_STUDIES = REVISIONS[1:]

REFUSED = {
    ("8f60d86", "store"): "format version 1, expected format version",
    ("41f13f2", "store"): "format version 2, expected format version",
}
"""What is refused on purpose, and a part of the line that says so. All else has to work."""

COMPATIBILITY = (
    "Compatibility: a file that an earlier revision wrote gives the numbers that it gave then, or is refused "
    "in one line with a remedy. If the refusal is meant, enter it in REFUSED and in the docs; if the numbers "
    "are to be others, raise the file's format, so that the old one is refused. Never make these files anew "
    "from the present revision to make a test pass."
)


@pytest.fixture(params=REVISIONS)
def revision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def workplace(revision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what the revision left, beside the records that it was made from."""
    folder = shutil.copytree(HERE / revision, tmp_path / "work")
    for dataset, (records, seed) in RECORDS.items():
        write_records(folder / "records" / dataset, records, seed)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(revision: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., str | None]:
    """Run a command on something of the revision: what it printed, or None if it is refused on purpose."""

    def call(what: str, *words: str) -> str | None:
        status = main(words)
        captured = capsys.readouterr()
        errors = [line for line in captured.err.splitlines() if line.startswith("ecg-tl: error: ")]
        if (revision, what) in REFUSED:
            assert status == 2, COMPATIBILITY
            _check_refusal(revision, what, errors[0])
            return None
        assert status == 0, f"{what} of {revision}: {captured.err}\n{COMPATIBILITY}"
        return captured.out

    return call


def _check_refusal(revision: str, what: str, line: str) -> None:
    assert REFUSED[revision, what] in line, f"{line}\n{COMPATIBILITY}"
    remedy = line.partition(", expected ")[2].partition(". ")[2]
    assert remedy.endswith("."), f"no remedy in: {line}\n{COMPATIBILITY}"


def _predictions(folder: Path) -> pd.DataFrame:
    """Read what a test wrote: probabilities by record and class."""
    table = pd.read_csv(folder / "predictions.csv", index_col="record_id").sort_index()
    return table[[column for column in table.columns if column.startswith("probability/")]]


def _signals(records: pd.Index) -> np.ndarray:
    """Read records in mV: (records, leads, samples)."""
    files = [Path("records/downstream") / f"{record}.dat" for record in records]
    steps = [np.fromfile(file, dtype="<i2").reshape(SAMPLES, len(LEADS)).T for file in files]
    return (np.stack(steps) / 1000).astype(np.float32)


def _assert_same(found: np.ndarray, then: np.ndarray) -> None:
    np.testing.assert_allclose(found, then, atol=2e-6, err_msg=COMPATIBILITY)


def test_a_store_opens(revision: str, workplace: Path) -> None:
    (path,) = workplace.glob("stores/*")
    if (revision, "store") in REFUSED:
        with pytest.raises(EcgTlError) as refusal:
            open_store(path)
        _check_refusal(revision, "store", str(refusal.value))
        return
    store = open_store(path)
    sums = json.loads((workplace / "expected.json").read_text())["store"]["sums"]
    assert store.signals().sum(axis=(1, 2), dtype=int).tolist() == sums, COMPATIBILITY
    assert list(store.records["record_id"]) == [f"r{number:02}" for number in range(len(sums))]


@pytest.mark.parametrize("file", ["runs/default/version_0/checkpoints/best.ckpt", "gru.onnx"])
def test_a_network_answers_as_it_did(file: str, workplace: Path, run: Callable[..., str | None]) -> None:
    if not (workplace / file).exists():
        pytest.skip("a revision that exports nothing")
    then = _predictions(workplace / "runs/default/version_0/test")
    if run("network", "infer", file, *(f"records/downstream/{r}" for r in then.index)) is None:
        return
    logits = open_model(file).logits(_signals(then.index))
    _assert_same(1 / (1 + np.exp(-logits)), then.to_numpy())


@pytest.mark.slow
def test_a_run_is_tested_again_with_its_config(workplace: Path, run: Callable[..., str | None]) -> None:
    folder = Path("runs/default/version_0")
    words = ["-c", str(folder / "config.yaml"), "--ckpt_path", str(folder / "checkpoints/best.ckpt")]
    before = _predictions(workplace / folder / "test")
    if run("config", "test", *words) is None:
        return
    again = _predictions(workplace / folder / "test_2")
    assert list(again.columns) == list(before.columns)
    _assert_same(again.loc[before.index].to_numpy(), before.to_numpy())


@pytest.mark.slow
def test_a_training_goes_on(workplace: Path, run: Callable[..., str | None]) -> None:
    folder = Path("runs/default/version_0")
    words = ["-c", str(folder / "config.yaml"), "--ckpt_path", str(folder / "checkpoints/last.ckpt")]
    if run("training", "fit", *words, "--trainer.max_epochs", "3") is None:
        return
    history = pd.read_csv("runs/default/version_1/metrics.csv")
    assert history["epoch"].tolist()[-1] == 3


@pytest.mark.parametrize("words", [("transfer", "inspect", "CKPT"), ("card", "CKPT")])
def test_a_checkpoint_is_described(
    words: tuple[str, ...], workplace: Path, run: Callable[..., str | None]
) -> None:
    checkpoint = "runs/default/version_0/checkpoints/best.ckpt"
    run("checkpoint", *(checkpoint if word == "CKPT" else word for word in words))


@pytest.mark.slow
@pytest.mark.parametrize("revision", WITH_STUDIES)
def test_a_finished_study_is_reported_as_it_was(
    revision: str, workplace: Path, run: Callable[..., str | None]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in workplace.glob("study/runs/*/result.json")}
    assert len(before) == 5
    status = run("study", "study", "status", "study.yaml")
    if status is None:
        return
    assert "5 runs: 5 finished" in status, COMPATIBILITY
    printed = run("study", "study", "run", "study.yaml", "--progress", "false")
    assert printed is not None
    assert "5 of 5 runs are finished." in printed
    run("study", "study", "report", "study.yaml", "--resamples", "50")
    assert {path: path.stat().st_mtime_ns for path in before} == before  # nothing was run again
    for one in load_results(Path("study")).runs:
        then = _predictions(workplace / "study/runs" / one.id / "test")
        _assert_same(one.probabilities, then.to_numpy())


@pytest.mark.parametrize("revision", WITH_STUDIES)
def test_a_study_goes_on_when_its_arms_are_written_with_the_words_of_now(
    revision: str, workplace: Path, run: Callable[..., str | None]
) -> None:
    file = workplace / "study.yaml"
    now = file.read_text().replace("{schedule: full}", "{recipe: full}")
    assert now != file.read_text()
    file.write_text(now)
    status = run("study", "study", "status", "study.yaml")
    assert status is not None
    assert "5 runs: 5 finished" in status, COMPATIBILITY
