"""Whether a process that met a damaged file ended as it should."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fuzzing.process import Ended

VERDICTS = (
    *("clean", "traceback", "signal", "hang", "memory", "silent", "not finite", "escape", "unnamed", "lines"),
    *("outside", "executed", "status"),
)
"""`clean`, and what else there is: a traceback; death by a signal; more than 20 s; an error that memory is
gone; another answer from a file whose content a digest covers; numbers that are none; control characters on
the terminal; an error that does not name the file; other than one line of error; files written where nothing
is asked for; a command of the file executed; an exit status that says another thing than the lines."""

_ERROR = b"ecg-tl: error: "
_CONTROL = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]"
)
_TRACEBACK = re.compile(
    rb"Traceback \(most recent call last\)|^Exception ignored in|Fatal Python error", re.MULTILINE
)
_NO_MEMORY = re.compile(
    rb"MemoryError|bad_alloc|DefaultCPUAllocator|[Cc]annot allocate memory|Unable to allocate"
)
_NO_NUMBER = re.compile(r"[-+]?(nan|inf|infinity)", re.IGNORECASE)


@dataclass(frozen=True)
class Verdict:
    """What is to be said of one end.

    Attributes:
        kind: One of `VERDICTS`.
        detail: The line that shows it.
    """

    kind: str
    detail: str = ""


def judge(
    ended: Ended,
    names: Sequence[str],
    answer: str | None,
    intact: str | None,
    *,
    covered: bool,
    new: Sequence[str],
) -> Verdict:
    """Judge one end.

    Args:
        ended: The process's end.
        names: An error has to hold one of these: names of the file, or of what it stands for.
        answer: What it answered, as `read_answer` gives it; None if it has not.
        intact: The answer for the intact file.
        covered: Whether a digest covers the file's content.
        new: Files that are where nothing should be written.
    """
    text = ended.error + b"\n" + ended.out
    errors = [line for line in ended.error.splitlines() if line.startswith(_ERROR)]
    last = ended.error.strip().rpartition(b"\n")[2].decode(errors="replace")[:300]
    if any(name.endswith("owned") for name in new):
        return Verdict("executed", ", ".join(new))
    if new:
        return Verdict("outside", ", ".join(new))
    if ended.hung:
        return Verdict("hang", f"{ended.seconds:.0f} s; {last}")
    if ended.signal:
        return Verdict("signal", f"signal {ended.signal}; {last}")
    if _TRACEBACK.search(text) and not errors:
        return Verdict("memory" if _NO_MEMORY.search(text) else "traceback", last)
    if _CONTROL.search(text):
        found = _CONTROL.search(text)
        assert found is not None
        return Verdict("escape", repr(text[max(0, found.start() - 60) : found.end() + 20]))
    if _TRACEBACK.search(text):
        return Verdict("traceback", last)
    if ended.status == 0:
        return _judge_answer(answer, intact, errors, covered)
    if ended.status not in (1, 2) or not errors:
        return Verdict("status", f"status {ended.status} and {len(errors)} line(s) of error; {last}")
    if len(errors) != 1:
        return Verdict("lines", f"{len(errors)} lines of error; {errors[-1].decode(errors='replace')[:200]}")
    line = errors[0].decode(errors="replace")
    if not any(name in line for name in names):
        return Verdict("unnamed", line[:300])
    return Verdict("clean", line[:300])


def _judge_answer(answer: str | None, intact: str | None, errors: Sequence[bytes], covered: bool) -> Verdict:
    if errors:
        return Verdict("status", f"status 0 and {errors[0].decode(errors='replace')[:200]}")
    if answer == intact:
        return Verdict("clean", "the same answer")
    if covered:
        return Verdict("silent", f"another answer: {(answer or 'none')[:200]}")
    if answer is not None and answer.startswith("not finite"):
        return Verdict("not finite", answer[:200])
    return Verdict("clean", "another answer")


def read_answer(folder: Path, patterns: Sequence[str]) -> str | None:
    """Return the content of a command's files as text; `not finite: ...` if a number in them is none."""
    parts = []
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            if path.suffix == ".i16":
                parts.append(path.read_bytes().hex())
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
            fault = _not_finite(path.suffix, text)
            if fault:
                return f"not finite: {path.name}: {fault}"
            parts.append(_without_seconds(text) if path.suffix == ".csv" else text)
    return "\n".join(parts) if parts else None


def _without_seconds(text: str) -> str:
    rows = list(csv.reader(io.StringIO(text)))
    timed = {number for number, head in enumerate(rows[0] if rows else []) if "seconds" in head}
    return repr([[cell for number, cell in enumerate(row) if number not in timed] for row in rows])


def _not_finite(suffix: str, text: str) -> str | None:
    if suffix == ".csv":
        rows = list(csv.reader(io.StringIO(text)))
        cells = [(head, cell) for row in rows[1:] for head, cell in zip(rows[0], row, strict=False)]
        return next((f"{h} {c}" for h, c in cells if "prob" in h and _NO_NUMBER.fullmatch(c)), None)
    if suffix == ".json":
        found: list[str] = []
        json.loads(text, parse_constant=lambda word: found.append(word))
        return found[0] if found else None
    return None
