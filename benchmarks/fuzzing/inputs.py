"""Intact files of every kind that the program opens, made by the program itself, small."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import yaml

from fuzzing.process import run

_RATE, _SAMPLES = "50", "200"
_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_FEW = {"ptbxl": 6, "ludb": 6, "custom": 6, "georgia": 6, "code_test": 6}
_STUDY = {
    "name": "tiny",
    "folder": "study",
    "seeds": [0],
    "second_opinion": False,
    "networks": {
        "gru": {"model": {"class_path": "RnnClassifier", "init_args": {"network": "gru", "hidden_size": 4}}}
    },
    "arms": {"scratch": {}, "full": {"transfer": {"recipe": "full"}}},
    "settings": {
        "trainer": {"max_epochs": 2, "accelerator": "cpu", "devices": 1, "precision": "32-true"},
        "data": {
            "init_args": {
                "sampling_rate": int(_RATE),
                "num_samples": int(_SAMPLES),
                "batch_size": 16,
                "split": {"kind": "patient", "fractions": [0.5, 0.25, 0.25]},
            }
        },
    },
}
QUIET = [
    *("--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.precision", "32-true"),
    *("--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"),
    *("--pictures.records", "0", "--curves.every_n_epochs", "0"),
]


def make_inputs(work: Path) -> None:
    """Make everything below `work`.

    roots/{georgia,custom}   records to train on, of which `stores/` has the downstream's prepared
    few/DATASET              six records in each layout
    record/                  one recording as WFDB (format 16 and .mat), CSV, .npy and .npz
    run/                     a training of two epochs with its test
    export/, weights/        its network as ONNX, and as safetensors
    study/                   study.yaml, and a study of three finished runs
    kept/                    the prepared store, and the run

    Raises:
        RuntimeError: If a command fails.
    """
    (work / "roots").mkdir(parents=True)
    for name, records in (("georgia", 24), ("custom", 32)):
        _command(work, "data", "synthesize", name, "--root", f"roots/{name}", "--records", str(records))
    for name, records in _FEW.items():
        _command(work, "data", "synthesize", name, "--root", f"few/{name}", "--records", str(records))
    _make_records(work)
    words = ["--model", "RnnClassifier", "--model.network", "gru", "--model.hidden_size", "4", *QUIET]
    _command(work, "fit", *data_words(work), *words, "--trainer.max_epochs", "2", "--runs_dir", "fitted")
    shutil.move(work / "fitted" / "default" / "version_0", work / "run")
    best = "run/checkpoints/best.ckpt"
    _command(work, "test", "-c", "run/config.yaml", "--ckpt_path", best)
    (work / "export").mkdir()
    _command(work, "export", best, "--format", "onnx", "--output", "export/network.onnx")
    _make_weights(work)
    _make_study(work)
    for name in ("stores", "run"):
        shutil.copytree(
            work / name, work / "kept" / name, ignore=shutil.ignore_patterns("georgia-*", "*.lock")
        )
    for events in work.rglob("events.out.tfevents*"):
        events.unlink()


def data_words(work: Path, stores: str | None = None) -> list[str]:
    """Return the words that name the downstream's data, prepared in `stores` or among the inputs."""
    return [
        *("--data", "CustomDataModule", "--data.root", str(work / "roots" / "custom")),
        *("--data.store_dir", str(work / "stores") if stores is None else stores),
        *("--data.sampling_rate", _RATE, "--data.num_samples", _SAMPLES, "--data.batch_size", "16"),
        *("--data.split.kind", "patient", "--data.split.fractions", "[0.5, 0.25, 0.25]"),
    ]


def _command(folder: Path, *words: str) -> None:
    ended = run(words, folder)
    if ended.status != 0:
        raise RuntimeError(f"ecg-tl {' '.join(words)}\n{ended.error.decode(errors='replace')}")


def _make_records(work: Path) -> None:
    folder = work / "record"
    header = sorted((work / "few" / "ptbxl").rglob("*_hr.hea"))[0]
    for suffix in (".hea", ".dat"):
        _copy(header.with_suffix(suffix), folder / "wfdb" / f"{header.stem}{suffix}")
    matlab = sorted((work / "few" / "georgia").rglob("*.mat"))[0]
    for suffix in (".hea", ".mat"):
        _copy(matlab.with_suffix(suffix), folder / "mat" / f"{matlab.stem}{suffix}")
    signal = np.fromfile(header.with_suffix(".dat"), dtype="<i2").reshape(-1, 12)[::10] / 1000
    for name in ("csv", "npy", "npz"):
        (folder / name).mkdir()
    lines = ["time," + ",".join(f"{lead} (mV)" for lead in _LEADS)]
    lines += [f"{row / 50:.2f}," + ",".join(f"{v:.3f}" for v in values) for row, values in enumerate(signal)]
    (folder / "csv" / "r.csv").write_text("# made by hand\n" + "\n".join(lines) + "\n")
    np.save(folder / "npy" / "r.npy", signal.T)
    np.savez(folder / "npz" / "r.npz", signal=signal.T, leads=_LEADS, sampling_rate=50, units="mV")


def _make_weights(work: Path) -> None:
    import torch
    from safetensors.torch import save_file

    state = torch.load(work / "run" / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    (work / "weights").mkdir()
    save_file(
        {name.removeprefix("network."): tensor for name, tensor in state.items()},
        work / "weights" / "w.safetensors",
    )


def _make_study(work: Path) -> None:
    data = {"georgia": "GeorgiaDataModule", "custom": "CustomDataModule"}
    parts = {
        name: {"data": {"class_path": datamodule, "init_args": {"root": name}}}
        for name, datamodule in data.items()
    }
    places = {"data_root": str(work / "roots"), "store_dir": str(work / "stores")}
    content = {
        **_STUDY,
        **places,
        "upstreams": {"georgia": parts["georgia"]},
        "downstreams": {"custom": parts["custom"]},
    }
    folder = work / "study"
    folder.mkdir()
    (folder / "study.yaml").write_text(yaml.safe_dump(content))
    _command(folder, "study", "run", "study.yaml", "--concurrent", "1", "--progress", "false")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
