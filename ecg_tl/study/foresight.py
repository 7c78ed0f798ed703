"""What a study can be expected to show, before it runs: by its finished runs, or by usual variances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecg_tl.statistics.components import Components, StudyScale, pooled
from ecg_tl.study.design.measured import PartSizes
from ecg_tl.study.design.runs import Plan
from ecg_tl.study.design.settings import StudySettings
from ecg_tl.study.findings.power import USUAL, USUAL_WORDS, PowerRow, power_curve, power_lines
from ecg_tl.study.findings.topic import Analysis
from ecg_tl.study.findings.variance import components_in
from ecg_tl.study.run.results import load_results

RESAMPLES = 256


def foresee(
    settings: StudySettings, plan: Plan, sizes: Mapping[str, PartSizes], pilot: StudySettings | None = None
) -> list[str]:
    """Say in lines what the study can show, of each downstream whose data are there.

    Args:
        settings: The study.
        plan: Its runs.
        sizes: Records of each run's parts; test records stand for test patients.
        pilot: A study whose finished runs say how much gains vary; this one if None.
    """
    known: dict[str, list[Components]] = {}
    folder = Path((pilot or settings).folder)
    results = load_results(folder) if (folder / "runs").is_dir() else None
    if results is not None and results.runs:
        own = {run.run["dataset"] for run in results.runs} | set(settings.downstreams)
        names: dict[str, dict[str, Any]] = {name: {} for name in own if name}
        study = Analysis(results, replace(pilot or settings, downstreams=names), RESAMPLES)
        for one, components in study.once(components_in):
            known.setdefault(one.comparison.downstream, []).append(components)
    rows: dict[str, list[PowerRow]] = {"": [], USUAL_WORDS: []}
    for downstream in settings.downstreams:
        runs = [run for run in plan.runs if run.dataset == downstream and run.kind == "fine-tuned"]
        tested = [sizes[run.id].test for run in runs if run.id in sizes and run.size is None]
        if not runs or not tested:
            continue
        found = pooled(known.get(downstream, []))
        components = (
            USUAL
            if found is None
            else replace(found, split=USUAL.split if found.split is None else found.split)
        )
        seeds = len({run.seed for run in runs})
        scale = StudyScale(
            sum(tested) / len(tested), seeds, settings.divisions, len(settings.upstream_seeds) or 1
        )
        rows[USUAL_WORDS if found is None else ""] += power_curve(downstream, components, scale)
    finished = "as the finished runs show them"
    return [line for source, own in rows.items() for line in power_lines(own, source or finished)]
