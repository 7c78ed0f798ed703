"""Seconds of `ecg-tl study plan | run | status | report` on a study whose runs are all finished.

python benchmarks/finished_study.py [--runs 2001] [--before FOLDER] [--quick]

The runs are written, not trained: 200 test records of three classes each. `--before` names a checkout of an
earlier version, which is timed on the same runs in the same turn.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from timing import print_machine, print_table

COMMANDS = (["plan"], ["run", "--executor", "local"], ["status"], ["report", "--resamples", "100"])
HERE = Path(__file__).parents[1]
SIZES = (10, 20, 30, "all")
NAMES = ("a", "b", "c")
RECORDS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=257, help="about so many")
    parser.add_argument("--before", type=Path, help="a checkout of an earlier version")
    parser.add_argument("--quick", action="store_true", help="33 runs: does it run?")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write is not None:
        write_runs(arguments.write)
        return
    seeds = max(2, (33 if arguments.quick else arguments.runs) // 16)
    versions = {"now": HERE} | ({} if arguments.before is None else {"before": arguments.before})
    print_machine("finished_study: seconds until a command has answered")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        studies = {name: write_study(Path(folder) / name, code, seeds) for name, code in versions.items()}
        for words in COMMANDS:
            for name, code in versions.items():
                cpu, wall = timed(code, ["study", words[0], str(studies[name]), *words[1:]])
                rows.append([f"study {words[0]}", name, f"{cpu:.1f}", f"{wall:.1f}"])
        runs = sum(1 for _ in (Path(folder) / "now" / "out" / "runs").iterdir())
    print_table([f"{runs} finished runs", "version", "CPU s", "wall s"], rows)


def timed(code: Path, words: list[str]) -> tuple[float, float]:
    """Run a command of a version; return its seconds of processor time and of the clock."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    python(code, ["-m", "ecg_tl", *words])
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def python(code: Path, words: list[str]) -> None:
    """Run Python with a version of the package."""
    environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *words], check=True, env=environment, cwd=code, stdout=subprocess.DEVNULL)


def write_study(folder: Path, code: Path, seeds: int) -> Path:
    """Write data, a study of them and its finished runs; return the study's YAML."""
    for name, records in (("ptbxl", "40"), ("ludb", "80")):
        python(
            code,
            ["-m", "ecg_tl", "data", "synthesize", name, "--root", str(folder / name), "--records", records],
        )
    study = {
        "name": "finished",
        "folder": str(folder / "out"),
        "data_root": str(folder),
        "upstreams": {"up": _data("PtbXl", "ptbxl")},
        "downstreams": {"down": _data("Ludb", "ludb")},
        "networks": {"gru": {"model": {"class_path": "RnnClassifier", "init_args": {"network": "gru"}}}},
        "arms": {
            "scratch": {},
            "full": {"transfer": {"recipe": "full"}},
            "probe": {"transfer": {"recipe": "linear_probe"}},
            "frozen": {"transfer": {"recipe": "linear_probe"}, "pretrained": False},
        },
        "seeds": list(range(seeds)),
        "grid": [{"sizes": list(SIZES)}],
        "second_opinion": False,
        "settings": {"trainer": {"accelerator": "cpu"}},
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    python(code, [str(Path(__file__).absolute()), "--write", str(path)])
    return path


def _data(kind: str, root: str) -> dict[str, Any]:
    return {"data": {"class_path": f"{kind}DataModule", "init_args": {"root": root}}}


def write_runs(path: Path) -> None:
    """Write what the runs of a study would leave."""
    from ecg_tl.study.design.plan import make_plan
    from ecg_tl.study.design.settings import read_study

    settings = read_study(path)
    rng = np.random.default_rng(0)
    targets = rng.random((RECORDS, len(NAMES))) < (0.4, 0.25, 0.15)
    metrics = pd.DataFrame({"epoch": range(1, 13), "val/auroc_macro": np.linspace(0.5, 0.8, 12)})
    metrics["seconds"] = metrics["epoch"] * 2.0
    history = metrics.to_csv(index=False)
    for run in make_plan(settings).runs:
        run_folder = Path(settings.folder) / "runs" / run.id
        (run_folder / "test").mkdir(parents=True)
        logits = (targets - 0.5) * (1.5 if run.arm == "full" else 1.0) + rng.normal(size=targets.shape)
        table = pd.DataFrame(
            {"record_id": [f"{i:04d}" for i in range(RECORDS)], "patient_id": range(RECORDS)}
        )
        for column, name in enumerate(NAMES):
            table[f"target/{name}"] = targets[:, column].astype(int)
            table[f"probability/{name}"] = 1 / (1 + np.exp(-logits[:, column]))
        table.to_csv(run_folder / "test" / "predictions.csv", index=False)
        (run_folder / "metrics.csv").write_text(history)
        (run_folder / "result.json").write_text(json.dumps(_result(run)))


def _result(run: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "run": run.describe(),
        "study": "finished",
        "family": "rnn",
        "head": "pooled",
        **dict.fromkeys(("parameters", "head_parameters", "trainable_parameters"), 1000),
        "scores": {},
        "best_scores": {"val/auroc_macro": 0.8},
        "calibration": {"thresholds": [0.5] * 3, "tuned": [True] * 3, "temperature": 1.5},
        "monitor": "val/auroc_macro",
        "epochs": 12,
        "epochs_to_best": 12,
        **dict.fromkeys(("seconds_to_best", "seconds", "wall_seconds", "device_seconds"), 24.0),
        "peak_memory_bytes": 2**28,
        "peak_device_memory_bytes": None,
        "transferability": None,
        "data": {
            "dataset": "ludb",
            "title": "A dataset",
            "class_names": list(NAMES),
            "split": "patient",
            "split_hash": str(run.size),
            "selects_on_test": False,
            "patients_shared": 0,
            "records": {"train": run.size or 40, "validation": 20, "test": RECORDS},
            "support": {part: dict.fromkeys(NAMES, 30) for part in ("train", "validation", "test")},
            "normalization": {"name": "fixed_scale", "scale_mv": 0.3},
        },
        "versions": {"torch": "2.13"},
        "hardware": {
            "cpu": "a processor",
            "cores": 2,
            "gpu": None,
            "memory_bytes": 2**34,
            "platform": "Linux",
        },
        "attempts": 1,
        "finished": "2026-01-01T00:00:00+00:00",
    }


if __name__ == "__main__":
    main()
