"""The WFDB layout of the PhysioNet/CinC Challenges 2020 and 2021, shared by the collections published in it.

`A0001.hea` beside `A0001.mat`, the diagnoses as SNOMED CT codes in the header's comments (`#Dx:` or `# Dx:`).
The folders differ from one publication to the next (`training/cpsc_2018/g1/`, `WFDB_CPSC2018/`, none), so
headers are searched for anywhere below the root; records of a collection are known by their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from ecg_tl.datasets.base import EcgDataset, LabelClass, LabelRule, LeftOut, Scan, make_scan
from ecg_tl.datasets.demographics import parse_age, parse_sex, people_notes
from ecg_tl.datasets.snomed import SNOMED, SNOMED_CODES, with_equivalents
from ecg_tl.errors import DatasetError, RecordError
from ecg_tl.recordings.folders import list_dataset_files
from ecg_tl.recordings.wfdb_header import read_header
from ecg_tl.recordings.wfdb_recording import read_wfdb
from ecg_tl.signals import Recording

_NO_DIAGNOSIS = frozenset({"", "unknown", "nan"})


class ChallengeDataset(EcgDataset):
    """A collection in the challenges' layout.

    Attributes:
        record_names: What its records are called, a regular expression.
        class_codes: The classes with the one code that makes each: the paper's, or those that are scored.
        remark: What a user should know of the collection besides; empty if nothing.

    Args:
        equivalences: Whether codes that the challenges score as one (`CHALLENGE_EQUIVALENCES`) make the same
            class. Without it the exact codes count alone, as in the paper.

    Of a published folder that holds several collections, a reader takes its own records alone.
    """

    vocabulary = SNOMED
    record_names: ClassVar[re.Pattern[str]]
    class_codes: ClassVar[Mapping[str, str]]
    remark: ClassVar[str] = ""

    def __init__(self, equivalences: bool = True) -> None:
        self.equivalences = equivalences

    def source_files(self, root: Path) -> Iterable[Path]:
        """Name the headers of this collection below `root`."""
        headers = list_dataset_files(root, (".hea",))
        return [path for path in headers if self.record_names.fullmatch(path.stem)]

    def scan(self, root: Path) -> Scan:
        """List the headers of this collection below `root`; of other names in the folder a note tells."""
        headers = sorted(list_dataset_files(root, (".hea",)), key=lambda path: (path.stem, path))
        own = [path for path in headers if self.record_names.fullmatch(path.stem)]
        if not own:
            raise DatasetError(
                root,
                f"{len(headers)} headers named otherwise" if headers else "no header (*.hea)",
                f"records of {self.title}, named {self.record_names.pattern}",
                "Check that the root is the right folder.",
            )
        rows: list[dict[str, object]] = []
        left_out: list[LeftOut] = []
        people: list[tuple[str | None, str | None]] = []
        merged = 0
        for path in own:
            named = self.columns_of(path.stem)
            record_id = str(named["record_id"])
            try:
                header = read_header(path.with_suffix(""))
            except RecordError as error:
                left_out.append(LeftOut.because(record_id, error))
                continue
            codes = _parse_diagnoses(header.comment("Dx"))
            if not codes:
                left_out.append(LeftOut(record_id, f"{path}: no diagnosis in a #Dx: comment"))
                continue
            merged += self._has_equivalent(codes)
            people.append((header.comment("Age"), header.comment("Sex")))
            rows.append(
                {
                    **named,
                    "patient_id": None,
                    "path": path.relative_to(root).with_suffix("").as_posix(),
                    "sampling_rate": header.sampling_rate,
                    "length": header.length,
                    "fold": None,
                    "age": parse_age(people[-1][0]),
                    "sex": parse_sex(people[-1][1]),
                    "codes": codes,
                }
            )
        notes = people_notes(*zip(*people, strict=True)) if people else []
        if self.remark:
            notes.append(self.remark)
        if len(own) < len(headers):
            notes.append(
                f"{len(headers) - len(own)} header(s) with names of other collections were passed over."
            )
        if merged:
            meaning = "counted" if self.equivalences else "not counted, as in the paper"
            notes.append(f"{merged} record(s) carry codes equivalent to a class's code: {meaning}.")
        return make_scan(rows, root, left_out, notes)

    def columns_of(self, name: str) -> dict[str, object]:
        """Return the columns of a record that follow from the name of its file: `record_id`, and others."""
        return {"record_id": name}

    def read(self, root: Path, path: str) -> Recording:
        """Read one record."""
        return read_wfdb(root / path)

    def label_rule(self, task: str | None = None, root: Path | None = None) -> LabelRule:
        """Return the collection's classes, with the challenges' equivalent codes unless switched off."""
        self.check_task(task)
        classes = tuple(
            LabelClass(name, with_equivalents([code]) if self.equivalences else frozenset({code}))
            for name, code in self.class_codes.items()
        )
        return LabelRule(classes, frozenset(SNOMED_CODES))

    def _has_equivalent(self, codes: tuple[str, ...]) -> bool:
        own = frozenset(self.class_codes.values())
        return not (with_equivalents(own) - own).isdisjoint(codes)


def _parse_diagnoses(text: str | None) -> tuple[str, ...]:
    """Return the codes of `426783006,164889003`, each once: some headers list one twice."""
    codes = (code.strip() for code in (text or "").split(","))
    return tuple(dict.fromkeys(code for code in codes if code.lower() not in _NO_DIAGNOSIS))
