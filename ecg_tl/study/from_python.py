"""`ecg_tl.study`: a study from a notebook, its findings as pandas tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pandas as pd
import yaml

from ecg_tl import printing
from ecg_tl.errors import SettingError
from ecg_tl.shipped import STUDIES, find_config
from ecg_tl.study.design.folder import StudyFolder
from ecg_tl.study.design.looks import as_looked_at
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.settings import StudySettings, read_study
from ecg_tl.study.findings.findings import Findings
from ecg_tl.trust import config_trust

_SETTINGS = "settings of the study"
"""What settings that are no file are called in errors."""


@dataclass(frozen=True)
class StudyResult:
    """What a study found.

    Attributes:
        settings: Of the study.
        findings: All that the report shows.
        tables: The same as tables, by the name of the report's CSV files: `answers`, `comparisons`, `claims`,
            `models`, `per_class`, `costs` and others. A table without a row is not there.
    """

    settings: StudySettings
    findings: Findings
    tables: Mapping[str, pd.DataFrame]

    def __getitem__(self, table: str) -> pd.DataFrame:
        """Return a table by its name."""
        if table not in self.tables:
            raise SettingError(
                "table", repr(table), f"one of {', '.join(self.tables)}", "Choose one of these."
            )
        return self.tables[table]

    def report(self, folder: str | Path | None = None) -> Path:
        """Write the report as `ecg-tl study report` does.

        Args:
            folder: For the page and its tables; `report` in the study's folder if None.

        Returns:
            The page.
        """
        from ecg_tl.study.report.render import write_report

        own = Path(self.settings.folder)
        return write_report(self.findings, own / "report" if folder is None else Path(folder), [own / "runs"])

    def figure(self, path: str | Path) -> Path:
        """Draw the main figure: each comparison's difference with its interval.

        Args:
            path: Its ending, `.svg`, `.png` or `.pdf`, decides the format.

        Returns:
            The path.
        """
        from ecg_tl.study.report.main_figure import main_figure

        return main_figure(self.findings, Path(path))


def study(
    config: str | Path | Mapping[str, Any] | StudySettings,
    *,
    run: bool = True,
    concurrent: int | None = None,
    resamples: int = 1000,
    progress: bool = True,
    trust_config: bool = False,
    until: Literal["sure"] | None = None,
    most: int | None = None,
    seconds: float | None = None,
    **settings: Any,
) -> StudyResult:
    """Do a study's runs that are not finished, and say what all of them show.

    It can be stopped at any moment and called again: finished runs are not touched. A run that fails does not
    stop the others, and is listed in the table `missing`.

    Args:
        config: A study's YAML, the name of one that is shipped (`demo`, `strict`, ...), or its settings.
        run: Whether to do runs; else the findings are of those that are finished.
        concurrent: Runs at a time; by default what GPUs, or cores and memory, allow.
        resamples: Of each test set's patients, for the intervals.
        progress: Whether to show how far it is.
        trust_config: Whether the YAML may name any class and function, which then runs.
        until: `sure` adds seeds (or splits) in rounds until each answer is sure, at a price that keeps the
            error rate; see `ecg_tl.study.until_sure`.
        most: Seeds (splits) that there may be then; three times the study's own if None.
        seconds: A further round begins only if it fits into what is left of these.
        **settings: Settings of the study that take the place of the YAML's: `folder="studies/mine"`,
            `data_root="data"`, `seeds=[0, 1]`; one inside of another with dots between the names,
            `**{"settings.trainer.max_epochs": 3}`.

    Raises:
        SettingError: If a setting is not one that a study has, or no run is finished.
    """
    from ecg_tl.study.design.check import check_runs
    from ecg_tl.study.find import find
    from ecg_tl.study.report.csv_files import csv_tables
    from ecg_tl.study.run.launch import run_study
    from ecg_tl.study.run.results import load_results

    with config_trust(trust_config):
        read, text = _read(config, settings)
        if run and until is not None:
            _until_sure(read, most, seconds, concurrent, progress)
        read, price = as_looked_at(read)
        planned = make_plan(read)
        folder = StudyFolder(Path(read.folder))
        unfinished = [one for one in planned.runs if not folder.run(one.id).finished]
        if run and unfinished:
            check_runs(unfinished)
            if run_study(read, planned, concurrent=concurrent, progress=progress).interrupted:
                raise KeyboardInterrupt
        results = load_results(folder.path, [one.id for one in planned.runs])
    if not results.runs:
        why = {one.error for one in results.missing if one.error}
        raise SettingError(
            read.folder,
            "no finished run of this study" + (f": {'; '.join(sorted(why))}" if why else ""),
            "at least one",
            "Correct what failed." if why else "Call it with `run=True`.",
        )
    findings = find(results, read, config=text, resamples=resamples, price=price)
    tables = {name: pd.DataFrame(rows) for name, rows in csv_tables(findings).items() if rows}
    return StudyResult(read, findings, tables)


def _until_sure(
    read: StudySettings, most: int | None, seconds: float | None, concurrent: int | None, progress: bool
) -> None:
    from ecg_tl.study.run.forecast import forecast
    from ecg_tl.study.run.launch import run_study
    from ecg_tl.study.until_sure import run_until_sure

    until = run_until_sure(
        read,
        lambda own, plan: run_study(own, plan, concurrent=concurrent, progress=progress),
        most=most,
        seconds=seconds,
        time_of=lambda own, plan: forecast(own, plan, concurrent=concurrent, overlaps=False).to_go,
        say=printing.say,
    )
    if until.end.interrupted:
        raise KeyboardInterrupt
    printing.say(until.words())


def _read(
    config: str | Path | Mapping[str, Any] | StudySettings, settings: Mapping[str, Any]
) -> tuple[StudySettings, str]:
    """Return settings, and the YAML that says them."""
    words = [f"--{name}={_word(value)}" for name, value in settings.items()]
    if isinstance(config, str | Path):
        file = find_config(config, (STUDIES,))
        return read_study(file, words), _with_words(file.read_text(encoding="utf-8"), words)
    given = asdict(config) if isinstance(config, StudySettings) else dict(config)
    text = yaml.safe_dump(_plain(given), sort_keys=False, allow_unicode=True)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "study.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            return read_study(file, words), _with_words(text, words)
        except SettingError as error:
            where = error.where.replace(str(file), _SETTINGS)
            raise type(error)(where, error.found, error.expected, error.remedy) from error


def _with_words(text: str, words: Sequence[str]) -> str:
    return f"# Given beside it: {' '.join(words)}\n{text}" if words else text


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def _word(value: Any) -> str:
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain)
