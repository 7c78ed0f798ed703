"""Pairs of doors that must let the same things through: what one refuses or finds, the other does as well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from simulated import reader_of

from ecg_tl.datamodules.parts import divide
from ecg_tl.datamodules.settings import SplitSettings
from ecg_tl.datasets import get_dataset, layout_names
from ecg_tl.errors import SettingError
from ecg_tl.recordings import find_records
from ecg_tl.store.build import prepare
from ecg_tl.store.check import check_dataset
from ecg_tl.store.settings import StoreSettings
from ecg_tl.synthesis import synthesize

SHORT = StoreSettings(num_samples=100)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def root(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("twins") / name
            synthesize(name, made[name], 30, seed=4, progress=False)
        return made[name]

    return root


@pytest.mark.slow
@pytest.mark.parametrize("name", layout_names())
@pytest.mark.parametrize("kind", ["official", "patient"])
def test_no_split_of_any_dataset_divides_a_patient(
    roots: Callable[[str], Path], tmp_path: Path, name: str, kind: str
) -> None:
    """Folds that a dataset publishes, or a user writes, are checked as a drawn split is."""
    dataset = reader_of(name)
    store = prepare(dataset, roots(name), tmp_path, SHORT, progress=False)
    records, rule = store.records.copy(), dataset.label_rule(None, roots(name))
    records["fold"] = (np.arange(len(records)) % 3).astype(object)
    records["patient_id"] = [f"p{row // 2}" for row in range(len(records))]
    split = SplitSettings(kind=kind)  # type: ignore[arg-type]
    if kind == "official":
        with pytest.raises(SettingError, match="patient"):
            divide(records, rule, split, drop_unlabelled=False, where=store.path)
    else:
        parts = divide(records, rule, split, drop_unlabelled=False, where=store.path).split.parts()
        owners = [{row // 2 for row in rows.tolist()} for rows in parts.values()]
        assert sum(map(len, owners)) == len(set.union(*owners))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["georgia", "cpsc2018", "ptb"])
def test_prepare_check_and_infer_find_the_same_records(
    roots: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    root = roots(name)
    scan = get_dataset(name).scan(root)
    expected = {root / path for path in scan.records["path"]}
    without_reason = len(scan.left_out)
    assert len(set(find_records([root])[0]) - expected) == without_reason
    assert expected <= set(find_records([root])[0])
    assert (
        check_dataset(get_dataset(name), root, workers=1, progress=False).records
        == len(expected) + without_reason
    )
    assert len(prepare(get_dataset(name), root, tmp_path, SHORT, progress=False)) == len(expected)
