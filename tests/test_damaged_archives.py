"""Whatever opens a zip archive gives an answer or one line, whatever became of the archive's entries."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.datasets.table_files import read_cells
from ecg_tl.downloading.many import unpack_zip
from ecg_tl.errors import EcgTlError
from ecg_tl.store.columns import Columns, write_columns
from ecg_tl.store.table import column_kinds
from ecg_tl.upstreams.pickled_names import read_asked
from ecg_tl.validation_predictions import read_validation

TABLE = pd.DataFrame({"record": ["a", "b"], "age": [1.0, 2.0]})
KINDS = column_kinds(TABLE)
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def write_workbook(path: Path) -> None:
    TABLE.to_excel(path, index=False)


def write_arrays(path: Path) -> None:
    np.savez(
        path.open("wb"),
        epochs=np.ones(1, np.int64),
        steps=np.ones(1, np.int64),
        record_ids=np.array(["a"]),
        patient_ids=np.array(["p"]),
        class_names=np.array(["AF"]),
        targets=np.ones((1, 1), np.float32),
        logits=np.ones((1, 1, 1), np.float32),
    )


READERS: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
    "workbook": (write_workbook, read_cells),
    "store's table": (
        lambda path: write_columns(TABLE, KINDS, path),
        lambda path: Columns(path, KINDS, len(TABLE)).read(),
    ),
    "validation predictions": (write_arrays, read_validation),
    "PyTorch's archive": (lambda path: torch.save({"w": torch.ones(2)}, path), read_asked),
    "downloaded archive": (write_arrays, lambda path: unpack_zip(path, path.parent / "unpacked")),
}


@cache
def entries(kind: str) -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "intact.xlsx")
        READERS[kind][0](path)
        READERS[kind][1](path)  # it is read as it was written
        with zipfile.ZipFile(path) as archive:
            return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def packed(content: dict[str, bytes], compression: int) -> bytearray:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return bytearray(buffer.getvalue())


def read(kind: str, content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "damaged.xlsx")
        path.write_bytes(content)
        said = "damaged.xlsx"
        try:
            READERS[kind][1](path)
        except EcgTlError as error:
            said = str(error)
        assert "damaged.xlsx" in said
        assert "\n" not in said


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("left", [b"", b"\x80", b"<x>"])
def test_an_entry_holds_something_else(kind: str, left: bytes) -> None:
    for name in entries(kind):
        read(kind, bytes(packed(entries(kind) | {name: left}, zipfile.ZIP_STORED)))


@pytest.mark.parametrize("kind", READERS)
@given(data=st.data())
def test_bytes_of_an_entrys_stream_are_others(kind: str, data: st.DataObject) -> None:
    content = packed(entries(kind), data.draw(st.sampled_from(COMPRESSIONS)))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entry = data.draw(st.sampled_from(archive.infolist()))
    begins = entry.header_offset + 30 + len(entry.filename)
    for offset in data.draw(st.lists(st.integers(0, max(0, entry.compress_size - 1)), min_size=1)):
        content[begins + offset] ^= data.draw(st.integers(1, 255))
    read(kind, bytes(content))


@pytest.mark.parametrize("kind", READERS)
@given(data=st.data())
def test_what_the_archive_says_of_an_entry_is_something_else(kind: str, data: st.DataObject) -> None:
    content = packed(entries(kind), zipfile.ZIP_DEFLATED)
    begins = content.index(b"PK\x01\x02")  # the directory, which is what `zipfile` goes by
    for offset in data.draw(st.lists(st.integers(begins, len(content) - 1), min_size=1, max_size=4)):
        content[offset] = data.draw(st.integers(0, 255))
    read(kind, bytes(content))
