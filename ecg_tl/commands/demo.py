"""`ecg-tl demo`: the main job on synthetic records, through the same commands that users type."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import auto_cli

from ecg_tl import terminal
from ecg_tl.commands.arguments import with_bare_flags
from ecg_tl.shipped import STUDIES, find_config
from ecg_tl.terminal import Console


def demo(
    root: str = "demo",
    study: str = "demo",
    upstream_records: int = 1000,
    downstream_records: int = 400,
    upstream_epochs: int | None = None,
    downstream_epochs: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> int:
    """Synthesize an upstream and a small downstream dataset, and compare fine-tuning with scratch.

    The records are laid out as PTB-XL's and CPSC2018's. A ResNet1d-18 and an LSTM are pre-trained on the
    first, fine-tuned on the second, and trained on it from scratch, with several seeds; a report says what
    came of it. What is there already is not made again.

    Args:
        root: Folder for records, runs and the report.
        study: The study's YAML, or the name of a study that is shipped.
        upstream_records: Records of the upstream dataset.
        downstream_records: Records of the downstream dataset; half of them train.
        upstream_epochs: Epochs of each pre-training; the study's own if None.
        downstream_epochs: Epochs of each training downstream; the study's own if None.
        seed: Of the records.
        progress: Whether to show progress.
    """
    from ecg_tl.synthesis import synthesize

    find_config(study, (STUDIES,))  # or an error, before anything is simulated
    console = terminal.console()
    # Other records are another study: results of one are never taken for the other's.
    folder = Path(root) / f"{upstream_records}-{downstream_records}-{seed}"
    for layout, records in (("ptbxl", upstream_records), ("cpsc2018", downstream_records)):
        if (folder / layout).exists():  # it appears only when complete
            console.print(f"{folder / layout} is there already", highlight=False)
        else:
            words = ["data", "synthesize", layout, "--root", str(folder / layout)]
            _announce(console, [*words, "--records", str(records), "--seed", str(seed)])
            synthesize(layout, folder / layout, records, seed=seed, progress=progress)
    options = [study, "--data_root", str(folder), "--folder", str(folder / "study")]
    for name, epochs in (("upstream", upstream_epochs), ("downstream", downstream_epochs)):
        if epochs is not None:
            options += [f"--{name}_settings.trainer.max_epochs", str(epochs)]
    status = _study(console, ["run", *options, "--progress", str(progress).lower()])
    if status:
        return status
    status = _study(console, ["report", *options])
    console.print(
        f"{upstream_records} synthetic upstream records in PTB-XL's layout, {downstream_records} downstream "
        "ones in CPSC2018's: what fine-tuning buys on them says nothing about real ECGs.",
        f"TensorBoard  tensorboard --logdir {folder}/study/runs",
        sep="\n",
        highlight=False,
    )
    return status


def _study(console: Console, words: Sequence[str]) -> int:
    from ecg_tl.commands.study import run as run_study

    _announce(console, ["study", *words])
    return run_study(["study", *words])


def _announce(console: Console, words: Sequence[str]) -> None:
    console.print(f"\n$ ecg-tl {shlex.join(words)}", style="bold", highlight=False, soft_wrap=True)


def run(words: Sequence[str]) -> int:
    """Run `demo`."""
    status: int = auto_cli(demo, args=with_bare_flags(words[1:], [demo]), prog="ecg-tl demo")
    return status
