"""HDF5: one recording a file, with what stands beside it or is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from cart_files import ecg_steps

from ecg_tl.errors import RecordError
from ecg_tl.recordings import ReadSettings, read_record
from ecg_tl.signals import LEADS

VALUES = ecg_steps() * 0.005
EVERYTHING = ReadSettings(leads=LEADS, sampling_rate=500, units="mV")


def write(path: Path, fill: Callable[[Any], object]) -> Path:
    with h5py.File(path, "w") as file:
        fill(file)
    return path


def beside(file: Any) -> None:
    file["signal"] = VALUES
    file["leads"] = list(LEADS)
    file["sampling_rate"] = 500
    file["units"] = "mV"


def as_attributes(file: Any) -> None:
    file["ecg"] = (VALUES.T * 1000).astype(np.float16)
    file["ecg"].attrs.update({"lead_names": "I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6", "units": "uV"})
    file.attrs["fs"] = 500.0


def in_a_group(file: Any) -> None:
    file.create_dataset("exam/signal", data=VALUES, chunks=(12, 100), compression="gzip")
    file["exam/noise"] = VALUES
    file["exam/leads"] = np.array(LEADS, dtype="S8")
    file["exam/sampling_rate"] = [500]
    file["exam/units"] = b"mV"


@pytest.mark.parametrize("fill", [beside, as_attributes, in_a_group])
def test_what_a_file_says_is_taken(fill: Callable[[Any], object], tmp_path: Path) -> None:
    recording = read_record(write(tmp_path / "a.h5", fill)).recording
    assert (recording.leads, recording.sampling_rate) == (LEADS, 500)
    np.testing.assert_allclose(recording.values, VALUES, atol=0.002 if fill is as_attributes else 1e-6)


def test_what_a_file_does_not_say_must_be_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a", lambda file: file.create_dataset("ecg", data=VALUES.astype(np.float16)))
    with pytest.raises(RecordError, match="nothing about its leads, sampling rate, units"):
        read_record(path)
    np.testing.assert_allclose(read_record(path, EVERYTHING).recording.values, VALUES, atol=0.002)


def external(file: Any) -> None:
    file["signal"] = h5py.ExternalLink("/etc/passwd", "x")


def soft(file: Any) -> None:
    file["signal"] = h5py.SoftLink("/signal")


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout(shape=(12, 1000), dtype="f8")
    layout[:] = h5py.VirtualSource("other.h5", "signal", shape=(12, 1000))
    file.create_virtual_dataset("signal", layout)


BAD: dict[str, tuple[Callable[[Any], object], str]] = {
    "empty": (lambda file: None, "no array with two axes among nothing"),
    "text": (lambda file: file.create_dataset("signal", data=["a"]), "no array with two axes"),
    "two arrays": (lambda file: [file.create_dataset(name, data=VALUES) for name in "ab"], "the arrays a, b"),
    "many recordings": (lambda file: file.create_dataset("x", data=np.zeros((3, 12, 5))), "shape (3, 12, 5)"),
    "a link out of the file": (external, "no array with two axes"),
    "a link in a circle": (soft, "no array with two axes"),
    "samples elsewhere": (virtual, "another file"),
    "never written": (
        lambda file: file.create_dataset("signal", shape=(12, 1000), chunks=(12, 100), dtype="f4"),
        "0 of the 10 parts",
    ),
    "far too large": (
        lambda file: file.create_dataset("signal", shape=(512, 2**40), chunks=(1, 2**10), dtype="f4"),
        "values",
    ),
    "absurd rate": (lambda file: [beside(file), file["sampling_rate"].write_direct(np.array(1))], "sampling"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_recording_is_one_line(name: str, tmp_path: Path) -> None:
    fill, found = BAD[name]
    path = write(tmp_path / "a.h5", fill)
    with pytest.raises(RecordError) as caught:
        read_record(path, EVERYTHING)
    assert found in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", beside)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(RecordError, match="cannot be read as HDF5"):
        read_record(path)
