"""Findings that no study found: every part of a report filled, in any size."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from ecg_tl.statistics.intervals import Interval
from ecg_tl.study.findings.answers import DownstreamAnswer, PossibleAnswer
from ecg_tl.study.findings.axis_effects import AxisEffect
from ecg_tl.study.findings.break_even import BreakEven
from ecg_tl.study.findings.calibration import CalibrationRow
from ecg_tl.study.findings.claims.drafting import Claim
from ecg_tl.study.findings.compared import ClassChange, Comparison, MetricDifference
from ecg_tl.study.findings.convergence import Convergence
from ecg_tl.study.findings.costs import CostRow
from ecg_tl.study.findings.curves import Curve, CurvePoint
from ecg_tl.study.findings.data import ClassSupport, DataRow
from ecg_tl.study.findings.families import FamilyContrast
from ecg_tl.study.findings.findings import Findings
from ecg_tl.study.findings.gains import GainPoint, GainTrend
from ecg_tl.study.findings.label_efficiency import LabelEfficiency
from ecg_tl.study.findings.matches import Match
from ecg_tl.study.findings.models import ModelScore
from ecg_tl.study.findings.pretraining_curves import PretrainingCurve, ProbedEpoch
from ecg_tl.study.findings.record import StudyRecord
from ecg_tl.study.findings.second_opinions import SecondOpinion, SecondOpinionSummary
from ecg_tl.study.findings.transferability import TransferabilityCorrelation
from ecg_tl.study.run.results import Missing

CLASSES = ("NORM", "AF", "I-AVB", "LBBB", "RBBB", "PAC", "PVC", "STD", "STE")
STATEMENTS = (
    "Fine-tuning beats training from scratch on small downstream sets.",
    "Not always: some pairs gain nothing or lose.",
    "The gain declines as the downstream training set grows.",
    "With enough data, training from scratch catches up, after longer training.",
    "Fine-tuning converges faster.",
    "CNNs gain more than RNNs.",
    "Pre-training has a price: it pays only after some downstream tasks.",
)
VERDICTS = ("supported", "mixed", "open", "open", "supported", "not tested", "contradicted")


def make_findings(
    downstreams: tuple[str, ...] = ("ludb", "ptbxl-site1"),
    upstreams: tuple[str, ...] = ("ptbxl",),
    networks: tuple[str, ...] = ("resnet1d18", "gru"),
    arms: tuple[str, ...] = ("full", "linear-probe"),
    sizes: tuple[int | None, ...] = (100, 300, None),
    seeds: int = 3,
    classes: tuple[str, ...] = CLASSES,
    values: tuple[str, ...] = ("millivolts", "min-max"),
    protocol: str = "strict",
    title: str = "Should I fine-tune, or train from scratch?",
) -> Findings:
    """Make up findings; the same for the same arguments."""
    random = np.random.default_rng(7)

    def interval(centre: float, spread: float, *, sign: bool = True, **more: Any) -> Interval:
        half = spread * float(random.uniform(0.7, 1.4))
        low, high = centre - half, centre + half
        if not sign:
            low, high = max(low, 0.0), min(high, 1.0)
        method = "patients and seeds" if seeds > 1 else "patients only"
        reason = "" if seeds > 1 else "One seed: chance between trainings is not in it."
        return replace(Interval(centre, low, high, 0.03, seeds, 137, method, reason), **more)

    def verdict(difference: Interval) -> Any:
        assert difference.low is not None
        assert difference.high is not None
        return "win" if difference.low > 0 else "loss" if difference.high < 0 else "open"

    axes_of = {value: (("normalisation", value),) for value in values}
    comparisons: list[Comparison] = []
    models: list[ModelScore] = []
    for down, up, network, arm, size, value in itertools.product(
        downstreams, upstreams, networks, arms, sizes, values
    ):
        if up == down or (value != values[0] and (size is not None or arm != arms[0])):
            continue
        records = size or 1540
        centre = float(random.normal(0.03, 0.03)) * (1 if records < 500 else 0.4)
        centre -= 0.05 * (value != values[0]) + 0.04 * (arm != arms[0])
        scratch = 0.8 + 0.04 * float(np.log10(records / 100)) + float(random.normal(0, 0.01))
        difference = interval(centre, 0.025)
        family = "rnn" if "gru" in network or "lstm" in network else "cnn"
        per_class = tuple(
            ClassChange(
                name,
                int(random.integers(1, 120)) if position else 0,
                int(random.integers(4, 400)),
                0.8 if position else None,
                0.82 if position else None,
                interval(float(random.normal(centre, 0.04)), 0.05)
                if position
                else Interval(None, reason="No positives among the test records."),
                0.04 if position else None,
                ("open", "win", "open", "loss")[position % 4],
            )
            for position, name in enumerate(classes)
        )
        key = f"c{len(comparisons)}"
        comparisons.append(
            Comparison(
                key=key,
                label=f"{up} → {down}, {network}, {arm}, {size or 'all'} records, {value}",
                downstream=down,
                upstream=up,
                network=network,
                family=family,
                head="pooled",
                arm=arm,
                primary=arm == arms[0] and value == values[0],
                control=False,
                size=size,
                train_records=records,
                axes=axes_of[value],
                difference=difference,
                p_holm=0.041,
                verdict=verdict(difference),
                scratch_mean=scratch,
                arm_mean=scratch + centre,
                seeds=tuple(range(seeds)),
                scratch_scores=tuple(scratch + float(random.normal(0, 0.01)) for _ in range(seeds)),
                arm_scores=tuple(scratch + centre + float(random.normal(0, 0.01)) for _ in range(seeds)),
                records=179,
                patients=137,
                classes=len(classes),
                classes_scored=len(classes) - 1,
                metrics=(
                    MetricDifference("auprc_macro", 0.41, 0.44, interval(0.03, 0.03)),
                    MetricDifference("f1_weighted_tuned", 0.51, 0.52, interval(0.01, 0.03)),
                ),
                per_class=per_class,
                matches=tuple(
                    Match(seed, 0.77, 14, 42.0, 5 if seed != 1 else 18, 16.0 if seed != 1 else 52.0)
                    for seed in range(seeds)
                ),
                epochs_ratio=0.36,
                seconds_ratio=0.41,
                melep=float(random.uniform(0.2, 0.5)),
                melep_entropy=0.4,
                logme=float(random.uniform(-1, 0)),
            )
        )
        for kind, name, score in (("scratch", "scratch", scratch), ("fine-tuned", arm, scratch + centre)):
            if kind == "scratch" and arm != arms[0]:
                continue
            models.append(
                ModelScore(
                    kind=kind,
                    dataset=down,
                    upstream=up if kind != "scratch" else None,
                    network=network,
                    arm=name,
                    size=size,
                    train_records=records,
                    axes=axes_of[value],
                    validation=score + 0.01,
                    monitor="val_auroc_macro",
                    auroc_macro=interval(score, 0.02, sign=False),
                    auprc_macro=0.4,
                    f1_weighted=0.5,
                    f1_macro=0.4,
                    classes_scored=len(classes) - 1,
                    parameters=4_114_053,
                    trainable_parameters=4_114_053,
                    seconds=61.2,
                    epochs=20,
                    epochs_to_best=13.3,
                )
            )
    primary = [one for one in comparisons if one.primary]
    claims = tuple(
        Claim(
            number=position + 1,
            statement=statement,
            verdict=VERDICTS[position],  # type: ignore[arg-type]
            rule="Supported if the interval of the mean gain lies above 0.",
            effect=None if VERDICTS[position] == "not tested" else interval(0.02, 0.015),
            effect_unit="macro AUROC",
            effect_name="mean gain",
            support=2,
            contradict=1,
            open=3,
            unit="comparisons",
            explanation="The mean gain over 6 comparisons was 0.020 (0.005 to 0.035).",
            comparisons=tuple(one.key for one in primary[:3]),
        )
        for position, statement in enumerate(STATEMENTS)
    )
    trends, efficiency, curves = _sweeps(comparisons, len(sizes), seeds, interval)
    return Findings(
        name="sample",
        title=title,
        protocol=protocol,
        generated="2026-11-22T20:40:00+00:00",
        runs=61,
        planned=64,
        warnings=("3 of 64 runs have no result; what they would have shown is missing here.",),
        answers=_answers(downstreams, upstreams, networks, arms, interval),
        claims=claims,
        comparisons=tuple(comparisons),
        models=tuple(models),
        curves=curves,
        trends=trends,
        label_efficiency=efficiency,
        convergence=tuple(
            Convergence(
                arm,
                family,
                18,
                interval(ratio, 0.2, sign=False) if ratio < 1 else Interval(ratio, 1.02, 1.9, 0.04, seeds, 0),
                0.02,
                "win" if ratio < 0.5 else "open",
                interval(0.6, 0.2, sign=False),
                12,
                4,
                2,
            )
            for arm, ratio in zip(arms, (0.38, 1.3, 0.8, 1.0, 0.6, 0.7), strict=False)
            for family in ("all", "cnn", "rnn")
        ),
        families=tuple(
            FamilyContrast(
                head,  # type: ignore[arg-type]
                interval(0.03, 0.02),
                interval(0.01, 0.02),
                interval(0.02, 0.03),
                len(downstreams),
                networks[:1],
                networks[1:],
                0.93 if head == "flatten" else 0.04,
                tuple((upstreams[0], down, 0.03, 0.01) for down in downstreams),
            )
            for head in ("flatten", "pooled")
        ),
        break_even=tuple(
            BreakEven(
                up,
                network,
                arms[0],
                axes_of[values[0]],
                812.0,
                44.0,
                19.0,
                Interval(25.0, 4.0, 46.0, 0.01, seeds, 0)
                if position == 0
                else Interval(-3.0, -9.0, 3.0, 0.4, seeds),
                0.02 if position == 0 else 0.4,
                "pays" if position == 0 else "open",
                32.5 if position == 0 else None,
                17.7 if position == 0 else 270.0,
                203.0 if position == 0 else None,
                12,
                "Pre-training took 812 s and saved 25 s a task: paid after 33 tasks.",
            )
            for up in upstreams
            for position, network in enumerate(networks)
        ),
        transferability=tuple(
            TransferabilityCorrelation(
                score,  # type: ignore[arg-type]
                "gain",
                sign,  # type: ignore[arg-type]
                replace(interval(-0.4 * -sign, 0.3)),
                tuple((one.key, one.melep or 0.0, one.difference.estimate or 0.0) for one in primary),
                "Over 6 pairs the rank correlation was -0.40.",
            )
            for score, sign in (("melep", -1), ("melep_entropy", -1), ("logme", 1))
        ),
        calibration=tuple(
            CalibrationRow(
                model.dataset,
                model.network,
                model.arm,
                model.upstream,
                model.axes,
                None,
                0.06,
                0.03,
                0.08,
                0.07,
                1.4,
                seeds,
            )
            for model in models
            if model.size is None
        ),
        axis_effects=tuple(
            AxisEffect(
                "normalisation",
                values[0],
                value,
                down,
                upstreams[0],
                network,
                arms[0],
                None,
                interval(-0.06, 0.02),
                interval(-0.11, 0.03),
                interval(0.031, 0.02),
                interval(-0.02, 0.015),
                interval(-0.05, 0.03),
                True,
                "win",
                "loss",
                "Under min-max the gain turns from +0.031 into -0.020.",
            )
            for value in values[1:]
            for down in downstreams
            for network in networks
        ),
        second_opinions=tuple(
            SecondOpinion(
                one.key,
                one.label,
                one.verdict,
                one.difference,
                interval(0.01, 0.03),
                0.042,
                "win",
                1,
                0.021,
                0.034,
                0.06 if position % 2 else None,
                "win" if position % 2 else None,
                True,
                one.verdict == "win",
                "On the test set's best epochs this would have been a win.",
            )
            for position, one in enumerate(primary)
        ),
        second_opinion=SecondOpinionSummary(
            len(primary), 2, 1, 3, 5, 1, 3, 0, "By the paper's rule 5 of 6 would have been wins; 2 are."
        ),
        data=tuple(
            DataRow(
                name,
                "downstream" if name in downstreams else "upstream",
                "ptbxl",
                "PTB-XL, a large publicly available ECG dataset",
                "CC BY 4.0",
                "Wagner et al., Scientific Data 7, 154 (2020)",
                "official",
                "4f1a9c0d2e",
                1542,
                333,
                179,
                137,
                12,
                3,
                True,
                "site == 1" if "site" in name else "",
                100.0,
                1000,
                "millivolts, divided by 0.3, clipped at 20",
                protocol == "paper",
                tuple(ClassSupport(name, 400, 60, 31) for name in classes),
                ("2 classes have no positives in the test set.",),
                axes_of[values[0]],
            )
            for name in (*upstreams, *(down for down in downstreams if down not in upstreams))
        ),
        costs=(
            *(
                CostRow(kind, network, 12, 4200.0, 8100.0, 61.0, 20.0, 1_900_000_000, None)
                for kind in ("upstream", "scratch", "fine-tuned")
                for network in networks
            ),
            CostRow("all", "", 61, 25000.0, 49000.0, 61.0, 20.0, 1_900_000_000, None),
        ),
        missing=(
            Missing("ludb-gru-full-s2-81aa02", "failed", "StoreError: found nothing, expected store.json."),
            Missing("ludb-gru-scratch-s2-9c1e77", "not finished", ""),
        ),
        record=StudyRecord(
            config="name: sample\nseeds: [0, 1, 2]\nprotocol: strict\n",
            versions={"torch": ("2.13.0",), "lightning": ("2.6.6",), "ecg-tl": ("0.1.0", "0.1.1")},
            hardware=("2 cores, AMD EPYC, 16 GB, Linux",),
            seeds=tuple(range(seeds)),
            first_finished="2026-11-22T18:02:11+00:00",
            last_finished="2026-11-22T20:31:54+00:00",
            resamples=1000,
            methods=(
                "Differences are paired by seed; patients are resampled.",
                "Holm's correction over 12 comparisons.",
            ),
        ),
        further={
            "pretraining_curves": tuple(
                PretrainingCurve(
                    upstream,
                    network,
                    "0",
                    tuple(
                        ProbedEpoch(10 * step, 0.1 * step, 0.6 + 0.03 * step, 2.0 * step, step == 1)
                        for step in (1, 2, 3)
                    ),
                )
                for upstream in upstreams
                for network in networks
            )
        },
    )


def _answers(
    downstreams: tuple[str, ...],
    upstreams: tuple[str, ...],
    networks: tuple[str, ...],
    arms: tuple[str, ...],
    interval: Any,
) -> tuple[DownstreamAnswer, ...]:
    answers = []
    for position, down in enumerate(downstreams):
        action = ("fine-tune", "either", "scratch")[position % 3]
        effect = interval((0.041, 0.006, -0.03)[position % 3], 0.02)
        up = next((up for up in upstreams if up != down), "other")
        headline = {
            "fine-tune": f"Fine-tune {networks[0]} from {up}, {arms[0]}.",
            "either": "Either will do: no difference could be shown.",
            "scratch": f"Train {networks[0]} from scratch.",
        }[action]
        candidates = tuple(
            PossibleAnswer(
                network,
                arm,
                up if arm != "scratch" else None,
                0.9 - 0.01 * rank,
                0.88,
                rank == 0,
                arm == "scratch" and rank == 1,
            )
            for rank, (network, arm) in enumerate(itertools.product(networks, (arms[0], "scratch")))
        )
        answers.append(
            DownstreamAnswer(
                down,
                action,  # type: ignore[arg-type]
                headline,
                "On 179 test records of 137 patients its macro AUROC was 0.861, and that of scratch 0.820.",
                networks[0],
                arms[0] if action == "fine-tune" else "scratch",
                up if action == "fine-tune" else None,
                networks[0],
                effect,
                0.012,
                interval(0.861, 0.03, sign=False),
                ("sure", "not sure", "likely")[position % 3],  # type: ignore[arg-type]
                1540,
                137,
                ("2 of 9 classes have no positives in the test set.",) if position == 0 else (),
                candidates,
            )
        )
    return tuple(answers)


def _sweeps(comparisons: list[Comparison], sizes: int, seeds: int, interval: Any) -> Any:
    """Trends, label efficiencies and curves over the comparisons' sizes."""
    if sizes < 2:
        return (), (), ()
    groups: dict[tuple[Any, ...], list[Comparison]] = {}
    for one in comparisons:
        groups.setdefault((one.downstream, one.network, one.arm, one.upstream, one.axes), []).append(one)
    groups = {key: found for key, found in groups.items() if len(found) > 1}
    trends = tuple(
        GainTrend(
            *key,
            tuple(GainPoint(one.train_records, one.difference, one.key) for one in found),
            interval(-0.02, 0.02),
        )
        for key, found in groups.items()
    )
    efficiency = tuple(
        LabelEfficiency(
            *key, 1540, 0.84, 480.0, 3.2, ("exact", "at least", "at most")[position % 3], 1.4, 5.1
        )  # type: ignore[arg-type]
        for position, key in enumerate(groups)
    )

    def curve(key: tuple[Any, ...], found: list[Comparison], arm: str) -> Curve:
        scratch = arm == "scratch"
        points = []
        for one in found:
            mean = one.scratch_mean if scratch else one.arm_mean
            assert mean is not None
            scores = one.scratch_scores if scratch else one.arm_scores
            points.append(
                CurvePoint(one.size, one.train_records, mean, mean - 0.02, mean + 0.02, seeds, scores)
            )
        return Curve(key[0], key[1], arm, None if scratch else key[3], key[4], tuple(points))

    curves = {}
    for key, found in groups.items():
        curves[(key[0], key[1], "scratch", key[4])] = curve(key, found, "scratch")
        curves[key] = curve(key, found, key[2])
    return trends, efficiency, tuple(curves.values())


def empty_findings() -> Findings:
    """Findings of a study that has not a single result yet."""
    whole = make_findings()
    claims = tuple(
        replace(claim, verdict="not tested", effect=None, support=0, contradict=0, open=0, comparisons=())
        for claim in whole.claims
    )
    return replace(
        whole,
        runs=0,
        warnings=("No run has finished.",),
        answers=(),
        claims=claims,
        comparisons=(),
        models=(),
        curves=(),
        trends=(),
        label_efficiency=(),
        convergence=(),
        families=(),
        break_even=(),
        transferability=(),
        calibration=(),
        axis_effects=(),
        second_opinions=(),
        second_opinion=None,
        data=(),
        costs=(),
        record=replace(whole.record, versions={}, hardware=(), seeds=(), first_finished="", last_finished=""),
        further={},
    )
