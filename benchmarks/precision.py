"""Test scores of trainings in float32 and in bfloat16 from the same seeds, on the demo's upstream task.

    python benchmarks/precision.py [--seeds 5] [--quick]

Simulated records in PTB-XL's layout, trained and tested through `ecg-tl fit` and `ecg-tl test`. Everything
but the precision is the same: initial weights, order of records, steps.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import statistics
import tempfile
from pathlib import Path

from timing import computes_in_bfloat16, print_machine, print_table

from ecg_tl.synthesis import synthesize
from ecg_tl.training import silence_noise, train

TASKS = {"resnet1d18": "CnnClassifier", "lstm": "RnnClassifier"}
PRECISIONS = ("32-true", "bf16-mixed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--quick", action="store_true", help="few records, one seed: does it run?")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.records, arguments.epochs, arguments.networks = 1, 80, 1, ["lstm"]
    print_machine("precision: macro AUROC on test records, float32 and bfloat16 from the same seed")
    silence_noise()
    logging.disable(logging.WARNING)
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        synthesize("ptbxl", folder / "ptbxl", arguments.records, progress=False)
        for network in arguments.networks:
            if not computes_in_bfloat16(network):
                rows.append([network, "none", "", "not possible here", ""])
                continue
            differences = []
            for seed in range(arguments.seeds):
                single, half = (
                    score(folder, network, seed, precision, arguments.epochs) for precision in PRECISIONS
                )
                differences.append(half - single)
                rows.append(
                    [network, str(seed), *(f"{value:.4f}" for value in (single, half, half - single))]
                )
            mean, largest = statistics.fmean(differences), max(map(abs, differences))
            rows.append([network, "mean", "", "", f"{mean:.4f}"])
            rows.append([network, "largest", "", "", f"{largest:.4f}"])
    print_table(["network", "seed", "float32", "bfloat16", "difference"], rows)


def score(folder: Path, network: str, seed: int, precision: str, epochs: int) -> float:
    """Train, test and return the macro AUROC."""
    runs = folder / "runs" / f"{network}-{seed}-{precision}"
    words = ["fit", "--data", "PtbXlDataModule", "--data.root", str(folder / "ptbxl")]
    words += ["--data.store_dir", str(folder / "stores"), "--seed_everything", str(seed)]
    words += ["--model", TASKS[network], "--model.network", network, "--trainer.precision", precision]
    words += ["--trainer.max_epochs", str(epochs), "--trainer.enable_progress_bar", "false"]
    words += ["--trainer.enable_model_summary", "false", "--pictures.records", "0"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        run = Path(str(train([*words, "--runs_dir", str(runs)]).trainer.log_dir))
        best = run / "checkpoints" / "best.ckpt"
        tested = train(["test", "-c", str(run / "config.yaml"), "--ckpt_path", str(best)])
    scores = json.loads((Path(str(tested.trainer.log_dir)) / "scores.json").read_text())["scores"]
    return float(scores["auroc_macro"])


if __name__ == "__main__":
    main()
