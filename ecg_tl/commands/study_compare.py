"""`ecg-tl study compare`: several studies in one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ecg_tl.commands.study_options import StudyParser, positive, study_console
from ecg_tl.errors import SettingError
from ecg_tl.shipped import STUDIES, find_config
from ecg_tl.study.design.kept_plan import planned_runs
from ecg_tl.study.design.looks import as_looked_at
from ecg_tl.study.design.settings import read_study


def compare(words: Sequence[str]) -> int:
    """Rank the configurations of several studies that were tested on the same records."""
    from ecg_tl.study.findings.leaderboard import compare_studies
    from ecg_tl.study.report.leaderboard import write_leaderboard
    from ecg_tl.study.run.results import RunResult, load_results

    parser = StudyParser(
        prog="ecg-tl study compare", description=compare.__doc__, allow_abbrev=False, add_help=True
    )
    parser.add_argument("studies", nargs="+", metavar="STUDY", help="a study's YAML, its name, or its folder")
    parser.add_argument(
        "--out", default="leaderboard", help="folder of the page and its CSV file (leaderboard)"
    )
    parser.add_argument(
        "--resamples", type=positive, default=1000, metavar="N", help="of patients, for intervals (1000)"
    )
    options = parser.parse_args(words)
    found: dict[str, tuple[RunResult, ...]] = {}
    inputs: list[Path] = []
    for one in options.studies:
        name, folder, ids = _study_named(one)
        if name in found:
            name = one
        if folder / "runs" in inputs or name in found:
            raise SettingError("study compare", f"{one} twice", "different studies", "Name each once.")
        results = load_results(folder, ids)
        if not results.runs:
            raise SettingError(
                one,
                "no finished run of this study",
                "at least one",
                f"Run it first: `ecg-tl study run {one}`.",
            )
        found[name] = results.runs
        inputs.append(folder / "runs")
    if len(found) < 2:
        raise SettingError("study compare", "one study", "two or more", "Name another study beside it.")
    page = write_leaderboard(compare_studies(found, options.resamples), Path(options.out), inputs)
    study_console().print(f"leaderboard  {page}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _study_named(one: str) -> tuple[str, Path, list[str] | None]:
    """Find a study by its YAML, name or folder: what it is called, where it lies, its planned runs."""
    path = Path(one)
    if path.is_dir():
        if not (path / "runs").is_dir():
            raise SettingError(
                one, "a folder without `runs`", "a study's folder", "Name its YAML or its folder."
            )
        return path.resolve().name, path, None
    settings, _ = as_looked_at(read_study(find_config(one, (STUDIES,))))
    return settings.name, Path(settings.folder), [run.id for run in planned_runs(settings)]
