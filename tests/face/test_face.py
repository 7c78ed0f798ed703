"""What `import ecg_tl` gives: at once, by name, and as the command line does it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import seed_everything
from tiny import GRU, HALF_TRAINS, NUM_SAMPLES, SAMPLING_RATE, data_words, fit

import ecg_tl
from ecg_tl.acceleration import Hardware
from ecg_tl.datasets import DATASETS
from ecg_tl.errors import EcgTlError, SettingError
from ecg_tl.models import network_names
from ecg_tl.store.reader import Store

QUIET = {"accelerator": "cpu", "devices": 1, "enable_progress_bar": False, "enable_model_summary": False}
NO_PICTURES: dict[str, Any] = {"pictures": {"records": 0}, "curves": {"every_n_epochs": 0}}


def test_importing_it_imports_nothing_else() -> None:
    program = "import sys; before = set(sys.modules); import ecg_tl; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded <= {"ecg_tl", *sys.stdlib_module_names}


@pytest.mark.slow
def test_a_list_of_datasets_needs_no_torch() -> None:
    program = "import sys, ecg_tl; ecg_tl.list_datasets(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_every_public_name_is_there_for_users_and_for_type_checkers() -> None:
    tree = ast.parse(Path(ecg_tl.__file__).read_text(encoding="utf-8"))
    checked = {
        alias.asname or alias.name
        for block in tree.body
        if isinstance(block, ast.If)
        for line in block.body
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
    }
    assert checked | {"__version__"} == set(ecg_tl.__all__) == set(dir(ecg_tl))
    for name in ecg_tl.__all__:
        assert getattr(ecg_tl, name) is not None
        assert name == "__version__" or callable(getattr(ecg_tl, name))
    with pytest.raises(AttributeError, match="no attribute 'datamodul'"):
        ecg_tl.datamodul  # type: ignore[attr-defined]  # noqa: B018


def test_names_are_those_of_the_registries() -> None:
    assert ecg_tl.list_datasets() == list(DATASETS)
    assert ecg_tl.list_networks() == list(network_names())
    assert "ecg-fm" in ecg_tl.list_upstreams("ecg-*")
    assert ecg_tl.upstream("ecg-fm").network == "ecg_fm"
    assert ecg_tl.list_networks("resnet*") == [n for n in network_names() if n.startswith("resnet")]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ecg_tl.datamodule("ptblx"), "Did you mean 'ptbxl'?"),
        (lambda: ecg_tl.datamodule("ludb", batchsize=3), "Did you mean 'batch_size'?"),
        (lambda: ecg_tl.datamodule("ludb", split={"kidn": "auto"}), "Did you mean 'kind'?"),
        (lambda: ecg_tl.trainer(max_epoch=3), "Did you mean 'max_epochs'?"),
        (lambda: ecg_tl.trainer(checkpoint={"monitr": "x"}), "Did you mean 'monitor'?"),
        (lambda: ecg_tl.trainer(precision="17-true", logger=False), "17-true"),
        (lambda: ecg_tl.trainer(experiment="../up"), "experiment"),
        (lambda: ecg_tl.open_model("nothing.ckpt"), "nothing.ckpt: found no such file"),
        (lambda: ecg_tl.study("dmeo"), "such as demo"),
        (lambda: ecg_tl.study("demo", sedes=[0]), "sedes"),
        (lambda: ecg_tl.study({"name": "x", "folder": "y", "sedes": [0]}), "settings of the study: found"),
        (lambda: ecg_tl.study("demo", run=False), "no finished run of this study"),
    ],
)
def test_what_is_wrong_is_one_line(
    call: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EcgTlError) as caught:
        call()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_training_in_python_is_that_of_the_command(
    cpsc2018_root: Path, cpsc2018_store: Store, prepared: Path, tmp_path: Path
) -> None:
    words = [*data_words("Cpsc2018DataModule", cpsc2018_root, prepared), *HALF_TRAINS]
    by_command = fit(words, tmp_path / "command", *GRU, epochs=2)

    seed_everything(0)
    data = ecg_tl.datamodule(
        "cpsc2018",
        cpsc2018_root,
        store_dir=prepared,
        sampling_rate=SAMPLING_RATE,
        num_samples=NUM_SAMPLES,
        batch_size=16,
        split={"kind": "patient", "fractions": (0.5, 0.25, 0.25)},
    )
    task = ecg_tl.EcgClassifier.for_data(data, "gru", network_options={"hidden_size": 8})
    trainer = ecg_tl.trainer(
        max_epochs=2, precision="32-true", runs_dir=tmp_path / "python", **QUIET, **NO_PICTURES
    )
    trainer.fit(task, data)
    assert trainer.run_folder is not None
    left = {path.relative_to(by_command) for path in by_command.rglob("*") if path.is_file()}
    here = {path.relative_to(trainer.run_folder) for path in trainer.run_folder.rglob("*") if path.is_file()}
    named = {str(path) for path in left ^ here if "tfevents" not in path.name}
    assert named == {"config.yaml"}
    ours, theirs = (
        torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
        for folder in (trainer.run_folder, by_command)
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)

    trainer.test(task, data, ckpt_path="best", verbose=False)
    assert (trainer.run_folder / "predictions.csv").is_file()


def test_precision_is_chosen_for_the_network(cpsc2018_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hardware = Hardware("cpu", "a CPU", bfloat16=True, bfloat16_lstm=True)
    monkeypatch.setattr("ecg_tl.acceleration.describe_device", lambda accelerator: hardware)
    trainer = ecg_tl.trainer(logger=False, **QUIET)
    data = ecg_tl.datamodule("cpsc2018", cpsc2018_root)
    for network, precision in (
        ("resnet1d18", "bf16-mixed"),
        ("gru", "32-true"),
        ("resnet1d18", "bf16-mixed"),
    ):
        trainer._accelerate(ecg_tl.EcgClassifier.for_data(data, network))
        assert trainer.precision == precision
    given = ecg_tl.trainer(logger=False, precision="64-true", **QUIET)
    given._accelerate(ecg_tl.EcgClassifier.for_data(data, "resnet1d18"))
    assert given.precision == "64-true"


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU")
def test_cuda_graphs_are_a_setting_here_as_well(cpsc2018_root: Path, cpsc2018_store: Store) -> None:
    data = ecg_tl.datamodule(
        "cpsc2018", store=cpsc2018_store.path, sampling_rate=SAMPLING_RATE, num_samples=NUM_SAMPLES
    )
    trainer = ecg_tl.trainer(logger=False, speed={"cuda_graph": True}, max_epochs=1, **NO_PICTURES, **QUIET)
    task = ecg_tl.EcgClassifier.for_data(data, "gru", network_options={"hidden_size": 4})
    with pytest.raises(SettingError, match=r"speed\.cuda_graph.*a cpu has none"):
        trainer.fit(task, data)


@pytest.mark.slow
def test_a_model_answers_about_files_and_arrays(trained_run: Path, ptbxl_root: Path, tmp_path: Path) -> None:
    model = ecg_tl.open_model(trained_run / "checkpoints" / "best.ckpt")
    record = next(ptbxl_root.rglob("*.hea"))
    of_file = model.answer(record, picture=tmp_path / "ecg.png")
    assert [one.name for one in of_file.classes] == list(model.description.class_names)
    assert all(0 <= one.probability <= 1 for one in of_file.classes)
    assert (tmp_path / "ecg.png").stat().st_size > 1000

    rate, leads = model.description.sampling_rate, model.description.leads
    signal = np.random.default_rng(0).normal(scale=0.3, size=(len(leads), NUM_SAMPLES)).astype(np.float32)
    np.save(tmp_path / "signal.npy", signal)
    how: dict[str, Any] = {"leads": leads, "sampling_rate": rate, "units": "mV"}
    assert model.answer(signal, **how).classes == model.answer(tmp_path / "signal.npy", **how).classes
    assert model.logits(signal[None]).shape == (1, len(model.description.class_names))

    with pytest.raises(EcgTlError, match="array: found nothing about its leads"):
        model.answer(signal)
    with pytest.raises(SettingError, match="Did you mean 'steps'"):
        model.answer(record, amplitude="step")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="picture_class"):
        model.answer(record, picture=tmp_path / "x.png", picture_class="nothing")
