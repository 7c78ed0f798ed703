"""`ecg-tl transfer rank | inspect | audit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from ecg_tl import printing, terminal
from ecg_tl.acceleration import take_device
from ecg_tl.commands.arguments import argument_errors, path_argument
from ecg_tl.commands.fragments import located
from ecg_tl.csv_text import write_csv
from ecg_tl.datamodules import EcgDataModule, SplitSettings
from ecg_tl.errors import EcgTlError
from ecg_tl.files import json_text
from ecg_tl.outputs import check_outputs
from ecg_tl.terminal import SIMPLE_HEAD, Table, Text
from ecg_tl.transfer.audit import audit
from ecg_tl.transfer.audit_words import sentences, table_of
from ecg_tl.transfer.inspection import inspect_checkpoint, render_checkpoint
from ecg_tl.transfer.ranking import Ranked, SortBy, as_table, rank
from ecg_tl.trust import parsing_limits, require_known_kinds

RANK = "compare candidates for an upstream before training"
INSPECT = "print what a checkpoint says about itself"
AUDIT = "say which weights a training moved, from the files before and after it"


def rank_candidates(
    checkpoints: Sequence[Path],
    data: EcgDataModule,
    sort_by: SortBy = "melep",
    csv: Path | None = None,
    accelerator: str = "auto",
) -> int:
    """Score candidates for an upstream on downstream records, and print the best first.

    Args:
        checkpoints: Files of the candidates.
        data: The downstream data.
        sort_by: Which score decides the order.
        csv: File for the same table with full paths and digits.
        accelerator: `auto` takes a GPU if there is one.
    """
    check_outputs({"--csv": csv}, chain(checkpoints, data.inputs()))
    ranked = rank(checkpoints, data, sort_by=sort_by, device=take_device(accelerator))
    table = _rank_table(ranked, data, sort_by)
    console = terminal.console_for(table)
    console.print(table)
    console.print(
        "MELEP, entropy and difference in nats: MELEP is at most the entropy, and the difference is what the "
        "upstream's outputs tell of the labels. LogME in nats a record. No test record was used.",
        highlight=False,
    )
    for line in _remarks(ranked, data):
        console.print(line, highlight=False, markup=False)
    if csv is not None:
        write_csv(csv, as_table(ranked, data))
    return 0


def print_checkpoint(path: Path, as_json: bool = False) -> int:
    """Print what a checkpoint says about itself.

    Args:
        path: The checkpoint.
        as_json: Print everything, as JSON.
    """
    content = inspect_checkpoint(path)
    if as_json:
        printing.say(json_text(content, default=str))
    else:
        terminal.console().print(render_checkpoint(content), soft_wrap=False)
    return 0


def print_audit(before: Path, after: Path, upstream: str | None = None, as_json: bool = False) -> int:
    """Print what became of the weights of one file in another.

    Args:
        before: What a training started from.
        after: What it left.
        upstream: Name of the published upstream whose layout both files have.
        as_json: Print every tensor, as JSON.
    """
    found = audit(before, after, upstream)
    if as_json:
        printing.say(json_text(found.as_dict() | {"words": sentences(found)}))
        return 0
    for sentence in sentences(found):
        printing.say(sentence)
    table = table_of(found)
    terminal.console_for(table).print(table)
    return 0


def run(words: Sequence[str]) -> int:
    """Run `transfer` and one of its words."""
    words = located(words)
    parser = ArgumentParser(
        prog="ecg-tl transfer",
        description="Choose an upstream; say what a checkpoint holds.",
        exit_on_error=False,
    )
    subcommands = parser.add_subcommands(dest="word")
    subcommands.add_subcommand("rank", _rank_parser(), help=RANK)
    subcommands.add_subcommand("inspect", _inspect_parser(), help=INSPECT)
    subcommands.add_subcommand("audit", _audit_parser(), help=AUDIT)
    owners: list[Callable[..., Any]] = [
        rank_candidates,
        print_checkpoint,
        SplitSettings,
        *EcgDataModule.__subclasses__(),
    ]
    command = " ".join(words[:2]) if words[1:2] in (["rank"], ["inspect"], ["audit"]) else "transfer"
    with (
        argument_errors(
            command, words[1:], owners, ("config", "checkpoint", "json", "before", "after", "as")
        ),
        parsing_limits(),
    ):
        config = parser.parse_args(list(words[1:]))
        require_known_kinds(config)
    if config.word == "inspect":
        return print_checkpoint(Path(config.inspect.checkpoint), as_json=config.inspect.json)
    if config.word == "audit":
        before, after = (path_argument(name, config.audit[name]) for name in ("before", "after"))
        return print_audit(before, after, upstream=config.audit["as"], as_json=config.audit.json)
    settings = config.rank
    try:
        with parsing_limits():
            data = parser.instantiate_classes(config).rank.data
    except ValueError as error:  # the parser's own, around what a datamodule said of its settings
        if isinstance(error.__cause__, EcgTlError):
            raise error.__cause__ from None
        raise
    return rank_candidates(
        [Path(path) for path in settings.checkpoints],
        data,
        sort_by=settings.sort_by,
        csv=None if settings.csv is None else Path(settings.csv),
        accelerator=settings.accelerator,
    )


def _rank_parser() -> ArgumentParser:
    parser = ArgumentParser(
        exit_on_error=False,
        description="Run each candidate once over the downstream's training and validation records, never "
        "over test records, and print MELEP (lower is better) with the label entropy beside it, LogME and "
        "the macro AUROC of a linear probe on validation records (greater is better).",
    )
    parser.add_argument(
        "-c",
        "--config",
        action="config",
        help="A YAML with any of these settings, or the name of a shipped one.",
    )
    parser.add_argument(
        "--checkpoints", type=str, nargs="+", required=True, help="Checkpoints written by `ecg-tl fit`."
    )
    parser.add_subclass_arguments(EcgDataModule, "data", required=True)
    parser.add_argument(
        "--sort_by",
        choices=["melep", "logme", "probe"],
        default="melep",
        help="Which score decides the order. melep needs no validation records, and there are few of these "
        "where an upstream is wanted.",
    )
    parser.add_argument("--csv", type=str, default=None, help="Also write the table to this file.")
    parser.add_argument(
        "--accelerator", choices=["auto", "cpu", "cuda"], default="auto", help="Where networks run."
    )
    return parser


def _inspect_parser() -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False, description="Print what a checkpoint says about itself.")
    parser.add_argument("checkpoint", type=str, help="A checkpoint written by `ecg-tl fit`.")
    parser.add_argument("--json", action="store_true", help="Print everything it says, as JSON.")
    return parser


def _audit_parser() -> ArgumentParser:
    parser = ArgumentParser(
        exit_on_error=False,
        description="Compare two files of weights of any origin (checkpoints of ecg-tl, .pt, .pth, "
        "safetensors): which tensors moved, by how much, which did not, whether only the head was trained, "
        "and whether batch norms moved without weights.",
    )
    parser.add_argument("before", type=str, help="What the training started from.")
    parser.add_argument("after", type=str, help="What it left.")
    parser.add_argument("--json", action="store_true", help="Print every tensor, as JSON.")
    parser.add_argument(
        "--as", type=str, default=None, help="Name of the published upstream whose layout both files have."
    )
    return parser


def _rank_table(ranked: Sequence[Ranked], data: EcgDataModule, sort_by: SortBy) -> Table:
    sizes = {part: len(rows) for part, rows in data.parts.split.parts().items()}
    table = Table(
        title=f"candidates for {data.dataset.name}: {sizes['train']} training records, {data.num_classes} "
        f"classes; probe scored on {sizes['validation']} validation records",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=0,
    )
    table.add_column("upstream", overflow="fold")
    for name in ("dataset", "network"):
        table.add_column(name, no_wrap=True)
    titles = {
        "MELEP": "melep",
        "entropy": "",
        "entropy\n- MELEP": "",
        "LogME": "logme",
        "probe\nAUROC": "probe",
        "classes\nscored": "",
        "seconds": "",
    }
    for title, score in titles.items():
        arrow = {"melep": " ↑", "logme": " ↓", "probe": " ↓"}[score] if score == sort_by else ""
        table.add_column(title + arrow, justify="right", no_wrap=True)
    names = short_names([one.candidate.path for one in ranked])
    for one, name in zip(ranked, names, strict=True):
        row = one.as_row()
        table.add_row(
            Text(name),
            Text(row["dataset"]),
            Text(row["network"]),
            *(
                f"{row[score]:.3f}"
                for score in ("melep", "entropy", "difference", "logme", "probe_auroc_macro")
            ),
            "/".join(
                str(n)
                for n in dict.fromkeys(row[f"{score}_classes"] for score in ("melep", "logme", "probe"))
            ),
            f"{row['seconds']:.1f}",
        )
    return table


def _remarks(ranked: Sequence[Ranked], data: EcgDataModule) -> list[str]:
    """Say of which candidates the scores are to be read with care."""
    dataset = data.dataset.name
    names = dict(zip(short_names([one.candidate.path for one in ranked]), ranked, strict=True))
    seen = [f"{name} ({one.overlap.records} records)" for name, one in names.items() if one.overlap.records]
    unsaid = [
        name
        for name, one in names.items()
        if one.overlap.unknown and one.candidate.data.get("dataset") == dataset
    ]
    sketched = [name for name, one in names.items() if one.sketched]
    remarks = {
        f"Trained on records of {dataset} that it is scored on here, so that its scores flatter": seen,
        f"Trained on {dataset} too, without saying on which records; its scores may flatter": unsaid,
        "LogME and probe on sketched features, which are estimates": sketched,
    }
    return [f"{remark}: {', '.join(listed)}." for remark, listed in remarks.items() if listed]


def short_names(paths: Sequence[Path]) -> list[str]:
    """Leave out the folders that all paths begin with, and the parts that all end with."""
    parts = [path.parts for path in paths]
    shortest = min(len(one) for one in parts)
    start = next((i for i in range(shortest) if len({one[i] for one in parts}) > 1), 0)
    end = next((i for i in range(shortest) if len({one[-1 - i] for one in parts}) > 1), 0)
    names = [str(Path(*one[start : len(one) - end])) for one in parts]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]
