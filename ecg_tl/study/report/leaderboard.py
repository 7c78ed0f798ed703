"""Write a leaderboard over several studies: a page, and a CSV file beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ecg_tl.errors import StoreError
from ecg_tl.outputs import check_outputs
from ecg_tl.study.findings.columns import row_of
from ecg_tl.study.findings.leaderboard import Leaderboard, leaderboard_tables
from ecg_tl.study.report.csv_files import rows_as_csv
from ecg_tl.study.report.render import PAGE, page_environment, theme_colours, write_whole

LEADERBOARD = "leaderboard.csv"


def write_leaderboard(board: Leaderboard, folder: Path, inputs: Iterable[Path] = ()) -> Path:
    """Write it into a folder, which is made if it is not there.

    Args:
        board: What it shows.
        folder: For `index.html` and `leaderboard.csv`.
        inputs: Files and folders that it was read from: none of them is replaced.

    Returns:
        The page.

    Raises:
        StoreError: If the folder cannot be written.
        SettingError: If a file of it is an input.
    """
    if folder.is_dir():  # one that cannot be made is said below
        check_outputs({f"leaderboard {name}": folder / name for name in (PAGE, LEADERBOARD)}, inputs)
    page = (
        page_environment()
        .get_template("leaderboard.html.j2")
        .render(board=board, tables=leaderboard_tables(board), csv_names=["leaderboard"], **theme_colours())
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / LEADERBOARD, rows_as_csv([row_of(one) for one in board.entries]))
        write_whole(folder / PAGE, page)
    except OSError as error:
        remedy = "Free some space, or name a folder that can be written."
        raise StoreError(folder, str(error), "a folder for the leaderboard", remedy) from error
    return folder / PAGE
