"""An upstream that was trained on a downstream's records is known when a study is planned."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ecg_tl.datasets import get_dataset
from ecg_tl.errors import SettingError
from ecg_tl.study.design.measured import KnownOverlap
from ecg_tl.study.design.overlaps import known_overlaps
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.settings import Arm, StudySettings, read_study
from ecg_tl.study.design.sizes import measure_sizes
from ecg_tl.study.run.forecast import Forecast, summary
from ecg_tl.synthesis import synthesize

GRU = {"model": {"class_path": "RnnClassifier", "init_args": {"network": "gru", "hidden_size": 8}}}
SIGNALS = {"sampling_rate": 25.0, "num_samples": 250}


def study(folder: Path, upstreams: dict[str, dict[str, object]], name: str, root: Path) -> StudySettings:
    data = {"class_path": name, "init_args": {"root": str(root)}}
    return StudySettings(
        name="overlap",
        folder=str(folder / "study"),
        upstreams=upstreams,
        downstreams={"down": {"data": data}},
        networks={"gru": GRU},
        arms={"scratch": Arm(), "full": Arm(transfer={"recipe": "full"})},
        settings={"data": {"init_args": SIGNALS}},
        seeds=(0,),
        second_opinion=False,
    )


def overlaps_of(settings: StudySettings) -> tuple[KnownOverlap, ...]:
    plan = make_plan(settings)
    return known_overlaps(settings, plan, measure_sizes(plan.runs).data)


@pytest.mark.slow
def test_records_that_an_upstream_will_be_trained_on_are_found_unless_that_is_allowed(
    ptbxl_root: Path, cpsc2018_root: Path, tmp_path: Path
) -> None:
    same = {"data": {"class_path": "PtbXlDataModule", "init_args": {"root": str(ptbxl_root)}}}
    other = {"data": {"class_path": "Cpsc2018DataModule", "init_args": {"root": str(cpsc2018_root)}}}
    settings = study(tmp_path, {"same": same, "other": other}, "PtbXlDataModule", ptbxl_root)
    (found,) = overlaps_of(settings)
    assert (found.upstream, found.downstream) == ("same", "down")
    assert "train records" in found.words

    plan = make_plan(settings)
    ahead = Forecast({}, frozenset(), {}, {}, 1, 1, 1.0, 0.0, overlaps=(found,))
    assert any("Runs from same on down will be refused" in line for line in summary(plan, ahead))

    allowed = study(
        tmp_path, {"same": same | {"allow_overlap": True}, "other": other}, "PtbXlDataModule", ptbxl_root
    )
    assert overlaps_of(allowed) == ()
    for run in make_plan(allowed).runs:
        is_marked = run.upstream == "same"
        assert run.config["data"]["init_args"].get("allow_overlap", False) == is_marked
        assert "allow_overlap" not in run.config
        assert ("allow_overlap" in str(run.config.get("trainer"))) == is_marked


@pytest.mark.slow
def test_what_the_authors_of_weights_declare_is_found(tmp_path: Path) -> None:
    synthesize("ludb", tmp_path / "ludb", 60, seed=0, progress=False)
    (tmp_path / "codec.pt").write_bytes(b"not looked into for this")
    published = {"published": "openecg", "weights": str(tmp_path / "codec.pt")}
    settings = study(tmp_path, {"openecg": published}, "LudbDataModule", tmp_path / "ludb")
    (found,) = overlaps_of(settings)
    assert found.upstream == "openecg"
    assert "as its authors declare" in found.words
    assert get_dataset("ludb").name in found.words.lower()


def test_a_mark_that_is_neither_true_nor_false_is_refused(tmp_path: Path) -> None:
    data = {"class_path": "PtbXlDataModule", "init_args": {"root": "x"}}
    file = tmp_path / "study.yaml"
    content = {
        "name": "overlap",
        "folder": str(tmp_path),
        "upstreams": {"up": {"data": data, "allow_overlap": "perhaps"}},
        "downstreams": {"down": {"data": data}},
        "networks": {"gru": GRU},
        "arms": {"scratch": {}, "full": {"transfer": {"recipe": "full"}}},
    }
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(SettingError, match=r"upstreams\.up\.allow_overlap"):
        read_study(file)
