"""Tables of what surrounds the scores: speed, cost, calibration, data, and what is missing."""

from __future__ import annotations

from ecg_tl.study.findings import (
    BreakEven,
    DataRow,
    Findings,
)
from ecg_tl.study.report.main_figure import ROLES, default_axes
from ecg_tl.study.report.tables import (
    Cell,
    Line,
    Table,
    axis_words,
    make_table,
    times,
)
from ecg_tl.study.report.wording import (
    NOTHING,
    count,
    duration,
    memory,
    number,
    p_value,
    signed,
    significant,
    span,
    typeset,
)


def efficiency_table(findings: Findings) -> Table | None:
    """Label efficiency."""
    default = default_axes(findings)
    bounds = {"exact": "", "at least": "at least ", "at most": "less than "}
    rows: list[Line] = [
        {
            "Downstream": one.downstream,
            "Upstream": one.upstream or "",
            "Network": one.network,
            "Arm": one.arm,
            "Other setting": axis_words(one.axes, default),
            "#Scratch's score": Cell(number(one.scratch_score), f"with {count(one.scratch_records)} records"),
            "#Records the arm needs for it": count(one.records_needed)
            if one.records_needed is not None
            else "not reached",
            "#Times fewer (95 % interval)": Cell(
                f"{bounds[one.bound]}{significant(one.factor)}×" if one.factor is not None else NOTHING,
                _range(one.low, one.high),
            ),
            "Note": typeset(one.reason),
        }
        for one in findings.label_efficiency
    ]
    return make_table(
        "How many times fewer labelled records",
        rows,
    )


def _range(low: float | None, high: float | None) -> str:
    """Write an interval of a factor that may be open at one end."""
    if low is None or high is None:
        ends = (("at least", low), ("at most", high))
        return "".join(f"{words} {significant(end)}" for words, end in ends if end is not None)
    return f"{significant(low)} to {significant(high)}"


def convergence_table(findings: Findings) -> Table | None:
    """Epochs and seconds to match scratch."""
    rows: list[Line] = [
        {
            "Arm": one.arm,
            "Networks": {"cnn": "CNNs", "rnn": "RNNs", "all": "all"}.get(one.family, one.family),
            "#Trainings": f"{one.trainings}",
            "#Epochs, times scratch's (95 % interval)": Cell(
                times(one.epochs_ratio),
                span(one.epochs_ratio.low, one.epochs_ratio.high, 2, sign=False)
                if one.epochs_ratio.low is not None
                else "",
                ROLES[one.verdict] if one.verdict != "open" else "",
            ),
            "#p (Holm)": p_value(one.p_holm),
            "#Seconds, times scratch's": Cell(
                times(one.seconds_ratio),
                span(one.seconds_ratio.low, one.seconds_ratio.high, 2, sign=False)
                if one.seconds_ratio.low is not None
                else "",
            ),
            "#Faster": f"{one.faster}",
            "#Slower": f"{one.slower}",
            "#Same": f"{one.same}",
        }
        for one in findings.convergence
    ]
    return make_table(
        "Epochs and seconds to the same validation score",
        rows,
        "Geometric means over the trainings, each against the scratch training of the same data, network and "
        "seed. The score is 80 % of the way from the worse of the two first epochs to the worse of the two "
        "best ones: both reach it. Intervals are over scratch trainings.",
    )


def break_even_table(findings: Findings) -> Table | None:
    """After how many tasks pre-training pays."""
    default = default_axes(findings)

    def few(value: float | None) -> str:
        return significant(value).removesuffix(".0")

    def tasks(one: BreakEven) -> Cell:
        if one.verdict != "pays":
            return Cell("never" if one.verdict == "never" else "open")
        return Cell(few(one.tasks), f"{few(one.fewest_tasks)} to {few(one.most_tasks)}")

    rows: list[Line] = [
        {
            "Upstream": one.upstream,
            "Network": one.network,
            "Arm": one.arm,
            "Other setting": axis_words(one.axes, default),
            "#Pre-training": duration(one.upstream_seconds),
            "#Scratch to the common score": duration(one.scratch_seconds),
            "#Arm to the same": duration(one.arm_seconds),
            "#Saved a task (95 % interval)": Cell(
                duration(one.saved.estimate),
                f"{duration(one.saved.low)} to {duration(one.saved.high)}"
                if one.saved.low is not None
                else "",
                {"pays": "gain", "never": "loss", "open": ""}[one.verdict],
            ),
            "#p (Holm)": p_value(one.p_holm),
            "#Paid after tasks": tasks(one),
            "#Trainings": f"{one.trainings}",
            "In words": typeset(one.explanation),
        }
        for one in findings.break_even
    ]
    return make_table(
        "When pre-training has paid",
        rows,
        "Seconds are of the machines at hand and of one training of each upstream; intervals are over "
        "scratch trainings.",
    )


def costs_table(findings: Findings) -> Table | None:
    """What the runs cost."""
    rows: list[Line] = [
        {
            "Runs": one.kind,
            "Network": one.network,
            "#How many": count(one.runs),
            "#Time, sum": duration(one.wall_seconds),
            "#Device time, sum": duration(one.device_seconds),
            "#Training, mean": duration(one.mean_seconds),
            "#Epochs, mean": number(one.mean_epochs, 1),
            "#Memory, most": memory(one.peak_memory_bytes),
            "#GPU memory, most": memory(one.peak_device_memory_bytes),
        }
        for one in findings.costs
    ]
    return make_table(
        "What the study cost",
        rows,
        "Device time: seconds of processor, or of GPU times the share that a run holds.",
    )


def transferability_table(findings: Findings) -> Table | None:
    """Rank correlations of what was to foretell the gain."""
    names = {
        "melep": "MELEP",
        "melep_entropy": "entropy of the labels",
        "melep_difference": "entropy less MELEP",
        "logme": "LogME",
    }
    rows: list[Line] = [
        {
            "Score": names[one.score],
            "With": {"gain": "gain over scratch", "score": "score after fine-tuning"}[one.outcome],
            "Hoped for": "negative" if one.expected_sign < 0 else "positive",
            "#Spearman's (95 % interval)": Cell(
                signed(one.correlation.estimate, 2),
                span(one.correlation.low, one.correlation.high, 2) if one.correlation.low is not None else "",
            ),
            "#Comparisons": f"{len(one.points)}",
            "In words": typeset(one.explanation),
        }
        for one in findings.transferability
    ]
    return make_table(
        "Rank correlation of a score before training with what followed",
        rows,
    )


def calibration_table(findings: Findings) -> Table | None:
    """Calibration of every configuration."""
    default = default_axes(findings)
    rows: list[Line] = [
        {
            "Downstream": one.downstream,
            "Network": one.network,
            "Arm": f"{one.arm} from {one.upstream}" if one.upstream else one.arm,
            "Other setting": axis_words(one.axes, default),
            "#ECE": number(one.ece),
            "#ECE, calibrated": number(one.ece_calibrated),
            "#Brier": number(one.brier),
            "#Brier, calibrated": number(one.brier_calibrated),
            "#Temperature": number(one.temperature, 2),
            "#Seeds": f"{one.seeds}",
        }
        for one in findings.calibration
    ]
    return make_table(
        "Calibration on the test set",
        rows,
        "Lower is better. Calibrated: after temperature scaling, fitted on validation data.",
    )


def data_table(findings: Findings) -> Table | None:
    """The datasets as used."""
    default = default_axes(findings)
    splits = {"official": "official folds", "patient": "by patient", "record": "by record"}

    def row(one: DataRow) -> Line:
        return {
            "Name": Cell(one.name, axis_words(one.axes, default)),
            "Role": "up- and downstream" if one.role == "both" else one.role,
            "Dataset": Cell(one.title or one.dataset, one.query),
            "#Training": count(one.train),
            "#Validation": count(one.validation),
            "#Test": Cell(count(one.test), f"{count(one.patients)} patients"),
            "Split": splits.get(one.split, one.split),
            "#Unusable": count(one.left_out),
            "#Without a label": Cell(
                count(one.unlabelled), "left out" if one.unlabelled_dropped and one.unlabelled else ""
            ),
            "Signal": f"{significant(one.sampling_rate, 3)} Hz × {count(one.num_samples)}"
            if one.sampling_rate
            else NOTHING,
            "Normalisation": one.normalization,
            "Epoch chosen on test": Cell("yes", tone="loss") if one.selects_on_test else "no",
            "Licence": one.licence,
        }

    return make_table(
        "Datasets as this study used them",
        [row(one) for one in findings.data],
    )


def support_table(row: DataRow) -> Table | None:
    """Positives of each class in each part of a dataset."""
    rows: list[Line] = [
        {
            "Class": one.name,
            "#Training": count(one.train),
            "#Validation": count(one.validation),
            "#Test": count(one.test),
        }
        for one in row.classes
    ]
    return make_table(f"{row.name}: positives of each class", rows)


def missing_table(findings: Findings) -> Table | None:
    """Runs without a result."""
    rows: list[Line] = [
        {
            "Run": one.id,
            "State": Cell(one.state, tone="loss" if one.state == "failed" else "muted"),
            "Error": one.error,
        }
        for one in findings.missing
    ]
    return make_table("Runs without a result", rows)


def versions_table(findings: Findings) -> Table | None:
    """Versions of every package."""
    rows: list[Line] = [
        {
            "Package": name,
            "Version": ", ".join(found),
        }
        for name, found in findings.record.versions.items()
    ]
    return make_table("Versions", rows)


def families_table(findings: Findings) -> Table | None:
    """Gains of CNNs and RNNs by pair."""
    heads = {"flatten": "flattened", "pooled": "pooled", "all": "all"}
    rows: list[Line] = [
        {
            "Pair": f"{upstream} → {downstream}",
            "Head of the RNNs": heads[one.head],
            "#CNNs": signed(cnn),
            "#RNNs": signed(rnn),
            "#Difference": signed(cnn - rnn),
        }
        for one in findings.families
        for upstream, downstream, cnn, rnn in one.by_pair
    ]
    return make_table(
        "Gain by pair, in macro AUROC",
        rows,
    )
