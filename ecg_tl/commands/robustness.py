"""`ecg-tl robustness`: how far scores fall when test records are disturbed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from ecg_tl import terminal
from ecg_tl.acceleration import take_device
from ecg_tl.commands.arguments import argument_errors
from ecg_tl.commands.fragments import located
from ecg_tl.commands.transfer import short_names
from ecg_tl.csv_text import write_csv
from ecg_tl.datamodules import EcgDataModule, SplitSettings
from ecg_tl.errors import EcgTlError
from ecg_tl.figures import check_figure_path, save_figure
from ecg_tl.outputs import check_outputs
from ecg_tl.robustness.conditions import KINDS
from ecg_tl.robustness.evaluation import METRICS, evaluate
from ecg_tl.robustness.output import as_table, render
from ecg_tl.trust import parsing_limits, require_known_kinds

_OPTIONS = (
    *("config", "checkpoints", "names", "kinds", "metric", "seed", "resamples", "mains_frequency"),
    *("csv", "figure", "accelerator"),
)


def run(words: Sequence[str]) -> int:
    """Run `robustness`."""
    words = located(words)
    parser = _parser()
    owners: list[Callable[..., Any]] = [SplitSettings, *EcgDataModule.__subclasses__()]
    with argument_errors("robustness", words[1:], owners, _OPTIONS), parsing_limits():
        given = parser.parse_args(list(words[1:]))
        require_known_kinds(given)
    figure = None if given.figure is None else Path(given.figure)
    if figure is not None:
        check_figure_path(figure)
    device = take_device(given.accelerator)
    try:
        with parsing_limits():
            data = parser.instantiate_classes(given).data
    except ValueError as error:  # the parser's own, around what a datamodule said of its settings
        if isinstance(error.__cause__, EcgTlError):
            raise error.__cause__ from None
        raise
    paths = [Path(path) for path in given.checkpoints]
    check_outputs({"--csv": given.csv, "--figure": figure}, chain(paths, data.inputs()))
    result = evaluate(
        paths,
        data,
        names=given.names or (short_names(paths) if len(paths) > 1 else None),
        kinds=given.kinds,
        metric=given.metric,
        seed=given.seed,
        resamples=given.resamples,
        mains_frequency=given.mains_frequency,
        device=device,
    )
    if given.csv is not None:
        write_csv(Path(given.csv), as_table(result))
    if figure is not None:
        from ecg_tl.figures.svg import drawing
        from ecg_tl.robustness.figure import robustness_figure  # matplotlib takes a second to import

        with drawing():  # fonts are looked up when a figure is written
            save_figure(robustness_figure(result), figure)
    table = render(result)
    console = terminal.console_for(table)
    console.print(table)
    for line in result.remarks:
        console.print(line, highlight=False, markup=False)
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="ecg-tl robustness",
        exit_on_error=False,
        description="Score checkpoints on the data's test records, clean and disturbed: noise, lost leads, "
        "exchanged electrodes, wrong gain, lower sampling rate, shorter recordings. All checkpoints meet the "
        "same disturbances. As `ecg-tl test`, it refuses records that a checkpoint was trained on.",
    )
    parser.add_argument(
        "-c",
        "--config",
        action="config",
        help="A YAML with any of these settings, or the name of a shipped one.",
    )
    parser.add_argument(
        "checkpoints", type=str, nargs="+", help="Checkpoints written by `ecg-tl fit`, for the same classes."
    )
    parser.add_subclass_arguments(EcgDataModule, "data", required=True)
    parser.add_argument("--names", type=str, nargs="+", default=None, help="What to call the checkpoints.")
    parser.add_argument(
        "--kinds", type=str, nargs="+", default=None, help=f"Some of {', '.join(KINDS)}; all by default."
    )
    parser.add_argument(
        "--metric",
        choices=list(METRICS),
        default=METRICS[0],
        help="What the table and the figure show. F1 is at the thresholds that a checkpoint carries.",
    )
    parser.add_argument("--seed", type=int, default=0, help="Of the disturbances and of the resampling.")
    parser.add_argument(
        "--resamples", type=int, default=1000, help="Of patients, for the intervals; 0 for none."
    )
    parser.add_argument("--mains_frequency", type=float, default=50.0, help="50 or 60, in Hz.")
    parser.add_argument("--csv", type=str, default=None, help="Also write all scores to this file.")
    parser.add_argument(
        "--figure", type=str, default=None, help="Also draw them to this file: .png, .pdf or .svg."
    )
    parser.add_argument(
        "--accelerator", choices=["auto", "cpu", "cuda"], default="auto", help="Where networks run."
    )
    return parser
