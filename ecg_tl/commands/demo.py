"""`ecg-tl demo`: the main job on synthetic records, through the same commands that users type."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import auto_cli

from ecg_tl import terminal
from ecg_tl.commands.arguments import with_bare_flags
from ecg_tl.terminal import Console


def demo(
    root: str = "demo",
    upstream_records: int = 1000,
    downstream_records: int = 400,
    budget: str | None = None,
    seed: int = 0,
    progress: bool = True,
) -> int:
    """Synthesize an upstream and a small downstream dataset, and ask whether to fine-tune.

    The records are laid out as PTB-XL's and CPSC2018's. `ecg-tl ask` pre-trains on the first, fine-tunes on
    the second, trains on it from scratch, and says what to use. What is there already is not made again.

    Args:
        root: Folder for records, trainings and the report.
        upstream_records: Records of the upstream dataset.
        downstream_records: Records of the downstream dataset; half of them train.
        budget: Time for `ecg-tl ask`, such as `1h`; a quick look of two seeds and few epochs if not given.
        seed: Of the records.
        progress: Whether to show progress.
    """
    from ecg_tl.asking.question import parse_budget
    from ecg_tl.commands.ask import run as run_ask
    from ecg_tl.synthesis import synthesize

    if budget is not None:
        parse_budget(budget)  # or an error, before anything is simulated
    console = terminal.console()
    # Other records are another question: results of one are never taken for the other's.
    folder = Path(root) / f"{upstream_records}-{downstream_records}-{seed}"
    for layout, records in (("ptbxl", upstream_records), ("cpsc2018", downstream_records)):
        if (folder / layout).exists():  # it appears only when complete
            console.print(f"{folder / layout} is there already", highlight=False)
        else:
            words = ["data", "synthesize", layout, "--root", str(folder / layout)]
            _announce(console, [*words, "--records", str(records), "--seed", str(seed)])
            synthesize(layout, folder / layout, records, seed=seed, progress=progress)
    words = ["ask", str(folder / "cpsc2018"), "--upstreams", str(folder / "ptbxl")]
    # A question that was asked with another budget has a folder of its own.
    out = folder / ("answer" if budget is None else f"answer-{budget}")
    words += ["--out", str(out), *(["--quick"] if budget is None else ["--budget", budget])]
    _announce(console, words)
    status = run_ask([*words, "--progress", str(progress).lower()])
    console.print(
        f"{upstream_records} synthetic upstream records in PTB-XL's layout, {downstream_records} downstream "
        "ones in CPSC2018's: what fine-tuning buys on them says nothing about real ECGs.",
        f"TensorBoard  tensorboard --logdir {out}/runs",
        sep="\n",
        highlight=False,
    )
    return status


def _announce(console: Console, words: Sequence[str]) -> None:
    console.print(f"\n$ ecg-tl {shlex.join(words)}", style="bold", highlight=False, soft_wrap=True)


def run(words: Sequence[str]) -> int:
    """Run `demo`."""
    status: int = auto_cli(demo, args=with_bare_flags(words[1:], [demo]), prog="ecg-tl demo")
    return status
