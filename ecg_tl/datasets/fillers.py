"""What stands in tables and headers where nothing is known of a person, and what it is taken for.

`recordings.fillers` has what stands for missing samples and identifiers. What each rule means for a user is
in docs/recordings.md.
"""

from __future__ import annotations

from ecg_tl.recordings.fillers import MISSING

AGE_OVER_89 = 90.0
"""In years; what stands for the ages that HIPAA lets nobody publish."""

AGES_OVER_89 = frozenset({">89", "> 89", ">=90", "90+", "89+", "over 89", "300", "300.0"})
"""How they are published; 300 by PTB-XL and MIMIC."""

LARGEST_AGE = 130
"""In years. An age from here on (999), or below zero (-1), is unknown. 0 is an age, of the first year of
life: PTB-XL's authors say that their patients are from 0 to 95 years old."""

YEARS_PER = {
    **dict.fromkeys(("", "y", "yr", "yrs", "year", "years", "y/o", "yo"), 1.0),
    **dict.fromkeys(("m", "mo", "mon", "month", "months"), 1 / 12),
    **dict.fromkeys(("w", "wk", "week", "weeks"), 7 / 365.25),
    **dict.fromkeys(("d", "day", "days"), 1 / 365.25),
}
"""Units behind an age, as in `57Y`, DICOM's `006M`, `572d`."""

SEXES = {
    **dict.fromkeys(("f", "female", "woman", "girl"), "F"),
    **dict.fromkeys(("m", "male", "man", "boy"), "M"),
}

NO_SEX = MISSING | {"u", "o", "x", "other", "undetermined", "indeterminate", "ambiguous"}
"""Words that say that it is neither or not known. Numbers are not read: 1 is a man in ISO 5218 and a woman in
PTB-XL (whose reader knows), 0 and 9 are unknown in ISO 5218, and 0 is a man in PTB-XL."""
