"""The sections of a model card that say how well a network does, what for, and how it is loaded."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ecg_tl.calibration import DEFAULT_THRESHOLD, MIN_POSITIVES
from ecg_tl.card.facts import CardFacts, as_mapping
from ecg_tl.card.scores import Evaluation
from ecg_tl.inference.model import ModelDescription
from ecg_tl.markdown import block, bullets, inline, table
from ecg_tl.published.declared import declared_overlaps
from ecg_tl.statistics.intervals import FEW_PATIENTS, Interval

NONE = "–"

_AVERAGES = {
    "auroc_macro": "macro AUROC",
    "auprc_macro": "macro AUPRC",
    "f1_macro": "macro F1 at the thresholds",
    "f1_weighted": "weighted F1 at the thresholds",
}


def scores_section(facts: CardFacts) -> str:
    """Give the test's scores with 95 % intervals, averaged and per class."""
    test = facts.test
    if test is None:
        return f"None. {facts.untested}"
    chooses = facts.description.single_choice
    averages = {n: title.removesuffix(" at the thresholds") for n, title in _AVERAGES.items()}
    averages = averages if chooses else _AVERAGES
    decisions = "the most probable class" if chooses else "decisions at the thresholds below"
    whose = "patients not known: each record counts as one" if test.patients is None else ""
    parts = [
        f"{test.records:,} test records of {inline(test.title)}"
        + (f", of {test.patients:,} patients" if test.patients is not None else f" ({whose})")
        + ", scored from their stored probabilities. In brackets, 95 % intervals from resampled patients; "
        "they say nothing of another training, another split or other hospitals.",
        table(("", "score"), ((title, _interval(test.averages[n])) for n, title in averages.items())),
        f"Accuracy: {test.plain['accuracy']:.3f}."
        if chooses
        else "F1 at 0.5: "
        + ", ".join(f"{kind} {test.plain[f'f1_{kind}']:.3f}" for kind in ("macro", "weighted"))
        + ".",
        table(
            ("class", "positives", "AUROC", "AUPRC", "F1", "sensitivity", "specificity"),
            (
                (
                    inline(name),
                    f"{one.support:,}" + f" of {one.answers:,} answered" * (one.answers < test.records),
                    _interval(one.auroc),
                    _interval(one.auprc),
                    *map(_share, (one.f1, one.sensitivity, one.specificity)),
                )
                for name, one in test.classes.items()
            ),
        ),
        f"F1, sensitivity and specificity are those of {decisions}. The AUPRC of guessing is the share of "
        "positives.",
    ]
    rough = [inline(name) for name, one in test.classes.items() if one.auroc.reason]
    if rough:
        parts.append(
            f"Fewer than {FEW_PATIENTS} test patients with, or without, {', '.join(rough)}: these intervals "
            "are rough, or there are none."
        )
    parts.append(_overlap(test))
    return "\n\n".join(parts)


def calibration_section(facts: CardFacts) -> str:
    """Say how probabilities were calibrated and decisions are made."""
    description = facts.description
    if not description.validated:
        if description.single_choice:
            return f"None: the checkpoint was never validated. Its probabilities are uncalibrated. {_CHOICE}"
        return (
            "None: the checkpoint was never validated. Its probabilities are uncalibrated and its thresholds "
            f"{DEFAULT_THRESHOLD}."
        )
    parts = [
        f"Logits are divided by a temperature of {description.temperature:.3f}, the same for all classes, "
        "which was fitted on validation records (Guo et al., ICML 2017)."
        if description.calibrated
        else f"Its probabilities are uncalibrated: {inline(str(description.uncalibrated))}.",
    ]
    if facts.test is not None:
        parts.append(
            table(
                ("on the test records", "before", "after"),
                (
                    (title, _share(facts.test.calibration[name][0]), _share(facts.test.calibration[name][1]))
                    for name, title in (("brier", "Brier score"), ("ece", "expected calibration error"))
                ),
            )
        )
    if description.single_choice:
        return "\n\n".join([*parts, _CHOICE])
    parts += [f"{_purpose(description)}, on validation records.", _threshold_table(facts)]
    if not all(description.tuned):
        sides = "positives or negatives" if description.threshold_rule == "specificity" else "positives"
        parts.append(
            f"A class with fewer than {MIN_POSITIVES} {sides} among the validation records keeps "
            f"{DEFAULT_THRESHOLD}: its best threshold there would be chance."
        )
    return "\n\n".join(parts)


def use_section(facts: CardFacts) -> str:
    """Say what it is for, and what it is not."""
    description, data = facts.description, facts.data
    intended = (
        "Research: comparing networks and recipes, and starting to fine-tune from it.",
        "Not for diagnosis, triage or treatment: it is no medical device; nobody has assessed its safety.",
    )
    return "\n\n".join(
        [bullets(intended), "Limits:", bullets(_limits(facts, description, data.get("title")))]
    )


def _limits(facts: CardFacts, description: ModelDescription, title: object) -> Iterator[str]:
    few = [
        name
        for name in description.class_names
        if _few(as_mapping(as_mapping(facts.data.get("support")).get("train")).get(name))
    ]
    knows = f"It knows {len(description.class_names)} classes and nothing else."
    if description.single_choice:
        yield f"{knows} It chooses one of them in every record, also where none is there."
    else:
        yield f"{knows} No class found does not mean a normal ECG."
    upstream = "" if facts.upstreams else " alone"
    yield (
        f"Its labels are those of {inline(title)}{upstream}: other devices, filters, ages, populations and "
        "habits of labelling can change its scores. Test it on labelled records of your own."
    )
    if few:
        yield f"Fewer than 50 positives to learn from: {', '.join(map(inline, few))}."
    if description.lead_dropout:
        yield "It was trained with leads missing, and takes recordings without some of them."
    else:
        yield (
            "It needs all of its leads. Limb leads that follow from two others are computed, and that is "
            "said; recordings without others are refused."
        )
    if description.signal_ranges is None:
        yield "It does not know the range of its training signals, so unfamiliar ones are not warned of."
    if facts.test is None:
        yield "It has no test scores here."
    elif facts.test.patients is None:
        yield "Patients of the test records are not known: intervals are too narrow if some have several."
    if facts.data.get("selects_on_test"):
        yield "It was selected on its test records."
    if any(one["records"] is None for one in facts.content["trained_on"]):
        yield "Not all records that its weights were trained on are known, so overlap cannot be excluded."


def loading_section(facts: CardFacts) -> str:
    """Give the commands and the lines of Python that load it."""
    name = facts.path.name
    samples, leads = facts.description.num_samples, len(facts.description.leads)
    return "\n\n".join(
        [
            block(
                [
                    f"ecg-tl infer {name} RECORD...",
                    f"ecg-tl export {name} --format onnx",
                    f"ecg-tl transfer inspect {name}",
                ],
                "bash",
            ),
            block(
                [
                    "import numpy as np",
                    "from ecg_tl.inference.opening import open_model",
                    "",
                    f'model = open_model("{name}")',
                    f"signal = np.zeros((1, {leads}, {samples}), dtype=np.float32)  # in mV, leads in order",
                    "logits = model.logits(signal)",
                    *_probability_in_python(facts.description),
                ],
                "python",
            ),
            f"To train on from it: `ecg-tl fit ... -c full --transfer.upstream {name}`.",
        ]
    )


def _probability_in_python(description: ModelDescription) -> list[str]:
    if not description.single_choice:
        return ["probability = 1 / (1 + np.exp(-logits / model.description.temperature))"]
    return [
        "scaled = logits / model.description.temperature",
        "probability = np.exp(scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True))",
    ]


_CHOICE = (
    "The most probable class is chosen, by a softmax over all of them: a record's probabilities sum up to 1, "
    "and there are no thresholds."
)


def _purpose(description: ModelDescription) -> str:
    if description.threshold_rule == "f1":
        return "Thresholds were chosen for the greatest F1"
    target = "unknown" if description.threshold_target is None else f"{description.threshold_target:g}"
    return f"Thresholds were chosen for a {inline(description.threshold_rule)} of {target}"


def _threshold_table(facts: CardFacts) -> str:
    description = facts.description
    positives = as_mapping(as_mapping(facts.data.get("support")).get("validation"))
    return table(
        ("class", "threshold", "the same, calibrated", "validation positives", "chosen"),
        (
            (
                inline(name),
                f"{threshold:.4g}",
                f"{_calibrated(threshold, description.temperature):.4g}",
                str(positives.get(name, "?")),
                "tuned" if tuned else f"kept at {DEFAULT_THRESHOLD}",
            )
            for name, threshold, tuned in zip(
                description.class_names, description.thresholds, description.tuned, strict=True
            )
        ),
    )


def _calibrated(threshold: float, temperature: float) -> float:
    """Return what a threshold on uncalibrated probabilities is on calibrated ones."""
    if not 0 < threshold < 1:
        return threshold
    return 1 / (1 + math.exp(-math.log(threshold / (1 - threshold)) / temperature))


def _overlap(test: Evaluation) -> str:
    if test.overlap is None:
        return "The test did not check whether the weights had been trained on its records."
    if test.overlap.get("records"):
        return (
            f"**{test.overlap['records']} test records are among those that the weights were trained on**, "
            "which was allowed: the scores flatter."
        )
    declared = declared_overlaps(test.overlap)
    if declared:
        return f"**{'; '.join(map(inline, declared))}**, which was allowed: the scores flatter."
    if test.overlap.get("unknown"):
        return "Not all training records of the weights are known: overlap with the test is not excluded."
    return "No test record is among those that the weights were trained on, by fingerprints of the signals."


def _interval(interval: Interval) -> str:
    if interval.estimate is None:
        return NONE
    if interval.low is None or interval.high is None:
        return f"{interval.estimate:.3f}"
    return f"{interval.estimate:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def _share(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _few(count: object) -> bool:
    return isinstance(count, int) and count < 50
