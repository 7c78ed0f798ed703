"""The report's tables, as words and numbers that a page lays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecg_tl.study.findings import (
    Answer,
    Axes,
    BreakEven,
    ClassChange,
    Comparison,
    DataRow,
    Findings,
    Interval,
    ModelScore,
)
from ecg_tl.study.report.main_figure import ROLES, at_largest_size, default_axes
from ecg_tl.study.report.wording import (
    NOTHING,
    count,
    duration,
    memory,
    number,
    p_value,
    percent,
    signed,
    significant,
    span,
)

MOST_CARDS = 12
"""Rows of a table that a phone shows as cards; a longer one scrolls in its own box."""

VERDICTS = {"win": "better", "loss": "worse", "open": "open", "tie": "tie"}


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table.

    Attributes:
        text: Shown first.
        note: Shown below, quieter.
        tone: Role of its colour; empty for that of text.
        interval: Estimate and ends, drawn beside the text; None for nothing.
    """

    text: str
    note: str = ""
    tone: str = ""
    interval: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        caption: What it holds.
        columns: Heading of each column; one that starts with `#` is of numbers and stands right.
        rows: A cell for each column.
        note: How to read it; empty for nothing.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    @property
    def cards(self) -> bool:
        """Whether a phone shows its rows as cards."""
        return len(self.rows) <= MOST_CARDS

    @property
    def reach(self) -> float:
        """Give the largest end of the intervals that are drawn, which scales them all."""
        ends = (cell.interval for row in self.rows for cell in row if cell.interval)
        return max((abs(value) for interval in ends for value in interval), default=1.0) or 1.0


def _table(caption: str, columns: str, rows: Sequence[Sequence[Cell | str]], note: str = "") -> Table | None:
    """Make a table of columns that `|` separates; None without rows, or without what every row lacks."""
    names = columns.split("|")
    cells = [tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in rows]
    kept = [
        place
        for place in range(len(names))
        if any(row[place].text not in ("", NOTHING) or row[place].interval for row in cells)
    ]
    if not kept:
        return None
    return Table(
        caption, tuple(names[place] for place in kept), tuple(tuple(row[place] for place in kept) for row in cells), note
    )


def difference_cell(interval: Interval, verdict: str = "open", drawn: bool = True) -> Cell:
    """Show a difference, its interval below, and a picture of both beside."""
    ends = None
    if drawn and interval.estimate is not None and interval.low is not None and interval.high is not None:
        ends = (interval.low, interval.estimate, interval.high)
    note = span(interval.low, interval.high) if interval.low is not None else ""
    return Cell(signed(interval.estimate), note, ROLES[verdict] if verdict != "open" else "", ends)


def _score(interval: Interval) -> Cell:
    return Cell(number(interval.estimate), span(interval.low, interval.high, sign=False) if interval.low is not None else "")


def _axis_words(axes: Axes, default: Axes) -> str:
    """Name the axis values that are not the default ones."""
    return ", ".join(f"{axis}: {value}" for axis, value in axes if (axis, value) not in default)


def _verdict(verdict: str) -> Cell:
    return Cell(VERDICTS[verdict], tone=ROLES[verdict] if verdict != "open" else "muted")


def comparisons_table(findings: Findings) -> Table | None:
    """All comparisons, with what each rests on."""
    default = default_axes(findings)
    rows = [
        (
            one.downstream,
            one.upstream or "none (control)",
            one.network,
            one.arm,
            _axis_words(one.axes, default),
            count(one.train_records),
            number(one.scratch_mean),
            number(one.arm_mean),
            difference_cell(one.difference, one.verdict),
            p_value(one.p_holm),
            _verdict(one.verdict),
            f"{len(one.seeds)}",
            f"{count(one.records)} / {count(one.patients)}",
            f"{one.classes_scored} / {one.classes}",
            one.note,
        )
        for one in findings.comparisons
    ]
    return _table(
        "Every comparison: macro AUROC on the test set",
        "Downstream|Upstream|Network|Arm|Other setting|#Training records|#Scratch|#Arm|Difference (95 % interval)|#p (Holm)"
        "|Verdict|#Seeds|#Test records / patients|#Classes scored|Note",
        rows,
        "Scratch and arm are means over the seeds. Better and worse are by the p-value after Holm's correction.",
    )


def metrics_table(findings: Findings) -> Table | None:
    """The other metrics of the primary comparisons at their largest size."""
    comparisons = at_largest_size([one for one in findings.comparisons if one.primary])
    rows = [
        (
            one.downstream,
            one.upstream or "",
            one.network,
            METRICS.get(metric.metric, metric.metric),
            number(metric.scratch),
            number(metric.arm),
            difference_cell(metric.difference),
            f"{one.classes_scored} / {one.classes}",
            f"{len(one.seeds)}",
        )
        for one in comparisons
        for metric in one.metrics
    ]
    return _table(
        "The same comparisons in other metrics",
        "Downstream|Upstream|Network|Metric|#Scratch|#Arm|Difference (95 % interval)|#Classes scored|#Seeds",
        rows,
    )


METRICS = {
    "auprc_macro": "macro AUPRC",
    "f1_weighted_tuned": "weighted F1, tuned thresholds",
    "f1_macro_tuned": "macro F1, tuned thresholds",
    "f1_weighted": "weighted F1, threshold 0.5",
    "f1_macro": "macro F1, threshold 0.5",
    "brier": "Brier score",
    "ece": "calibration error",
    "fmax": "Fmax",
}


def models_table(findings: Findings) -> Table | None:
    """Absolute scores of every configuration, upstreams included."""
    default = default_axes(findings)

    def row(one: ModelScore) -> tuple[Cell | str, ...]:
        return (
            one.dataset,
            one.network,
            f"{one.arm} from {one.upstream}" if one.upstream else one.arm,
            _axis_words(one.axes, default),
            count(one.train_records),
            _score(one.auroc_macro),
            number(one.auprc_macro),
            number(one.f1_weighted),
            number(one.f1_macro),
            number(one.validation),
            f"{one.classes_scored}",
            f"{one.auroc_macro.seeds}",
            count(one.parameters),
            count(one.trainable_parameters),
            number(one.epochs_to_best, 1),
            duration(one.seconds),
        )

    return _table(
        "Absolute scores on the test set",
        "Dataset|Network|Arm|Other setting|#Training records|#Macro AUROC (95 % interval)|#Macro AUPRC|#Weighted F1|#Macro F1"
        "|#Validation score|#Classes scored|#Seeds|#Parameters|#Trained|#Epochs to best|#Training time",
        [row(one) for one in findings.models],
        "Means over the seeds. F1 at thresholds tuned on validation data.",
    )


def class_tables(findings: Findings) -> tuple[Table, ...]:
    """Gain and loss by class, a table for each downstream, at the largest size of the primary arm."""
    primary = at_largest_size([one for one in findings.comparisons if one.primary])
    tables = []
    for downstream in dict.fromkeys(one.downstream for one in primary):
        own = [one for one in primary if one.downstream == downstream and one.per_class]
        if not own:
            continue
        names = list(dict.fromkeys(change.name for one in own for change in one.per_class))
        by_name = [{change.name: change for change in one.per_class} for one in own]
        rows = [_class_row(name, by_name) for name in names]
        columns = [f"#{one.upstream} → {one.network}" for one in own]
        first = own[0]
        tables.append(
            Table(
                f"{downstream}: change of AUROC by class, {first.arm} less scratch",
                ("Class", "#Positives, test", "#Positives, training", *columns),
                tuple(rows),
                f"{first.records} test records of {first.patients} patients, {len(first.seeds)} "
                f"{'seed' if len(first.seeds) == 1 else 'seeds'}. Coloured where the difference holds after "
                "correction for the number of classes; the 95 % interval stands below each.",
            )
        )
    return tuple(tables)


def _class_row(name: str, by_name: Sequence[dict[str, ClassChange]]) -> tuple[Cell, ...]:
    first = next(changes[name] for changes in by_name if name in changes)
    cells = [Cell(name), Cell(count(first.support)), Cell(count(first.train_support))]
    for changes in by_name:
        change = changes.get(name)
        if change is None or change.difference.estimate is None:
            cells.append(Cell("not scored", tone="muted"))
        else:
            cells.append(difference_cell(change.difference, change.verdict, drawn=False))
    return tuple(cells)


def negative_transfer(comparisons: Sequence[Comparison]) -> tuple[int, int, int]:
    """Count the classes that gain, lose and are scored, over the primary comparisons at their largest size."""
    scored = [
        change
        for one in at_largest_size([one for one in comparisons if one.primary])
        for change in one.per_class
        if change.difference.estimate is not None
    ]
    gains, losses = (sum(change.verdict == verdict for change in scored) for verdict in ("win", "loss"))
    return gains, losses, len(scored)


def candidates_table(answer: Answer) -> Table | None:
    """What was to choose from for a downstream."""
    rows = [
        (
            one.network,
            f"{one.arm} from {one.upstream}" if one.upstream else one.arm,
            number(one.validation),
            number(one.test),
            "recommended" if one.chosen else "best of scratch" if one.best_scratch else "",
        )
        for one in answer.candidates
    ]
    return _table(
        "What there was to choose from",
        "Network|Arm|#Validation score|#Test, macro AUROC|",
        rows,
        "The choice is by the validation score alone.",
    )


def efficiency_table(findings: Findings) -> Table | None:
    """Label efficiency."""
    default = default_axes(findings)
    bounds = {"exact": "", "at least": "at least ", "at most": "less than "}
    rows = [
        (
            one.downstream,
            one.upstream or "",
            one.network,
            one.arm,
            _axis_words(one.axes, default),
            f"{number(one.scratch_score)} with {count(one.scratch_records)}",
            count(one.records_needed) if one.records_needed is not None else "not reached",
            Cell(
                f"{bounds[one.bound]}{significant(one.factor)}×" if one.factor is not None else NOTHING,
                f"{significant(one.low)} to {significant(one.high)}" if one.low is not None else "",
            ),
            one.reason,
        )
        for one in findings.label_efficiency
    ]
    return _table(
        "How many times fewer labelled records",
        "Downstream|Upstream|Network|Arm|Other setting|#Scratch's score, with records|#Records the arm needs for it"
        "|#Times fewer (95 % interval)|Note",
        rows,
    )


def convergence_table(findings: Findings) -> Table | None:
    """Epochs and seconds to match scratch."""
    rows = [
        (
            one.arm,
            {"cnn": "CNNs", "rnn": "RNNs", "all": "all"}.get(one.family, one.family),
            f"{one.reached} of {one.trainings}",
            _times(one.epochs_ratio, one.epochs_ratio_censored),
            _times(one.seconds_ratio, one.seconds_ratio_censored),
            f"{one.faster}",
            f"{one.slower}",
            f"{one.same}",
        )
        for one in findings.convergence
    ]
    return _table(
        "Epochs and seconds to scratch's best validation score",
        "Arm|Networks|#Got there|#Epochs, times scratch's|#Seconds, times scratch's|#Faster|#Slower, or never|#Same",
        rows,
        "Medians over the trainings. Both trainings of a pair share data, network and seed.",
    )


def _times(value: float | None, censored: bool) -> str:
    return f"{'at least ' if censored else ''}{number(value, 2)}{'×' if value is not None else ''}"


def break_even_table(findings: Findings) -> Table | None:
    """After how many tasks pre-training pays."""
    default = default_axes(findings)

    def tasks(one: BreakEven) -> str:
        if one.tasks is None:
            return "never"
        return f"{'at least ' if one.censored else ''}{significant(one.tasks)}"

    rows = [
        (
            one.upstream,
            one.network,
            one.arm,
            _axis_words(one.axes, default),
            duration(one.upstream_seconds),
            duration(one.scratch_seconds),
            f"{'at least ' if one.censored else ''}{duration(one.arm_seconds)}",
            Cell(duration(one.saved_seconds), "" if one.saved_seconds > 0 else "slower", "" if one.saved_seconds > 0 else "loss"),
            tasks(one),
            f"{one.trainings}",
        )
        for one in findings.break_even
    ]
    return _table(
        "When pre-training has paid",
        "Upstream|Network|Arm|Other setting|#Pre-training|#Scratch to its best|#Arm to the same|#Saved a task|#Paid after tasks"
        "|#Trainings",
        rows,
    )


def costs_table(findings: Findings) -> Table | None:
    """What the runs cost."""
    rows = [
        (
            one.kind,
            one.network,
            count(one.runs),
            duration(one.wall_seconds),
            duration(one.device_seconds),
            duration(one.mean_seconds),
            number(one.mean_epochs, 1),
            memory(one.peak_memory_bytes),
            memory(one.peak_device_memory_bytes),
        )
        for one in findings.costs
    ]
    return _table(
        "What the study cost",
        "Runs|Network|#How many|#Time, sum|#Device time, sum|#Training, mean|#Epochs, mean|#Memory, most|#GPU memory, most",
        rows,
        "Device time: seconds of processor, or of GPU times the share that a run holds.",
    )


def transferability_table(findings: Findings) -> Table | None:
    """Rank correlations of what was to foretell the gain."""
    names = {"melep": "MELEP", "melep_entropy": "entropy of the labels", "melep_difference": "entropy less MELEP", "logme": "LogME"}
    rows = [
        (
            names[one.score],
            {"gain": "gain over scratch", "score": "score after fine-tuning"}[one.outcome],
            "negative" if one.expected_sign < 0 else "positive",
            Cell(signed(one.correlation.estimate, 2), span(one.correlation.low, one.correlation.high, 2) if one.correlation.low is not None else ""),
            f"{len(one.points)}",
            one.explanation,
        )
        for one in findings.transferability
    ]
    return _table(
        "Rank correlation of a score before training with what followed",
        "Score|With|Hoped for|#Spearman's (95 % interval)|#Comparisons|In words",
        rows,
    )


def calibration_table(findings: Findings) -> Table | None:
    """Calibration of every configuration."""
    default = default_axes(findings)
    rows = [
        (
            one.downstream,
            one.network,
            f"{one.arm} from {one.upstream}" if one.upstream else one.arm,
            _axis_words(one.axes, default),
            number(one.ece),
            number(one.ece_calibrated),
            number(one.brier),
            number(one.brier_calibrated),
            number(one.temperature, 2),
            f"{one.seeds}",
        )
        for one in findings.calibration
    ]
    return _table(
        "Calibration on the test set",
        "Downstream|Network|Arm|Other setting|#ECE|#ECE, calibrated|#Brier|#Brier, calibrated|#Temperature|#Seeds",
        rows,
        "Lower is better. Calibrated: after temperature scaling, fitted on validation data.",
    )


def axes_table(findings: Findings) -> Table | None:
    """What other values of the axes change."""
    rows = [
        (
            f"{one.upstream} → {one.downstream}",
            one.network,
            f"{one.arm}, {count(one.size)} records" if one.size else one.arm,
            f"{one.axis}: {one.value}",
            difference_cell(one.scratch_change, drawn=False),
            difference_cell(one.arm_change, drawn=False),
            difference_cell(one.gain_default, one.verdict_default, drawn=False),
            difference_cell(one.gain_value, one.verdict_value, drawn=False),
            difference_cell(one.gain_change, drawn=False),
            Cell("yes", tone="caution") if one.sign_flips else "no",
        )
        for one in findings.axis_effects
    ]
    return _table(
        "What another setting changes, in macro AUROC",
        "Pair|Network|Arm|Instead of the default|#Scratch changes by|#Arm changes by|#Gain at the default|#Gain here|#Gain changes by"
        "|Gain turns its sign",
        rows,
    )


def second_opinion_table(findings: Findings) -> Table | None:
    """Strict verdicts beside those of looser rules."""

    def claimed(value: float | None, verdict: str | None) -> Cell:
        if value is None or verdict is None:
            return Cell(NOTHING)
        return Cell(VERDICTS[verdict], f"{signed(value)} F1", ROLES[verdict] if verdict != "tie" else "muted")

    rows = [
        (
            one.label,
            Cell(VERDICTS[one.strict_verdict], f"{signed(one.strict.estimate)} AUROC", ROLES[one.strict_verdict] if one.strict_verdict != "open" else "muted"),
            difference_cell(one.strict_f1, drawn=False) if one.strict_f1 else NOTHING,
            claimed(one.peeking_f1, one.peeking_verdict),
            NOTHING if one.peeking_flips is None else f"{one.peeking_flips}",
            claimed(one.recordwise_f1, one.recordwise_verdict),
            {True: "yes", False: "no", None: NOTHING}[one.shared_patients],
            f"{signed(one.scratch_optimism)} / {signed(one.arm_optimism)}",
            Cell("yes") if one.agrees else Cell("no", tone="caution"),
        )
        for one in findings.second_opinions
    ]
    return _table(
        "The same comparisons, judged twice",
        "Comparison|Strict verdict|#Strict, weighted F1|Best epoch on the test set|#Seeds that say the opposite|Split by record"
        "|Patients in two parts|#Optimism, scratch / arm|Agree",
        rows,
        "Optimism: by how much the best epoch on the test set exceeds the epoch that validation chose, in weighted F1.",
    )


def data_table(findings: Findings) -> Table | None:
    """The datasets as used."""
    default = default_axes(findings)
    splits = {"official": "official folds", "patient": "by patient", "record": "by record"}

    def row(one: DataRow) -> tuple[Cell | str, ...]:
        return (
            Cell(one.name, _axis_words(one.axes, default)),
            "up- and downstream" if one.role == "both" else one.role,
            Cell(one.title or one.dataset, one.query),
            count(one.train),
            count(one.validation),
            Cell(count(one.test), f"{count(one.patients)} patients"),
            splits.get(one.split, one.split),
            count(one.left_out),
            Cell(count(one.unlabelled), "left out" if one.unlabelled_dropped and one.unlabelled else ""),
            f"{significant(one.sampling_rate, 3)} Hz × {count(one.num_samples)}" if one.sampling_rate else NOTHING,
            one.normalization,
            Cell("yes", tone="loss") if one.selects_on_test else "no",
            one.licence,
        )

    return _table(
        "Datasets as this study used them",
        "Name|Role|Dataset|#Training|#Validation|#Test|Split|#Unusable|#Without a label|Signal|Normalisation|Epoch chosen on test|Licence",
        [row(one) for one in findings.data],
    )


def support_table(row: DataRow) -> Table | None:
    """Positives of each class in each part of a dataset."""
    rows = [(one.name, count(one.train), count(one.validation), count(one.test)) for one in row.classes]
    return _table(f"{row.name}: positives of each class", "Class|#Training|#Validation|#Test", rows)


def missing_table(findings: Findings) -> Table | None:
    """Runs without a result."""
    rows = [(one.id, Cell(one.state, tone="loss" if one.state == "failed" else "muted"), one.error) for one in findings.missing]
    return _table("Runs without a result", "Run|State|Error", rows)


def versions_table(findings: Findings) -> Table | None:
    """Versions of every package."""
    rows = [(name, ", ".join(found)) for name, found in findings.record.versions.items()]
    return _table("Versions", "Package|Version", rows)


def families_table(findings: Findings) -> Table | None:
    """Gains of CNNs and RNNs by pair."""
    heads = {"flatten": "flattened", "pooled": "pooled", "all": "all"}
    rows = [
        (f"{upstream} → {downstream}", heads[one.head], signed(cnn), signed(rnn), signed(cnn - rnn))
        for one in findings.families
        for upstream, downstream, cnn, rnn in one.by_pair
    ]
    return _table(
        "Gain by pair, in macro AUROC",
        "Pair|Head of the RNNs|#CNNs|#RNNs|#Difference",
        rows,
    )


def share(part: int, whole: int) -> str:
    """Write a share of a whole that may be none."""
    return percent(part / whole) if whole else NOTHING
