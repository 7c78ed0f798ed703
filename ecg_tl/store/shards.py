"""A store in shards: parts of a dataset's records, prepared on several machines and read as one store.

Each machine prepares its part of the listed records (`ecg-tl data prepare ... --shard 2/5`) as a store of its
own beside the whole one, of which it has the name. Joined they are one store: its record table, fingerprints
and traces are written anew, recordings that are there twice are looked for in all of them, and its signals
are the shards' files under another name, on the same disk without a copy.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ecg_tl import printing
from ecg_tl.errors import SettingError, StoreError
from ecg_tl.limits import Limit, shown
from ecg_tl.lock import exclusive_lock
from ecg_tl.store.fingerprint import SIGNALS_FILE
from ecg_tl.store.manifest import REMEDY, Counts, Manifest, Shard, part_file, read_manifest
from ecg_tl.store.reader import Store, open_store
from ecg_tl.store.tally import completed, made_with, nothing_kept, now, with_first_rows
from ecg_tl.store.verification import trust_written
from ecg_tl.store.writer import StoreWriter, disk_errors, remove_partials

MOST_SHARDS = Limit("shards", 1, 10_000, whole=True)

_SHARD = re.compile(r"(.+)\.shard-([1-9]\d{0,4})-of-([1-9]\d{0,4})", re.ASCII)
_PART = re.compile(r"(\d{1,6})/(\d{1,6})", re.ASCII)
_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True)
class ShardNumber:
    """Which part of a dataset's records to prepare: the `number`-th `of` so many, from 1.

    Raises:
        SettingError: If there is no such part.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not MOST_SHARDS.holds(self.of) or not 1 <= self.number <= self.of:
            raise _no_part(f"{self.number}/{self.of}")

    @classmethod
    def parse(cls, text: str) -> ShardNumber:
        """Read `2/5`.

        Raises:
            SettingError: If it is nothing of the kind.
        """
        found = _PART.fullmatch(text)
        if found is None:
            raise _no_part(text)
        return cls(int(found[1]), int(found[2]))

    def folder(self, whole: Path) -> Path:
        """Return the folder of this shard, beside that of the whole store."""
        return whole.with_name(f"{whole.name}.shard-{self.number}-of-{self.of}")

    def rows(self, total: int) -> slice:
        """Return which of `total` listed records are in this part: as many in each, or one more.

        Raises:
            SettingError: If there are fewer records than parts.
        """
        if total < self.of:
            raise SettingError(
                "shard",
                f"{self.number}/{self.of} of {total} records",
                "a record in each",
                "Use fewer shards.",
            )
        return slice((self.number - 1) * total // self.of, self.number * total // self.of)

    def shard(self, total: int, implausible: int) -> Shard:
        """Return what the shard's manifest says of it."""
        rows = self.rows(total)
        return Shard(self.number, self.of, rows.start, rows.stop, total, implausible)


def _no_part(found: str) -> SettingError:
    expected = f"a part such as 2/5, of at most {MOST_SHARDS.highest:,}"
    return SettingError("shard", shown(found), expected, "Correct it.")


def is_shard(path: Path) -> bool:
    """Tell by its name whether a folder is that of a shard."""
    return _SHARD.fullmatch(path.name) is not None


def find_shards(whole: Path) -> tuple[Path, ...]:
    """Return the folders of all shards of a store, in order; none unless they are all there.

    What is missing is said on standard error.
    """
    found = _by_store(whole.parent).get(whole.name, {})
    for of, numbers in sorted(found.items()):
        if len(numbers) == of:
            return tuple(ShardNumber(number, of).folder(whole) for number in range(1, of + 1))
    for of, numbers in sorted(found.items()):
        missing = sorted(set(range(1, of + 1)) - numbers)
        printing.say(
            f"{whole}: of {of} shards {len(numbers)} are there, not {_listed(missing)}: all are read.",
            error=True,
        )
    return ()


def stores_in_shards(folder: Path) -> list[tuple[Path, ...]]:
    """Return for each store whose shards lie in a folder all that are there, in order.

    Raises:
        StoreError: If there are none, or they are of divisions into different numbers.
    """
    found = _by_store(folder)
    if not found:
        raise StoreError(
            folder,
            "no shards",
            "a folder with the shards of a store",
            "Prepare them with `ecg-tl data prepare ... --shard 1/2` and so on.",
        )
    stores = []
    for name, divisions in sorted(found.items()):
        if len(divisions) > 1:
            said = " and ".join(f"{len(numbers)} of {of}" for of, numbers in sorted(divisions.items()))
            raise StoreError(
                folder / name, f"shards of several divisions: {said}", "one", "Remove the others."
            )
        for of, numbers in divisions.items():
            stores.append(tuple(ShardNumber(number, of).folder(folder / name) for number in sorted(numbers)))
    return stores


def _by_store(folder: Path) -> dict[str, dict[int, set[int]]]:
    """Return for each store's name, and each number of shards, which of them are in a folder."""
    found: dict[str, dict[int, set[int]]] = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        name = _SHARD.fullmatch(path.name)
        if name and not name[1].startswith(".") and int(name[2]) <= int(name[3]) and path.is_dir():
            found.setdefault(name[1], {}).setdefault(int(name[3]), set()).add(int(name[2]))
    return found


def _listed(numbers: Sequence[int], most: int = 8) -> str:
    rest = f" and {len(numbers) - most} more" if len(numbers) > most else ""
    return ", ".join(map(str, numbers[:most])) + rest


def join(shards: Sequence[Path]) -> Store:
    """Join the shards of a store to the store, beside them, unless it is there; one process at a time.

    Raises:
        StoreError: As `join_shards`.
    """
    name = _SHARD.fullmatch(shards[0].name)
    assert name is not None, "found by its name"
    target = shards[0].with_name(name[1])
    with ExitStack() as stack:
        if not target.exists():
            with disk_errors(target, bytes_needed=None):
                waiting = f"Another process is making {target}; waiting for it."
                if stack.enter_context(exclusive_lock(target.with_name(f".{target.name}.lock"), waiting)):
                    remove_partials(target)
        if target.exists():
            return open_store(target)
        return join_shards(shards, target)


def join_shards(shards: Sequence[Path], target: Path) -> Store:
    """Make one store of all its shards, which stay as they are.

    Args:
        shards: Their folders.
        target: The store's folder, which is not there yet; hold its lock.

    Raises:
        StoreError: If a shard is missing, damaged, of other files or other settings than the others, or holds
            a record that another holds; names it.
    """
    parts = _checked(shards)
    first = parts[0].manifest
    records = pd.concat([part.records for part in parts], ignore_index=True)
    _check_records(parts, records)
    with StoreWriter(target, 0, len(records), signals=False) as writer:
        for number, part in enumerate(parts, 1):
            digest = part.manifest.digests[SIGNALS_FILE]
            writer.take_signals(part.path / SIGNALS_FILE, part_file(number, len(parts)), digest)
            if len(part):
                prints, traces = part.fingerprints(), part.traces()
                for start in range(0, len(part), _ROWS_AT_ONCE):
                    rows = slice(start, start + _ROWS_AT_ONCE)
                    writer.append_identity(prints[rows], traces[rows])
        records = with_first_rows(records, writer.traces())
        manifest = replace(
            first,
            created=now(),
            versions=made_with(),
            counts=_sum([part.manifest.counts for part in parts]),
            left_out=tuple(one for part in parts for one in part.manifest.left_out),
            too_short=tuple(one for part in parts for one in part.manifest.too_short),
            notes=(*first.notes, *_version_notes([part.manifest for part in parts])),
            shard=None,
            parts=tuple(len(part) for part in parts),
        )
        implausible = sum(part.manifest.shard.implausible for part in parts if part.manifest.shard)
        writer.finish(records, completed(manifest, records, implausible))
    store = open_store(target, verify=False)
    trust_written(target, store.manifest)
    return store


def _checked(paths: Sequence[Path]) -> list[Store]:
    """Open shards, in order, after looking whether they are all, of one source and with one result.

    Raises:
        StoreError: Names the shard at which it stops.
    """
    manifests: dict[int, tuple[Path, Manifest]] = {}
    for path in paths:
        manifest = read_manifest(path)
        if manifest.shard is None:
            raise StoreError(path, "a whole store", "a shard of one", "Give the folders of the shards alone.")
        if manifest.shard.number in manifests:
            other = manifests[manifest.shard.number][0]
            raise StoreError(
                path, f"shard {manifest.shard.number}", f"once; it is {other} too", "Remove one."
            )
        manifests[manifest.shard.number] = (path, manifest)
    path, first = manifests[min(manifests)]
    assert first.shard is not None, "looked at above"
    for path, manifest in manifests.values():
        for what, here, there in _compared(manifest, first):
            if here != there:
                raise StoreError(
                    path,
                    f"{what} {shown(here)}",
                    f"{shown(there)}, as shard {first.shard.number} has",
                    "Prepare this shard again, from the same files with the same settings.",
                )
    missing = sorted(set(range(1, first.shard.of + 1)) - set(manifests))
    if missing:
        raise StoreError(
            ShardNumber(missing[0], first.shard.of).folder(path.with_name(_whole_name(path))),
            f"no shard {_listed(missing)}",
            f"all {first.shard.of} shards",
            f"Prepare it (`--shard {missing[0]}/{first.shard.of}`), or copy it beside the others.",
        )
    end = 0
    for number in sorted(manifests):
        path, manifest = manifests[number]
        shard = manifest.shard
        assert shard is not None, "looked at above"
        if shard.begin != end or (number == shard.of and shard.end != shard.total):
            raise StoreError(
                path,
                f"records {shard.begin + 1:,} to {shard.end:,} of {shard.total:,}",
                f"those from {end + 1:,} on",
                "Prepare this shard again.",
            )
        end = shard.end
    return [open_store(manifests[number][0], shard=True) for number in sorted(manifests)]


def _whole_name(path: Path) -> str:
    name = _SHARD.fullmatch(path.name)
    return name[1] if name else path.name


def _compared(manifest: Manifest, first: Manifest) -> list[tuple[str, object, object]]:
    """Return what has to be the same in all shards: what it is, of this one, and of the first."""
    shards = [one.shard for one in (manifest, first) if one.shard is not None]
    return [
        ("format version", manifest.format_version, first.format_version),
        ("dataset", asdict(manifest.dataset), asdict(first.dataset)),
        ("settings", manifest.settings.to_json(), first.settings.to_json()),
        ("source files with the digest", manifest.source.digest, first.source.digest),
        ("a division into", shards[0].of, shards[-1].of),
        ("listed records", shards[0].total, shards[-1].total),
        ("label rules", manifest.rules, first.rules),
    ]


def _check_records(parts: Sequence[Store], records: pd.DataFrame) -> None:
    """Refuse records that are in several shards, and shards of which none has any.

    Raises:
        StoreError: Names the shard that has one again.
    """
    if records.empty:
        left_out = [one for part in parts for one in part.manifest.left_out]
        too_short = sum(part.manifest.counts.too_short for part in parts)
        raise nothing_kept(parts[0].path, left_out, too_short, parts[0].manifest.settings)
    again = np.flatnonzero(records["record_id"].duplicated())
    if len(again):
        ends = np.cumsum([len(part) for part in parts])
        part = parts[int(np.searchsorted(ends, again[0], side="right"))]
        record = records["record_id"].iloc[int(again[0])]
        found = f"record {shown(record)}, which another shard has ({len(again):,} such records)"
        raise StoreError(part.path, found, "each record once", f"Prepare this shard again. {REMEDY}")


def _sum(counts: Sequence[Counts]) -> Counts:
    return Counts(**{one.name: sum(getattr(count, one.name) for count in counts) for one in fields(Counts)})


def _version_notes(manifests: Sequence[Manifest]) -> list[str]:
    """Say so where shards were made with other versions of packages than the first."""
    first = manifests[0].versions
    others = [str(one.shard.number) for one in manifests if one.shard is not None and one.versions != first]
    if not others:
        return []
    return [f"Shards {', '.join(others)} were prepared with other versions of packages than shard 1."]
