"""`ecg-tl study plan | run | status | report | verify | compare`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ecg_tl import printing, terminal
from ecg_tl.commands.study_compare import compare
from ecg_tl.commands.study_options import study_console, study_parser
from ecg_tl.errors import SettingError
from ecg_tl.outputs import check_outputs
from ecg_tl.shipped import STUDIES, config_names, find_config
from ecg_tl.study.design.folder import StudyFolder
from ecg_tl.study.design.kept_plan import keep_plan, planned_runs
from ecg_tl.study.design.looks import as_looked_at
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.runs import PlannedRun
from ecg_tl.study.design.settings import StudySettings, read_study
from ecg_tl.trust import config_trust

if TYPE_CHECKING:
    from ecg_tl.study.run.scheduler import StudyEnd

AnyRun = TypeVar("AnyRun", bound=PlannedRun)


def plan(config: str, options: argparse.Namespace, overrides: Sequence[str]) -> int:
    """Show a study's runs, what depends on what, and how long it will take."""
    from ecg_tl.study.design.plan_table import dependencies, plan_table, run_table
    from ecg_tl.study.run.status import study_status

    settings = read_study(config, overrides)
    planned = make_plan(settings)
    unfinished = _unfinished(settings, planned.runs)
    if unfinished:
        from ecg_tl.study.run.forecast import measure, reckon, summary
        from ecg_tl.study.run.kept_forecast import basis_of, keep_forecast, kept_forecast

        machine = {"concurrent": options.concurrent, "runs_per_gpu": options.runs_per_gpu}
        ids = [run.id for run in unfinished]
        basis = basis_of(planned, machine)
        measured = kept_forecast(settings, basis, ids)
        if measured is None:
            from ecg_tl.study.design.check import check_runs  # imports PyTorch

            check_runs(unfinished)
    keep_plan(settings, planned)  # nothing is written for settings that cannot be run
    if unfinished:
        if measured is None:
            measured = measure(settings, planned, **machine)
            keep_forecast(settings, basis, ids, measured)
        ahead = reckon(settings, planned, measured)
        seconds, finished, lines = ahead.seconds, ahead.finished, summary(planned, ahead)
    else:  # nothing to measure: what each run takes is what it took
        seconds = {one.run.id: one.wall_seconds for one in study_status(settings, planned.runs)}
        finished = frozenset(seconds)
        lines = [f"All {len(planned.runs)} runs are finished already."]
        ahead = None
    console = study_console()
    console.print(plan_table(planned, settings, seconds, finished))
    if options.every:
        console.print(run_table(planned, seconds, finished))
    for line in [dependencies(planned), *lines]:
        console.print(line, highlight=False, markup=False)
    if ahead is not None and ahead.sizes:
        from ecg_tl.study.foresight import foresee

        for line in foresee(settings, planned, ahead.sizes):
            console.print(line, highlight=False, markup=False)
    return 0


def run_all(config: str, options: argparse.Namespace, overrides: Sequence[str]) -> int:
    """Do all runs that are not finished; call it again to go on where it was cut off."""
    if options.address is not None and options.executor != "ray":
        raise SettingError(
            "--address",
            f"{options.address}, with the executor {options.executor}",
            "an address of a Ray cluster beside `--executor ray`",
            "Add that, or remove the address.",
        )
    settings = read_study(config, overrides)
    if options.until is not None:
        return _run_until_sure(settings, options)
    if options.most is not None or options.budget is not None:
        raise SettingError(
            "--most" if options.most is not None else "--budget",
            "given without `--until sure`",
            "rounds that it is a limit of",
            "Add `--until sure`, or remove it.",
        )
    known = planned_runs(settings)
    if not _unfinished(settings, known):  # before PyTorch is imported, a config checked or data looked at
        _say_finished(len(known), len(known))
        return 0
    planned = make_plan(settings)
    unfinished = _unfinished(settings, planned.runs)

    from ecg_tl.study.design.check import check_runs
    from ecg_tl.study.run.forecast import forecast, summary
    from ecg_tl.study.run.launch import run_study

    check_runs(unfinished)
    keep_plan(settings, planned)
    console = terminal.console(stderr=True)
    ahead = None
    if options.executor != "ray":
        ahead = forecast(settings, planned, concurrent=options.concurrent, runs_per_gpu=options.runs_per_gpu)
    for line in [] if ahead is None else summary(planned, ahead):
        console.print(line, highlight=False, markup=False)
    outcome = run_study(
        settings,
        planned,
        executor=options.executor,
        concurrent=options.concurrent,
        runs_per_gpu=options.runs_per_gpu,
        address=options.address,
        progress=options.progress,
        estimates=None if ahead is None else ahead.seconds,
    )
    _say_finished(len(outcome.finished), len(planned.runs))
    return _say_end(outcome)


def _run_until_sure(settings: StudySettings, options: argparse.Namespace) -> int:
    """Add seeds (or splits) in rounds until the answer is sure."""
    from ecg_tl.asking.question import parse_budget
    from ecg_tl.study.run.forecast import forecast
    from ecg_tl.study.run.launch import run_study
    from ecg_tl.study.until_sure import run_until_sure

    shared = {"concurrent": options.concurrent, "runs_per_gpu": options.runs_per_gpu}
    out = study_console()
    until = run_until_sure(
        settings,
        lambda own, plan: run_study(
            own, plan, executor=options.executor, address=options.address, progress=options.progress, **shared
        ),
        most=options.most,
        seconds=None if options.budget is None else parse_budget(options.budget),
        time_of=lambda own, plan: forecast(own, plan, **shared, overlaps=False).to_go,
        say=lambda line: out.print(line, highlight=False, markup=False, soft_wrap=True),
    )
    out.print(until.words(), highlight=False, markup=False, soft_wrap=True)
    return _say_end(until.end)


def status(config: str, options: argparse.Namespace, overrides: Sequence[str]) -> int:
    """Show which runs are finished, at work, cut off or failed, and why."""
    from ecg_tl.study.run.status import print_status, study_status

    settings, _ = as_looked_at(read_study(config, overrides))
    print_status(study_status(settings, planned_runs(settings)), every=options.every, console=study_console())
    return 0


def report(config: str, options: argparse.Namespace, overrides: Sequence[str]) -> int:
    """Write the report from what the finished runs left; it needs no data and no GPU."""
    from ecg_tl.figures import check_figure_path
    from ecg_tl.study.find import find
    from ecg_tl.study.report.main_figure import main_figure
    from ecg_tl.study.report.render import write_report
    from ecg_tl.study.report.terminal import summarize
    from ecg_tl.study.run.results import load_results
    from ecg_tl.terminal import Progress

    file = find_config(config, (STUDIES,))
    settings, price = as_looked_at(read_study(file, overrides))
    results = load_results(Path(settings.folder), [one.id for one in planned_runs(settings)])
    inputs = [file, Path(settings.folder) / "runs"]
    if options.figure is not None:
        check_figure_path(Path(options.figure))
        check_outputs({"--figure": options.figure}, inputs)
    if not results.runs:
        raise SettingError(
            settings.folder,
            "no finished run of this study",
            "at least one",
            f"Run it first: `ecg-tl study run {config}`.",
        )
    with Progress(console=terminal.console(stderr=True), transient=True) as progress:
        task = progress.add_task("intervals", total=None)
        findings = find(
            results,
            settings,
            config=_repeatable(file, overrides),
            resamples=options.resamples,
            price=price,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    folder = Path(settings.folder) / "report" if options.out is None else Path(options.out)
    page = write_report(findings, folder, inputs)
    console = study_console()
    for piece in summarize(findings):
        console.print(piece)
    console.print(f"\nreport  {page}", highlight=False, soft_wrap=True)
    if options.figure is not None:
        console.print(
            f"figure  {main_figure(findings, Path(options.figure))}", highlight=False, soft_wrap=True
        )
    return 0


def verify(config: str, options: argparse.Namespace, overrides: Sequence[str]) -> int:
    """Read every file of every finished run, and say which is not the one that its run left."""
    from ecg_tl.study.run.results import read_result, verify_run

    settings, _ = as_looked_at(read_study(config, overrides))
    folder = StudyFolder(Path(settings.folder))
    run_folders = [
        run_folder for one in planned_runs(settings) if (run_folder := folder.run(one.id)).finished
    ]
    wrong, undigested = 0, 0
    for run_folder in run_folders:
        found = verify_run(run_folder)
        wrong += bool(found)
        undigested += not found and not read_result(run_folder.result).get("digests")
        for error in found:
            printing.say(f"ecg-tl: error: {printing.visible(error)}", error=True)
    printing.say(
        f"{len(run_folders)} finished runs were read; {wrong} have a file that they did not leave so."
    )
    if undigested:
        printing.say(f"{undigested} are of an earlier version without digests: no change can be seen.")
    return 1 if wrong else 0


def _unfinished(settings: StudySettings, runs: Iterable[AnyRun]) -> list[AnyRun]:
    folder = StudyFolder(Path(settings.folder))
    return [one for one in runs if not folder.run(one.id).finished]


def _say_finished(count: int, planned: int) -> None:
    study_console().print(f"{count} of {planned} runs are finished.", highlight=False)


def _say_end(end: StudyEnd) -> int:
    """Say which runs have failed and why; return the exit status."""
    out = study_console()
    for run_id, error in {**end.failed, **end.skipped}.items():
        out.print(f"{run_id}: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
    if end.interrupted:
        return 130
    return 1 if end.failed or end.skipped else 0


def _repeatable(config: Path, overrides: Sequence[str]) -> str:
    """Return the study's YAML, with what was said on the command line."""
    text = config.read_text(encoding="utf-8")
    return f"# Given on the command line: {' '.join(overrides)}\n{text}" if overrides else text


_Command = Callable[[str, argparse.Namespace, Sequence[str]], int]
COMMANDS: dict[str, _Command] = {
    "plan": plan,
    "run": run_all,
    "status": status,
    "report": report,
    "verify": verify,
}

COMPARE = "compare"
"""The word that takes several studies."""

_USAGE = (
    "usage: ecg-tl study plan | run | status | report | verify CONFIG [options] [--SETTING VALUE ...]\n"
    "       ecg-tl study compare STUDY STUDY ... [options]"
)


def run(words: Sequence[str]) -> int:
    """Run `study` and one of its words."""
    word, rest = (words[1] if len(words) > 1 else "--help"), list(words[2:])
    if word in ("-h", "--help"):
        printing.say(_help())
        return 0
    if word == COMPARE:
        return compare(rest)
    if word not in COMMANDS:
        raise SettingError(
            "command line",
            f"`study {word}`",
            f"one of {', '.join([*COMMANDS, COMPARE])}",
            "`ecg-tl study --help` says more.",
        )
    parser = study_parser(word, COMMANDS[word].__doc__)
    if not rest or rest[0] in ("-h", "--help"):
        parser.print_help(sys.stdout if rest else sys.stderr)
        return 0 if rest else 2
    if rest[0].startswith("-"):
        parser.error(f"{rest[0]} before the study's YAML")
    options, overrides = parser.parse_known_args(rest[1:])
    with config_trust(getattr(options, "trust_config", False)):
        return COMMANDS[word](rest[0], options, overrides)


def _help() -> str:
    words = [f"  {name:<8} {str(command.__doc__).splitlines()[0]}" for name, command in COMMANDS.items()]
    words.append(f"  {COMPARE:<8} {str(compare.__doc__).splitlines()[0]}")
    return "\n".join(
        [
            _USAGE,
            "",
            "Scratch against fine-tuning, as a grid of runs. CONFIG is a YAML, or one of the shipped",
            f"studies: {', '.join(config_names(STUDIES))}.",
            "",
            *words,
            "",
            "`ecg-tl study WORD --help` lists the options of each.",
        ]
    )
