"""Damaged checkpoints and exported files are refused, or the damage has no effect."""

from __future__ import annotations

import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from untrained import NUM_SAMPLES, save_checkpoint

from ecg_tl.checkpoints.digest import DIGEST, weights_digest
from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.errors import CheckpointError, EcgTlError
from ecg_tl.inference.onnx_model import OnnxModel
from ecg_tl.transfer.inspection import inspect_checkpoint

FLIPS = 200


def _flips(content: bytes, seed: int) -> list[bytes]:
    """Copies with one flipped bit each, in any byte of the file."""
    drawn = random.Random(seed)
    flipped = []
    for _ in range(FLIPS):
        bit = drawn.randrange(8 * len(content))
        copy = bytearray(content)
        copy[bit // 8] ^= 1 << bit % 8
        flipped.append(bytes(copy))
    return flipped


def _outcome(read: Callable[[], Any]) -> tuple[Any, str | None]:
    try:
        return read(), None
    except EcgTlError as error:
        return None, str(error)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def test_a_flipped_bit_in_a_checkpoint_is_refused_or_has_no_effect(
    untrained_gru: Path, tmp_path: Path
) -> None:
    intact, path, refused = read_checkpoint(untrained_gru), tmp_path / "flipped.ckpt", 0
    for content in _flips(untrained_gru.read_bytes(), 0):
        path.write_bytes(content)
        found, said = _outcome(lambda: read_checkpoint(path))
        refused += said is not None
        assert said is not None or _equal(intact, found)
        assert said is None or (str(path) in said and "\n" not in said)
    assert refused > 0.8 * FLIPS


def test_a_flipped_bit_in_an_onnx_file_is_refused_or_has_no_effect(onnx_file: Path, tmp_path: Path) -> None:
    signal = np.random.default_rng(0).normal(size=(2, 12, NUM_SAMPLES)).astype(np.float32)
    intact, path, refused = OnnxModel(onnx_file), tmp_path / "flipped.onnx", 0
    for content in _flips(onnx_file.read_bytes(), 1):
        path.write_bytes(content)
        model, said = _outcome(lambda: OnnxModel(path))
        refused += said is not None
        assert said is None or (str(path) in said and "\n" not in said)
        if model is not None:
            assert np.array_equal(model.outputs(signal)[0], intact.outputs(signal)[0])
            assert model.description == intact.description
    assert refused > 0.9 * FLIPS


def test_weights_that_were_altered_and_saved_again_are_refused(untrained_gru: Path, tmp_path: Path) -> None:
    content = read_checkpoint(untrained_gru)
    content[DIGEST] = weights_digest(content["state_dict"])
    torch.save(content, tmp_path / "whole.ckpt")
    assert inspect_checkpoint(tmp_path / "whole.ckpt")["digest"] == content[DIGEST]
    content["state_dict"]["network.fc.bias"][0] += 1
    torch.save(content, tmp_path / "altered.ckpt")
    with pytest.raises(CheckpointError, match="with which they were saved"):
        read_checkpoint(tmp_path / "altered.ckpt")


def test_a_training_saves_the_digest_of_its_weights(trained_run: Path) -> None:
    for name in ("best.ckpt", "last.ckpt"):
        content = torch.load(trained_run / "checkpoints" / name, weights_only=True)
        assert content[DIGEST] == weights_digest(content["state_dict"])


def test_a_checkpoint_without_a_digest_opens(untrained_gru: Path) -> None:
    assert inspect_checkpoint(untrained_gru)["digest"] is None


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {**state, "b": state["a"].clone().double()},
        lambda state: {"c": state["a"]},
        lambda state: {"a": state["a"].reshape(2, 2)},
        lambda state: {"a": state["a"].flip(0)},
        lambda state: {},
    ],
)
def test_a_digest_is_of_names_types_shapes_and_values(change: Callable[[Any], Any]) -> None:
    state = {"a": torch.arange(4.0)}
    assert weights_digest(change(state)) != weights_digest(state)
    assert weights_digest({"a": torch.arange(8.0)[::2] / 2}) == weights_digest(state)


@pytest.mark.slow
def test_a_program_that_was_altered_is_refused(program_file: Path, tmp_path: Path) -> None:
    from ecg_tl.inference.program_model import ProgramModel

    path = tmp_path / "altered.pt2"
    with zipfile.ZipFile(program_file) as intact, zipfile.ZipFile(path, "w") as altered:
        for name in intact.namelist():
            content = intact.read(name)
            if name.endswith("weights/weight_0"):
                content = bytes([content[0] ^ 64]) + content[1:]
            altered.writestr(name, content)
    with pytest.raises(CheckpointError, match="with which it was written"):
        ProgramModel(path)
    shutil.copy(program_file, path)
    ProgramModel(path)


def test_an_onnx_file_cannot_have_other_files_read_as_its_weights(onnx_file: Path, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(onnx_file)
    weight = model.graph.initializer[0]
    (tmp_path / "secret").write_bytes(bytes(len(weight.raw_data)))
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "secret"
    for text in model.metadata_props:
        text.value = text.value.replace('"digest"', '"no digest"')
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError, match="External data path"):
        OnnxModel(tmp_path / "model.onnx")


@pytest.mark.slow
def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(80 * 2**20))
    with pytest.raises(CheckpointError, match="bytes in a file of"):
        read_checkpoint(path)


def test_a_tensor_without_its_values_is_refused(tmp_path: Path) -> None:
    content = torch.load(save_checkpoint(tmp_path / "whole.ckpt", hidden_size=8), weights_only=True)
    content["state_dict"]["network.more"] = torch.zeros(1).expand(10**12)
    torch.save(content, tmp_path / "endless.ckpt")
    with pytest.raises(CheckpointError, match="fewer values than that"):
        read_checkpoint(tmp_path / "endless.ckpt")


ABSURD: dict[str, Callable[[Any], Any]] = {
    "settings": lambda content: content["hyper_parameters"].update(num_samples=10**20),
    "hidden units": lambda content: content["hyper_parameters"].update(hidden_size=10**20),
    "layers": lambda content: content["hyper_parameters"].update(num_layers=255),
    "rate": lambda content: content["ecg_tl"]["data"].update(sampling_rate=1e308),
    "samples": lambda content: content["ecg_tl"]["data"].update(num_samples=10**20),
    "leads": lambda content: content["ecg_tl"]["data"].update(leads=["I"] * 10**6),
    "classes": lambda content: content["ecg_tl"].update(class_names=["A"] * 10**6),
    "depth": lambda content: content["hyper_parameters"].update(normalization=_nested(200)),
}


def _nested(levels: int) -> Any:
    content: Any = 0
    for _ in range(levels):
        content = {"x": content}
    return content


@pytest.mark.parametrize("kind", ABSURD)
@pytest.mark.slow
def test_absurd_numbers_in_a_checkpoint_are_one_line(kind: str, untrained_gru: Path, tmp_path: Path) -> None:
    from ecg_tl.inference.opening import open_model

    content = torch.load(untrained_gru, weights_only=True)
    ABSURD[kind](content)
    path = tmp_path / "absurd.ckpt"
    torch.save(content, path)
    with pytest.raises(CheckpointError) as error:
        open_model(path, "cpu")
    assert str(error.value).startswith(f"{path}: found ")
    assert len(str(error.value)) < 1000
