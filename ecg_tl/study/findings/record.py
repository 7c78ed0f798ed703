"""What is needed to repeat the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ecg_tl.statistics.intervals import FEW_PATIENTS, HOLDS_FOR, LEAST_PATIENTS
from ecg_tl.study.design.settings import StudySettings
from ecg_tl.study.findings.tables import Line, Table, make_table
from ecg_tl.study.run.results import RunResult


@dataclass(frozen=True)
class StudyRecord:
    """Every setting needed to repeat the study.

    Attributes:
        config: The study's settings as YAML.
        versions: Of each package, as the runs say; several where they differ.
        hardware: One line for each machine.
        seeds: Of downstream trainings.
        first_finished: ISO time of the first result; empty without results.
        last_finished: ISO time of the last.
        resamples: Of each bootstrap.
        methods: How the numbers come about: paragraphs of plain text.
    """

    config: str
    versions: Mapping[str, tuple[str, ...]]
    hardware: tuple[str, ...]
    seeds: tuple[int, ...]
    first_finished: str
    last_finished: str
    resamples: int
    methods: tuple[str, ...]


METHODS = (
    "A difference is that of two arms on the same test patients, averaged over the same seeds of both. "
    "Its 95 % interval is over patients and seeds together: test patients are drawn again, with all "
    "their records and for all trainings alike; to that variance the spread between seeds is added, "
    "less what the two count twice; each part has its own t quantile. How much seeds change is weighed "
    "with what all configurations of the study say of it, since two to five trainings say little by "
    "themselves. Comparing on the same patients is what makes intervals narrow; two trainings of one "
    "seed are no more alike than others.",
    "One seed, or one of anything else that a sentence speaks of in the plural, gives no verdict: with one "
    "training each an interval holds patients only, no comparison is called better or worse, no answer is "
    "sure or likely, and claims stay open, as they do with one pair, one downstream, one network of a family "
    "or one training of an upstream.",
    "A class is scored if at least two test patients have it and two do not. Patients of a class that "
    "fewer than ten have (or lack) are drawn as a group of their own, so that resamples keep it. A "
    f"class of fewer than {LEAST_PATIENTS} such patients has no interval and is not judged, since from "
    "two or three it would hold the truth too seldom; nor is a mean over classes in which such a class "
    f"weighs as much. With fewer than {FEW_PATIENTS} the interval of a mean is marked as rough.",
    "Verdicts are corrected by Holm's method: over the primary comparisons (the primary arm at the default "
    "of all axes), over the other pretrained ones, and over the controls; over all classes of each of these "
    "three; over the downstreams' answers; and over the claims. "
    "Of studies in which no arm differs from another, at most one in twenty calls any of a group better or "
    "worse. Sure: p below 0.05 after correction. Likely: p from 0.05 to 0.10; one such study in twenty says "
    "so of some downstream. docs/statistics.md has how often each word appears where it is wrong.",
    "Over three downstreams or more, claims rest on the mean over downstreams of their kind: random effects "
    "by restricted maximum likelihood, with Hartung and Knapp's interval, no narrower than that of the plain "
    "mean.",
    "Two trainings are timed to the same validation score, 80 % of the way from the worse of their first "
    "epochs to the worse of their best ones, which both reach.",
    "Equivalent: the interval lies within plus and minus the study's margin, likewise corrected; that comes "
    "before better and worse, since a difference that does not matter is neither.",
    "What is recommended is chosen on validation scores; its gain is measured on the test set afterwards. "
    "What the choice adds to its uncertainty, found by choosing again under redrawn validation scores, is in "
    "the interval.",
    HOLDS_FOR,
)


def record_of(runs: Sequence[RunResult], settings: StudySettings, config: str, resamples: int) -> StudyRecord:
    """Collect it from the finished runs."""
    versions: dict[str, set[str]] = {}
    hardware: dict[str, None] = {}
    for run in runs:
        for package, version in (run.result.get("versions") or {}).items():
            versions.setdefault(str(package), set()).add(str(version))
        hardware[_machine(run.result.get("hardware") or {})] = None
    finished = sorted(str(run.result.get("finished") or "") for run in runs)
    return StudyRecord(
        config=config,
        versions={package: tuple(sorted(found)) for package, found in sorted(versions.items())},
        hardware=tuple(line for line in hardware if line),
        seeds=tuple(settings.seeds),
        first_finished=finished[0] if finished else "",
        last_finished=finished[-1] if finished else "",
        resamples=resamples,
        methods=METHODS,
    )


def _machine(hardware: dict[str, object]) -> str:
    words = [str(hardware[key]) for key in ("gpu", "cpu") if hardware.get(key)]
    if hardware.get("cores"):
        words.append(f"{hardware['cores']} cores")
    memory = hardware.get("memory_bytes")
    if isinstance(memory, int | float):
        words.append(f"{memory / 2**30:.0f} GiB")
    if hardware.get("platform"):
        words.append(str(hardware["platform"]))
    return ", ".join(words)


def versions_table(record: StudyRecord) -> Table | None:
    """Versions of every package."""
    rows: list[Line] = [
        {
            "Package": name,
            "Version": ", ".join(found),
        }
        for name, found in record.versions.items()
    ]
    return make_table("Versions", rows)
