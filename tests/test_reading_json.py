"""Every JSON file is read by one function, which neither waits nor recurses without end."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import ecg_tl
from ecg_tl.csv_text import read_csv_texts
from ecg_tl.datasets.tables import read_text_table
from ecg_tl.errors import DatasetError
from ecg_tl.files import parse_json, read_json


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")  # to open it is to wait for a writer
    (tmp_path / "device.json").symlink_to("/dev/zero")
    for name in ("pipe.json", "device.json", ".", "missing.json"):
        with pytest.raises(OSError, match=r"pipe or a device|folder|No such file"):
            read_json(tmp_path / name)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * 900 + "]" * 900, '{"a":' * 100_000, "1" * 10_000, "", "{", b"\xff\xfe{}"]
)
def test_what_is_no_json_or_too_deep_is_a_value_error(text: str | bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)
    path = tmp_path / "x.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=r"."):
        read_json(path)


def test_no_other_code_reads_json_files() -> None:
    package = Path(ecg_tl.__path__[0])
    reading = re.compile(r"json\.loads?\([^)\n]*(path|file|read)")
    others = [str(path) for path in package.rglob("*.py") if reading.search(path.read_text(encoding="utf-8"))]
    assert others == []


def test_a_table_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "labels.csv")
    with pytest.raises(DatasetError, match="pipe or a device"):
        read_text_table(tmp_path / "labels.csv", ("record",), "a test")
    with pytest.raises(OSError, match="pipe or a device"):
        read_csv_texts(tmp_path / "labels.csv")
