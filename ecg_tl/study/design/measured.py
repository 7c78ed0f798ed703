"""What is measured of a study before it runs: speeds and sizes, as numbers that need no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ecg_tl.files import read_json, write_json

SPEED_FILE = "speed.json"
"""In the study's folder."""


@dataclass(frozen=True)
class MeasuredSpeed:
    """Of one network on this machine, one run at a time.

    Attributes:
        train: Records a second, forward, backward and optimizer step.
        evaluate: Records a second, forward alone.
    """

    train: float
    evaluate: float


@dataclass(frozen=True)
class PartSizes:
    """Records of each part of a run's split."""

    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class KnownOverlap:
    """An upstream whose runs will be refused: it was, or will be, trained on records of the downstream.

    Attributes:
        upstream: Its name in the study.
        downstream: Name of the downstream in the study.
        words: How many records of which parts, and who says so.
    """

    upstream: str
    downstream: str
    words: str


@dataclass(frozen=True)
class Measured:
    """What a forecast is made from.

    Attributes:
        seconds: Estimated from speeds alone, of each run whose data are there.
        sizes: Records of each part of a run's split, by id, where its data are there.
        absent: For each dataset that is not there the reason.
        speeds: By name of the network.
        concurrent: Runs at a time.
        overlaps: Upstreams that runs will refuse.
    """

    seconds: Mapping[str, float]
    sizes: Mapping[str, PartSizes]
    absent: Mapping[str, str]
    speeds: Mapping[str, MeasuredSpeed]
    concurrent: int
    overlaps: tuple[KnownOverlap, ...] = ()


def read_speeds(path: Path) -> dict[str, MeasuredSpeed]:
    """Read speeds; a file that cannot be read costs a measurement and no more."""
    try:
        content: Mapping[str, Mapping[str, float]] = read_json(path)
        return {
            key: MeasuredSpeed(float(one["train"]), float(one["evaluate"])) for key, one in content.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_speeds(path: Path, speeds: Mapping[str, MeasuredSpeed]) -> None:
    """Write speeds; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {key: asdict(one) for key, one in speeds.items()})
