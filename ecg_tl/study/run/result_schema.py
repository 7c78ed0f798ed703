"""What `result.json` holds: its fields, their types, and which of them every result has.

Whoever reads a result reads it through `check_result`, so that a file that was edited, or is another run's,
is one line that names the file and the field, and never a traceback or a silent number.

A table of this project's own: a JSON Schema would take NaN, infinity and whole numbers beyond every float for
numbers, and its messages name neither what was expected in words nor what to do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecg_tl.errors import StoreError
from ecg_tl.limits import require_tree
from ecg_tl.store.digests import OWN_DIGEST, is_as_written
from ecg_tl.study.design.folder import NOT_ITS_OWN

FORMAT = 1
"""Of `result.json`, the newest that is understood; raised when an older reader could make no sense of it."""


@dataclass(frozen=True)
class FieldKind:
    """What a field may hold.

    Attributes:
        words: The same in words.
        holds: Whether a value is such a thing.
        needed: Whether every result has the field.
    """

    words: str
    holds: Callable[[Any], bool]
    needed: bool = False


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _or_null(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or holds(value)


def _table_of(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(holds, value.values()))


def _list_of(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _one_of(*words: str) -> FieldKind:
    return FieldKind(f"one of {', '.join(words)}", lambda value: value in words, needed=True)


TEXT = FieldKind("a text", _is_text, needed=True)
TEXT_OR_NULL = FieldKind("a text or null", _or_null(_is_text), needed=True)
WHOLE = FieldKind("a whole number from 0", _is_whole, needed=True)
TABLE = FieldKind("a mapping", _is_table, needed=True)
SOME_TEXT = FieldKind("a text or null", _or_null(_is_text))
SOME_TABLE = FieldKind("a mapping or null", _or_null(_is_table))
SOME_WHOLE = FieldKind("a whole number from 0, or null", _or_null(_is_whole))
SOME_NUMBER = FieldKind("a number or null", _or_null(_is_number))
SOME_BOOL = FieldKind("true, false or null", _or_null(_is_bool))
SCORES = FieldKind("a mapping of numbers", _table_of(_or_null(_is_number)), needed=True)
COUNTS = FieldKind("a mapping of whole numbers", _or_null(_table_of(_is_whole)))

FIELDS: dict[str, FieldKind] = {
    "run": TABLE,
    "run.id": TEXT,
    "run.kind": _one_of("upstream", "scratch", "fine-tuned", "control"),
    "run.dataset": TEXT,
    "run.upstream": TEXT_OR_NULL,
    "run.network": TEXT,
    "run.arm": TEXT,
    "run.size": FieldKind("a whole number or null", _or_null(_is_whole), needed=True),
    "run.seed": FieldKind("a whole number", _is_seed, needed=True),
    "run.split": SOME_WHOLE,
    "run.upstream_seed": SOME_WHOLE,
    "run.axes": FieldKind("a mapping of texts", _table_of(_is_text), needed=True),
    "run.protocol": _one_of("strict", "paper", "fm_benchmark", "second_opinion"),
    "run.needs": SOME_TEXT,
    "run.after": SOME_TEXT,
    "study": SOME_TEXT,
    "family": TEXT,
    "head": TEXT,
    "parameters": SOME_WHOLE,
    "head_parameters": SOME_WHOLE,
    "trainable_parameters": SOME_WHOLE,
    "scores": SCORES,
    "best_scores": SCORES,
    "calibration": SOME_TABLE,
    "calibration.thresholds": FieldKind("a list of numbers", _or_null(_list_of(_is_number))),
    "calibration.tuned": FieldKind("a list of true and false", _or_null(_list_of(_is_bool))),
    "calibration.temperature": SOME_NUMBER,
    "precision": SOME_TEXT,
    "threads": SOME_WHOLE,
    "monitor": TEXT,
    "epochs": WHOLE,
    "epochs_to_best": WHOLE,
    "seconds_to_best": SOME_NUMBER,
    "seconds": SOME_NUMBER,
    "wall_seconds": SOME_NUMBER,
    "device_seconds": SOME_NUMBER,
    "peak_memory_bytes": SOME_WHOLE,
    "peak_device_memory_bytes": SOME_WHOLE,
    "to_scratch_best": SOME_TABLE,  # of earlier versions; nobody reads it any more
    "transfer": SOME_TABLE,
    "transferability": SOME_TABLE,
    "data": TABLE,
    "data.dataset": SOME_TEXT,
    "data.title": SOME_TEXT,
    "data.licence": SOME_TEXT,
    "data.citation": SOME_TEXT,
    "data.query": SOME_TEXT,
    "data.split": SOME_TEXT,
    "data.split_hash": SOME_TEXT,
    "data.class_names": FieldKind("a list of texts", _or_null(_list_of(_is_text))),
    "data.records": FieldKind("a mapping of whole numbers", _table_of(_is_whole)),
    "data.support": FieldKind("a mapping of mappings of whole numbers", _table_of(_table_of(_is_whole))),
    "data.leaks_removed": COUNTS,
    "data.records_left_out": SOME_WHOLE,
    "data.unlabelled": SOME_WHOLE,
    "data.unlabelled_dropped": SOME_BOOL,
    "data.selects_on_test": SOME_BOOL,
    "data.patients_shared": SOME_WHOLE,
    "data.filtered": SOME_WHOLE,
    "data.sampling_rate": SOME_NUMBER,
    "data.num_samples": SOME_WHOLE,
    "data.normalization": SOME_TABLE,
    "versions": FieldKind("a mapping of texts", _or_null(_table_of(_or_null(_is_text)))),
    "hardware": SOME_TABLE,
    "attempts": SOME_WHOLE,
    "digests": FieldKind("a mapping of digests", _or_null(_table_of(_is_text))),
    "finished": SOME_TEXT,
    "digest": SOME_TEXT,
}
"""By their paths, an owner before its own. A field that is not named here is nobody's and is left alone."""


def check_result(content: object, path: Path) -> dict[str, Any]:
    """Check what was parsed from a `result.json`, and return it.

    Args:
        content: As parsed.
        path: The file, in the folder of its run.

    Raises:
        StoreError: If it is of another format or another run, or a field is missing or of another type; the
            first such field is named.
    """
    if not isinstance(content, dict):
        raise StoreError(path, _described(content), "a mapping, as a run writes it", NOT_ITS_OWN)
    require_tree(content, path, StoreError)
    if content.get("format") != FORMAT or isinstance(content.get("format"), bool):
        found = f"format {content.get('format')!r}"
        raise StoreError(path, found, f"format {FORMAT}", "Read it with the version that wrote it.")
    for name, kind in FIELDS.items():
        *above, last = name.split(".")
        owner = content.get(above[0]) if above else content
        if not isinstance(owner, Mapping):
            continue  # null, where the owner may be so
        if last not in owner:
            if kind.needed:
                raise StoreError(path, f"no field `{name}`", kind.words, NOT_ITS_OWN)
        elif not kind.holds(owner[last]):
            found = f"in the field `{name}` {_described(owner[last])}"
            raise StoreError(path, found, kind.words, NOT_ITS_OWN)
    own, folder = content["run"]["id"], path.parent.name
    if own != folder:
        raise StoreError(
            path,
            f"in the field `run.id` another run, {own!r}",
            f"that of its folder, {folder!r}",
            NOT_ITS_OWN,
        )
    if not is_as_written(content):  # results of earlier versions have no digest
        said = content[OWN_DIGEST][:12]
        raise StoreError(
            path, "other content than its run wrote", f"that of its own digest ({said})", NOT_ITS_OWN
        )
    return content


def _described(value: object) -> str:
    shown = repr(value)
    return f"{type(value).__name__} {shown if len(shown) <= 60 else shown[:57] + '...'}"
