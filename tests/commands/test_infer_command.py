"""`ecg-tl infer` from the command line: outputs, equality with `predict`, exported networks, bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cart_files
import numpy as np
import onnx
import pandas as pd
import pytest
from tiny import HALF_TRAINS, data_words, fit

from ecg_tl.cli import main
from ecg_tl.datasets import get_dataset
from ecg_tl.inference import NOTICE
from ecg_tl.signals import LEADS, Recording

CLASSES = ["NORM", "MI", "STTC", "HYP", "CD"]
ARRAY = ("--leads", ",".join(LEADS), "--sampling_rate", "500", "--units", "mV")


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("ecg-tl: error: ")]


Infer = Callable[..., Outcome]


@pytest.fixture
def infer(trained_run: Path, capsys: pytest.CaptureFixture[str]) -> Infer:
    """Run the command on the checkpoint of `trained_run`, or on another network."""

    def run(*words: str | Path, model: Path | None = None) -> Outcome:
        model = model or trained_run / "checkpoints" / "best.ckpt"
        capsys.readouterr()
        status = main(["infer", str(model), *map(str, words)])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Outcome(status, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def ecg(ptbxl_root: Path) -> Recording:
    dataset = get_dataset("ptbxl")
    return dataset.read(ptbxl_root, dataset.scan(ptbxl_root).records["path"][0])


@pytest.fixture
def array(ecg: Recording, tmp_path: Path) -> Path:
    np.save(tmp_path / "a.npy", ecg.values)
    return tmp_path / "a.npy"


def first_record(root: Path) -> Path:
    return sorted((root / "records500").rglob("*.hea"))[0].with_suffix("")


def as_json(outcome: Outcome) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(outcome.out)
    return content


# The same numbers as `predict` ------------------------------------------------------------------------------


def compare(predicted: pd.DataFrame, records: list[dict[str, Any]]) -> None:
    for record in records:
        row = predicted.loc[predicted["name"] == Path(record["record"]).name].iloc[0]
        for one in record["classes"]:
            name = one["name"]
            assert one["probability_uncalibrated"] == pytest.approx(row[f"probability/{name}"], abs=2e-6)
            # Without enough validation records there is no temperature.
            calibrated = row.get(f"calibrated/{name}", row[f"probability/{name}"])
            assert one["probability"] == pytest.approx(calibrated, abs=2e-6)
            assert one["found"] == (one["probability_uncalibrated"] >= one["threshold_uncalibrated"])


@pytest.mark.slow
def test_infer_and_predict_give_the_same_numbers(infer: Infer, run_copy: Path, ptbxl_root: Path) -> None:
    checkpoint = run_copy / "checkpoints" / "best.ckpt"
    assert main(["predict", "-c", str(run_copy / "config.yaml"), "--ckpt_path", str(checkpoint)]) == 0
    predicted = pd.read_csv(run_copy / "predict" / "predictions.csv", dtype={"record_id": str})
    predicted["name"] = [f"{int(record_id):05d}_hr" for record_id in predicted["record_id"]]
    outcome = infer(ptbxl_root / "records500", "--json", "-")
    records = as_json(outcome)["records"]
    assert outcome.status == 0
    assert len(records) == len(predicted) == 60
    assert as_json(outcome)["calibration"]["temperature"] != 1
    compare(predicted, records)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("crop", "done"), [((), {"cropped", "padded"}), (("--data.crop_seconds", "4"), {"cropped", "windows"})]
)
def test_so_they_do_on_records_of_any_length(
    infer: Infer, cpsc2018_root: Path, prepared: Path, tmp_path: Path, crop: tuple[str, ...], done: set[str]
) -> None:
    data = [*data_words("Cpsc2018DataModule", cpsc2018_root, prepared), *HALF_TRAINS]
    # 12 s: some records are shorter, some longer
    run = fit(data, tmp_path, "--data.num_samples", "300", *crop)
    checkpoint = run / "checkpoints" / "best.ckpt"
    assert main(["predict", "-c", str(run / "config.yaml"), "--ckpt_path", str(checkpoint)]) == 0
    predicted = pd.read_csv(run / "predict" / "predictions.csv").rename(columns={"record_id": "name"})
    outcome = infer(cpsc2018_root, "--windows", "one", "--json", "-", model=checkpoint)
    records = as_json(outcome)["records"]
    kinds = {remark["kind"] for record in records for remark in [*record["notes"], *record["warnings"]]}
    assert done <= kinds
    assert len(records) == len(predicted) == 40
    compare(predicted, records)


# Outputs ----------------------------------------------------------------------------------------------------


def test_the_table_of_one_record(infer: Infer, ptbxl_root: Path) -> None:
    outcome = infer(first_record(ptbxl_root))
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == f"{first_record(ptbxl_root)}  10 s at 500 Hz, 12 leads"
    assert [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in CLASSES] == CLASSES
    assert "probabilities calibrated (temperature " in outcome.out
    assert lines[-1] == NOTICE


@pytest.mark.slow
def test_the_table_of_many_records(infer: Infer, ptbxl_root: Path, tmp_path: Path) -> None:
    outcome = infer(ptbxl_root / "records500", tmp_path / "nothing")
    rows = [line for line in outcome.out.splitlines() if "_hr " in line]
    assert len(rows) == 60
    assert any("failed" in line for line in outcome.out.splitlines())
    assert outcome.out.splitlines()[-1] == NOTICE


def test_the_csv_has_a_row_a_class(infer: Infer, ptbxl_root: Path, tmp_path: Path) -> None:
    record, missing = first_record(ptbxl_root), tmp_path / "nothing"
    outcome = infer(record, missing, "--csv", tmp_path / "out" / "a.csv")
    table = pd.read_csv(tmp_path / "out" / "a.csv")
    good, bad = table[table["error"].isna()], table[table["error"].notna()]
    assert outcome.status == 1
    assert good["class"].tolist() == CLASSES
    assert set(good["record"]) == {str(record)}
    assert (good["found"] == (good["probability_uncalibrated"] >= good["threshold_uncalibrated"])).all()
    assert good["calibrated"].all()
    assert bad["record"].tolist() == [str(missing)]
    assert "no such file" in bad["error"].iloc[0]
    assert set(table["notice"]) == {NOTICE}
    assert infer(record, missing, "--csv", "-").out == (tmp_path / "out" / "a.csv").read_text()


def test_the_json_says_everything(infer: Infer, ecg: Recording, tmp_path: Path) -> None:
    pair = np.vstack([ecg.values[[0, 1]], ecg.values[6:]])[:, :3000]
    np.savez(tmp_path / "a.npz", signal=pair, leads=["I", "II", *LEADS[6:]], sampling_rate=500, units="mV")
    outcome = infer(
        tmp_path / "a.npz", tmp_path / "b.npy", "--json", tmp_path / "a.json", "--sampling_rate", "250"
    )
    content = json.loads((tmp_path / "a.json").read_text())
    good, bad = content["records"]
    assert outcome.status == 1
    assert content["notice"] == NOTICE
    assert content["model"]["class_names"] == CLASSES
    assert content["model"]["leads"] == list(LEADS)
    assert content["calibration"]["calibrated"] is True
    assert content["calibration"]["thresholds"] == "f1"
    assert content["settings"] == {"aggregation": "mean", "windows": "all", "strict": False}
    assert (good["status"], bad["status"]) == ("ok", "failed")
    assert set(good["classes"][0]) == {
        *("name", "codes", "probability", "threshold", "found", "tuned"),
        *("probability_uncalibrated", "threshold_uncalibrated"),
    }
    assert {remark["kind"] for remark in good["warnings"]} >= {"padded", "option_not_used"}
    assert [remark["kind"] for remark in good["notes"]] == ["computed_leads"]
    assert good["windows"][0]["start"] == 0.0
    assert set(good["windows"][0]["probability"]) == set(CLASSES)
    assert (good["seconds"], good["sampling_rate"], len(good["leads"])) == (6.0, 500.0, 8)
    assert bad["error"]["found"] == "no such file"
    assert json.loads(infer(tmp_path / "a.npz", "--json", "-").out)["records"][0]["status"] == "ok"


def test_notes_and_warnings_are_on_the_terminal(infer: Infer, ecg: Recording, tmp_path: Path) -> None:
    values = np.vstack([ecg.values[[0, 1]], ecg.values[6:]])[:, :4000]
    values[5] = 0
    np.savez(tmp_path / "a.npz", signal=values, leads=["I", "II", *LEADS[6:]], sampling_rate=500, units="mV")
    out = infer(tmp_path / "a.npz").out
    assert "III, aVR, aVL, aVF computed from I and II" in out
    assert "warning: 8 s long, padded with zeros" in out
    assert "warning: flat lead: V4" in out


def test_files_of_carts_give_the_answer_of_the_same_array(
    infer: Infer, ecg: Recording, array: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "carts"
    folder.mkdir()
    values = ecg.values.astype(np.float64)
    steps = np.rint(values * 1000).astype(np.int16)
    cart_files.write_dicom(folder / "1.2.3", steps, sensitivity=1.0)
    cart_files.write_edf(folder / "a.edf", values)
    eight = [LEADS.index(lead) for lead in ("I", "II", *LEADS[6:])]
    (folder / "muse.xml").write_bytes(cart_files.muse_xml(steps[eight], per_bit="1"))
    found = as_json(infer(folder, "--json", "-"))["records"]
    (expected,) = as_json(infer(array, *ARRAY, "--json", "-"))["records"]
    assert len(found) == 3
    for one in found:
        for given, wanted in zip(one["classes"], expected["classes"], strict=True):
            assert given["probability"] == pytest.approx(wanted["probability"], abs=2e-3)
    computed = [one["record"] for one in found if "computed_leads" in {note["kind"] for note in one["notes"]}]
    assert [Path(record).name for record in computed] == ["muse.xml"]


def test_a_network_that_was_never_validated_says_so(infer: Infer, run_copy: Path, ptbxl_root: Path) -> None:
    import torch

    checkpoint = run_copy / "checkpoints" / "best.ckpt"
    content = torch.load(checkpoint, weights_only=True)
    content["ecg_tl"]["calibration"] = None
    torch.save(content, checkpoint)
    outcome = infer(first_record(ptbxl_root), model=checkpoint)
    assert "not calibrated and thresholds of 0.5" in outcome.out
    said = as_json(infer(first_record(ptbxl_root), "--json", "-", model=checkpoint))
    assert said["calibration"]["calibrated"] is False
    assert {one["threshold"] for one in said["records"][0]["classes"]} == {0.5}


def test_long_records(infer: Infer, ecg: Recording, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.tile(ecg.values, 3))
    mean, maximum, one = (
        as_json(infer(tmp_path / "a.npy", *ARRAY, "--json", "-", *more))["records"][0]
        for more in ((), ("--aggregation", "max"), ("--windows", "one"))
    )
    for position, name in enumerate(CLASSES):
        each = [window["probability"][name] for window in mean["windows"]]
        assert len(each) == 3
        assert mean["classes"][position]["probability"] == pytest.approx(np.mean(each))
        assert maximum["classes"][position]["probability"] == pytest.approx(max(each))
        assert one["classes"][position]["probability"] == pytest.approx(each[0])
    assert "the mean of the probabilities" in infer(tmp_path / "a.npy", *ARRAY).out


# Pictures ---------------------------------------------------------------------------------------------------

MAGIC = {"png": b"\x89PNG", "pdf": b"%PDF"}


@pytest.mark.slow
@pytest.mark.parametrize("form", MAGIC)
def test_a_picture_of_one_record(form: str, infer: Infer, array: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / f"a.{form}"
    assert infer(array, *ARRAY, "--plot", target, "--plot_class", "HYP").status == 0
    assert target.read_bytes().startswith(MAGIC[form])
    assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.slow
def test_pictures_of_several_records_lie_as_the_records_do(
    infer: Infer, ecg: Recording, tmp_path: Path
) -> None:
    for name in ("a/1.npy", "b/1.npy"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True)
        np.save(path, ecg.values)
    (tmp_path / "in" / "b" / "2.npy").write_bytes(b"")
    outcome = infer(tmp_path / "in", *ARRAY, "--plot", tmp_path / "out")
    assert outcome.status == 1
    pictures = sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")
    )
    assert pictures == ["a/1.npy.png", "b/1.npy.png"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--plot", "a.jpg"), "'.jpg'"),
        (("b.npy", "--plot", "a.png"), "the file a.png for 2 records"),
        (("--plot", "out", "--plot_class", "AF"), "found 'AF', expected one of NORM, MI, STTC, HYP, CD"),
    ],
)
def test_pictures_that_cannot_be_drawn(
    words: tuple[str, ...],
    found: str,
    infer: Infer,
    array: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = infer(array, *words, *ARRAY)
    assert outcome.status == 2
    assert found in outcome.errors[0]
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


# Exported networks ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("exported") / "model.onnx"
    checkpoint = trained_run / "checkpoints" / "best.ckpt"
    assert main(["export", str(checkpoint), "--format", "onnx", "--output", str(target)]) == 0
    return target


def test_an_onnx_file_gives_the_same_answers(infer: Infer, exported: Path, ptbxl_root: Path) -> None:
    words = (ptbxl_root / "records500" / "00000", "--json", "-")
    ours, theirs = as_json(infer(*words)), as_json(infer(*words, model=exported))
    assert theirs["calibration"] == ours["calibration"]
    for one, other in zip(ours["records"], theirs["records"], strict=True):
        assert one["warnings"] == other["warnings"]
        for a, b in zip(one["classes"], other["classes"], strict=True):
            assert a["probability"] == pytest.approx(b["probability"], abs=1e-5)
            assert a["codes"] == b["codes"]


@pytest.mark.slow
def test_an_onnx_file_needs_no_network_code(exported: Path, array: Path, tmp_path: Path) -> None:
    words = ["infer", str(exported), str(array), *ARRAY, "--plot", str(tmp_path / "a.png")]
    program = (
        "import sys; from ecg_tl.cli import main; "
        f"assert main({words!r}) == 0; "
        "print([n for n in sys.modules if n.split('.')[0] in ('torch', 'lightning') or n == 'ecg_tl.models'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [NOTICE, "[]"]
    assert (tmp_path / "a.png").read_bytes().startswith(MAGIC["png"])


# Bad input --------------------------------------------------------------------------------------------------


def test_a_bad_record_is_told_and_the_others_go_on(
    infer: Infer, ecg: Recording, array: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "b.npy", ecg.values * 1000)
    (tmp_path / "c.npy").write_bytes(b"")
    (tmp_path / "d.csv").write_text("I,II\n1,x\n")
    outcome = infer(tmp_path, *ARRAY, "--json", "-")
    records = {Path(record["record"]).name: record["status"] for record in as_json(outcome)["records"]}
    assert records == {"a.npy": "ok", "b.npy": "failed", "c.npy": "failed", "d.csv": "failed"}
    assert outcome.status == 1
    assert len(outcome.errors) == 3
    for line, name in zip(outcome.errors, ("b.npy", "c.npy", "d.csv"), strict=True):
        assert f"{name}: found " in line
        assert ", expected " in line


def test_strict_refuses_what_is_warned_of(infer: Infer, ecg: Recording, array: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "short.npy", ecg.values[:, :3000])
    lenient = infer(tmp_path / "short.npy", *ARRAY)
    assert (lenient.status, lenient.errors) == (0, [])
    assert "padded" in lenient.out
    strict = infer(array, tmp_path / "short.npy", *ARRAY, "--strict", "--json", "-")
    assert strict.status == 1
    assert [record["status"] for record in as_json(strict)["records"]] == ["ok", "failed"]
    assert "6 s long, padded with zeros" in strict.errors[0]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--leads", "I,V7"), "the unknown lead V7"),
        (("--units", "furlong"), "the unit 'furlong'"),
        (("--sampling_rate", "-5"), "--sampling_rate: found -5"),
        (("--sampling_rate", "fast"), "fast"),
        (("--aggregation", "median"), "median"),
        (("--window", "one"), "such as windows"),
        (("--csv", "-", "--json", "-"), "standard output for both"),
    ],
)
def test_a_setting_that_cannot_be_carried_out(
    words: tuple[str, ...], found: str, infer: Infer, array: Path
) -> None:
    outcome = infer(array, *words)
    assert outcome.status == 2
    assert len(outcome.errors) == 1
    assert found in outcome.errors[0]
    assert outcome.out == ""


def test_a_model_that_is_none(infer: Infer, array: Path, tmp_path: Path) -> None:
    import torch

    torch.save({"state_dict": {"weight": torch.zeros(3)}}, tmp_path / "other.ckpt")
    (tmp_path / "empty.ckpt").write_bytes(b"")
    for name, found in (
        ("other.ckpt", "no description of itself"),
        ("empty.ckpt", "empty.ckpt"),
        ("nothing.ckpt", "no such file"),
    ):
        outcome = infer(array, *ARRAY, model=tmp_path / name)
        assert outcome.status == 2
        assert len(outcome.errors) == 1
        assert found in outcome.errors[0]


def test_an_onnx_file_without_metadata(infer: Infer, array: Path, tmp_path: Path) -> None:
    signal, output = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 12, 250])
        for name in ("signal", "output")
    )
    node = onnx.helper.make_node("Identity", ["signal"], ["output"])
    graph = onnx.helper.make_graph([node], "graph", [signal], [output])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "foreign.onnx")
    outcome = infer(array, *ARRAY, model=tmp_path / "foreign.onnx")
    assert outcome.status == 2
    assert "foreign.onnx: found no description of itself" in outcome.errors[0]


def test_a_disk_that_cannot_be_written_is_one_line(infer: Infer, array: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = infer(array, *ARRAY, "--json", tmp_path / "file" / "a.json")
    assert outcome.status == 2
    assert len(outcome.errors) == 1
