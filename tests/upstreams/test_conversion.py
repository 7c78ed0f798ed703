"""Files that hold more than tensors: what they ask for is said, and nothing of them is executed."""

from __future__ import annotations

import argparse
import os
import pickle
import pickletools
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from ecg_tl.cli import main
from ecg_tl.errors import CheckpointError
from ecg_tl.models import create_network
from ecg_tl.upstreams import check_upstream
from ecg_tl.upstreams.conversion import convert, find_tensors
from ecg_tl.upstreams.pickled_names import COMPUTED, name_kind, read_asked
from ecg_tl.upstreams.stand_ins import StandIn


class Hostile:
    """Runs a command when it is unpickled, as anybody's file may."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"a.weight": torch.randn(3, 2, generator=generator), "a.bias": torch.arange(3.0)}


def settings() -> argparse.Namespace:
    return argparse.Namespace(rate=500, leads=["I"])


def asked_of(content: bytes) -> set[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pkl"
        path.write_bytes(content)
        return set(read_asked(path).names)


def marker(tmp_path: Path) -> Hostile:
    return Hostile(os.system, f"touch {tmp_path / 'executed'}")


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("zipped", [True, False])
def test_what_a_file_asks_for_is_read_in_every_format(tmp_path: Path, protocol: int, zipped: bool) -> None:
    path = tmp_path / "x.pt"
    content = {"model": weights(), "args": settings(), "bad": marker(tmp_path)}
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    asked = read_asked(path)
    assert list(asked.of_kind("code")) == [f"{os.system.__module__}.system"]
    assert list(asked.of_kind("objects")) == ["argparse.Namespace"]
    assert "torch._utils._rebuild_tensor_v2" in asked.of_kind("tensors")
    assert ("archive" in asked.container) == zipped
    assert not (tmp_path / "executed").exists()


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.binary() | st.floats(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    ),
    st.integers(0, 5),
)
def test_values_ask_for_nothing_and_a_class_among_them_is_found(content: object, protocol: int) -> None:
    with_class = [content, OrderedDict(), content, settings()]
    # Protocols before 3 spell bytes as a call.
    assert asked_of(pickle.dumps(content, protocol)) <= {"_codecs.encode", "__builtin__.bytes"}
    names = asked_of(pickletools.optimize(pickle.dumps(with_class, protocol)))
    names -= {"_codecs.encode", "__builtin__.bytes"}
    if protocol < 2:
        names -= {"copy_reg._reconstructor", "__builtin__.object"}
    assert names == {"collections.OrderedDict", "argparse.Namespace"}


def test_a_name_that_is_computed_is_said_to_run_code(tmp_path: Path) -> None:
    # Pushes two numbers and looks them up as a name; a real one would join texts.
    (tmp_path / "x.pkl").write_bytes(b"\x80\x04K\x01K\x02\x93.")
    assert read_asked(tmp_path / "x.pkl").of_kind("code") == {COMPUTED: 1}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("torch._utils._rebuild_tensor_v2", "tensors"),
        ("torch.FloatStorage", "tensors"),
        ("torch.bfloat16", "tensors"),
        ("collections.OrderedDict", "tensors"),
        ("builtins.set", "tensors"),
        ("numpy.core.multiarray.scalar", "objects"),
        ("omegaconf.dictconfig.DictConfig", "objects"),
        ("torch.nn.modules.linear.Linear", "objects"),
        ("fairseq.types.Config", "objects"),
        ("os.system", "code"),
        ("nt.system", "code"),
        ("torch.os.system", "code"),
        ("builtins.eval", "code"),
        ("__builtin__.getattr", "code"),
        ("torch.load", "code"),
        ("torch.storage._load_from_bytes", "objects"),
        ("functools.partial", "code"),
        (COMPUTED, "code"),
    ],
)
def test_a_name_is_of_a_kind(name: str, kind: str) -> None:
    assert name_kind(name) == kind


@pytest.mark.slow
def test_tensors_of_a_hostile_file_are_saved_and_nothing_is_executed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.pt"
    torch.save({"state_dict": weights(), "args": settings(), "bad": marker(tmp_path)}, path)
    assert main(["upstream", "convert", str(path)]) == 0
    said = capsys.readouterr().out
    assert "RUNS CODE" in said
    assert "  posix.system" in said
    assert "  argparse.Namespace" in said
    assert f"convert {path} --trust {path} saves its tensors as {tmp_path / 'x.safetensors'}" in said
    assert sorted(tmp_path.iterdir()) == [path]
    assert main(["upstream", "convert", str(path), "--trust", str(path)]) == 0
    assert f"saved       2 tensors in {tmp_path / 'x.safetensors'}" in capsys.readouterr().out
    saved = load_file(tmp_path / "x.safetensors")
    assert saved.keys() == weights().keys()
    assert all(torch.equal(saved[name], tensor) for name, tensor in weights().items())
    assert not (tmp_path / "executed").exists()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_a_converted_file_is_the_upstreams(tmp_path: Path, form: str) -> None:
    state = create_network("resnet1d_wang", 2, 12, 250).state_dict()
    content = {"model": state, "opt": settings()}
    path = tmp_path / "fastai_resnet1d_wang.pth"
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(CheckpointError, match=r"objects other than weights.*ecg-tl upstream convert"):
        check_upstream("resnet1d_wang-ptbxl", path)
    convert(path, tmp_path / "x.safetensors")
    assert check_upstream("resnet1d_wang-ptbxl", tmp_path / "x.safetensors").fits


def test_two_containers_keep_their_keys_and_an_optimizers_tensors_are_left_out(tmp_path: Path) -> None:
    other = {"b.weight": torch.ones(2)}
    content = {
        "ecg_model": weights(),
        "model": other,
        "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}},
    }
    tensors, containers, left_out = find_tensors(content)
    assert list(tensors) == ["ecg_model.a.weight", "ecg_model.a.bias", "model.b.weight"] or list(tensors) == [
        "model.b.weight",
        "ecg_model.a.weight",
        "ecg_model.a.bias",
    ]
    assert set(containers) == {"ecg_model", "model"}
    assert left_out == 1


@pytest.mark.slow
def test_a_module_that_was_pickled_whole_gives_its_state_dict(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    torch.save(module, tmp_path / "x.pt")
    convert(tmp_path / "x.pt", tmp_path / "x.safetensors")
    saved, expected = load_file(tmp_path / "x.safetensors"), module.state_dict()
    assert saved.keys() == expected.keys()
    assert all(torch.equal(saved[name], tensor) for name, tensor in expected.items())


@pytest.mark.slow
def test_a_class_that_is_not_installed_is_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"model": weights(), "cfg": settings()}, path)
    with zipfile.ZipFile(path) as archive:
        members = {one.filename: archive.read(one) for one in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content.replace(b"cargparse\nNamespace", b"cfairseq\nNamespace"))
    assert list(read_asked(path).of_kind("objects")) == ["fairseq.Namespace"]
    assert convert(path, tmp_path / "x.safetensors").saved == 2


def test_another_file_is_not_trusted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": weights(), "cfg": settings()}, tmp_path / "x.pt")
    torch.save({}, tmp_path / "y.pt")
    words = ["upstream", "convert", str(tmp_path / "x.pt"), "--trust", str(tmp_path / "y.pt")]
    assert main(words) == 2
    assert "Name the file that is converted once more" in capsys.readouterr().err
    assert not (tmp_path / "x.safetensors").exists()


def test_a_file_of_tensors_alone_needs_no_trust(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": weights()}, tmp_path / "x.pt")
    assert main(["upstream", "convert", str(tmp_path / "x.pt")]) == 0
    assert "it asks for nothing but tensors, and opens as it is" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no pickle"),
        (b"no pickle at all", "no pickle"),
        (b"PK\x03\x04 and nothing more", "a damaged archive"),
        (b"\x80\x04\x95", "no pickle, or a damaged one"),
        (b"\x02\x00\x00\x00\x00\x00\x00\x00{}" + b" " * 9, "a safetensors file"),
    ],
)
def test_what_is_no_pickle_is_a_line(
    tmp_path: Path, content: bytes, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=words):
        read_asked(path)
    assert main(["upstream", "convert", str(path)]) == 2


@given(content=st.binary(max_size=60), damage=st.integers(0, 200))
def test_damaged_pickles_are_a_line_or_an_answer(content: bytes, damage: int) -> None:
    whole = pickle.dumps({"a": settings(), "b": content})
    with suppress(CheckpointError):
        asked_of(whole[: damage % len(whole)] + content + whole[damage % len(whole) + 1 :])


@pytest.mark.slow
def test_a_pickle_that_kills_its_reader_is_a_line_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    whole = weights()["a.weight"].expand(1000, 3, 2)
    torch.save({"model": {"a": whole}}, path)
    with pytest.raises(CheckpointError, match="larger than what is stored"):
        convert(path, tmp_path / "x.safetensors")
    deep: Any = marker(tmp_path)
    for _ in range(200):
        deep = [deep]
    path.write_bytes(pickle.dumps({"model": deep}))
    with pytest.raises(CheckpointError, match="no tensors"):
        convert(path, tmp_path / "x.safetensors")
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_stand_in_does_nothing_whatever_is_done_to_it() -> None:
    one = StandIn(1, key=2)
    one["x"] = 3
    one.append(1)
    one.extend([1])
    one.add(1)
    assert isinstance(one(4), StandIn)
    assert {one: 1}[one] == 1
