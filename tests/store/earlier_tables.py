"""Record tables, and stores with them, as versions before format 6 wrote them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecg_tl.store.digests import digest_file, with_own_digest
from ecg_tl.store.reader import Store
from ecg_tl.store.table import cells_of, is_numeric


def write_csv(table: pd.DataFrame, kinds: Mapping[str, str], path: Path) -> None:
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(kinds)
        writer.writerows(zip(*(_cells(table[name], kind) for name, kind in kinds.items()), strict=True))


def as_format(store: Store, version: int) -> Path:
    """Write a store's table and manifest as an earlier version did; return the table."""
    file, table = store.path / "store.json", store.path / "records.csv"
    write_csv(store.records, store.manifest.columns, table)
    (store.path / "records.npz").unlink()
    values = json.loads(file.read_text()) | {"format_version": version}
    digests, _ = values.pop("digests"), values.pop("digest")
    if version > 3:
        digests["records.csv"] = digest_file(table).to_json()
        del digests["records.npz"]
        values = with_own_digest({**values, "digests": digests})
    file.write_text(json.dumps(values))
    return table


def _cells(column: pd.Series[Any], kind: str) -> list[str]:
    if not is_numeric(kind):
        return cells_of(column, kind)
    if kind.startswith("float"):
        return ["" if np.isnan(value) else repr(float(value)) for value in column]
    return [str(value) for value in column]
