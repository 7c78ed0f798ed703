"""Records made with whole numbers alone, so that they are the same bytes on every machine."""

from __future__ import annotations

from pathlib import Path

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
RATE, SAMPLES = 25, 100
CLASSES = ("tall", "fast")


def write_records(root: Path, records: int, seed: int) -> None:
    """Write a folder of WFDB records with `labels.csv`, as the dataset `custom` has it.

    A record is a triangle wave with noise: a tall wave, or a fast one, or both, or neither.
    """
    root.mkdir(parents=True)
    lines = ["record,patient_id," + ",".join(CLASSES)]
    draw = _Draw(seed)
    for number in range(records):
        tall, fast = (number % 4) // 2, number % 2
        name = f"r{number:02}"
        period, height = (12 if fast else 20), (900 if tall else 400)
        columns = [_wave(draw, period, height + 40 * lead) for lead in range(len(LEADS))]
        steps = [column[t] for t in range(SAMPLES) for column in columns]
        (root / f"{name}.dat").write_bytes(b"".join(v.to_bytes(2, "little", signed=True) for v in steps))
        header = [f"{name} {len(LEADS)} {RATE} {SAMPLES}"]
        for lead, column in zip(LEADS, columns, strict=True):
            checksum = (sum(column) + 2**15) % 2**16 - 2**15
            header.append(f"{name}.dat 16 1000/mV 16 0 {column[0]} {checksum} 0 {lead}")
        (root / f"{name}.hea").write_text("\n".join(header) + "\n")
        lines.append(f"{name},p{number},{tall},{fast}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")


class _Draw:
    """A linear congruential generator (the constants of Numerical Recipes)."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def below(self, bound: int) -> int:
        self.state = (1664525 * self.state + 1013904223) % 2**32
        return (self.state >> 8) % bound


def _wave(draw: _Draw, period: int, height: int) -> list[int]:
    shift = draw.below(period)
    rising = [abs(2 * ((t + shift) % period) - period) for t in range(SAMPLES)]
    return [height * value // period + draw.below(121) - 60 for value in rising]
