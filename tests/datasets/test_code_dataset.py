from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecg_tl.datasets.code import CodeTest
from ecg_tl.errors import DatasetError, RecordError
from ecg_tl.signals import LEADS, select_leads

LABELS = "1dAVb,RBBB,LBBB,SB,AF,ST"


@pytest.fixture
def layout(tmp_path: Path) -> Callable[..., Path]:
    def write(
        labels: tuple[str, ...] = ("0,0,0,0,0,0", "1,0,0,0,1,0", "0,0,1,0,0,0"),
        attributes: tuple[str, ...] = ("34,M", "70,F", "90,F"),
        tracings: np.ndarray | None = None,
        folder: str = ".",
    ) -> Path:
        root = tmp_path / folder
        (root / "annotations").mkdir(parents=True)
        (root / "annotations/gold_standard.csv").write_text("\n".join([LABELS, *labels]) + "\n")
        (root / "attributes.csv").write_text("\n".join(["age,sex", *attributes]) + "\n")
        if tracings is None:
            tracings = np.arange(12, dtype=np.float64) + np.zeros((len(labels), 64, 12)) + 0.1
            tracings[0, :8] = 0.0
            tracings[0, -8:] = 0.0
            tracings[1, :, 7] = 0.0
        with h5py.File(root / "ecg_tracings.hdf5", "w") as file:
            file["tracings"] = tracings
        return tmp_path

    return write


@pytest.mark.parametrize("folder", [".", "data"])
def test_rows_match_by_position_in_the_root_and_in_data(layout: Callable[..., Path], folder: str) -> None:
    root = layout(folder=folder)
    dataset = CodeTest(expected_records=None)
    table = dataset.scan(root).records
    assert table["codes"].tolist() == [(), ("1dAVb", "AF"), ("LBBB",)]
    assert table["age"].tolist() == [34.0, 70.0, 90.0]
    assert table["sex"].tolist() == ["M", "F", "F"]
    assert set(table["length"]) == {64}
    assert dataset.read(root, table["path"][2]).sampling_rate == 400.0


def test_norm_is_none_of_the_six(layout: Callable[..., Path]) -> None:
    dataset = CodeTest(expected_records=None)
    rule = dataset.label_rule()
    assert rule.class_names == ("NORM", "1dAVb", "RBBB", "LBBB", "SB", "AF", "ST")
    targets = rule.targets(dataset.scan(layout()).records["codes"])
    np.testing.assert_array_equal(targets[:, 0], [1, 0, 0])
    np.testing.assert_array_equal(targets[1], [0, 1, 0, 0, 0, 1, 0])


def test_augmented_leads_are_rotated_in_the_file(layout: Callable[..., Path]) -> None:
    root = layout()
    recording = CodeTest(expected_records=None).read(root, "ecg_tracings.hdf5#2")
    standard = select_leads(recording, LEADS, "here")
    # columns 3, 4, 5 of the file are aVL, aVF, aVR
    np.testing.assert_allclose(
        standard[:, 0], np.array([0, 1, 2, 5, 3, 4, 6, 7, 8, 9, 10, 11]) + 0.1, rtol=1e-6
    )


def test_values_are_millivolts_padding_and_flat_leads_as_published(layout: Callable[..., Path]) -> None:
    root = layout()
    dataset = CodeTest(expected_records=None)
    padded = dataset.read(root, "ecg_tracings.hdf5#0").values
    assert not padded[:, :8].any()
    assert not padded[:, -8:].any()
    np.testing.assert_allclose(padded[0, 8:-8], 0.1, rtol=1e-6)
    assert not dataset.read(root, "ecg_tracings.hdf5#1").values[7].any()
    assert dataset.crop == "center"


def test_other_number_of_rows_than_827_is_refused(layout: Callable[..., Path]) -> None:
    with pytest.raises(DatasetError, match=r"gold_standard\.csv: found 3 rows, expected 827"):
        CodeTest().scan(layout())
    assert len(CodeTest(expected_records=3).scan(layout(folder="again").joinpath("again")).records) == 3


@pytest.mark.parametrize(
    ("fault", "file"),
    [
        ({"attributes": ("34,M",)}, "attributes.csv: found 1 rows, expected 3"),
        (
            {"labels": ("0,0,0,0,0,0",), "tracings": np.zeros((3, 8, 12))},
            "gold_standard.csv: found 1 rows, expected 3",
        ),
    ],
)
def test_files_of_different_length_are_refused(
    layout: Callable[..., Path], fault: dict[str, object], file: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        CodeTest(expected_records=None).scan(layout(**fault))
    assert file in str(caught.value)


def test_label_that_is_neither_0_nor_1_is_told(layout: Callable[..., Path]) -> None:
    root = layout(labels=("0,0,0,0,0,0", "0,2,0,0,0,0", "0,0,0,0,0,0"))
    with pytest.raises(DatasetError, match="'2' in column RBBB of row 2"):
        CodeTest(expected_records=None).scan(root)


@pytest.mark.parametrize(
    "tracings", [np.zeros((3, 12)), np.zeros((3, 64, 8)), np.zeros((3, 64, 12), dtype=np.int16)]
)
def test_tracings_of_another_shape_or_type_are_refused(
    layout: Callable[..., Path], tracings: np.ndarray
) -> None:
    with pytest.raises(DatasetError, match=r"ecg_tracings\.hdf5: found tracings of shape"):
        CodeTest(expected_records=None).scan(layout(tracings=tracings))


@pytest.mark.parametrize("content", [b"", b"no HDF5", None])
def test_corrupt_hdf5_is_one_error(layout: Callable[..., Path], content: bytes | None) -> None:
    root = layout()
    file = root / "ecg_tracings.hdf5"
    file.write_bytes(file.read_bytes()[:900] if content is None else content)
    with pytest.raises(DatasetError, match=r"ecg_tracings\.hdf5: .*fetch it again"):
        CodeTest(expected_records=None).scan(root)
    with pytest.raises(RecordError, match="row 0 that cannot be read"):
        CodeTest().read(root, "ecg_tracings.hdf5#0")


def test_hdf5_without_tracings_is_one_error(layout: Callable[..., Path]) -> None:
    root = layout()
    with h5py.File(root / "ecg_tracings.hdf5", "w") as file:
        file["signals"] = np.zeros(3)
    with pytest.raises(DatasetError, match="float dataset `tracings`"):
        CodeTest(expected_records=None).scan(root)


def test_missing_file_says_where_to_get_it(layout: Callable[..., Path]) -> None:
    root = layout()
    (root / "ecg_tracings.hdf5").unlink()
    with pytest.raises(DatasetError, match=r"ecg_tracings\.hdf5: found no such file.*zenodo"):
        CodeTest().scan(root)


def link_outwards(file: h5py.File, other: Path) -> None:
    file["tracings"] = h5py.ExternalLink(str(other), "/tracings")


def link_softly_outwards(file: h5py.File, other: Path) -> None:
    file["elsewhere"] = h5py.ExternalLink(str(other), "/")
    file["tracings"] = h5py.SoftLink("/elsewhere/tracings")


def be_virtual(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((3, 64, 12), dtype="f8")
    layout[:] = h5py.VirtualSource(str(other), "tracings", (3, 64, 12))
    file.create_virtual_dataset("tracings", layout)


def store_outwards(file: h5py.File, other: Path) -> None:
    file.create_dataset("tracings", (3, 64, 12), "f8", external=[(str(other), 0, 3 * 64 * 12 * 8)])


def be_a_group(file: h5py.File, other: Path) -> None:
    file.create_group("tracings")


def write_nothing(file: h5py.File, other: Path) -> None:
    file.create_dataset("tracings", (3, 64, 12), "f8")


def declare_45_gigabytes(file: h5py.File, other: Path) -> None:
    file.create_dataset("tracings", (120_000, 4096, 12), "f8")


def declare_a_row_of_terabytes(file: h5py.File, other: Path) -> None:
    file.create_dataset("tracings", (3, 10**10, 12), "f8", chunks=(1, 1024, 12))


def declare_chunks_of_gigabytes(file: h5py.File, other: Path) -> None:
    file.create_dataset("tracings", (3, 10**7, 12), "f4", chunks=(3, 10**7, 12))


def write_one_chunk_of_three(file: h5py.File, other: Path) -> None:
    tracings = file.create_dataset("tracings", (3, 64, 12), "f8", chunks=(1, 64, 12))
    tracings[1] = 1.0


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (link_outwards, "a ExternalLink called tracings"),
        (link_softly_outwards, "a SoftLink called tracings"),
        (be_virtual, "samples lie in another file"),
        (store_outwards, "samples lie in another file"),
        (be_a_group, "a Group called tracings"),
        (write_nothing, "0 of the 18,432 that"),
        (declare_45_gigabytes, "0 of the 47,185,920,000 that"),
        (declare_a_row_of_terabytes, "samples 10000000000"),
        (declare_chunks_of_gigabytes, "1440000000 bytes in a file of"),
        (write_one_chunk_of_three, "1 of the 3 that"),
    ],
)
def test_tracings_that_are_elsewhere_or_nowhere_are_refused(
    layout: Callable[..., Path], tmp_path: Path, spoil: Callable[[h5py.File, Path], None], found: str
) -> None:
    root = layout()
    other = (root / "ecg_tracings.hdf5").rename(tmp_path / "other.hdf5")
    with h5py.File(root / "ecg_tracings.hdf5", "w") as file:
        spoil(file, other)
    with pytest.raises(DatasetError, match=found):
        CodeTest(expected_records=None).scan(root)
