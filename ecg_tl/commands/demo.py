"""`ecg-tl demo`: the main job on synthetic records, through the same commands that users type."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonargparse import auto_cli
from rich.console import Console
from rich.table import Table

NETWORKS = {"resnet1d18": "CnnClassifier", "lstm": "RnnClassifier"}


@dataclass(frozen=True)
class Outcome:
    """What one run of the demo came to.

    Attributes:
        network: Its name.
        arm: `upstream`, `scratch` or `fine-tuned`.
        folder: Of the run.
        scores: Of the test.
        result: Of the fit.
    """

    network: str
    arm: str
    folder: Path
    scores: dict[str, float]
    result: dict[str, Any]

    @property
    def checkpoint(self) -> Path:
        """The checkpoint that validation chose."""
        return self.folder / "checkpoints" / "best.ckpt"


def demo(
    root: str = "demo",
    upstream_records: int = 1000,
    downstream_records: int = 400,
    upstream_epochs: int = 8,
    downstream_epochs: int = 15,
    seed: int = 0,
    progress: bool = True,
) -> int:
    """Synthesize an upstream and a small downstream dataset, and compare fine-tuning with scratch.

    A ResNet1d-18 and an LSTM are pre-trained on records laid out as PTB-XL's, fine-tuned on records laid out
    as CPSC2018's, and trained on these from scratch; all are tested.

    Args:
        root: Folder for records, stores and runs.
        upstream_records: Records of the upstream dataset.
        downstream_records: Records of the downstream dataset; half of them train.
        upstream_epochs: Epochs of each pre-training.
        downstream_epochs: Epochs of each training downstream.
        seed: Of the records, and of the training.
        progress: Whether to show progress bars.
    """
    from ecg_tl.training import silence_noise
    from ecg_tl.synthesis import synthesize

    silence_noise()
    console = Console()
    folder = Path(root)
    sources = {
        "ptbxl": folder / f"ptbxl-{upstream_records}-{seed}",
        "cpsc2018": folder / f"cpsc2018-{downstream_records}-{seed}",
    }
    records = {"ptbxl": upstream_records, "cpsc2018": downstream_records}
    for number, (layout, source) in enumerate(sources.items()):
        if source.exists():  # it appears only when complete
            console.print(f"{source} is there already")
        else:
            own_seed = 2 * seed + number  # no simulated patient shall be in both
            words = ["data", "synthesize", layout, "--root", str(source), "--records", str(records[layout])]
            _announce(console, [*words, "--seed", str(own_seed)])
            synthesize(layout, source, records[layout], seed=own_seed, progress=progress)

    common = ["--seed_everything", str(seed), "--runs_dir", str(folder / "runs")]
    common += ["--data.store_dir", str(folder / "stores"), "--trainer.enable_model_summary", "false"]
    common += ["--trainer.enable_progress_bar", str(progress).lower()]
    upstream = ["--data", "PtbXlDataModule", "--data.root", str(sources["ptbxl"])]
    upstream += ["--trainer.max_epochs", str(upstream_epochs)]
    downstream = ["--data", "Cpsc2018DataModule", "--data.root", str(sources["cpsc2018"])]
    downstream += ["--data.batch_size", "32", "--data.split.fractions", "[0.5, 0.15, 0.35]"]
    downstream += ["--trainer.max_epochs", str(downstream_epochs)]
    outcomes = []
    for network, task in NETWORKS.items():
        model = ["--model", task, "--model.network", network]
        pretrained = _train_and_test(console, network, "upstream", [*upstream, *model, *common])
        callback = ["--trainer.callbacks+", "TransferLearning"]
        callback += ["--trainer.callbacks.upstream", str(pretrained.checkpoint)]
        outcomes += [
            pretrained,
            _train_and_test(console, network, "scratch", [*downstream, *model, *common]),
            _train_and_test(console, network, "fine-tuned", [*downstream, *model, *common, *callback]),
        ]
    console.print(_table(outcomes))
    console.print(
        f"{records['ptbxl']} synthetic upstream records in PTB-XL's layout (5 superclasses) and "
        f"{records['cpsc2018']} downstream ones in CPSC2018's (9 classes); one seed, so "
        "that a difference of a few hundredths is noise.",
        f"checkpoints  {folder}/runs/*/version_*/checkpoints/best.ckpt",
        f"TensorBoard  tensorboard --logdir {folder}/runs",
        sep="\n",
        highlight=False,
    )
    return 0


def _train_and_test(console: Console, network: str, arm: str, settings: list[str]) -> Outcome:
    from ecg_tl.training import train

    fit = ["fit", *settings, "--experiment", f"{network}-{arm}"]
    _announce(console, fit)
    folder = Path(str(train(fit).trainer.log_dir))
    best = folder / "checkpoints" / "best.ckpt"
    test = ["test", "-c", str(folder / "config.yaml"), "--ckpt_path", str(best), "--verbose", "false"]
    _announce(console, test)
    tested = Path(str(train(test).trainer.log_dir))
    scores = json.loads((tested / "scores.json").read_text())["scores"]
    return Outcome(network, arm, folder, scores, json.loads((folder / "result.json").read_text()))


def _announce(console: Console, words: Sequence[str]) -> None:
    console.print(f"\n$ ecg-tl {shlex.join(words)}", style="bold", highlight=False, soft_wrap=True)


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title="\nTest scores", title_justify="left")
    table.add_column("network")
    table.add_column("arm")
    for column in ("macro AUROC", "weighted F1", "epochs to best", "seconds"):
        table.add_column(column, justify="right")
    for outcome in outcomes:
        table.add_row(
            outcome.network,
            outcome.arm,
            f"{outcome.scores['auroc_macro']:.3f}",
            f"{outcome.scores['f1_weighted']:.3f}",
            str(outcome.result["epochs_to_best"]),
            f"{outcome.result['seconds']:.0f}",
            end_section=outcome.arm == "fine-tuned",
        )
    return table


def run(words: Sequence[str]) -> int:
    """Run `demo`."""
    status: int = auto_cli(demo, args=list(words[1:]), prog="ecg-tl demo")
    return status
