"""What stands in files where nothing is known, and what it is taken for.

`datasets.fillers` has what stands for ages and sexes. What each rule means for a user is in
docs/recordings.md.
"""

from __future__ import annotations

from collections.abc import Sequence

NOT_MEASURED = -(2**15)
"""The step of 16-bit recorders that is no value, also in tables into which programs copied the steps. Other
formats of WFDB have their own (`wfdb_samples.STORAGES`). 32767 is a value: an amplifier at its limit."""

MISSING = frozenset(
    {
        *("", "-", "--", "---", ".", "..", "?", "??", "#", "*", "/", "\\"),
        *("na", "n/a", "n.a.", "n.a", "#n/a", "#na", "<na>", "#n/a n/a", "nan", "-nan", "nat"),
        *("none", "null", "<null>", "nil", "void", "(null)", "(none)", "(blank)", "blank", "empty"),
        *("unknown", "unk", "unknow", "not known", "not available", "not applicable", "missing"),
        *("undefined", "unspecified", "not specified", "anonymous", "#value!", "#ref!", "#name?"),
    }
)
"""What is written where an identifier is not known, in lower case: the marks of pandas, R, databases and
spreadsheets, and the words for it. Numbers such as 0, -1 and 9999 are identifiers."""


def are_checksums_filled(checksums: Sequence[int | None]) -> bool:
    """Tell whether a header's checksums are a filler: 0 for every lead.

    Of samples that were summed, all leads of one in 65,536 to the power of their number are so.
    """
    return bool(checksums) and all(checksum == 0 for checksum in checksums)
