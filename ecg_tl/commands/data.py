"""`ecg-tl data init | list | download | synthesize | prepare | join | check | verify | overlap`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from jsonargparse import auto_cli

from ecg_tl import terminal
from ecg_tl.commands.arguments import argument_errors, path_argument, with_bare_flags
from ecg_tl.commands.data_download import download_dataset
from ecg_tl.commands.data_init import init
from ecg_tl.datasets import DATASETS, get_dataset, layout_names
from ecg_tl.datasets.base import EcgDataset
from ecg_tl.errors import SettingError
from ecg_tl.outputs import check_outputs
from ecg_tl.signals import LEADS
from ecg_tl.terminal import Table, Text

STORE_DIR = "data/stores"

MANY_CLASSES = 12
"""More are counted and not named in the list of datasets."""

# The parser's choices. To mypy, which takes no names that are made, they are any values.
DatasetName: TypeAlias = Literal[tuple(DATASETS)]  # type: ignore[valid-type]
LayoutName: TypeAlias = Literal[layout_names()]  # type: ignore[valid-type]


def list_datasets() -> int:
    """Show the datasets with their classes, size, licence and where to get them."""
    table = Table.grid(padding=(0, 2))
    for name, entry in DATASETS.items():
        dataset = entry.reader
        what = f"{dataset.title}; records: {dataset.records}; licence: {dataset.licence}"
        table.add_row(Text(name, style="bold"), what)
        table.add_row("", _classes(dataset))
        table.add_row("", f"cite {dataset.citation}")
        table.add_row("", dataset.source)
        table.add_row("", "")
    terminal.console().print(table, highlight=False)
    return 0


def synthesize(
    layout: LayoutName,
    root: str | None = None,
    records: int = 500,
    seed: int = 0,
    difficulty: float | None = None,
) -> int:
    """Write simulated 12-lead ECGs exactly as a published dataset lays its records out.

    Args:
        layout: Whose layout.
        root: Folder to make; `data/LAYOUT` if not given.
        records: How many.
        seed: Same seed, same files.
        difficulty: From 0, textbook findings, to 1, borderline findings in much noise.
    """
    from ecg_tl.synthesis.simulator import DEFAULT_DIFFICULTY
    from ecg_tl.synthesis.writing import synthesize as write

    folder = _root(layout, root)
    write(layout, folder, records, seed, difficulty=DEFAULT_DIFFICULTY if difficulty is None else difficulty)
    terminal.console(stderr=True).print(f"{records} records in {folder}", highlight=False)
    return 0


def prepare(
    dataset: DatasetName,
    root: str | None = None,
    store_dir: str = STORE_DIR,
    leads: tuple[str, ...] = LEADS,
    sampling_rate: float = 100,
    num_samples: int = 1000,
    resampling: Literal["polyphase", "stride"] = "polyphase",
    short: Literal["pad", "drop"] = "pad",
    contract: str | None = None,
    bad_records: Literal["skip", "error"] = "skip",
    workers: int | None = None,
    shard: str | None = None,
    options: dict[str, bool | int | float | str | None] | None = None,
) -> int:
    """Read every record once and keep leads, rate and length that networks take, in one array on disk.

    Args:
        dataset: What lies in the folder.
        root: The dataset's folder; `data/DATASET` if not given.
        store_dir: Where prepared stores are kept.
        leads: Which leads, in which order.
        sampling_rate: In Hz.
        num_samples: Length of every stored record.
        resampling: `polyphase` filters before it decimates; `stride` takes every k-th sample, as the paper.
        short: Whether shorter records are padded with zeros or left out.
        contract: Name of a published upstream (`ecg-tl upstream list`), whose contract decides all of these.
        bad_records: Whether a record that cannot be read is listed and left out, or stops.
        workers: Processes that read; one a core if not given.
        shard: Only this part of the records, such as `2/5`; `ecg-tl data join` makes one store of all parts.
        options: Of the dataset, such as `{"source_rate": 100}` for ptbxl.
    """
    from ecg_tl.published import find_upstream
    from ecg_tl.store.build import prepare as build
    from ecg_tl.store.settings import StoreSettings
    from ecg_tl.store.shards import ShardNumber
    from ecg_tl.store.summary import render_store

    part = None if shard is None else ShardNumber.parse(shard)
    settings = (
        StoreSettings(leads, sampling_rate, num_samples, resampling, short)
        if contract is None
        else StoreSettings.under(find_upstream(contract).contract)
    )
    store = build(
        get_dataset(dataset, **(options or {})),
        _root(dataset, root),
        path_argument("--store_dir", store_dir),
        settings,
        bad_records=bad_records,
        workers=workers,
        part=part,
    )
    terminal.console().print(render_store(store))
    return 0


def join(folder: str) -> int:
    """Make one store of its shards, wherever these were prepared; their signals are not copied on one disk.

    Args:
        folder: That holds the shards, of one store or of several; the stores are made in it.
    """
    from ecg_tl.store.shards import join as join_store
    from ecg_tl.store.shards import stores_in_shards
    from ecg_tl.store.summary import render_store

    for shards in stores_in_shards(path_argument("folder", folder)):
        terminal.console().print(render_store(join_store(shards)))
    return 0


def check(
    dataset: DatasetName,
    root: str | None = None,
    store_dir: str = STORE_DIR,
    workers: int | None = None,
    options: dict[str, bool | int | float | str | None] | None = None,
) -> int:
    """Read everything and report what is wrong, without changing anything.

    Args:
        dataset: What lies in the folder.
        root: The dataset's folder; `data/DATASET` if not given.
        store_dir: Where prepared stores are kept; those of this dataset are compared with their digests.
        workers: Processes that read; one a core if not given.
        options: Of the dataset, such as `{"source_rate": 100}` for ptbxl.
    """
    from ecg_tl.store.check import check_dataset
    from ecg_tl.store.summary import render_check, render_stores
    from ecg_tl.store.verification import check_store

    stores_folder = path_argument("--store_dir", store_dir)
    if store_dir != STORE_DIR and not stores_folder.is_dir():
        raise SettingError(
            "--store_dir", f"{store_dir}, which is no folder", "a folder of prepared stores", "Correct it."
        )
    report = check_dataset(get_dataset(dataset, **(options or {})), _root(dataset, root), workers=workers)
    terminal.console().print(render_check(report))
    stores = [check_store(path.parent) for path in sorted(stores_folder.glob(f"{dataset}-*/store.json"))]
    if stores:
        terminal.console().print(render_stores(stores))
    return 1 if report.has_errors or any(store.faults for store in stores) else 0


def verify(store: str, repair: bool = False) -> int:
    """Compare every byte of prepared stores with the digests that were taken when they were written.

    Args:
        store: Folder of a prepared store, or one that holds several (`data/stores`).
        repair: Whether a damaged store is prepared again from its source.
    """
    from ecg_tl.store.build import prepare_again
    from ecg_tl.store.shards import is_shard
    from ecg_tl.store.summary import render_stores
    from ecg_tl.store.verification import check_store, find_stores

    checks = [check_store(path) for path in find_stores(path_argument("store", store))]
    terminal.console().print(render_stores(checks))
    damaged = [check.path for check in checks if check.faults]
    if not repair:
        return 1 if damaged else 0
    # Shards first: of them the whole store is made again.
    for path in sorted(damaged, key=lambda path: not is_shard(path)):
        prepare_again(path)
    return 0


def overlap(store_a: str, store_b: str, csv: str | None = None) -> int:
    """Show which recordings two prepared stores have in common, under whatever names.

    Args:
        store_a: Folder of a prepared store.
        store_b: Folder of another.
        csv: File to write all pairs to.
    """
    from ecg_tl.store.overlap import compare_stores, render_overlap, write_pairs
    from ecg_tl.store.reader import open_store

    a, b = path_argument("store_a", store_a), path_argument("store_b", store_b)
    check_outputs({"--csv": csv}, [a, b])
    found = compare_stores(open_store(a), open_store(b))
    if csv is not None:
        write_pairs(found, Path(csv))
    terminal.console().print(render_overlap(found))
    return 0


COMMANDS: dict[str, Any] = {
    "init": init,
    "list": list_datasets,
    "download": download_dataset,
    "synthesize": synthesize,
    "prepare": prepare,
    "join": join,
    "check": check,
    "verify": verify,
    "overlap": overlap,
}


def run(words: Sequence[str]) -> int:
    """Run `data` and one of its words."""
    with argument_errors("data", words[1:], COMMANDS.values()):
        status: int = auto_cli(
            COMMANDS,
            args=with_bare_flags(words[1:], COMMANDS.values()),
            prog="ecg-tl data",
            set_defaults=None,
            exit_on_error=False,
        )
    return status


def _root(dataset: str, root: str | None) -> Path:
    return Path("data") / dataset if root is None else path_argument("--root", root)


def _classes(dataset: type[EcgDataset]) -> str:
    """Name the classes of each task, or count them where they are many."""
    lines = []
    for task in dataset.tasks:
        names = dataset.known_classes(task)
        shown = " ".join(names) if len(names) <= MANY_CLASSES else f"{len(names)} classes"
        shown = shown or "classes: those that its files name"
        lines.append(shown if len(dataset.tasks) == 1 else f"{task}: {shown}")
    return "\n".join(lines)
