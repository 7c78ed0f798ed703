"""An upstream file is somebody else's: whatever is wrong with it is one line, and nothing of it is run."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from trainings import Study

from ecg_tl.checkpoints.reading import read_upstream
from ecg_tl.errors import CheckpointError
from ecg_tl.transfer.callback import TransferLearning


class Malicious:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.mark,))


def one_line(error: BaseException) -> str:
    message = str(error)
    assert "\n" not in message
    return message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.ckpt: found no such file") as caught:
        read_upstream(tmp_path / "nowhere.ckpt")
    one_line(caught.value)


@pytest.mark.parametrize("suffix", [".ckpt", ".pt"])
def test_an_empty_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"empty{suffix}"
    path.touch()
    with pytest.raises(CheckpointError, match="empty") as caught:
        read_upstream(path)
    one_line(caught.value)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(gru_upstream: Path, tmp_path: Path, kept: float) -> None:
    content = gru_upstream.read_bytes()
    path = tmp_path / "half.ckpt"
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(CheckpointError, match=r"truncated|damaged") as caught:
        read_upstream(path)
    one_line(caught.value)


@pytest.mark.parametrize("where", ["beside the weights", "among the weights", "bare pickle"])
def test_nothing_of_a_tampered_file_is_executed(gru_upstream: Path, tmp_path: Path, where: str) -> None:
    mark, path = tmp_path / "executed", tmp_path / "tampered.ckpt"
    checkpoint = torch.load(gru_upstream, weights_only=True)
    if where == "beside the weights":
        torch.save({**checkpoint, "extra": Malicious(mark)}, path)
    elif where == "among the weights":
        state = {**checkpoint["state_dict"], "network.extra": Malicious(mark)}
        torch.save({**checkpoint, "state_dict": state}, path)
    else:
        path.write_bytes(pickle.dumps(Malicious(mark)))
    with pytest.raises(CheckpointError, match="executed") as caught:
        read_upstream(path)
    one_line(caught.value)
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"not a checkpoint\n" * 40, b"\x80", b"PK\x03\x04" + b"\0" * 100])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.ckpt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read_upstream(path)
    one_line(caught.value)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"state_dict": {}}, {"state_dict": 5}])
def test_a_file_without_weights_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "weightless.ckpt"
    torch.save(content, path)
    with pytest.raises(CheckpointError) as caught:
        read_upstream(path)
    one_line(caught.value)


def test_a_training_from_a_bad_file_stops_before_its_first_step(study: Study, tmp_path: Path) -> None:
    data = study.data()
    trainer = study.trainer(tmp_path, TransferLearning(str(tmp_path / "nowhere.ckpt")))
    with pytest.raises(CheckpointError, match="no such file"):
        trainer.fit(study.task(data), data)
    assert trainer.global_step == 0


@pytest.mark.parametrize("shape", [(10**9, 4), (2**40,), (10**5, 10**5)])
def test_tensors_that_one_stored_value_stands_for_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "expanded.pt"
    torch.save({"fc.weight": torch.zeros(1).expand(*shape)}, path)
    with pytest.raises(CheckpointError, match="fewer values than that") as caught:
        read_upstream(path)
    one_line(caught.value)


def test_an_entry_with_another_checksum_is_refused(gru_upstream: Path, tmp_path: Path) -> None:
    content = bytearray(gru_upstream.read_bytes())
    with zipfile.ZipFile(gru_upstream) as archive:
        entry = max(archive.infolist(), key=lambda one: one.file_size)
    content[entry.header_offset + 64 + len(entry.filename) + entry.file_size // 2] ^= 4
    path = tmp_path / "flipped.ckpt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="checksum") as caught:
        read_upstream(path)
    one_line(caught.value)


def _safetensors(header: dict[str, Any], data: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


_EMPTY = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}


@pytest.mark.parametrize(
    "content",
    [
        _safetensors({}, length=2**63),
        _safetensors({}, length=2**40),
        _safetensors({f"tensor_{k}": _EMPTY for k in range(50_000)}),  # minutes, if each is made
        _safetensors({"a": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 0]}}),
        _safetensors({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 0]}}),
        _safetensors({"a": {"dtype": "\x1b[31m", "shape": [1], "data_offsets": [0, 4]}}, b"0000"),
        (2**17).to_bytes(8, "little") + b'{"a":' * 26_000,
        b"",
        b"\x01",
    ],
    ids=range(9),
)
def test_a_damaged_safetensors_header_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"foreign\.safetensors") as refused:
        read_upstream(path)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 600


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 150), st.integers(0, 255)), min_size=1, max_size=5))
def test_any_bytes_in_a_safetensors_header_are_read_or_refused(
    changes: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    entry = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    content = bytearray(_safetensors({"__metadata__": {"format": "pt"}, "conv1.weight": entry}, bytes(24)))
    for position, value in changes:
        content[position % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "mutant.safetensors"
    path.write_bytes(content)
    try:
        read_upstream(path)
    except CheckpointError as error:
        one_line(error)
