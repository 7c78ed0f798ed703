"""What an exported file carries, what it needs to run, and what is said of files that are none."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from untrained import CALIBRATION, CLASSES, NUM_SAMPLES, SAMPLING_RATE

from ecg_tl import __version__
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.inference.metadata import METADATA_KEY
from ecg_tl.inference.onnx_model import OnnxModel
from ecg_tl.inference.opening import open_model
from ecg_tl.inference.program_model import METADATA_FILE
from ecg_tl.signals import LEADS

SIGNAL = np.random.default_rng(3).normal(size=(2, 12, NUM_SAMPLES)).astype(np.float32)


def check_metadata(text: str) -> None:
    """What anybody can read who has a JSON parser and no ecg_tl."""
    said = json.loads(text)
    assert said["class_names"] == list(CLASSES)
    assert said["class_codes"]["MI"] == ["AMI", "IMI"]
    assert said["code_system"] == "scp"
    assert said["leads"] == list(LEADS)
    assert (said["sampling_rate"], said["num_samples"], said["units"]) == (SAMPLING_RATE, NUM_SAMPLES, "mV")
    assert said["thresholds"] == list(CALIBRATION.thresholds)
    assert said["tuned"] == list(CALIBRATION.tuned)
    assert said["temperature"] == CALIBRATION.temperature
    assert said["version"] == __version__


def test_onnx_describes_itself_and_its_batch_is_free(onnx_file: Path) -> None:
    session = onnxruntime.InferenceSession(str(onnx_file), providers=["CPUExecutionProvider"])
    check_metadata(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
    shapes = {one.name: one.shape for one in (*session.get_inputs(), *session.get_outputs())}
    assert shapes == {
        "signal": ["batch", 12, NUM_SAMPLES],
        "probability": ["batch", len(CLASSES)],
        "logits": ["batch", len(CLASSES)],
    }
    described = onnx.load(str(onnx_file)).doc_string
    assert "mV at 25 Hz" in described
    assert "no medical device" in described


def test_a_program_describes_itself(program_file: Path) -> None:
    extra = {METADATA_FILE: ""}
    torch.export.load(program_file, extra_files=extra)
    check_metadata(extra[METADATA_FILE])


def run_without(blocked: tuple[str, ...], *lines: str) -> str:
    """Run lines in a Python that cannot import some packages."""
    guard = (
        "import sys",
        "class Guard:",
        "    def find_spec(self, name, *_):",
        f"        if any((name + '.').startswith(b + '.') for b in {blocked!r}): raise ImportError(name)",
        "sys.meta_path.insert(0, Guard())",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*guard, *lines])], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_onnx_runs_without_torch(onnx_file: Path) -> None:
    printed = run_without(
        ("torch", "lightning", "onnx", "ecg_tl.models", "ecg_tl.tasks"),
        "import numpy as np",
        "from ecg_tl.inference.opening import open_model",
        f"model = open_model({str(onnx_file)!r}, trust_program=True)",
        f"print(model.logits(np.zeros((5, 12, {NUM_SAMPLES}), dtype=np.float32)).shape)",
    )
    assert printed.strip() == f"(5, {len(CLASSES)})"


@pytest.mark.slow
def test_a_program_runs_without_this_project(program_file: Path) -> None:
    printed = run_without(
        ("ecg_tl", "lightning"),
        "import torch",
        f"program = torch.export.load({str(program_file)!r}).module()",
        f"print([tuple(out.shape) for out in program(torch.zeros(5, 12, {NUM_SAMPLES}))])",
    )
    assert printed.strip() == str([(5, len(CLASSES))] * 2)


@pytest.mark.slow
def test_opening_a_program_takes_none_of_the_networks_code(program_file: Path) -> None:
    run_without(
        ("lightning", "ecg_tl.models", "ecg_tl.tasks", "ecg_tl.transforms"),
        "from ecg_tl.inference.opening import open_model",
        f"open_model({str(program_file)!r}, trust_program=True)",
    )


def test_a_missing_onnxruntime_is_named_with_how_to_install_it(
    onnx_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SettingError, match=r"pip install 'ecg-tl\[onnx\]'"):
        OnnxModel(onnx_file)


def with_metadata(source: Path, target: Path, text: str | None) -> Path:
    """Copy an ONNX file with other metadata."""
    model = onnx.load(str(source))
    del model.metadata_props[:]
    if text is not None:
        onnx.helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, str(target))
    return target


def metadata_of(source: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads(onnx.load(str(source)).metadata_props[0].value)
    del content["digest"]  # with which any change would be refused
    return content


class TestAnOnnxFile:
    def test_without_metadata_is_refused(self, onnx_file: Path, tmp_path: Path) -> None:
        bare = with_metadata(onnx_file, tmp_path / "bare.onnx", None)
        with pytest.raises(CheckpointError, match=r"bare.onnx: found no description of itself"):
            open_model(bare, trust_program=True)

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("not json {", "metadata that are no JSON"),
            ('{"author": "somebody"}', "a description of format None"),
            ('["NORM"]', "a malformed description"),
        ],
    )
    def test_with_other_metadata_is_refused(
        self, text: str, found: str, onnx_file: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(CheckpointError, match=found):
            open_model(with_metadata(onnx_file, tmp_path / "other.onnx", text), trust_program=True)

    @pytest.mark.parametrize(
        ("change", "found"),
        [
            ({"num_samples": 100}, "a graph of 12 leads, 32 samples and 3 classes"),
            ({"leads": ["I", "II"]}, "2, 32 and 3, as its metadata say"),
            ({"class_names": ["NORM", "MI"], "thresholds": [], "tuned": []}, "12, 32 and 2"),
            ({"thresholds": [0.5]}, "1 thresholds"),
            ({"temperature": 0}, "temperature 0"),
        ],
    )
    def test_that_is_not_what_it_says_is_refused(
        self, change: dict[str, object], found: str, onnx_file: Path, tmp_path: Path
    ) -> None:
        text = json.dumps(metadata_of(onnx_file) | change)
        with pytest.raises(CheckpointError, match=found):
            open_model(with_metadata(onnx_file, tmp_path / "altered.onnx", text), trust_program=True)

    def test_of_another_project_with_our_key_is_refused(self, onnx_file: Path, tmp_path: Path) -> None:
        text = json.dumps(metadata_of(onnx_file))
        value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 12, NUM_SAMPLES])
        out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 12, NUM_SAMPLES])
        graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, str(tmp_path / "foreign.onnx"))
        foreign = with_metadata(tmp_path / "foreign.onnx", tmp_path / "foreign.onnx", text)
        with pytest.raises(CheckpointError, match="inputs x and outputs y"):
            open_model(foreign, trust_program=True)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "of another kind": lambda content: b"record,label\n1,0\n" * 50,
    "zeros": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", ["onnx_file", "program_file"])
def test_a_damaged_file_is_one_clear_error(
    file: str, damage: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source: Path = request.getfixturevalue(file)
    spoilt = tmp_path / f"spoilt{source.suffix}"
    spoilt.write_bytes(DAMAGE[damage](source.read_bytes()))
    with pytest.raises(CheckpointError, match="an empty, truncated or damaged file") as caught:
        open_model(spoilt, trust_program=True)
    assert "\n" not in str(caught.value)
    assert str(spoilt) in str(caught.value)


class TestAProgram:
    def test_is_not_loaded_unless_it_is_said_to_be_trusted(
        self, program_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch.export, "load", lambda *_, **__: pytest.fail("it was loaded"))
        with pytest.raises(CheckpointError, match="--trust_program"):
            open_model(program_file)

    def test_of_another_project_is_refused_before_it_is_loaded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = torch.export.export(torch.nn.Linear(2, 1), (torch.zeros(1, 2),))
        torch.export.save(program, tmp_path / "foreign.pt2")
        monkeypatch.setattr(torch.export, "load", lambda *_, **__: pytest.fail("it was loaded"))
        with pytest.raises(CheckpointError, match="no description of itself"):
            open_model(tmp_path / "foreign.pt2", trust_program=True)

    def test_whose_bytes_were_changed_is_refused(self, program_file: Path, tmp_path: Path) -> None:
        content = bytearray(program_file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        (tmp_path / "changed.pt2").write_bytes(content)
        with pytest.raises(CheckpointError, match="damaged file"):
            open_model(tmp_path / "changed.pt2", trust_program=True)

    @pytest.mark.slow
    def test_that_is_not_what_it_says_is_refused(self, program_file: Path, tmp_path: Path) -> None:
        altered = tmp_path / "altered.pt2"
        with zipfile.ZipFile(program_file) as source, zipfile.ZipFile(altered, "w") as target:
            for entry in source.infolist():
                content = source.read(entry)
                if entry.filename.endswith(METADATA_FILE):
                    content = json.dumps(json.loads(content) | {"num_samples": 100}).encode()
                target.writestr(entry.filename, content)
        with pytest.raises(CheckpointError, match="a graph of 12 leads, 32 samples and 3 classes"):
            open_model(altered, trust_program=True)


def _drop_digest(model: onnx.ModelProto) -> None:
    (entry,) = (one for one in model.metadata_props if one.key == METADATA_KEY)
    entry.value = json.dumps({k: v for k, v in json.loads(entry.value).items() if k != "digest"})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["checkpoint", "ONNX"])
def test_a_flipped_bit_anywhere_is_refused_or_changes_nothing(
    kind: str, untrained_gru: Path, onnx_file: Path, tmp_path: Path
) -> None:
    source = onnx_file if kind == "ONNX" else untrained_gru
    content = source.read_bytes()
    then = open_model(source).logits(SIGNAL)
    random = Random(0)
    ends = [len(content) - 1 - number for number in range(0, 90, 3)]  # of ONNX, where the digest is
    refused = 0
    for position in [*(random.randrange(len(content)) for _ in range(120)), *ends]:
        flipped = bytearray(content)
        flipped[position] ^= 1 << random.randrange(8)
        path = tmp_path / f"flipped{source.suffix}"
        path.write_bytes(flipped)
        try:
            logits = open_model(path).logits(SIGNAL)
        except CheckpointError as error:
            assert error.where == str(path)  # noqa: PT017
            refused += 1
            continue
        np.testing.assert_array_equal(logits, then, err_msg=f"bit flipped in byte {position}")
    assert refused > 75


def test_an_onnx_file_of_an_earlier_version_has_no_digest_and_opens(onnx_file: Path, tmp_path: Path) -> None:
    model = onnx.load(onnx_file)
    _drop_digest(model)
    path = tmp_path / "earlier.onnx"
    path.write_bytes(model.SerializeToString())
    np.testing.assert_array_equal(open_model(path).logits(SIGNAL), open_model(onnx_file).logits(SIGNAL))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_whose_outputs_are_no_numbers_is_refused_by_its_own_name(
    value: float, onnx_file: Path, tmp_path: Path
) -> None:
    model = onnx.load(onnx_file)
    weights = next(one for one in model.graph.initializer if one.data_type == onnx.TensorProto.FLOAT)
    weights.raw_data = np.full(tuple(weights.dims), value, dtype=np.float32).tobytes()
    _drop_digest(model)  # it would refuse the file before
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError) as error:
        open_model(path)
    assert error.value.where == str(path)


def test_a_network_that_fails_when_it_runs_is_refused_and_the_runtime_prints_nothing(
    onnx_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load(onnx_file)
    for one in model.graph.initializer:
        del one.dims[:]
        one.dims.extend([3])
        one.raw_data = bytes(3 * {onnx.TensorProto.INT64: 8}.get(one.data_type, 4))
    _drop_digest(model)  # it would refuse the file before
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError) as error:
        open_model(path)
    assert error.value.where == str(path)
    assert capfd.readouterr() == ("", "")
