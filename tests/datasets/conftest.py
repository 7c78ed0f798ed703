"""Factories that lay small records out as the datasets do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import savemat

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def make_steps(leads: int = 12, samples: int = 1000, seed: int = 0) -> NDArray[np.int16]:
    """Converter steps of a noise that fills no range: `int16 (leads, samples)`."""
    return np.random.default_rng(seed).integers(-3000, 3000, (leads, samples)).astype(np.int16)


def write_wfdb(
    record: Path,
    steps: NDArray[np.int16] | None = None,
    *,
    leads: Sequence[str] = LEADS,
    rate: str = "500",
    gains: str | Sequence[str] = "1000/mV",
    suffix: str = ".dat",
    comments: Sequence[str] = (),
    record_line: str | None = None,
    checksums: Sequence[int | None] | None = None,
) -> Path:
    """Write one record by hand, in format 16, and return its path without extension."""
    steps = make_steps(len(leads)) if steps is None else steps
    record.parent.mkdir(parents=True, exist_ok=True)
    file = record.with_name(record.name + suffix)
    if suffix == ".mat":
        savemat(file, {"val": steps}, format="4")
    else:
        file.write_bytes(steps.T.astype("<i2").tobytes())
    gains = [gains] * len(leads) if isinstance(gains, str) else gains
    sums = steps.sum(axis=1, dtype=np.int64).astype(np.int16).tolist() if checksums is None else checksums
    storage = "16+24" if suffix == ".mat" else "16"
    lines = [record_line or f"{record.name} {len(leads)} {rate} {steps.shape[1]}"]
    for lead, gain, first, total in zip(leads, gains, steps[:, 0], sums, strict=True):
        tail = f"16 0 {first} {total} 0 {lead}" if total is not None else ""
        lines.append(f"{file.name} {storage} {gain} {tail}".rstrip())
    header = record.with_name(record.name + ".hea")
    header.write_text("\n".join([*lines, *comments]) + "\n", encoding="utf-8")
    return record


@pytest.fixture(name="write_wfdb", scope="session")
def write_wfdb_fixture() -> Callable[..., Path]:
    return write_wfdb


@pytest.fixture(name="make_steps", scope="session")
def make_steps_fixture() -> Callable[..., NDArray[np.int16]]:
    return make_steps


@pytest.fixture
def write_challenge_record() -> Callable[..., Path]:
    """Write one record of the challenges' layout: `.hea` and `.mat`, diagnoses in the comments."""

    def write(
        record: Path,
        dx: str | None,
        *,
        age: str = "61",
        sex: str = "Male",
        prefix: str = "#",
        **options: object,
    ) -> Path:
        comments = [f"{prefix}Age: {age}", f"{prefix}Sex: {sex}"]
        if dx is not None:
            comments.append(f"{prefix}Dx: {dx}")
        comments += [f"{prefix}{field}: Unknown" for field in ("Rx", "Hx", "Sx")]
        return write_wfdb(record, suffix=".mat", comments=comments, **options)  # type: ignore[arg-type]

    return write
