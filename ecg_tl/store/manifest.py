"""`store.json`: what a store holds, what it was made from and what happened on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ecg_tl.datasets.base import LabelClass, LabelRule, LeftOut
from ecg_tl.errors import SettingError, StoreError
from ecg_tl.files import read_json
from ecg_tl.limits import Limit, fits_type, shown
from ecg_tl.store.digests import OWN_DIGEST, FileDigest, digest_of_values, with_own_digest
from ecg_tl.store.encoding import SIGNAL_DTYPE
from ecg_tl.store.fingerprint import (
    COLUMNS_FILE,
    FINGERPRINTS_FILE,
    FORMAT_VERSION,
    MANIFEST_FILE,
    READABLE_FORMATS,
    RECORDS_FILE,
    SIGNALS_FILE,
    TRACES_FILE,
    Fingerprint,
)
from ecg_tl.store.identity import FINGERPRINT_BYTES
from ecg_tl.store.settings import StoreSettings
from ecg_tl.store.traces import TRACE_BYTES

REMEDY = (
    "Copy the store again, or run `ecg-tl data verify STORE --repair true`, which prepares it again where "
    "the dataset's files are at hand."
)
"""It keeps the damaged store until the new one is complete: the files may be elsewhere by now."""
UNREADABLE = "Correct its permissions, or look after the disk; the store need not be prepared again."

DIGESTED_FILES = {
    3: frozenset[str](),
    4: frozenset({SIGNALS_FILE, FINGERPRINTS_FILE, RECORDS_FILE}),
    5: frozenset({SIGNALS_FILE, FINGERPRINTS_FILE, TRACES_FILE, RECORDS_FILE}),
    6: frozenset({SIGNALS_FILE, FINGERPRINTS_FILE, TRACES_FILE, COLUMNS_FILE}),
}
"""Which files a store of each format has digests of."""

_COUNT = Limit("count", 0, 10**15, whole=True)  # of samples as well
_RULE_TYPES: Mapping[str, Any] = {
    "classes": list[dict[str, Any]],
    "known_codes": list[str],
    "negative": str | None,
}
_TYPES: Mapping[str, Any] = {
    "format_version": int,
    "created": str,
    "source_root": str,
    "dataset": dict[str, Any],
    "settings": dict[str, Any],
    "counts": dict[str, int],
    "signals_bytes": int,
    "fingerprints_bytes": int,
    "source": dict[str, str | int],
    "versions": dict[str, str],
    "notes": list[str],
    "unknown_codes": dict[str, int],
    "identical": list[list[str]],
    "duplicates": list[list[str]],
    "left_out": list[dict[str, str]],
    "too_short": list[str],
    "columns": dict[str, str],
    "rules": dict[str, dict[str, Any]],
}


@dataclass(frozen=True)
class DatasetCard:
    """What a dataset says of itself, kept with its records."""

    name: str
    title: str
    licence: str
    citation: str
    source: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Shard:
    """Which of a dataset's records a store holds, if not all of them.

    Attributes:
        number: Of this shard, from 1.
        of: How many there are.
        begin: First of its records among all that were listed, from 0.
        end: One after its last.
        total: How many were listed.
        implausible: Stored records with amplitudes that no ECG has; the joined store has a note of them.
    """

    number: int
    of: int
    begin: int
    end: int
    total: int
    implausible: int


def part_file(number: int, of: int) -> str:
    """Return the name of the signals of one shard in a joined store."""
    return f"signals-{number}-of-{of}.i16"


@dataclass(frozen=True)
class Counts:
    """How many records, and samples over all leads, had what done to them.

    Attributes:
        scanned: Records that the dataset's files name.
        stored: Records in the store.
        left_out: Records that could not be used.
        too_short: Records left out by the setting `short="drop"`.
        cropped: Records of which the store keeps a part.
        padded: Records with zeros at the end.
        mended: Records with interpolated samples, and
        nan_samples: how many samples that were.
        clipped: Records with samples beyond ±32.767 mV, and
        clipped_samples: how many samples that were.
    """

    scanned: int = 0
    stored: int = 0
    left_out: int = 0
    too_short: int = 0
    cropped: int = 0
    padded: int = 0
    mended: int = 0
    nan_samples: int = 0
    clipped: int = 0
    clipped_samples: int = 0


@dataclass(frozen=True)
class Manifest:
    """All that is known of a store beside its records.

    Attributes:
        dataset: The dataset's own words, and the options it was read with.
        settings: With `crop` resolved.
        source_root: Where the files were.
        source: The state they were in.
        created: UTC, ISO 8601.
        versions: Of the packages that took part.
        counts: What was done to how many.
        columns: What each column of the record table holds, for `store.table` and `store.columns`.
        rules: Label rule of each task, so that a store without its source still knows its classes.
        left_out: Records that could not be used, and why.
        too_short: Ids of the records that `short="drop"` left out.
        unknown_codes: Codes that the dataset's vocabulary does not know, and in how many records.
        identical: Groups of ids of records whose stored signals are the same, sample for sample.
        duplicates: Groups of ids of records that are the same recording: those, and others whose traces are
            alike.
        notes: The dataset's remarks on these files.
        digests: Of the store's other files, by name; none in a store of format 3.
        format_version: Of the store.
        shard: Which records these are; None if all.
        parts: Of a store that was joined from shards, how many records each file of signals holds.
    """

    dataset: DatasetCard
    settings: StoreSettings
    source_root: str
    source: Fingerprint
    created: str
    versions: Mapping[str, str]
    counts: Counts
    columns: Mapping[str, str]
    rules: Mapping[str, LabelRule]
    left_out: tuple[LeftOut, ...] = ()
    too_short: tuple[str, ...] = ()
    unknown_codes: Mapping[str, int] = field(default_factory=dict)
    identical: tuple[tuple[str, ...], ...] = ()
    duplicates: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    digests: Mapping[str, FileDigest] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION
    shard: Shard | None = None
    parts: tuple[int, ...] = ()

    @property
    def signal_files(self) -> dict[str, int]:
        """Names of the files of signals, in order, and how many records each holds."""
        if not self.parts:
            return {SIGNALS_FILE: self.counts.stored}
        return {part_file(number, len(self.parts)): size for number, size in enumerate(self.parts, 1)}

    @property
    def bytes_a_record(self) -> int:
        """Size of one record's signals."""
        return len(self.settings.leads) * self.settings.num_samples * SIGNAL_DTYPE.itemsize

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the signals: records, leads, samples."""
        return (self.counts.stored, len(self.settings.leads), self.settings.num_samples)

    @property
    def signals_bytes(self) -> int:
        """Size of the signals, in however many files."""
        return self.counts.stored * self.bytes_a_record

    @property
    def has_traces(self) -> bool:
        """Whether the store has a file of traces."""
        return self.format_version >= 5

    @property
    def has_columns(self) -> bool:
        """Whether the record table is kept by columns."""
        return self.format_version >= 6

    @property
    def fingerprints_bytes(self) -> int:
        """Size of the fingerprints' file."""
        return self.counts.stored * FINGERPRINT_BYTES

    def rule(self, task: str | None = None) -> LabelRule:
        """Return the label rule of `task`; None is the dataset's default task.

        Raises:
            SettingError: If the dataset offers no such task.
        """
        if task is None:
            return next(iter(self.rules.values()))
        try:
            return self.rules[task]
        except KeyError:
            raise SettingError(
                f"task of {self.dataset.name}",
                repr(task),
                f"one of {', '.join(self.rules)}",
                "Choose one of these.",
            ) from None

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as JSON values, with a digest of themselves."""
        values = {
            **{name: getattr(self, name) for name in ("format_version", "created", "source_root")},
            "dataset": {**asdict(self.dataset), "options": dict(self.dataset.options)},
            "settings": self.settings.to_json(),
            "counts": asdict(self.counts),
            "signals_bytes": self.signals_bytes,
            "fingerprints_bytes": self.fingerprints_bytes,
            "source": asdict(self.source),
            "versions": dict(self.versions),
            "notes": list(self.notes),
            "unknown_codes": dict(self.unknown_codes),
            "identical": [list(group) for group in self.identical],
            "duplicates": [list(group) for group in self.duplicates],
            "left_out": [asdict(record) for record in self.left_out],
            "too_short": list(self.too_short),
            "columns": dict(self.columns),
            "rules": {task: _rule_to_json(rule) for task, rule in self.rules.items()},
            "digests": {name: digest.to_json() for name, digest in self.digests.items()},
            **({} if self.shard is None else {"shard": asdict(self.shard)}),
            **({"parts": list(self.parts)} if self.parts else {}),
        }
        return with_own_digest(values)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Manifest:
        """Read what `to_json` wrote.

        Raises:
            KeyError: If something is missing.
            TypeError: If something is of another type.
            ValueError: If something has another value than `to_json` would write.
            SettingError: If the settings are not valid.
        """
        for name, kind in _TYPES.items():
            if not fits_type(values[name], kind):
                raise TypeError(f"{name} is {shown(values[name])}")
        if values["format_version"] > 3 and values[OWN_DIGEST] != digest_of_values(values):
            raise ValueError("it was changed after it was written")
        manifest = cls(
            dataset=DatasetCard(**values["dataset"]),
            settings=StoreSettings.from_json(values["settings"]),
            source_root=values["source_root"],
            source=Fingerprint(**values["source"]),
            created=values["created"],
            versions=dict(values["versions"]),
            counts=_counts(values["counts"]),
            columns=dict(values["columns"]),
            rules={task: _rule_from_json(rule) for task, rule in values["rules"].items()},
            left_out=tuple(LeftOut(**record) for record in values["left_out"]),
            too_short=tuple(values["too_short"]),
            unknown_codes=dict(values["unknown_codes"]),
            identical=tuple(tuple(group) for group in values["identical"]),
            duplicates=tuple(tuple(group) for group in values["duplicates"]),
            notes=tuple(values["notes"]),
            digests={
                name: FileDigest.from_json(digest) for name, digest in values.get("digests", {}).items()
            },
            format_version=values["format_version"],
            shard=None if "shard" not in values else _shard(values["shard"]),
            parts=_parts(values.get("parts", []), values["counts"]["stored"]),
        )
        sizes = (manifest.signals_bytes, manifest.fingerprints_bytes)
        version = manifest.format_version
        expected = (DIGESTED_FILES[version] - {SIGNALS_FILE}) | set(manifest.signal_files)
        if version > 3 and set(manifest.digests) != expected:
            raise ValueError(f"digests of {', '.join(manifest.digests) or 'no file'}")
        if sizes != (values["signals_bytes"], values["fingerprints_bytes"]) or not manifest.rules:
            raise ValueError("counts that contradict each other")
        return manifest


def read_manifest(store: Path) -> Manifest:
    """Read and validate the manifest of a store's folder, and that its signals and fingerprints are there.

    Raises:
        StoreError: If a file is missing, is damaged, is of another format or has another size than stated.
    """
    path = store / MANIFEST_FILE
    if not store.is_dir():
        found = "a file" if store.exists() else "nothing"
        raise StoreError(store, found, "the folder of a prepared store", "Prepare the dataset first.")
    # Without its manifest nobody knows what a store was prepared with.
    remedy = "Copy the store again, or move its folder aside and prepare the dataset again."
    values = _read_json(path, remedy)
    version = values.get("format_version")
    if version not in READABLE_FORMATS:
        readable = " or ".join(map(str, READABLE_FORMATS))
        raise StoreError(
            path,
            f"format version {shown(version)}",
            f"format version {readable}",
            "Prepare the dataset again; this one may stay.",
        )
    try:
        manifest = Manifest.from_json(values)
    except (KeyError, TypeError, ValueError, AttributeError, SettingError) as error:
        found = f"{type(error).__name__}: {error}"
        raise StoreError(
            path, f"a damaged manifest ({found})", "a manifest as `prepare` writes it", remedy
        ) from error
    for name, records in manifest.signal_files.items():
        _check_size(store / name, records * manifest.bytes_a_record, remedy)
    _check_size(store / FINGERPRINTS_FILE, manifest.fingerprints_bytes, remedy)
    if manifest.has_traces:
        _check_size(store / TRACES_FILE, manifest.counts.stored * TRACE_BYTES, remedy)
    return manifest


def _check_size(path: Path, expected: int, remedy: str) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise StoreError(path, error.strerror or str(error), "a file of the store", remedy) from error
    if size != expected:
        raise StoreError(path, f"{size:,} bytes", f"{expected:,} bytes", remedy)


def _read_json(path: Path, remedy: str) -> dict[str, Any]:
    try:
        values = read_json(path)
    except OSError as error:
        raise StoreError(path, error.strerror or str(error), "the store's manifest", remedy) from error
    except ValueError as error:
        raise StoreError(path, f"broken JSON ({error})", "the store's manifest", remedy) from error
    if not isinstance(values, dict):
        raise StoreError(path, f"a JSON {type(values).__name__}", "a JSON object", remedy)
    return values


def _counts(values: Mapping[str, Any]) -> Counts:
    wrong = [name for name in (f.name for f in fields(Counts)) if not _COUNT.holds(values[name])]
    if wrong:
        raise ValueError(f"counts that are no numbers: {', '.join(wrong)}")
    return Counts(**values)


def _shard(values: Mapping[str, Any]) -> Shard:
    if not fits_type(values, dict[str, int]):
        raise TypeError(f"shard is {shown(values)}")
    shard = Shard(**values)
    if not (1 <= shard.number <= shard.of and 0 <= shard.begin <= shard.end <= shard.total):
        raise ValueError(f"shard is {shown(values)}")
    return shard


def _parts(values: object, stored: int) -> tuple[int, ...]:
    if not fits_type(values, list[int]) or not isinstance(values, list) or any(size < 0 for size in values):
        raise TypeError(f"parts is {shown(values)}")
    if values and sum(values) != stored:
        raise ValueError("parts that are not all records")
    return tuple(values)


def _rule_to_json(rule: LabelRule) -> dict[str, Any]:
    return {
        "classes": [{"name": one.name, "codes": sorted(one.codes)} for one in rule.classes],
        "known_codes": sorted(rule.known_codes),
        "negative": rule.negative,
    }


def _rule_from_json(values: Mapping[str, Any]) -> LabelRule:
    for name, kind in _RULE_TYPES.items():
        if not fits_type(values[name], kind):
            raise TypeError(f"{name} of a rule is {shown(values[name])}")
    if not all(
        fits_type(one.get("name"), str) and fits_type(one.get("codes"), list[str])
        for one in values["classes"]
    ):
        raise TypeError("a class without a name or a list of codes")
    classes = tuple(LabelClass(one["name"], frozenset(one["codes"])) for one in values["classes"])
    return LabelRule(classes, frozenset(values["known_codes"]), values["negative"])
