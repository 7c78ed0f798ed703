"""`ecg-tl study compare`: several studies on one test set, and none on different ones."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from fake_study import FakeStudy

from ecg_tl.commands.study import run
from ecg_tl.errors import SettingError


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("studies")
    one = FakeStudy(place / "one", patients=60)
    one.add("scratch", 1.0, (0, 1, 2))
    one.add("full", 2.0, (0, 1, 2), upstream="up")
    one.add("scratch", 1.0, (0, 1), dataset="down2")
    other = FakeStudy(place / "other", patients=60)
    other.add("scratch", 1.2, (1, 2), network="gru")
    fewer = FakeStudy(place / "fewer", patients=40)
    fewer.add("scratch", 1.0, (0, 1))
    elsewhere = FakeStudy(place / "elsewhere", patients=40)
    elsewhere.add("scratch", 1.0, (0, 1), dataset="down3")
    return place


def compare(place: Path, *names: str, out: Path) -> int:
    return run(["study", "compare", *(str(place / n) for n in names), "--out", str(out), "--resamples", "64"])


def test_configurations_of_several_studies_are_ranked_on_the_records_that_they_share(
    studies: Path, tmp_path: Path
) -> None:
    assert compare(studies, "one", "other", out=tmp_path) == 0
    with (tmp_path / "leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert (rows[0]["study"], rows[0]["arm"], rows[0]["behind"]) == ("one", "full", "")
    assert sorted(row["study"] for row in rows) == ["one", "one", "other"]
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    by_study = {row["study"]: row for row in rows[1:]}
    assert float(by_study["other"]["behind_low"]) > 0  # paired on the seeds that both have
    assert by_study["other"]["behind_seeds"] == "2"
    assert len({row["test_set"] for row in rows}) == 1
    page = (tmp_path / "index.html").read_text()
    assert 'href="leaderboard.csv"' in page
    assert "Left out, since one study alone has them: down2" in page


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("one", "fewer"), "other test records"),
        (("one", "elsewhere"), "no downstream that two of the studies have"),
        (("one", "one"), "twice"),
        (("one",), "one study"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line_and_nothing_is_written(
    studies: Path, tmp_path: Path, names: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SettingError, match=said) as refused:
        compare(studies, *names, out=tmp_path / "out")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()
