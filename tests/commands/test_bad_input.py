"""What users may get wrong, through the command line: one line that says so, and nothing half-written."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import GRU, HALF_TRAINS, QUIET, data_words

from ecg_tl.cli import main
from ecg_tl.datasets import layout_names
from ecg_tl.store import writer
from ecg_tl.store.reader import Store, open_store
from ecg_tl.synthesis import synthesize

RECORDS = 8


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Simulate a layout's records once; copy them before spoiling them."""
    folder = tmp_path_factory.mktemp("intact")

    def make(layout: str) -> Path:
        if not (folder / layout).exists():
            synthesize(layout, folder / layout, RECORDS, seed=6, progress=False)
        return folder / layout

    return make


@pytest.fixture
def spoiled(datasets: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """Copy a layout's records to `tmp_path`."""
    return lambda layout: shutil.copytree(datasets(layout), tmp_path / layout)


@pytest.fixture(autouse=True)
def _log_to_a_closed_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    # Lightning's handler writes to what standard error was when it was imported: some other test's.
    monkeypatch.setattr(logging, "raiseExceptions", False)


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    error: str


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> Outcome:
    """Run a command; an exception that it does not turn into a line fails the test by itself."""
    status = main(words)
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if line.startswith("ecg-tl: error: ")]
    assert len(errors) == (status == 2), captured.err
    assert "Traceback" not in captured.err
    return Outcome(status, captured.out, "".join(errors))


def prepare(layout: str, root: Path, *more: str) -> list[str]:
    stores = root.parent / "stores"
    return ["data", "prepare", layout, "--root", str(root), "--store_dir", str(stores), *more]


def assert_says(error: str, *parts: str) -> None:
    """Check for where, what was found, what was expected, and a remedy: a sentence of its own."""
    assert ": found " in error
    assert ", expected " in error
    remedy = error.split(", expected ", 1)[1].split(". ", 1)[1]
    assert remedy.endswith(".")
    assert remedy[0].isupper() or remedy[0] == "`"
    for part in parts:
        assert part in error, f"{part!r} is not in {error!r}"


def assert_nothing_written(root: Path) -> None:
    """Check that `stores` holds no store, nor a part of one; a lock is no content."""
    stores = root.parent / "stores"
    if stores.is_dir():
        assert [path.name for path in stores.iterdir() if path.suffix != ".lock"] == []


# One record that cannot be used -----------------------------------------------------------------------------


def _dat(root: Path) -> Path:
    return sorted(root.glob("records500/*/*.dat"))[0]


def _truncate(root: Path) -> Path:
    path = _dat(root)
    path.write_bytes(path.read_bytes()[:-1000])
    return path


def _remove_signals(root: Path) -> Path:
    _dat(root).unlink()
    return _dat_header(root)


def _dat_header(root: Path) -> Path:
    return sorted(root.glob("records500/*/*.hea"))[0]


def _flip(root: Path) -> Path:
    path = _dat(root)
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(bytes(content))
    return path.with_suffix(".hea")


def _edit_header(old: str, new: str) -> Callable[[Path], Path]:
    def edit(root: Path) -> Path:
        path = _dat_header(root)
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        return path

    return edit


def _measure_nothing(root: Path) -> Path:
    path = _dat(root)
    samples = np.full(len(path.read_bytes()) // 2, -(2**15), dtype="<i2")
    path.write_bytes(samples.tobytes())
    lines = path.with_suffix(".hea").read_text().splitlines()
    # 5,000 samples of -32,768 add up to 0 in 16 bits.
    for number, line in enumerate(lines[1:], start=1):
        fields = line.split()
        lines[number] = " ".join([*fields[:5], "-32768", "0", *fields[7:]])
    path.with_suffix(".hea").write_text("\n".join(lines) + "\n")
    return path.with_suffix("")


def _corrupt_mat(root: Path) -> Path:
    path = sorted(root.rglob("*.mat"))[0]
    path.write_bytes(b"\x00" * 24 + os.urandom(100))
    return path


SPOILT_RECORDS = [
    pytest.param("ptbxl", _truncate, ["119000 bytes", "120000"], id="truncated .dat"),
    pytest.param("ptbxl", _remove_signals, ["no file", ".dat"], id="header naming a missing file"),
    pytest.param("ptbxl", _flip, ["checksum"], id="checksum mismatch"),
    pytest.param("ptbxl", _edit_header(" V6", " X6"), ["no lead V6"], id="missing lead"),
    pytest.param("ptbxl", _edit_header("/mV", "/mmHg"), ["mmHg", "mV"], id="unknown unit"),
    pytest.param("ptbxl", _measure_nothing, ["no value in lead I"], id="all-NaN record"),
    pytest.param("cpsc2018", _corrupt_mat, [], id="corrupt .mat"),
]


@pytest.mark.parametrize(("layout", "spoil", "message"), SPOILT_RECORDS)
def test_a_bad_record_stops_where_asked_to(
    layout: str,
    spoil: Callable[[Path], Path],
    message: list[str],
    spoiled: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = spoiled(layout)
    path = spoil(root)
    outcome = run(prepare(layout, root, "--bad_records", "error"), capsys)
    assert outcome.status == 2
    assert_says(outcome.error, path.stem, *message)
    assert_nothing_written(root)


@pytest.mark.parametrize(("layout", "spoil", "message"), SPOILT_RECORDS)
def test_a_bad_record_is_listed_where_it_may_be_left_out(
    layout: str,
    spoil: Callable[[Path], Path],
    message: list[str],
    spoiled: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    root = spoiled(layout)
    path = spoil(root)
    outcome = run(prepare(layout, root), capsys)
    assert outcome.status == 0
    assert f"{RECORDS - 1} of {RECORDS} records" in outcome.out
    for part in (path.stem, *message):
        assert part in outcome.out
    (folder,) = (root.parent / "stores").glob(f"{layout}-*")
    (left_out,) = open_store(folder).manifest.left_out
    assert_says(left_out.reason, path.stem, *message)
    checked = run(["data", "check", layout, "--root", str(root)], capsys)
    if message != ["no lead V6"]:  # a record of eleven leads can be read, and serves whoever asks for those
        assert checked.status == 1
        assert all(part in checked.out for part in message or [path.stem])


# A dataset that cannot be used ------------------------------------------------------------------------------


def _garbage_tracings(root: Path) -> Path:
    path = root / "ecg_tracings.hdf5"
    path.write_bytes(os.urandom(4096))
    return path


def _truncated_tracings(root: Path) -> Path:
    path = root / "ecg_tracings.hdf5"
    path.write_bytes(path.read_bytes()[:5000])
    return path


def _drop_label_row(root: Path) -> Path:
    path = root / "annotations" / "gold_standard.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    return path


def _drop_column(name: str, column: str) -> Callable[[Path], Path]:
    def drop(root: Path) -> Path:
        table = pd.read_csv(root / name, dtype=str, keep_default_na=False)
        table.drop(columns=column).to_csv(root / name, index=False)
        return root / name

    return drop


def _repeat_row(name: str) -> Callable[[Path], Path]:
    def repeat(root: Path) -> Path:
        table = pd.read_csv(root / name, dtype=str, keep_default_na=False)
        pd.concat([table, table.iloc[[2]]]).to_csv(root / name, index=False)
        return root / name

    return repeat


ANY_NUMBER = ("--options", '{"expected_records": null}')


@pytest.mark.parametrize(
    ("layout", "spoil", "options", "message"),
    [
        pytest.param("code_test", _garbage_tracings, ANY_NUMBER, ["tracings"], id="corrupt .hdf5"),
        pytest.param("code_test", _truncated_tracings, ANY_NUMBER, ["tracings"], id="truncated .hdf5"),
        pytest.param(
            "code_test", _drop_label_row, ANY_NUMBER, ["7 rows", "expected 8"], id="gold standard too short"
        ),
        pytest.param(
            "code_test",
            lambda root: root / "annotations" / "gold_standard.csv",
            (),
            ["8 rows", "expected 827"],
            id="gold standard of another set",
        ),
        pytest.param(
            "ptbxl",
            _drop_column("ptbxl_database.csv", "scp_codes"),
            (),
            ["scp_codes"],
            id="no column of codes",
        ),
        pytest.param(
            "custom", _drop_column("labels.csv", "record"), (), ["record"], id="no column of records"
        ),
        pytest.param(
            "code_test",
            _drop_column("annotations/gold_standard.csv", "RBBB"),
            ANY_NUMBER,
            ["RBBB"],
            id="no column of a class",
        ),
        pytest.param("ptbxl", _repeat_row("ptbxl_database.csv"), (), ["twice", "3"], id="two rows, ptbxl"),
        pytest.param("custom", _repeat_row("labels.csv"), (), ["twice"], id="two rows, custom"),
    ],
)
def test_a_bad_table_or_file_is_named(
    layout: str,
    spoil: Callable[[Path], Path],
    options: tuple[str, ...],
    message: list[str],
    spoiled: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = spoiled(layout)
    path = spoil(root)
    outcome = run(prepare(layout, root, *options), capsys)
    assert outcome.status == 2
    assert_says(outcome.error, path.name, *message)
    assert_nothing_written(root)
    checked = run(["data", "check", layout, "--root", str(root), *options], capsys)
    assert checked.status == 2
    assert_says(checked.error, path.name, *message)


@pytest.mark.parametrize("layout", layout_names())
@pytest.mark.parametrize("there", [True, False], ids=["empty folder", "no folder"])
def test_no_data_at_all(layout: str, there: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "none"
    if there:
        root.mkdir()
    for words in (prepare(layout, root), ["data", "check", layout, "--root", str(root)]):
        outcome = run(words, capsys)
        assert outcome.status == 2
        assert_says(outcome.error, str(root))
    assert_nothing_written(root)


# The disk ---------------------------------------------------------------------------------------------------


def test_a_store_folder_that_cannot_be_made(
    datasets: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    words = ["data", "prepare", "custom", "--root", str(datasets("custom")), "--store_dir"]
    outcome = run([*words, str(tmp_path / "file" / "stores")], capsys)
    assert outcome.status == 2
    assert_says(outcome.error, str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC], ids=errno.errorcode.get)
def test_a_disk_that_takes_nothing(
    code: int,
    spoiled: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError(code, os.strerror(code))

    root = spoiled("custom")
    monkeypatch.setattr(writer.tempfile, "mkdtemp", refuse)
    outcome = run(prepare("custom", root), capsys)
    assert outcome.status == 2
    assert_says(outcome.error, "custom-", os.strerror(code).lower(), "free")
    assert_nothing_written(root)


@pytest.mark.parametrize("name", ["write_columns", "_sync"])
def test_a_disk_that_fills_up_on_the_way(
    name: str,
    spoiled: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    root = spoiled("custom")
    monkeypatch.setattr(writer, name, full)
    outcome = run(prepare("custom", root), capsys)
    assert outcome.status == 2
    assert_says(outcome.error, "no space left on device")
    assert_nothing_written(root)
    monkeypatch.undo()
    assert run(prepare("custom", root), capsys).status == 0


def test_a_disk_without_room(
    spoiled: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = shutil.disk_usage("/")
    root = spoiled("custom")
    monkeypatch.setattr(writer.shutil, "disk_usage", lambda _: usage._replace(free=10_000))
    outcome = run(prepare("custom", root), capsys)
    assert outcome.status == 2
    assert_says(outcome.error, "10,000 bytes free")
    assert_nothing_written(root)


@pytest.fixture
def fitting(ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path) -> list[str]:
    """A command line that trains."""
    data = [*data_words("PtbXlDataModule", ptbxl_root, prepared), *HALF_TRAINS]
    words = ["fit", *data, *GRU, *QUIET, "--trainer.max_epochs", "1", "--pictures.records", "0"]
    return [*words, "--runs_dir", str(tmp_path / "runs")]


def test_a_runs_folder_that_cannot_be_made(
    fitting: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").write_text("mine")
    outcome = run(fitting, capsys)
    assert outcome.status == 2
    assert_says(outcome.error, str(tmp_path / "runs"), "runs_dir")


@pytest.mark.slow
def test_a_disk_that_fills_up_while_a_checkpoint_is_written(
    fitting: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fsspec.implementations.local import LocalFileOpener

    def full(self: LocalFileOpener, *args: Any) -> None:
        self.f.write(b"PK half a checkpoint")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(LocalFileOpener, "write", full)
    outcome = run(fitting, capsys)
    assert outcome.status == 2
    assert_says(outcome.error, os.strerror(errno.ENOSPC))
    assert not list((tmp_path / "runs").rglob("*.ckpt"))


# Settings ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "meant"),
    [
        ("batch_size:", "bach_size:", "batch_size"),
        ("kind:", "knd:", "kind"),
        ("max_epochs:", "max_epoch:", "max_epochs"),
        ("hidden_size:", "hiden_size:", "hidden_size"),
        ("runs_dir:", "run_dir:", "runs_dir"),
        ("monitor:", "monitr:", "monitor"),
    ],
)
def test_a_misspelt_key_in_a_config(
    old: str, new: str, meant: str, trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "mine.yaml"
    text = (trained_run / "config.yaml").read_text()
    assert old in text
    config.write_text(text.replace(old, new, 1))
    outcome = run(["fit", "-c", str(trained_run / "config.yaml"), "-c", str(config)], capsys)
    assert outcome.status == 2
    assert_says(outcome.error, str(config), new.removesuffix(":"), f"such as {meant}", "ecg-tl fit --help")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data.bach_size", "3"], ["--data.bach_size", "such as batch_size"]),
        (["--model.hidden_size", "many"], ["hidden_size", "many"]),
        (["--data.split.kind", "random"], ["random", "patient"]),
        (["--data.augmentation.gaussian_noise", "-1"], ["gaussian_noise", "at least 0"]),
        (["--data.batch_size", "0"], ["batch_size: found 0"]),
        (["--model.hidden_size", "0"], ["hidden_size: found 0"]),
        (["--model.learning_rate", "-1"], ["learning_rate: found -1"]),
        (["--pictures.records", "-1"], ["pictures.records: found -1"]),
        (
            ["--trainer.callbacks+", "TransferLearning", "--trainer.callbacks.upstream", "none.ckpt"],
            ["none.ckpt: found no such file"],
        ),
        (["--data.split.fractions", "[0.9, 0.2, 0.1]"], ["fractions", "add up to 1"]),
        (["--data.split.train_records", "900"], ["training subset", "900"]),
        (["--trainer.callbacks+", "TransferLerning"], ["TransferLerning"]),
        (["-c", "none.yaml"], ["none.yaml"]),
        (["--ckpt_path", "none.ckpt"], ["none.ckpt"]),
        (["--ckpt_path", "last"], ["last"]),
    ],
)
def test_a_wrong_word(
    words: list[str], message: list[str], fitting: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = run([*fitting, *words], capsys)
    assert outcome.status == 2
    assert_says(outcome.error, *message)


@pytest.mark.parametrize("words", [["--rot", "x"], ["--num_samples", "many"], ["--resampling", "linear"]])
def test_a_wrong_word_of_data(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = run(prepare("custom", tmp_path / "custom", *words), capsys)
    assert outcome.status == 2
    assert_says(outcome.error, words[0].lstrip("-"))


# Leads ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_lead_that_there_is_not(
    fitting: list[str], spoiled: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = spoiled("custom")
    for words in (prepare("custom", root, "--leads", "[I, V7]"), [*fitting, "--data.leads", "[I, V7]"]):
        outcome = run(words, capsys)
        assert outcome.status == 2
        assert_says(outcome.error, "leads: found I, V7", "V6")
    assert_nothing_written(root)


@pytest.mark.slow
def test_a_lead_that_no_record_has(
    fitting: list[str], spoiled: Callable[[str], Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    root = spoiled("custom")
    for header in root.rglob("*.hea"):
        header.write_text(header.read_text().replace(" V6", " X6"))
    stores = str(tmp_path / "stores")
    training = [*fitting, "--data", "CustomDataModule", "--data.root", str(root), "--data.store_dir", stores]
    for words in (prepare("custom", root), training):
        outcome = run(words, capsys)
        assert outcome.status == 2
        assert_says(outcome.error, str(root), f"{RECORDS} that cannot be used", "no lead V6", "X6")
    assert_nothing_written(root)
    assert run(prepare("custom", root, "--leads", "[I, II]"), capsys).status == 0


@pytest.mark.slow
def test_a_network_that_wants_other_leads_than_the_data(
    run_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = str(run_copy / "checkpoints" / "best.ckpt")
    words = ["test", "-c", str(run_copy / "config.yaml"), "--ckpt_path", checkpoint]
    outcome = run([*words, "--data.leads", "[I, II]"], capsys)
    assert outcome.status == 2
    assert_says(outcome.error, "leads ['I', 'II'] in ptbxl", "'V6'], on which it was trained")
    assert not list(run_copy.rglob("predictions.csv"))


# Checkpoints ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_checkpoint_to_score(trained_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("validate", "test", "predict"):
        outcome = run([command, "-c", str(trained_run / "config.yaml")], capsys)
        assert outcome.status == 2
        assert_says(outcome.error, "ckpt_path", f"ecg-tl {command}")


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["empty", "truncated", "text", "pickle"])
def test_a_damaged_checkpoint(fault: str, run_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_copy / "checkpoints" / "best.ckpt"
    content = path.read_bytes()
    evil = b"cos\nsystem\n(S'touch " + str(run_copy / "harmed").encode() + b"'\ntR."
    path.write_bytes({"empty": b"", "truncated": content[:5000], "text": b"hello", "pickle": evil}[fault])
    for command in ("test", "fit"):
        outcome = run([command, "-c", str(run_copy / "config.yaml"), "--ckpt_path", str(path)], capsys)
        assert outcome.status == 2
        assert_says(outcome.error, str(path))
    assert not (run_copy / "harmed").exists()
    assert not (run_copy / "test").exists()


TENSORS: dict[str, Callable[[dict[str, Any]], object]] = {
    "missing": lambda state: state.pop(sorted(state)[0]),
    "another shape": lambda state: state.update({sorted(state)[0]: torch.zeros(3, 1, 7)}),
    "no numbers": lambda state: state[sorted(state)[0]].fill_(float("nan")),
    "one more": lambda state: state.update({"network.other\x1b[31m": torch.zeros(2)}),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", TENSORS.values(), ids=TENSORS)
def test_a_checkpoint_of_other_tensors_is_named_with_the_first_of_them(
    change: Callable[[dict[str, Any]], object], run_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run_copy / "checkpoints" / "best.ckpt"
    content = torch.load(path, weights_only=True)
    content.pop("ecg_tl_digest", None)
    change(content["state_dict"])
    torch.save(content, path)
    outcome = run(["test", "-c", str(run_copy / "config.yaml"), "--ckpt_path", str(path)], capsys)
    assert outcome.status == 2
    assert_says(outcome.error, str(path))
    assert "\x1b" not in outcome.error
