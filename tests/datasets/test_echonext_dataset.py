from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecg_tl.datamodules.echonext import EchoNextDataModule
from ecg_tl.datasets.echonext import COMPOSITE, MEASURED_BY, EchoNext
from ecg_tl.errors import DatasetError, RecordError
from ecg_tl.signals import LEADS

VALUES = tuple(column for columns in MEASURED_BY.values() for column in columns)
FLAGS = tuple(f"{finding}_flag" for finding in (*MEASURED_BY, COMPOSITE))
SPLITS = ("train", "no_split", "val", "train", "test")


def row(number: int, split: str, flags: dict[str, int], absent: tuple[str, ...]) -> str:
    cells = [f"k{number}", f"p{number // 2}", split, "64", "Female"]
    cells += [str(flags.get(flag, 0)) for flag in FLAGS]
    return ",".join([*cells, *("" if value in absent else "1.5" for value in VALUES)])


@pytest.fixture
def layout(tmp_path: Path) -> Callable[..., Path]:
    def write(splits: tuple[str, ...] = SPLITS) -> Path:
        head = ",".join(["ecg_key", "patient_key", "split", "age_at_ecg", "sex", *FLAGS, *VALUES])
        rows = [
            row(
                number,
                split,
                {"lvef_lte_45_flag": int(number == 0), f"{COMPOSITE}_flag": int(number == 0)},
                ("tr_max_velocity_value", "lvpw_measurement") if number else (),
            )
            for number, split in enumerate(splits)
        ]
        (tmp_path / "echonext_metadata_100k.csv").write_text("\n".join([head, *rows]) + "\n")
        for split in ("train", "val", "test", "no_split"):
            own = [number for number, one in enumerate(splits) if one == split]
            signals = np.zeros((len(own), 1, 2500, 12), dtype=np.float32)
            for position, number in enumerate(own):
                signals[position, 0] = number + np.arange(12) / 100
            np.save(tmp_path / f"EchoNext_{split}_waveforms.npy", signals)
        return tmp_path

    return write


def test_rows_of_a_split_match_its_array_by_position(layout: Callable[..., Path]) -> None:
    root = layout()
    table = EchoNext().scan(root).records
    assert table["record_id"].tolist() == ["k0", "k2", "k3", "k4"]
    assert table["fold"].tolist() == [1, 2, 1, 3]
    for key, path in zip(table["record_id"], table["path"], strict=True):
        recording = EchoNext().read(root, path)
        assert (recording.leads, recording.sampling_rate) == (LEADS, 250.0)
        np.testing.assert_allclose(recording.values[:, 7], int(key[1:]) + np.arange(12) / 100, rtol=1e-6)


def test_records_outside_the_splits_are_left_out(layout: Callable[..., Path]) -> None:
    scan = EchoNext().scan(layout())
    assert "k1" not in scan.records["record_id"].tolist()
    assert any("1 record(s) of no_split share patients" in note for note in scan.notes)


def test_the_flag_of_what_was_not_measured_is_a_question_without_an_answer(
    layout: Callable[..., Path],
) -> None:
    table = EchoNext().scan(layout()).records
    rule = EchoNext().label_rule()
    assert len(rule.classes) == 11
    targets = rule.targets_of(table)
    unmeasured = [rule.class_names.index(name) for name in ("tr_max_gte_32", "lvwt_gte_13")]
    assert np.isnan(targets[1:][:, unmeasured]).all()  # of the two walls one alone is measured
    assert np.isnan(targets).sum() == 2 * 3
    assert targets[0, rule.class_names.index("lvef_lte_45")] == 1
    assert EchoNext().label_rule("structural").targets_of(table)[:, 0].tolist() == [1, 0, 0, 0]


def test_signals_are_not_normalised_again() -> None:
    assert EchoNextDataModule().normalization["name"] == "none"


def test_some_splits_alone_will_do(layout: Callable[..., Path]) -> None:
    root = layout()
    (root / "EchoNext_train_waveforms.npy").unlink()
    scan = EchoNext().scan(root)
    assert scan.records["record_id"].tolist() == ["k2", "k4"]
    assert any("2 record(s) are of splits whose arrays are not here" in note for note in scan.notes)


def test_arrays_that_are_none_of_these_are_one_error(layout: Callable[..., Path]) -> None:
    root = layout()
    path = root / "EchoNext_train_waveforms.npy"
    np.save(path, np.zeros((3, 1, 2500, 12), dtype=np.float32))
    with pytest.raises(DatasetError, match="found 3 rows, expected 2"):
        EchoNext().scan(root)
    np.save(path, np.zeros((2, 2500, 12), dtype=np.float32))
    with pytest.raises(DatasetError, match=r"shape \(2, 2500, 12\)"):
        EchoNext().scan(root)
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match="cannot be read"):
        EchoNext().scan(root)
    whole = (root / "EchoNext_val_waveforms.npy").read_bytes()
    path.write_bytes(whole[:-1000])
    with pytest.raises(RecordError, match="cannot be read"):
        EchoNext().read(root, "EchoNext_train_waveforms.npy#0")
    for name in ("train", "val", "test"):
        (root / f"EchoNext_{name}_waveforms.npy").unlink()
    with pytest.raises(DatasetError, match="after logging in"):
        EchoNext().scan(root)


def test_cells_that_say_nothing_are_one_error(layout: Callable[..., Path]) -> None:
    with pytest.raises(DatasetError, match="'holdout' in column split of row 2"):
        EchoNext().scan(layout(("train", "holdout")))
