"""What one part of the program takes, its twin takes: `infer` and training, format 16 and the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg_tl.datasets.custom import Custom
from ecg_tl.errors import EcgTlError
from ecg_tl.recordings import ReadSettings, read_record
from ecg_tl.signals import LEADS
from ecg_tl.store.build import prepare
from ecg_tl.store.settings import StoreSettings

SPELLINGS = {
    "standard": list(LEADS),
    "lower case": [lead.lower() for lead in LEADS],
    "upper case": [lead.upper() for lead in LEADS],
    "Lead before": [f"Lead {lead}" for lead in LEADS],
    "ECG before": [f"ECG_{lead.upper()}" for lead in LEADS],
    "both before": [f"ecg lead {lead}" for lead in LEADS],
    "ekg and a colon": [f"EKG: {lead}" for lead in LEADS],
    "another lead": ["-aVR" if lead == "aVR" else lead for lead in LEADS],
    "ECG for each": ["ECG"] * 12,
    "unknown for each": ["unknown"] * 12,
}


def write(folder: Path, names: list[str], storage: str = "16", gain: str = "1000(0)/mV") -> np.ndarray:
    """Write a record `r` with labels, and return its steps `(leads, samples)`."""
    time = np.arange(2000) / 500
    one, two = 300 * np.sin(9 * time), 500 * np.sin(9 * time + 0.3)
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    steps = np.rint([*limb, *(300 * np.sin(9 * time + lead) for lead in range(6))]).astype(np.int64)
    wfdb.io._signal.wr_dat_file("r.dat", storage, steps.T, 0, write_dir=str(folder))
    lines = [
        f"r.dat {storage} {gain} 12 0 {row[0]} {row.sum() % 65536} 0 {name}"
        for name, row in zip(names, steps, strict=True)
    ]
    (folder / "r.hea").write_text("\n".join(["r 12 500 2000", *lines]) + "\n")
    (folder / "labels.csv").write_text("record,AF\nr,1\n")
    return steps


def stored(folder: Path) -> np.ndarray:
    """Prepare the folder as training does: `(leads, samples)` in steps of 1 µV."""
    settings = StoreSettings(sampling_rate=500, num_samples=2000)
    store = prepare(Custom(), folder, folder.parent / "stores", settings, workers=1, progress=False)
    return np.asarray(store.signals()[0])


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_infer_and_training_take_the_same_names_of_leads(spelling: str, tmp_path: Path) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    steps = write(folder, SPELLINGS[spelling])
    recording = read_record(folder / "r", ReadSettings()).recording
    if set(LEADS) <= set(recording.leads):
        np.testing.assert_array_equal(stored(folder), steps)
    else:
        with pytest.raises(EcgTlError, match="no lead"):
            stored(folder)


@pytest.mark.parametrize("storage", ["16", "212", "24", "32"])
@pytest.mark.parametrize("gain", ["1000(0)/mV", "1E3(+0)/mV", "1/uV", "1/µV", "1000"])
def test_infer_and_training_read_the_same_in_every_format(storage: str, gain: str, tmp_path: Path) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    steps = write(folder, list(LEADS), storage, gain)
    read = read_record(folder / "r", ReadSettings()).recording.values
    np.testing.assert_array_equal(np.rint(read * 1000), steps)
    np.testing.assert_array_equal(stored(folder), steps)


@pytest.mark.parametrize(
    ("gain", "is_plausible"),
    [("1000/mV", True), ("10/mV", False), ("20000/mV", False), ("1000000/mV", False)],
)
def test_infer_and_prepare_both_say_that_no_ecg_has_such_amplitudes(
    gain: str, is_plausible: bool, tmp_path: Path
) -> None:
    from ecg_tl.store.inspection import FindingKind, inspect

    folder = tmp_path / "records"
    folder.mkdir()
    write(folder, list(LEADS), "16", gain)
    recording = read_record(folder / "r", ReadSettings()).recording
    found = {finding.kind for finding in inspect(recording, "r")}
    settings = StoreSettings(sampling_rate=500, num_samples=2000)
    store = prepare(Custom(), folder, tmp_path / "stores", settings, workers=1, progress=False)
    noted = any("amplitudes that no ECG has" in note for note in store.manifest.notes)
    assert (FindingKind.GAIN not in found, not noted) == (is_plausible, is_plausible)
