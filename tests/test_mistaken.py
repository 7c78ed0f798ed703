"""Files that are something else than their names say, as they come out of downloads, copies and Excel."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.cli import main
from ecg_tl.datasets import get_dataset
from ecg_tl.errors import RecordError
from ecg_tl.mistaken import clearer, identify
from ecg_tl.recordings import ReadSettings, read_record
from ecg_tl.store.build import prepare
from ecg_tl.store.check import check_dataset
from ecg_tl.store.settings import StoreSettings
from ecg_tl.synthesis import synthesize

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a2146" * 8 + b"\nsize 12345\n"
PAGE = b"\n<!DOCTYPE html>\n<html><head><title>403 Forbidden</title></head><body></body></html>\n"
TABLE = b"record,AF\nr1,1\nr2,0\n"

MISTAKES = {
    "empty": (b"", "an empty file"),
    "pointer": (POINTER, "a Git LFS pointer, not the file"),
    "page": (PAGE, "a web page, not the file"),
    "storage's answer": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an XML document"),
    "gzip": (gzip.compress(TABLE), "a file compressed by gzip"),
    "zeros": (bytes(4096), "a file of zeros"),
}
TEXTS = {
    "workbook": (b"PK\x03\x04" + b"\0" * 26 + b"xl/workbook.xml", "an Excel workbook"),
    "archive": (b"PK\x03\x04" + b"\0" * 26 + b"labels.csv", "a zip archive"),
    "UTF-16": (TABLE.decode().encode("utf-16"), "text in UTF-16"),
}


@pytest.mark.parametrize("suffix", [".csv", ".hea", ".mat", ".dat", ".npy", ".ckpt", ".onnx", ".yaml"])
@pytest.mark.parametrize(("content", "what"), MISTAKES.values(), ids=MISTAKES)
def test_another_thing_under_a_name_is_named(content: bytes, what: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    found = identify(path)
    assert found is not None
    assert found.what.startswith(what)
    assert found.remedy.endswith(".")


@pytest.mark.parametrize("suffix", [".csv", ".hea", ".json"])
@pytest.mark.parametrize(("content", "what"), TEXTS.values(), ids=TEXTS)
def test_another_thing_in_place_of_text_is_named(
    content: bytes, what: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    found = identify(path)
    assert found is not None
    assert found.what == what


def test_a_binary_file_transferred_as_text_is_recognized(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-500, 500, 20_000, dtype=np.int16).tobytes()
    (tmp_path / "whole.dat").write_bytes(samples)
    (tmp_path / "spoiled.dat").write_bytes(samples.replace(b"\n", b"\r\n"))
    assert identify(tmp_path / "whole.dat") is None
    found = identify(tmp_path / "spoiled.dat")
    assert found is not None
    assert "CRLF" in found.what


def test_what_is_no_file_is_named_without_opening_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")  # opened, it would wait for a writer
    (tmp_path / "folder.csv").mkdir()
    assert identify(tmp_path / "pipe.csv").what == "a pipe or a device"  # type: ignore[union-attr]
    assert identify(tmp_path / "folder.csv").what == "a folder"  # type: ignore[union-attr]
    assert identify(tmp_path / "missing.csv") is None


@given(
    content=st.binary(min_size=100, max_size=3000).filter(
        lambda b: any(b) and not b.startswith((b"<", b"\x1f"))
    ),
    suffix=st.sampled_from([".dat", ".npy", ".ckpt"]),
)
def test_bytes_of_any_kind_are_no_mistake(
    content: bytes, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(b"\x93" + content + b"a\nb" * 3)
    assert identify(path) is None


def test_an_error_keeps_its_kind_and_names_the_mistake(tmp_path: Path) -> None:
    path = tmp_path / "r.mat"
    path.write_bytes(PAGE)
    error = clearer(RecordError(path, "80 bytes", "24000", "Fetch it."))
    assert isinstance(error, RecordError)
    assert str(error).startswith(f"{path}: found a web page, not the file, expected 24000. ")
    assert clearer(RecordError("--units", "x", "y", "Z.")).found == "x"
    assert clearer(RecordError("a\0.csv", "x", "y", "Z.")).found == "x"


@pytest.mark.parametrize(
    "content", [POINTER, PAGE, b"", gzip.compress(TABLE)], ids=["lfs", "html", "empty", "gz"]
)
@pytest.mark.parametrize("name", ["labels.csv", "r1.hea", "best.ckpt", "m.onnx", "r.npy", "study.yaml"])
def test_commands_say_what_lies_in_a_files_place(
    name: str,
    content: bytes,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found = identify(path)
    assert found is not None
    if name in ("r1.hea", "r.npy"):
        with pytest.raises(RecordError) as refusal:
            read_record(path.with_suffix("") if name == "r1.hea" else path, ReadSettings())
        assert clearer(refusal.value).found == found.what
        return
    words = {
        "labels.csv": ["data", "prepare", "custom", "--root", ".", "--store_dir", "stores"],
        "study.yaml": ["study", "plan", name],
    }.get(name, ["infer", name, "record"])
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ecg-tl: error: ")]
    assert found.what in line
    assert found.remedy in line


@pytest.mark.parametrize("suffix", [".hea", ".dat"])
@pytest.mark.parametrize(("content", "what"), MISTAKES.values(), ids=MISTAKES)
def test_prepare_check_and_infer_say_what_lies_under_a_records_name(
    content: bytes, what: str, suffix: str, simulated: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    shutil.copytree(simulated, root)
    record = sorted(root.rglob("*.hea"))[1].with_suffix("")
    record.with_suffix(suffix).write_bytes(content)
    store = prepare(get_dataset("custom"), root, tmp_path, StoreSettings(num_samples=100), progress=False)
    report = check_dataset(get_dataset("custom"), root, progress=False)
    reasons = [*(left.reason for left in store.manifest.left_out), *(f.detail for f in report.findings)]
    assert len(reasons) == 2
    with pytest.raises(RecordError) as refused:
        read_record(record, ReadSettings())
    for said in (*reasons, str(clearer(refused.value))):
        assert f"{record.name}{suffix}: found {what}" in said


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("simulated") / "custom"
    synthesize("custom", root, 4, progress=False)
    return root
