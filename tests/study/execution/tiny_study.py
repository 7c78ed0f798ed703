"""A study whose runs take a second each, and what two executions of it must have in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from tiny import NUM_SAMPLES, SAMPLING_RATE

from ecg_tl.study.design.folder import StudyFolder
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.runs import Plan
from ecg_tl.study.design.settings import Arm, Overlay, StudySettings

EARLY_STOPPING = {
    "class_path": "EarlyStopping",
    "init_args": {"monitor": "val/auroc_macro", "mode": "max", "patience": 2},
}


def dataset(datamodule: str, root: Path) -> Overlay:
    split = {"kind": "patient", "fractions": [0.5, 0.25, 0.25]}
    shape = {"sampling_rate": SAMPLING_RATE, "num_samples": NUM_SAMPLES, "batch_size": 16}
    return {
        "data": {"class_path": datamodule, "init_args": {"root": str(root), "split": split, **shape}},
    }


def tiny_study(folder: Path, roots: Path, **changes: Any) -> StudySettings:
    """One upstream, one downstream, a GRU of eight units."""
    gru = {"network": "gru", "hidden_size": 8, "learning_rate": 0.02}
    settings: dict[str, Any] = {
        "name": "tiny",
        "folder": str(folder),
        "upstreams": {"ptbxl": dataset("PtbXlDataModule", roots / "ptbxl")},
        "downstreams": {"cpsc2018": dataset("Cpsc2018DataModule", roots / "cpsc2018")},
        "networks": {"gru": {"model": {"class_path": "RnnClassifier", "init_args": gru}}},
        "arms": {"scratch": Arm(), "full": Arm(transfer={"recipe": "full"})},
        "seeds": (0,),
        "settings": {"trainer": {"max_epochs": 2, "accelerator": "cpu", "log_every_n_steps": 1}},
        "second_opinion": False,
    }
    return StudySettings(**{**settings, **changes})


class Done(NamedTuple):
    """A study whose runs are finished; read, never write."""

    settings: StudySettings
    plan: Plan
    folder: Path


def study_of_stages(folder: Path, roots: Path, stores: Path) -> StudySettings:
    return tiny_study(
        folder,
        roots,
        store_dir=str(stores),
        settings={"trainer": {"max_epochs": 5, "accelerator": "cpu", "callbacks": [EARLY_STOPPING]}},
        arms={
            "scratch": Arm(),
            "full": Arm(transfer={"recipe": "full"}),
            "random": Arm(transfer={"recipe": "linear_probe"}, pretrained=False),
        },
        second_opinion=True,
    )


def outcome_of(settings: StudySettings, plan: Plan | None = None) -> dict[str, Any]:
    """All that a study's report is computed from, but seconds, memory and paths."""
    folder = StudyFolder(Path(settings.folder))
    outcome = {}
    for run in (plan or make_plan(settings)).runs:
        run_folder = folder.run(run.id)
        result = json.loads(run_folder.result.read_text())
        of_time = ("transfer", "digest")
        kept = {
            name: value
            for name, value in result.items()
            if not any(word in name for word in ("seconds", "bytes", "finished", "attempts", "digests"))
            and name not in of_time
        }
        transfer = result["transfer"]
        kept["transfer"] = transfer and {k: v for k, v in transfer.items() if k != "upstream"}
        kept["metrics"] = pd.read_csv(run_folder.metrics).drop(columns="seconds").to_csv()
        kept["test_by_epoch"] = (
            run_folder.test_by_epoch.read_text() if run_folder.test_by_epoch.is_file() else None
        )
        kept["validation"] = run_folder.validation.read_bytes().hex()
        for name in ("predictions.csv", "scores.json"):
            kept[name] = (run_folder.test / name).read_text()
        if run.kind == "upstream":
            weights = torch.load(run_folder.best, weights_only=True)["state_dict"]
            kept["weights"] = {name: tensor.numpy().tobytes() for name, tensor in weights.items()}
        outcome[run.id] = json.dumps({k: v for k, v in kept.items() if k != "weights"}), kept.get("weights")
    return outcome


def states_of_files(folder: Path) -> dict[Path, tuple[int, int]]:
    """When each file of a study's runs was written, and its size."""
    files = [path for path in (folder / "runs").rglob("*") if path.is_file()]
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files}


def study_to_kill(folder: Path, roots: Path) -> StudySettings:
    """Seven runs of up to five epochs, with stores of their own; some end early."""
    return tiny_study(
        folder,
        roots,
        settings={"trainer": {"max_epochs": 5, "accelerator": "cpu", "callbacks": [EARLY_STOPPING]}},
        seeds=(0, 1),
        second_opinion=True,
    )


def study_on_two_nodes(folder: Path, roots: Path, stores: Path) -> StudySettings:
    """Three runs, long enough to be caught at work."""
    settings = {"trainer": {"max_epochs": 40, "accelerator": "cpu"}}
    return tiny_study(folder, roots, store_dir=str(stores), settings=settings)
