"""Record tables as versions before format 6 wrote them."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecg_tl.store.table import cells_of, is_numeric


def write_csv(table: pd.DataFrame, kinds: Mapping[str, str], path: Path) -> None:
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(kinds)
        writer.writerows(zip(*(_cells(table[name], kind) for name, kind in kinds.items()), strict=True))


def _cells(column: pd.Series[Any], kind: str) -> list[str]:
    if not is_numeric(kind):
        return cells_of(column, kind)
    if kind.startswith("float"):
        return ["" if np.isnan(value) else repr(float(value)) for value in column]
    return [str(value) for value in column]
