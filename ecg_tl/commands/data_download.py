"""`ecg-tl data download`: a dataset from its publisher."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

from ecg_tl import printing, terminal
from ecg_tl.commands.arguments import path_argument
from ecg_tl.datasets import DATASETS, get_dataset
from ecg_tl.datasets.publications import PUBLICATIONS, SUMS, ByLogIn, Deposit, PhysioNetProject
from ecg_tl.downloading.many import Wanted, fetch_all, read_sums, unpack_zip
from ecg_tl.downloading.remote import RemoteFile, checksum_of
from ecg_tl.downloading.sources import Archived, locate
from ecg_tl.errors import DownloadError, SettingError
from ecg_tl.limits import RECORDS, Limit, require
from ecg_tl.terminal import BarColumn, Progress, TimeLeftColumn

PublicationName: TypeAlias = Literal[tuple(PUBLICATIONS)]  # type: ignore[valid-type]
AT_ONCE = Limit("workers", 1, 16, whole=True)
"""Publishers turn away who asks for more at once."""


def download_dataset(
    name: PublicationName,
    root: str | None = None,
    records: int | None = None,
    folds: tuple[int, ...] | None = None,
    mirror: str | None = None,
    workers: int = 4,
) -> int:
    """Fetch a dataset from its publisher: gone on with after any cut, and compared with its checksums.

    A file has its name when it is whole. The same command goes on with what is missing, and compares what is
    there. Where a licence asks for a log-in it says what to do, and compares what was put there.

    Args:
        name: Which dataset.
        root: Its folder, which is made; `data/NAME` if not given.
        records: Only so many records, the first ones; of CODE-15% as many parts as they take.
        folds: Only the records of these folds, where the dataset publishes folds.
        mirror: Address below which PhysioNet's `files` are mirrored, or a deposit's files lie.
        workers: How many files at once.
    """
    folder = Path("data") / name if root is None else path_argument("--root", root)
    require(AT_ONCE, workers, "--workers", remedy="Correct it.")
    if records is not None:
        require(RECORDS, records, "--records", remedy="Correct it.")
    publication = PUBLICATIONS[name]
    if folds is not None and not (isinstance(publication, PhysioNetProject) and name == "ptbxl"):
        raise SettingError(
            "--folds", f"{name}, whose folds are not published with its files", "ptbxl", "Leave it out."
        )
    if isinstance(publication, ByLogIn):
        return _check_given(name, publication, folder)
    if isinstance(publication, Deposit):
        fetched = _fetch_deposit(publication, folder, records, mirror, workers)
    else:
        fetched = _fetch_project(name, publication, folder, records, folds, mirror, workers)
    printing.say(f"files       {fetched:,} in {folder}, each compared with its published checksum")
    if isinstance(publication, Deposit) and publication.remark:
        printing.say(publication.remark)
    reader = name.removesuffix("_demo")
    printing.say(f"licence     {DATASETS[reader].reader.licence}")
    printing.say(f"next        ecg-tl data check {reader} --root {shlex.quote(str(folder))}")
    return 0


def _fetch_project(
    name: str,
    project: PhysioNetProject,
    folder: Path,
    records: int | None,
    folds: tuple[int, ...] | None,
    mirror: str | None,
    workers: int,
) -> int:
    def wanted(names: list[str], sums: dict[str, str]) -> list[Wanted]:
        return [
            Wanted(RemoteFile(project.url(one, mirror), sums.get(one, ""), page=project.page), folder / one)
            for one in names
        ]

    fetch_all(wanted([SUMS], {}))
    sums = read_sums(folder / SUMS)
    chosen = None
    if folds is not None:
        fetch_all(wanted([table for table in project.tables if table in sums], sums))
        table = get_dataset(name).scan(folder).records
        chosen = set(table.loc[table["fold"].isin(folds), "path"])
    files = wanted(project.files(sums, records, chosen), sums)
    return _fetch(files, name, workers)


def _fetch_deposit(
    deposit: Deposit, folder: Path, records: int | None, mirror: str | None, workers: int
) -> int:
    files = []
    for file in deposit.files(records):
        remote, _ = locate(Archived(deposit.doi, file))
        if mirror is not None:
            remote = RemoteFile(f"{mirror.rstrip('/')}/{file}", remote.checksum, page=deposit.page)
        files.append(Wanted(remote, folder / file))
    count = _fetch(files, deposit.doi, workers)
    for item in files:
        if item.path.suffix == ".zip" and not deposit.remark:
            printing.say(f"unpacked    {unpack_zip(item.path, folder):,} file(s) of {item.path.name}")
    return count


def _fetch(files: list[Wanted], name: str, workers: int) -> int:
    with _shown(name, len(files)) as report:
        return len(fetch_all(files, workers, report))


@contextmanager
def _shown(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar of files where standard error is a terminal."""
    console = terminal.console(stderr=True)
    columns = (
        terminal.text_column("{task.description}"),
        BarColumn(),
        terminal.text_column("{task.completed:,.0f} of {task.total:,.0f} files"),
        TimeLeftColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(name, total=total)
        yield lambda done: progress.update(task, completed=done)


def _check_given(name: str, publication: ByLogIn, folder: Path) -> int:
    """Compare what a person put into the folder with the published list, if that is there.

    Raises:
        DownloadError: If files are missing, or one is not the published file; says how to get them.
    """
    sums = read_sums(folder / SUMS) if (folder / SUMS).is_file() else {}
    missing = [one for one in publication.files if not (folder / one).exists()]
    missing += [one for one in sums if not (folder / one).is_file()]
    if missing:
        raise DownloadError(
            folder,
            f"no {missing[0]}" + (f", and {len(missing) - 1:,} more missing" if len(missing) > 1 else ""),
            f"the files of {DATASETS[name].reader.title}, which you get yourself",
            f"Open {publication.page}: {publication.steps}. The same command then compares them.",
        )
    wrong = [one for one, checksum in sums.items() if checksum_of(folder / one) != checksum]
    if wrong:
        raise DownloadError(
            folder / wrong[0],
            f"another checksum than the published one (of {len(wrong):,} file(s))",
            f"the checksum in {SUMS}",
            "Remove these files and get them again.",
        )
    compared = f"{len(sums):,} compared with {SUMS}" if sums else f"none compared: there is no {SUMS}"
    printing.say(f"files       {compared}")
    printing.say(f"next        ecg-tl data check {name} --root {shlex.quote(str(folder))}")
    return 0
