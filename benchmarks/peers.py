"""This project and its peers on the same records: seconds, peak memory and score of whole processes.

    python benchmarks/peers.py [--environment FOLDER] [--quick]

Two jobs: one epoch of training on the upstream's records, and one comparison: an upstream, and for each of
two seeds a downstream network from scratch and one fine-tuned from it, each chosen by validation records and
scored on the same test records (macro AUROC, computed here for all alike). Every program is a process that
begins with the WFDB files; what it starts with is in its seconds. Peers: a plain PyTorch script, deepecgkit
0.3.0 and torch_ecg 0.0.33, each with its own ResNet of 18 layers and its own trainer, batch 64, learning rate
0.001, as many threads. This project: `ecg-tl fit`, and `ecg-tl study run` with one run at a time.

deepecgkit and torch_ecg are installed into an environment of their own, which this script makes and which
sees the libraries of the present one. Where they cannot be installed they are left out, with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from sklearn.metrics import roc_auc_score
from timing import cell_text, cores, measure_process, print_machine, print_table

from ecg_tl.datamodules import Cpsc2018DataModule, EcgDataModule, PtbXlDataModule, SplitSettings
from ecg_tl.synthesis import synthesize

OURS = "ecg-tl"
SCRIPTS = Path(__file__).parent / "peer_scripts"
PACKAGES = {"deepecgkit": "deepecgkit==0.3.0", "torch_ecg": "torch-ecg==0.0.33"}
PEERS = {"plain": "plain.py", "deepecgkit": "with_deepecgkit.py", "torch_ecg": "with_torch_ecg.py"}
SEEDS = (0, 1)
ARMS = ("scratch", "fine-tuned")
SPLIT = (0.6, 0.2, 0.2)
DATASETS: Mapping[str, tuple[str, type[EcgDataModule]]] = {
    "upstream": ("ptbxl", PtbXlDataModule),
    "downstream": ("cpsc2018", Cpsc2018DataModule),
}
INSTALLING_SECONDS = 900


@dataclass(frozen=True)
class Sizes:
    """How much is done.

    Attributes:
        upstream: Records.
        downstream: Records.
        epochs: Of each training of the comparison.
    """

    upstream: int
    downstream: int
    epochs: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environment", type=Path, help="folder for the peers' packages, which is kept")
    parser.add_argument("--records", type=int, default=1000, help="of the upstream; half as many downstream")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--programs", nargs="+", default=[OURS, *PEERS], choices=[OURS, *PEERS])
    parser.add_argument("--quick", action="store_true", help="few records, one epoch: does it run?")
    arguments = parser.parse_args()
    sizes = Sizes(arguments.records, arguments.records // 2, arguments.epochs)
    if arguments.quick:
        sizes = Sizes(60, 60, 1)
    print_machine("peers: whole processes on the same records")
    rows: list[list[object]] = []
    left_out: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        jobs = make_jobs(folder, sizes)
        for program in arguments.programs:
            python: str | None = sys.executable
            if program in PACKAGES:
                python, reason = install(program, arguments.environment or folder / "environment")
                left_out += [] if python else [f"{program}: left out, {reason}"]
            if python is not None:
                rows.append([program, *measure(program, python, folder, jobs, sizes)])
                # At once, as the next one takes minutes.
                print(*map(cell_text, rows[-1]), sep="  ", file=sys.stderr, flush=True)
    columns = ["program", "one epoch, s", "peak MB", "comparison, s", "peak MB", *ARMS]
    print_table(columns, rows)
    for line in left_out:
        print(line)
    print(f"{sizes}; scores: macro AUROC on test records, mean of seeds {SEEDS}")


def make_jobs(folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Simulate records, and say of each its part and its labels, as this project divides them."""
    jobs: dict[str, Any] = {"epochs": sizes.epochs, "seeds": SEEDS, "threads": cores()}
    for part, (name, kind) in DATASETS.items():
        count = sizes.upstream if part == "upstream" else sizes.downstream
        root = folder / "data" / name
        synthesize(name, root, count, seed=count, progress=False)
        data = kind(
            root=str(root),
            store_dir=str(folder / "looked at"),
            split=SplitSettings(kind="patient", fractions=SPLIT),
        )
        data.prepare_data()
        data.setup()
        targets = data.parts.targets
        paths = data.store.records["path"].tolist()
        jobs[part] = {
            "classes": list(data.class_names),
            "records": [
                [str(root / paths[row]), of, targets[row].tolist()]
                for of, rows in data.parts.split.parts().items()
                for row in rows.tolist()
            ],
        }
    return jobs


def install(program: str, environment: Path) -> tuple[str | None, str]:
    """Install a peer; return its Python, or None and why not."""
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    try:
        if not python.exists():
            venv.create(environment, with_pip=True)
            (site,) = environment.glob("[lL]ib/**/site-packages")
            # Behind its own packages: PyTorch is the same for all.
            own = [path for path in sys.path if path.endswith("site-packages")]
            (site / "beside.pth").write_text("".join(f"{path}\n" for path in own))
        command = [str(python), "-m", "pip", "install", "--quiet", PACKAGES[program]]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALLING_SECONDS, check=False
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return None, f"{type(error).__name__}: {error}"
    if done.returncode:
        return None, (done.stderr.strip().splitlines() or ["pip failed"])[-1]
    return str(python), ""


def measure(program: str, python: str, folder: Path, jobs: dict[str, Any], sizes: Sizes) -> list[object]:
    """Return seconds and peaks of both jobs, and the scores of both arms."""
    own = folder / program
    own.mkdir()
    row: list[object] = []
    for task in ("epoch", "compare"):
        (own / "job.json").write_text(json.dumps(jobs | {"task": task}))
        if program == OURS:
            words = fit_words(folder, own) if task == "epoch" else study_words(folder, own, sizes)
        else:
            words = [str(SCRIPTS / PEERS[program]), str(own / "job.json")]
        environment = os.environ | {"OMP_NUM_THREADS": str(cores())}
        seconds, peak = measure_process([python, *words], folder=own, environment=environment)
        row += [seconds, peak / 1e6]
    return [*row, *(f"{score:.3f}" for score in scores(program, own, jobs))]


def data_section(folder: Path, part: str) -> dict[str, Any]:
    name, kind = DATASETS[part]
    split = {"kind": "patient", "fractions": list(SPLIT)}
    given = {"root": str(folder / "data" / name), "split": split, "normalization": "z_score"}
    return {"data": {"class_path": kind.__name__, "init_args": given}}


def fit_words(folder: Path, own: Path) -> list[str]:
    """Return the words of one epoch of this project."""
    (own / "fit.yaml").write_text(yaml.safe_dump(data_section(folder, "upstream")))
    words = ["-m", "ecg_tl", "fit", "-c", str(own / "fit.yaml"), "-c", "resnet1d18"]
    words += ["--data.store_dir", str(own / "stores"), "--runs_dir", str(own / "runs")]
    return [*words, "--trainer.max_epochs", "1", "--speed.threads", str(cores())]


def study_words(folder: Path, own: Path, sizes: Sizes) -> list[str]:
    """Return the words of the comparison of this project."""
    model = {"class_path": "CnnClassifier", "init_args": {"network": "resnet1d18"}}
    settings = {
        "name": "peers",
        "folder": str(own / "study"),
        "upstreams": {"upstream": data_section(folder, "upstream")},
        "downstreams": {"downstream": data_section(folder, "downstream")},
        "networks": {"resnet1d18": {"model": model}},
        "arms": {"scratch": {}, "fine-tuned": {"transfer": {"recipe": "full"}}},
        "seeds": list(SEEDS),
        "settings": {"trainer": {"max_epochs": sizes.epochs}, "speed": {"threads": cores()}},
        "second_opinion": False,
    }
    (own / "study.yaml").write_text(yaml.safe_dump(settings))
    return ["-m", "ecg_tl", "study", "run", str(own / "study.yaml"), "--concurrent", "1"]


def scores(program: str, own: Path, jobs: dict[str, Any]) -> list[float]:
    """Return the macro AUROC of each arm, the mean over seeds."""
    found = []
    for arm in ARMS:
        if program == OURS:
            runs = (json.loads(path.read_text()) for path in own.glob("study/runs/*/result.json"))
            ids = [one["run"]["id"] for one in runs if one["run"]["arm"] == arm]
            tables = [pd.read_csv(own / "study" / "runs" / run / "test" / "predictions.csv") for run in ids]
            each = [macro_auroc(part_of(table, "target"), part_of(table, "probability")) for table in tables]
        else:
            tested = [target for _, part, target in jobs["downstream"]["records"] if part == "test"]
            each = [macro_auroc(np.array(tested), np.load(own / f"{arm}-{seed}.npy")) for seed in SEEDS]
        found.append(float(np.mean(each)))
    return found


def part_of(table: pd.DataFrame, what: str) -> np.ndarray:
    return table[[name for name in table if name.startswith(f"{what}/")]].to_numpy(dtype=float)


def macro_auroc(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean AUROC of the classes that have both answers."""
    judged = [k for k in range(targets.shape[1]) if 0 < targets[:, k].sum() < len(targets)]
    return float(np.mean([roc_auc_score(targets[:, k], probabilities[:, k]) for k in judged]))


if __name__ == "__main__":
    main()
