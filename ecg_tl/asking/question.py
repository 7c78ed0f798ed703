"""`ecg_tl.ask` and `ecg-tl ask`: look at records, plan a study that fits the time, do it, and answer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import yaml

from ecg_tl import terminal
from ecg_tl.asking.designs import LADDER, OWN, QUICK, TARGETS, Rung, as_yaml, rung_lines, study_of
from ecg_tl.asking.sources import find_source, name_of, upstream_source
from ecg_tl.errors import EcgTlError, SettingError
from ecg_tl.files import write_text
from ecg_tl.study.design.check import check_runs
from ecg_tl.study.design.kept_plan import keep_plan
from ecg_tl.study.design.measured import KnownOverlap
from ecg_tl.study.design.overlaps import known_overlaps
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.plan_table import rough_duration
from ecg_tl.study.design.runs import Plan
from ecg_tl.study.design.settings import ALLOW_OVERLAP, StudySettings, read_study
from ecg_tl.study.design.sizes import measure_sizes
from ecg_tl.study.foresight import foresee
from ecg_tl.study.from_python import StudyResult, study
from ecg_tl.study.report.first_page import first_page
from ecg_tl.study.run.forecast import Forecast, forecast

STUDY_FILE = "study.yaml"

USUAL_BUDGET = 2 * 3600.0
"""Seconds that a question may take where nothing is said."""

MANY_UNLABELLED = 2000
"""So many records without labels, and an upstream is pre-trained on them whatever the time."""

FIRST_SHARE = 0.5
"""Of the time, that is planned for where rounds are to follow until the answer is sure."""

_UNITS = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Question:
    """What is asked, before it is run.

    Attributes:
        file: The study's YAML.
        settings: What it says.
        plan: Its runs.
        ahead: How long they take.
        lines: What will be done, for a reader.
    """

    file: Path
    settings: StudySettings
    plan: Plan
    ahead: Forecast
    lines: tuple[str, ...]


def ask(
    folder: str | Path,
    *,
    upstreams: Sequence[str | Path] = (),
    budget: str | None = None,
    target: str = "auroc_macro",
    quick: bool = False,
    dataset: str | None = None,
    out: str | Path | None = None,
    progress: bool = True,
    until: Literal["sure"] | None = None,
    allow_overlap: bool = False,
) -> StudyResult:
    """Answer for a folder of records: fine-tune, or train from scratch; by how much, and how sure it is.

    What is found of the records, what will be done and how long it takes is printed first, the first page of
    the report last. Called again it goes on where it was stopped.

    Args:
        folder: Of records, with a `dataset.yaml` as `ecg-tl data init` writes it, or a dataset that is known.
        upstreams: Folders of records to pre-train on, checkpoints, and published upstreams (`ecgfounder`, or
            `ecgfounder=FILE`); `own` pre-trains one on the records themselves, without their labels. If there
            are none, the datasets beside `folder`. Where 2,000 records have no labels, or time is left, `own`
            is among them unasked.
        budget: Time that it may take on this machine: `30min`, `2h`; it decides how much is compared.
        target: Validation score that epochs and candidates are chosen by: `auroc_macro`, `f1_macro`, ...
        quick: Whether to do the least, with few epochs: to see that all works, not to go by.
        dataset: Name of the dataset in `folder`, where that is not clear.
        out: Folder of the study, its YAML and its report; `answers/NAME` if None.
        progress: Whether to show how far it is.
        until: `sure` plans for half of the time, and adds seeds (or splits) in rounds until the answer is
            sure or the next round does not fit into what is left.
        allow_overlap: Whether an upstream is compared that was trained on records of `folder`, and its
            results marked; without it, such an upstream is left out.

    Raises:
        SettingError: If something that was said is not so, or not even the least fits into the time.
    """
    started = time.monotonic()
    question = prepare(
        Path(folder),
        upstreams,
        budget=budget,
        target=target,
        quick=quick,
        dataset=dataset,
        out=out,
        until=until,
        allow_overlap=allow_overlap,
    )
    console = terminal.console()
    for line in question.lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    left = (USUAL_BUDGET if budget is None else parse_budget(budget)) - (time.monotonic() - started)
    result = study(
        question.file, progress=progress, until=until, seconds=None if until is None else max(left, 0.0)
    )
    page = result.report()
    for line in first_page(result.findings):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(f"\nreport  {page}\nstudy   {question.file}", highlight=False, markup=False, soft_wrap=True)
    if quick:
        console.print(
            "This was a quick look with few epochs: it shows that all works, and decides nothing.",
            highlight=False,
        )
    return result


def prepare(
    folder: Path,
    upstreams: Sequence[str | Path] = (),
    *,
    budget: str | None = None,
    target: str = "auroc_macro",
    quick: bool = False,
    dataset: str | None = None,
    out: str | Path | None = None,
    until: Literal["sure"] | None = None,
    allow_overlap: bool = False,
) -> Question:
    """Look at the records and write the study that fits the time; nothing is trained.

    Args:
        folder: As `ask`.
        upstreams: As `ask`.
        budget: As `ask`.
        target: As `ask`.
        quick: As `ask`.
        dataset: As `ask`.
        out: As `ask`.
        until: As `ask`.
        allow_overlap: As `ask`.

    Raises:
        SettingError: As `ask`.
    """
    if target not in TARGETS:
        raise SettingError("target", repr(target), f"one of {', '.join(TARGETS)}", "Choose one of these.")
    seconds = USUAL_BUDGET if budget is None else parse_budget(budget)
    downstream = find_source(folder, dataset)
    name = name_of(folder)
    given = [one for one in upstreams if str(one) != OWN]
    own = len(given) < len(upstreams)
    sources = {} if own and not given else _upstreams(folder, given, name)
    place = Path("answers") / name if out is None else Path(out)
    named = ", ".join([*sources, *([OWN] if own else [])])
    asked = f"{named}; target {target}; " + ("quick" if quick else f"budget {seconds:g} s")
    asked += "; overlap allowed" if allow_overlap else ""
    file = place / STUDY_FILE
    head = f"# Written by `ecg-tl ask`, for {name} from {asked}.\n"
    if file.is_file():
        _require_same(file, head)
        settings = read_study(file)
        plan, ahead = _look_ahead(settings)
        lines = [f"Going on with {file}."]
        return Question(file, settings, plan, ahead, (*lines, *_time_lines(plan, ahead)))

    def settings_of(step: Rung, records: int) -> StudySettings:
        return study_of(
            step,
            name=name,
            folder=place,
            downstream=downstream,
            upstreams=sources,
            records=records,
            target=target,
        )

    # With few records they are divided otherwise: how many there are is seen first.
    records, unlabelled, first_lines = _look_at(settings_of(LADDER[0], 10**9), name)
    own = own or (unlabelled >= MANY_UNLABELLED and not quick)
    ladder = [replace(one, own=one.own or own) for one in ([QUICK] if quick else LADDER)]
    overlaps = _overlaps(settings_of(ladder[0], records))
    sources = _settled(sources, overlaps, allow_overlap)
    if not sources and not own:
        raise SettingError(
            "upstreams",
            f"{overlaps[0].upstream}: {overlaps[0].words}",
            "an upstream that was not trained on these records",
            "Name others, or give `--allow_overlap true`: it is compared, and its results are marked.",
        )
    step, settings, plan, ahead = _fitting(
        ladder, lambda one: settings_of(one, records), seconds * (FIRST_SHARE if until else 1.0), quick
    )
    note = "# Edit it, or give settings on the command line: `ecg-tl study run FILE --seeds [0,1,2,3,4]`.\n"
    body = yaml.safe_dump(as_yaml(settings), sort_keys=False, allow_unicode=True, width=100)
    place.mkdir(parents=True, exist_ok=True)
    write_text(file, head + note + body)
    lines = [
        *first_lines,
        *(f"  {line}" for line in rung_lines(step, sources)),
        *(f"  {line}" for line in _parts_lines(plan, ahead)),
        *(f"  {line}" for line in _overlap_lines(overlaps, allow_overlap)),
        *_time_lines(plan, ahead),
        *foresee(settings, plan, ahead.sizes),
    ]
    return Question(file, read_study(file), plan, ahead, tuple(lines))


def parse_budget(text: str) -> float:
    """Read a time, such as `2h`, `90min` or `45 s`, as seconds.

    Raises:
        SettingError: If it is none.
    """
    found = re.fullmatch(r"\s*(\d{1,6}(?:\.\d{1,3})?)\s*(s|min|m|h|d)\s*", str(text))
    if found is None or not float(found[1]):
        raise SettingError(
            "budget", repr(str(text)[:20]), "a time such as `30min`, `2h` or `1d`", "Say it so."
        )
    return float(found[1]) * _UNITS[found[2]]


def _upstreams(folder: Path, named: Sequence[str | Path], downstream: str) -> dict[str, dict[str, object]]:
    """Find how the upstreams' records are read; without any named, those beside the folder."""
    found: dict[str, dict[str, object]] = {}
    for one in named:
        name, settings = upstream_source(str(one))
        name = f"{name}-upstream" if name == downstream else name
        if name in found:
            raise SettingError("upstreams", f"two named {name}", "names that differ", "Rename a folder.")
        found[name] = settings
    if not named:
        place = folder.resolve()
        own = place.parent if place.is_file() else place
        for beside in sorted(own.parent.iterdir()):
            if beside.is_dir() and beside != own:
                try:
                    found[name_of(beside)] = {"data": find_source(beside, survey=False)}
                except EcgTlError:
                    continue
    if not found:
        raise SettingError(
            "upstreams",
            "none named, and no dataset beside the folder",
            "at least one to fine-tune from",
            "Name folders of records to pre-train on, `--upstreams data/ptbxl`, or `own` for these "
            "records themselves, without their labels.",
        )
    return found


def _overlaps(settings: StudySettings) -> tuple[KnownOverlap, ...]:
    """Find the upstreams that were trained on the records that are asked about."""
    plan = make_plan(settings)
    return known_overlaps(settings, plan, measure_sizes(plan.runs).data)


def _settled(
    sources: Mapping[str, dict[str, object]], overlaps: Sequence[KnownOverlap], allow: bool
) -> dict[str, dict[str, object]]:
    """Mark the upstreams that were trained on the records, or leave them out."""
    concerned = {one.upstream for one in overlaps}
    if allow:
        return {
            name: how | ({ALLOW_OVERLAP: True} if name in concerned else {}) for name, how in sources.items()
        }
    return {name: how for name, how in sources.items() if name not in concerned}


def _overlap_lines(overlaps: Sequence[KnownOverlap], allow: bool) -> Iterator[str]:
    for one in overlaps:
        if allow:
            yield f"{one.upstream} is compared, and its results are marked: {one.words}"
        else:
            yield (
                f"left out is {one.upstream}: {one.words} (`--allow_overlap true` compares it, and marks its "
                "results)"
            )


def _require_same(file: Path, head: str) -> None:
    first = file.read_text(encoding="utf-8").partition("\n")[0] + "\n"
    if first != head:
        raise SettingError(
            file,
            f"the study of another question ({first.strip('# ').strip()})",
            "the same question, or a folder of its own",
            "Give another `--out`, or go on with that study: `ecg-tl study run`.",
        )


def _look_ahead(settings: StudySettings) -> tuple[Plan, Forecast]:
    plan = make_plan(settings)
    check_runs(plan.runs)
    keep_plan(settings, plan)
    ahead = forecast(settings, plan, overlaps=False)  # upstreams were looked at before
    if ahead.absent:
        dataset, why = next(iter(ahead.absent.items()))
        raise SettingError(dataset, why, "records that can be read", "Correct the folder.")
    return plan, ahead


def _look_at(settings: StudySettings, name: str) -> tuple[int, int, list[str]]:
    """Prepare the downstream's records; say how many have labels and how many none, and which classes."""
    run = next(one for one in make_plan(settings).runs if one.dataset == name and one.kind == "scratch")
    sizes = measure_sizes([run])
    if run.id not in sizes.parts:
        raise SettingError(name, sizes.absent[name], "records that can be read", "Correct the folder.")
    data, parts = sizes.data[run.id], sizes.parts[run.id]
    records = parts.train + parts.validation + parts.test
    found = data.parts
    unlabelled = found.unanswered + (found.unlabelled if found.unlabelled_dropped else 0)
    return (
        records,
        unlabelled,
        [
            f"{name}: {records:,} records with labels of {data.num_classes} classes "
            f"({', '.join(list(data.class_names)[:8])}{', ...' if data.num_classes > 8 else ''})"
            f"{f', {unlabelled:,} without labels' if unlabelled else ''}.",
            "What will be done:",
        ],
    )


def _fitting(
    steps: Sequence[Rung], settings_of: Callable[[Rung], StudySettings], seconds: float, quick: bool
) -> tuple[Rung, StudySettings, Plan, Forecast]:
    """Take the highest step that fits into the time."""
    chosen: tuple[Rung, StudySettings, Plan, Forecast] | None = None
    for step in steps:
        settings = settings_of(step)
        plan, ahead = _look_ahead(settings)
        if ahead.to_go > seconds and not quick:
            if chosen is None:
                raise SettingError(
                    "budget",
                    f"{rough_duration(seconds)}; the least that gives an answer takes about "
                    f"{rough_duration(ahead.to_go)} here",
                    "time for three seeds of one network, from scratch and fine-tuned",
                    "Give more time, or `--quick true` to see that all works.",
                )
            break
        chosen = (step, settings, plan, ahead)
    assert chosen is not None
    keep_plan(chosen[1], chosen[2])
    return chosen


def _parts_lines(plan: Plan, ahead: Forecast) -> Iterator[str]:
    run = next(one for one in plan.runs if one.kind == "scratch")
    if run.id in ahead.sizes:
        parts = ahead.sizes[run.id]
        yield (
            f"each trains on {parts.train:,} records, is chosen on {parts.validation:,} others and tested on "
            f"{parts.test:,}"
        )


def _time_lines(plan: Plan, ahead: Forecast) -> Iterator[str]:
    done = f", {len(ahead.finished)} of which are finished" if ahead.finished else ""
    yield (
        f"{len(plan.runs)} trainings{done}: about {rough_duration(ahead.to_go)} on this machine, "
        f"{ahead.concurrent} at a time."
    )
