"""Answers as JSON, as a table for a CSV file, and on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from os.path import commonpath
from pathlib import Path
from typing import Any

import pandas as pd

from ecg_tl import __version__
from ecg_tl.errors import EcgTlError
from ecg_tl.inference import NOTICE
from ecg_tl.inference.answer import Answer, AnswerSettings, ClassAnswer
from ecg_tl.inference.model import ModelDescription
from ecg_tl.temperature import NEVER_VALIDATED
from ecg_tl.terminal import SIMPLE_HEAD, Group, RenderableType, Table, Text

IN_FULL = 3
"""Records up to which each class is shown on the terminal; of more records, what was found."""

MOST_CLASSES = 12
"""Shown of one record on the terminal: those that were found, then those nearest to their threshold."""


@dataclass(frozen=True)
class Failure:
    """A record that could not be used.

    Attributes:
        record: Its path.
        error: Why.
    """

    record: Path
    error: EcgTlError


Outcome = Answer | Failure


def as_json(
    outcomes: Iterable[Outcome], description: ModelDescription, model: Path, settings: AnswerSettings
) -> dict[str, Any]:
    """Give all that is known, in primitives.

    Args:
        outcomes: In the order of the records.
        description: Of the network.
        model: Its file.
        settings: How records became answers.
    """
    decides = description.validated or description.single_choice
    return {
        "notice": NOTICE,
        "ecg_tl": __version__,
        "model": {"file": str(model), **description.as_dict()},
        "calibration": {
            "calibrated": description.calibrated,
            "uncalibrated": description.uncalibrated,
            "temperature": description.temperature if description.calibrated else None,
            "thresholds": description.threshold_rule if decides else "default",
            "threshold_target": description.threshold_target,
        },
        "settings": asdict(settings),
        "records": [
            _failure(outcome) if isinstance(outcome, Failure) else _answer(outcome, description)
            for outcome in outcomes
        ],
    }


def as_table(outcomes: Iterable[Outcome], description: ModelDescription) -> pd.DataFrame:
    """Give a row a class of each record, and a row with the error for each record that could not be used."""
    rows: list[dict[str, Any]] = []
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            rows.append({"record": str(outcome.record), "error": str(outcome.error)})
            continue
        said = {
            "calibrated": description.calibrated,
            "windows": len(outcome.window_starts),
            "aggregation": outcome.aggregation,
            "warnings": "; ".join(remark.message for remark in outcome.warnings),
            "notes": "; ".join(remark.message for remark in outcome.notes),
        }
        for one in outcome.classes:
            decided = {**one.as_dict(), "class": one.name, "codes": " ".join(one.codes)}
            rows.append({"record": str(outcome.record), **decided, **said})
    table = pd.DataFrame(rows, columns=_COLUMNS)
    return table.assign(notice=NOTICE)


_COLUMNS = (
    *("record", "class", "codes", "found", "probability", "threshold"),
    *("probability_uncalibrated", "threshold_uncalibrated", "tuned", "calibrated"),
    *("windows", "aggregation", "warnings", "notes", "error"),
)


def render(outcomes: Sequence[Outcome], description: ModelDescription) -> RenderableType:
    """Lay answers out for the terminal: each class of a few records, what was found in many."""
    parts: list[RenderableType] = []
    if len(outcomes) <= IN_FULL:
        for outcome in outcomes:
            parts += [_in_full(outcome), Text()]
    else:
        parts += [_overview(outcomes), Text()]
    answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
    if answers:
        lines = explanations(description)
        if any(len(one.window_starts) > 1 for one in answers):
            lines.append(f"of several windows, the {answers[0].aggregation} of the probabilities")
        parts += [Text(line, style="dim") for line in lines]
    return Group(*parts, Text(NOTICE))


def _in_full(outcome: Outcome) -> RenderableType:
    if isinstance(outcome, Failure):
        return Text.assemble((str(outcome.record), "bold"), "  ", ("failed", "red"))  # why, the error says
    heading = Text.assemble(
        (str(outcome.record), "bold"),
        f"  {outcome.seconds:.4g} s at {outcome.sampling_rate:g} Hz, {len(outcome.leads)} leads",
    )
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("class")
    table.add_column("probability", justify="right")
    chooses = all(one.threshold is None for one in outcome.classes)
    if not chooses:
        table.add_column("threshold", justify="right")
    table.add_column("")
    shown = set(outcome.ranked[:MOST_CLASSES])
    for one in outcome.classes:
        if one in shown:
            style = "bold" if one.found else ""
            cells = [one.name, _digits(one.probability)]
            if one.threshold is not None:
                cells.append(_digits(one.threshold) + ("" if one.tuned else "*"))
            table.add_row(*cells, _word(one), style=style)
    others = len(outcome.classes) - len(shown)
    how = "that are less probable" if chooses else "further below their thresholds"
    more = [Text(f"  and {others} classes {how}", style="dim")] if others else []
    notes = [Text(f"  {remark.message}") for remark in outcome.notes]
    warnings = [Text(f"  warning: {remark.message}", style="yellow") for remark in outcome.warnings]
    return Group(heading, table, *more, *notes, *warnings)


def _overview(outcomes: Sequence[Outcome]) -> RenderableType:
    folder = commonpath([outcome.record.absolute().parent for outcome in outcomes])
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("record", overflow="fold")
    table.add_column("found", overflow="fold")
    table.add_column("warnings", overflow="fold")
    for outcome in outcomes:
        name = Text(str(outcome.record.absolute().relative_to(folder)))
        if isinstance(outcome, Failure):
            table.add_row(name, Text("failed", style="red"), Text(outcome.error.found))
            continue
        found = ", ".join(f"{one.name} {_digits(one.probability)}" for one in outcome.found)
        kinds = ", ".join(dict.fromkeys(remark.kind.replace("_", " ") for remark in outcome.warnings))
        table.add_row(name, Text(found or "-"), Text(kinds, style="yellow"))
    return Group(Text(f"in {folder}"), table)


def explanations(description: ModelDescription) -> list[str]:
    """Say in lines how probabilities and decisions came about."""
    if description.single_choice:
        how = f"calibrated (temperature {description.temperature:.2f})"
        how = how if description.calibrated else f"not calibrated: {description.uncalibrated}"
        return [f"probabilities {how}; they sum up to 1, and the most probable class is chosen"]
    if not description.validated:
        return [f"probabilities not calibrated and thresholds of 0.5: {NEVER_VALIDATED}"]
    target = "" if description.threshold_target is None else f" of {description.threshold_target:g}"
    rule = {"f1": "the greatest F1"}.get(description.threshold_rule, f"a {description.threshold_rule}")
    lines = [
        (
            f"probabilities calibrated (temperature {description.temperature:.2f})"
            if description.calibrated
            else f"probabilities not calibrated: {description.uncalibrated}"
        )
        + f"; thresholds for {rule}{target} on validation records"
    ]
    if not all(description.tuned):
        lines.append("* too few validation records of this class: decided at an uncalibrated 0.5")
    return lines


def _word(one: ClassAnswer) -> str:
    if not one.found:
        return ""
    return "chosen" if one.threshold is None else "found"


def _digits(probability: float) -> str:
    """Write a probability with two digits, and small and great ones as what they are not."""
    if 0 < probability < 0.005:
        return "<0.01"
    return ">0.99" if 0.995 <= probability < 1 else f"{probability:.2f}"


def _answer(outcome: Answer, description: ModelDescription) -> dict[str, Any]:
    seconds = description.num_samples / description.sampling_rate
    return {
        "record": str(outcome.record),
        "status": "ok",
        "sampling_rate": outcome.sampling_rate,
        "seconds": outcome.seconds,
        "leads": list(outcome.leads),
        "found": [one.name for one in outcome.found],
        "classes": [one.as_dict() for one in outcome.classes],
        "windows": [
            {
                "start": start,
                "seconds": min(seconds, outcome.seconds),
                "probability": dict(zip(description.class_names, row, strict=True)),
            }
            for start, row in zip(outcome.window_starts, outcome.window_probabilities.tolist(), strict=True)
        ],
        "warnings": [remark.as_dict() for remark in outcome.warnings],
        "notes": [remark.as_dict() for remark in outcome.notes],
    }


def _failure(outcome: Failure) -> dict[str, Any]:
    error = outcome.error
    return {
        "record": str(outcome.record),
        "status": "failed",
        "error": {
            "message": str(error),
            "where": error.where,
            "found": error.found,
            "expected": error.expected,
            "remedy": error.remedy,
        },
    }
