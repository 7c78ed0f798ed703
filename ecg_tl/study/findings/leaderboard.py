"""Several studies side by side: what each of their configurations scores on one and the same test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ecg_tl.errors import SettingError
from ecg_tl.statistics.intervals import Interval, mean_interval, score_interval
from ecg_tl.statistics.replication import count_splits
from ecg_tl.statistics.scoring import Sample, sample_of, score_run, subtract
from ecg_tl.study.findings.grid import SECOND_OPINION, UPSTREAM, TestSets, digest_of_test_set
from ecg_tl.study.findings.tables import Line, Table, TableCell, make_table, score_cell
from ecg_tl.study.findings.wording import NOTHING, count, number, p_value, signed, span
from ecg_tl.study.run.results import RunResult


@dataclass(frozen=True)
class Entry:
    """One configuration of one study.

    Attributes:
        downstream: Name of it.
        rank: By the score, from 1.
        study: Name of it.
        network: As its study names it.
        arm: As its study names it.
        upstream: Name of it; empty for scratch and controls.
        setting: Training size and values of axes; empty for all records without axes.
        protocol: Of the study.
        seeds: Trainings on each split.
        splits: On which it was tested.
        train_records: That it was trained on.
        records: Test records of the first split.
        score: Macro AUROC.
        behind: Score of the first less its own, on the same test patients; None for the first itself, and
            where the two have no seed in common.
        test_set: Digest of the test records, their patients and labels.
    """

    downstream: str
    rank: int
    study: str
    network: str
    arm: str
    upstream: str
    setting: str
    protocol: str
    seeds: int
    splits: int
    train_records: int
    records: int
    score: Interval
    behind: Interval | None
    test_set: str


@dataclass(frozen=True)
class Leaderboard:
    """Several studies on the test sets that they share.

    Attributes:
        studies: Their names.
        entries: By downstream, best score first.
        left_out: Downstreams that one study alone has.
    """

    studies: tuple[str, ...]
    entries: tuple[Entry, ...]
    left_out: tuple[str, ...]


def compare_studies(studies: Mapping[str, Sequence[RunResult]], resamples: int = 1000) -> Leaderboard:
    """Rank the configurations of several studies on each downstream that two of them have.

    Args:
        studies: Finished runs of each, by its name.
        resamples: Of each test set's patients.

    Raises:
        SettingError: If a downstream was tested on other records in one study than in another, or no two
            studies have a downstream in common.
    """
    tested = {name: _downstream_runs(runs) for name, runs in studies.items()}
    names = dict.fromkeys(name for own in tested.values() for name in own)
    having = {name: [study for study, own in tested.items() if name in own] for name in names}
    common = [name for name, own in having.items() if len(own) > 1]
    if not common:
        said = "; ".join(f"{study}: {', '.join(own) or 'none'}" for study, own in tested.items())
        raise SettingError(
            "study compare",
            f"no downstream that two of the studies have ({said})",
            "one, under the same name",
            "Name studies of the same dataset.",
        )
    entries: list[Entry] = []
    for downstream in common:
        own = {study: tested[study][downstream] for study in having[downstream]}
        digest = _require_same_test_set(downstream, own)
        entries += _ranked(downstream, own, digest, resamples)
    left_out = tuple(name for name in names if name not in common)
    return Leaderboard(tuple(studies), tuple(entries), left_out)


def _downstream_runs(runs: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    found: dict[str, list[RunResult]] = {}
    for run in runs:
        if run.run["kind"] != UPSTREAM and run.run["protocol"] != SECOND_OPINION:
            found.setdefault(str(run.run["dataset"]), []).append(run)
    return found


def _test_sets(runs: Sequence[RunResult]) -> dict[int, dict[str, int]]:
    """Give the digests of the test records on each split, with how many records each has."""
    found: dict[int, dict[str, int]] = {}
    for run in runs:
        split = int(run.run.get("split") or 0)
        found.setdefault(split, {})[digest_of_test_set(run).hex()] = len(run.record_ids)
    return found


def _require_same_test_set(downstream: str, studies: Mapping[str, Sequence[RunResult]]) -> str:
    """Return the digest of the first split's test set."""
    first_study = ""
    first: dict[int, dict[str, int]] = {}
    for study, runs in studies.items():
        own = _test_sets(runs)
        if any(len(digests) > 1 for digests in own.values()):
            raise SettingError(
                study,
                f"runs on {downstream} that were tested on different records",
                "one test set in each study",
                "Compare studies whose runs share their test records.",
            )
        if not first:
            first_study, first = study, own
        elif own != first:
            raise SettingError(
                f"{study}: {downstream}",
                f"other test records ({_words(own)}) than {first_study} has ({_words(first)})",
                "the same test records in all studies: scores of different ones cannot be compared",
                "Name studies of the same records, labels, classes and splits.",
            )
    return next(iter(first[min(first)]))


def _words(test_sets: Mapping[int, Mapping[str, int]]) -> str:
    (digest, records), *_ = test_sets[min(test_sets)].items()
    splits = f", {len(test_sets)} splits" if len(test_sets) > 1 else ""
    return f"{records} records, digest {digest[:8]}{splits}"


_Key = tuple[str, str, str | None, str, str, int | None, tuple[tuple[str, str], ...], str]


def _ranked(
    downstream: str, studies: Mapping[str, Sequence[RunResult]], digest: str, resamples: int
) -> list[Entry]:
    groups: dict[_Key, dict[int, RunResult]] = {}
    for study, runs in studies.items():
        for run in runs:
            said = run.run
            axes = tuple((said.get("axes") or {}).items())
            of_run = (study, said["kind"], said["upstream"], said["network"], said["arm"], said["size"], axes)
            groups.setdefault((*of_run, said["protocol"]), {})[run.training] = run
    test_sets = TestSets([run for own in groups.values() for run in own.values()], resamples)
    samples: dict[_Key, Sample] = {}
    for key, own in groups.items():
        scores = {
            seed: score_run(run.probabilities, run.thresholds, test_sets.of(run)) for seed, run in own.items()
        }
        samples[key] = sample_of(scores)
    scored = sorted(samples.items(), key=lambda item: -item[1].mean if item[1].mean == item[1].mean else 1.0)
    best = scored[0][1]
    entries = []
    for rank, (key, sample) in enumerate(scored, start=1):
        study, _, upstream, network, arm, size, axes, protocol = key
        first = next(iter(groups[key].values()))
        shared = set(sample.seeds) & set(best.seeds)
        behind = None
        if rank > 1 and shared and sample.resamples is best.resamples:
            behind = mean_interval([subtract(best, sample)])
        words = [f"{size:,} records"] if size is not None else []
        splits = count_splits(sample.seeds)
        entries.append(
            Entry(
                downstream=downstream,
                rank=rank,
                study=study,
                network=network,
                arm=arm,
                upstream=upstream or "",
                setting=", ".join([*words, *(f"{axis} {value}" for axis, value in axes)]),
                protocol=protocol,
                seeds=len(sample.seeds) // splits,
                splits=splits,
                train_records=first.train_records,
                records=len(first.record_ids),
                score=score_interval(sample),
                behind=behind,
                test_set=digest,
            )
        )
    return entries


def leaderboard_tables(board: Leaderboard) -> dict[str, Table | None]:
    """Lay the entries out, a table a downstream."""
    return {
        downstream: _table(downstream, [one for one in board.entries if one.downstream == downstream])
        for downstream in dict.fromkeys(one.downstream for one in board.entries)
    }


def _table(downstream: str, entries: Sequence[Entry]) -> Table | None:
    protocols = len({one.protocol for one in entries}) > 1
    rows: list[Line] = [
        {
            "#Rank": f"{one.rank}",
            "Study": one.study,
            "Network": one.network,
            "Arm": f"{one.arm} from {one.upstream}" if one.upstream else one.arm,
            "Setting": one.setting,
            "Protocol": one.protocol if protocols or one.protocol == "paper" else "",
            "#Training records": count(one.train_records),
            "#Seeds": f"{one.seeds}" + (f" on {one.splits} splits" if one.splits > 1 else ""),
            "#Macro AUROC (95 % interval)": score_cell(one.score),
            "#Behind the first": NOTHING
            if one.behind is None
            else TableCell(signed(one.behind.estimate), span(one.behind.low, one.behind.high)),
            "#p": NOTHING if one.behind is None else p_value(one.behind.p),
        }
        for one in entries
    ]
    best = number(entries[0].score.estimate)
    return make_table(
        f"{downstream}: {entries[0].records:,} test records, the same for all ({entries[0].test_set[:8]})",
        rows,
        "Ranked by the score on test records, by which nothing may be chosen: of many the first is the one "
        f"that was luckiest too, so that {best} is more than it would score on other patients. Behind the "
        "first: on the same test patients and the seeds that both have; p is not corrected.",
    )
