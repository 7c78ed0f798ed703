"""The recordings of a folder: formats, rates, leads, lengths, and which files are the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg_tl.errors import DatasetError, RecordError
from ecg_tl.files import sha256_of
from ecg_tl.mistaken import clearer
from ecg_tl.recordings import ReadSettings, read_record, record_files
from ecg_tl.recordings.contents import Person
from ecg_tl.recordings.finding import find_format, records_among
from ecg_tl.recordings.folders import list_files
from ecg_tl.signals import LEADS


@dataclass(frozen=True)
class RecordingsFound:
    """What recordings a folder holds.

    Attributes:
        names: Paths below the folder, of WFDB records without extension.
        formats: How many are of each format, by its title.
        looked_at: How many were read, evenly spaced; the rest of this is of these.
        rates: How many have each sampling rate, in Hz.
        seconds: How many have each length.
        leads: How many have each set of leads, the standard ones in their order.
        persons: Whose they are, as far as the files say.
        unreadable: Those that cannot be read, and why.
        identical: Groups of files with the same bytes, of all recordings.
        passed_over: What is in the folder and was not taken for a recording, in lines.
    """

    names: tuple[str, ...]
    formats: Mapping[str, int]
    looked_at: int
    rates: Mapping[float, int]
    seconds: Mapping[float, int]
    leads: Mapping[tuple[str, ...], int]
    persons: Mapping[str, Person]
    unreadable: tuple[tuple[str, str], ...]
    identical: tuple[tuple[str, ...], ...]
    passed_over: tuple[str, ...]

    @property
    def common_leads(self) -> tuple[str, ...]:
        """The standard leads that all recordings have which were read."""
        sets = [set(leads) for leads in self.leads]
        return tuple(lead for lead in LEADS if sets and all(lead in one for one in sets))


def survey_recordings(
    root: Path, settings: ReadSettings, look_at: int, tables: Sequence[Path] = ()
) -> RecordingsFound:
    """Look at a folder's recordings.

    Args:
        root: The folder.
        settings: What the user says of files that do not say it themselves.
        look_at: How many are read at most.
        tables: Files that are tables of labels, and no recordings.

    Raises:
        DatasetError: If there are no recordings, or none that can be read.
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        raise DatasetError(root, found, "a folder of recordings", "Check the path.")
    listing = list_files(root, ("",))
    passed_over = [f"{where} could not be listed: {why.lower()}" for where, why in listing.unreadable]
    left_aside = {table.resolve() for table in tables}
    certain, others = records_among(path for path in listing.files if path.resolve() not in left_aside)
    paths = certain or others
    if certain and others:
        passed_over.append(f"{len(others)} table(s) or array(s) are not taken for recordings")
    if not paths:
        raise DatasetError(root, "no recordings", "files of a format that is read", "Check the folder.")
    names = {path: path.relative_to(root).as_posix() for path in paths}
    formats: Counter[str] = Counter()
    for path in paths:
        one = find_format(path)
        formats[one.title if one else "unknown"] += 1
    chosen = np.linspace(0, len(paths) - 1, min(len(paths), max(1, look_at))).round().astype(int)
    rates: Counter[float] = Counter()
    seconds: Counter[float] = Counter()
    leads: Counter[tuple[str, ...]] = Counter()
    persons: dict[str, Person] = {}
    unreadable: list[tuple[str, str]] = []
    for number in dict.fromkeys(chosen.tolist()):
        path = paths[number]
        try:
            read = read_record(path, settings)
        except RecordError as error:
            unreadable.append((names[path], str(clearer(error))))
            continue
        recording = read.recording
        rates[recording.sampling_rate] += 1
        seconds[round(recording.values.shape[1] / recording.sampling_rate, 3)] += 1
        own = sorted(
            recording.leads, key=lambda lead: (LEADS.index(lead) if lead in LEADS else len(LEADS), lead)
        )
        leads[tuple(own)] += 1
        persons[names[path]] = read.person
    if not rates:
        raise DatasetError(
            root,
            f"{len(paths)} recording(s), of which none that was looked at can be read; the first: "
            f"{unreadable[0][1]}",
            "recordings that can be read",
            "Correct what it says, or say what the files do not say.",
        )
    return RecordingsFound(
        names=tuple(names.values()),
        formats=dict(formats.most_common()),
        looked_at=len(dict.fromkeys(chosen.tolist())),
        rates=dict(rates.most_common()),
        seconds=dict(seconds.most_common()),
        leads=dict(leads.most_common()),
        persons=persons,
        unreadable=tuple(unreadable),
        identical=_identical(paths, names),
        passed_over=tuple(passed_over),
    )


def _identical(paths: Sequence[Path], names: Mapping[Path, str]) -> tuple[tuple[str, ...], ...]:
    """Return the recordings whose samples' files have the same bytes."""
    by_size: dict[tuple[int, ...], list[tuple[Path, list[Path]]]] = defaultdict(list)
    for path in paths:
        files = [file for file in record_files([path]) if file.suffix.lower() != ".hea" and file.is_file()]
        by_size[tuple(file.stat().st_size for file in files)].append((path, files))
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for same_size in by_size.values():
        if len(same_size) > 1:
            for path, files in same_size:
                groups[tuple(map(sha256_of, files))].append(names[path])
    return tuple(tuple(group) for digests, group in groups.items() if digests and len(group) > 1)
