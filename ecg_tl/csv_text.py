"""Tables as CSV in which text is text: no cell is a spreadsheet's formula, and each comes back as it was."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ecg_tl.files import read_regular, write_text

if TYPE_CHECKING:  # a study is planned without a table
    import pandas as pd

# Excel, LibreOffice and Google Sheets take what begins so for a formula, the full-width forms too.
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table without its index; see `written_whole` and `csv_text`."""
    write_text(path, csv_text(table))


def csv_text(table: pd.DataFrame) -> str:
    """Give a table as CSV, without its index.

    Numbers are written as they are. A text cell, or a column's name, that a spreadsheet would take for a
    formula (one that begins with `=`, `+`, `-`, `@`, a tab or a line break) gets an apostrophe in front; so
    does one that has it already, and `read_csv_texts` takes it off again.
    """
    from pandas.api.types import is_numeric_dtype

    made = table.rename(columns=text_cell)
    for position, dtype in enumerate(made.dtypes):
        if not is_numeric_dtype(dtype):
            made.isetitem(position, [text_cell(cell) for cell in made.iloc[:, position]])
    texts = made.select_dtypes(exclude="number")
    # Python's writer quotes a line feed, and leaves a carriage return, at which a reader would end the line.
    returns = any("\r" in str(name) for name in made.columns) or any(
        "\r" in str(cell) for _, column in texts.items() for cell in column
    )
    if returns:
        return made.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    return made.to_csv(index=False, lineterminator="\n")


def text_cell(value: Any) -> Any:
    """Write a text for a cell of a spreadsheet, where it is no formula; leave everything else as it is."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def cell_text(cell: str) -> str:
    """Return the text that `text_cell` has written."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def read_csv_texts(source: Path | IO[bytes]) -> pd.DataFrame:
    """Read a table that `write_csv` has written, every cell as text: `001` is not 1, and `NA` is a name.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no table.
    """
    import pandas as pd

    content = read_regular(source) if isinstance(source, Path) else source.read()
    read = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, encoding_errors="surrogatepass")
    if b"'" not in content:  # nothing to take off; to look at each cell takes longer than to read them
        return read
    return read.rename(columns=cell_text).map(cell_text)
