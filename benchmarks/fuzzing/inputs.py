"""Intact files of every kind that the program opens, made by the program itself, small."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
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
# What writes files of carts is the tests'.
sys.path.append(str(Path(__file__).parents[2] / "tests"))
import cart_files  # noqa: E402


def _content(make: Callable[..., bytes], *args: Any, **options: Any) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(make(*args, **options))


_STEPS = cart_files.ecg_steps()
CARTS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "DICOM": ("r.dcm", lambda path: cart_files.write_dicom(path, _STEPS)),
    "EDF": ("r.edf", lambda path: cart_files.write_edf(path, _STEPS / 200)),
    "MUSE XML": ("muse.xml", _content(cart_files.muse_xml, _STEPS[[0, 1, *range(6, 12)]], per_bit="5")),
    "HL7 aECG": ("aecg.xml", _content(cart_files.hl7_xml, _STEPS)),
    "Philips XML": ("sierra.xml", _content(cart_files.sierra_xml, _STEPS)),
    "Mortara XML": ("mortara.xml", _content(cart_files.mortara_xml, _STEPS)),
    "Kardia": ("r.json", _content(cart_files.kardia_json, _STEPS, rate=500)),
    "ISHNE": ("r.ecg", _content(cart_files.ishne, _STEPS)),
    "MFER": ("r.mwf", _content(cart_files.mfer, _STEPS)),
    "SCP-ECG": ("r.scp", _content(cart_files.scp, _STEPS)),
}
"""Of each format of carts the file's name, and what writes it."""

SIX_LEADS = ("Kardia",)
"""Formats of recordings without chest leads; a table of labels lies beside them."""

PUBLISHED = "ecg-cpc"
"""The smallest of the published networks."""

QUIET = [
    *("--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.precision", "32-true"),
    *("--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"),
    *("--pictures.records", "0", "--curves.every_n_epochs", "0"),
]


def make_inputs(work: Path) -> None:
    """Make everything below `work`.

    roots/{georgia,custom}   records to train on, of which `stores/` has the downstream's prepared
    few/DATASET              six records in each layout
    record/                  one recording as WFDB (format 16 and .mat), CSV, .npy, .npz and HDF5, and as
                             carts write it, a folder a format
    excel/, described/       six records with an Excel table, and with a dataset.yaml
    run/                     a training of two epochs with its test
    export/, weights/        its network as ONNX, and as safetensors
    published/               weights in a published file's layout
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
    _make_tables(work)
    _make_published(work)
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
    (folder / "hdf5").mkdir()
    with h5py.File(folder / "hdf5" / "r.h5", "w") as file:
        file["ecg"] = signal.T
    for title, (name, write) in CARTS.items():
        place = folder / name
        place.mkdir()
        write(place / name)
        if title in SIX_LEADS:
            (place / "labels.csv").write_text(f"record,AF\n{name},1\n")


def _make_tables(work: Path) -> None:
    """Copy six records with their table as Excel workbook, and described as `data init` does."""
    for name in ("excel", "described"):
        shutil.copytree(work / "few" / "custom", work / name)
    table = work / "excel" / "labels.csv"
    pd.read_csv(table).to_excel(table.with_suffix(".xlsx"), index=False)
    table.unlink()
    _command(work / "described", "data", "init", ".")


def _make_published(work: Path) -> None:
    """Write the smallest published network's tensors as its authors' file holds them."""
    import torch

    from ecg_tl.models import create_network
    from ecg_tl.published import find_upstream

    entry = find_upstream(PUBLISHED)
    leads, samples = len(entry.contract.leads), entry.contract.num_samples
    network = create_network(entry.network, 5, leads, samples, **entry.options)
    (work / "published").mkdir()
    state = {name: x for name, x in network.state_dict().items() if not name.startswith("classifier.")}
    torch.save({"state_dict": state}, work / "published" / "w.pth")


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
