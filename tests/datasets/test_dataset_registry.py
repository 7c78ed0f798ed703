from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ecg_tl.datasets import DATASETS, get_dataset
from ecg_tl.errors import SettingError


def test_names_are_the_documented_ones() -> None:
    assert tuple(DATASETS) == (
        *("ptbxl", "cpsc2018", "georgia", "ptb", "code_test", "ludb"),
        *("chapman", "ningbo", "cpsc_extra", "incart", "cinc2021"),
        *("code15", "sph", "zzu_pecg", "brugada_huca", "mimic_iv_ecg", "echonext", "custom"),
    )


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_says_what_it_is(name: str) -> None:
    dataset = get_dataset(name)
    assert dataset.name == name
    for text in (dataset.title, dataset.records, dataset.licence, dataset.citation, dataset.source):
        assert text.strip()
    assert dataset.crop in ("start", "center")
    assert dataset.tasks
    json.dumps(dataset.options)  # primitives, for a hash and a manifest


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "custom"])
def test_classes_that_need_no_files_are_known_without_a_root(name: str) -> None:
    rule = get_dataset(name, **({"min_records": 0} if name == "ludb" else {})).label_rule()
    assert len(set(rule.class_names)) == len(rule.class_names) >= 1
    assert get_dataset(name).check_task(None) in DATASETS[name].reader.tasks


def test_unknown_dataset_is_refused_with_the_names() -> None:
    with pytest.raises(SettingError, match="found 'ptb_xl', expected one of ptbxl, cpsc2018"):
        get_dataset("ptb_xl")


def test_unknown_option_is_refused_with_the_options() -> None:
    with pytest.raises(SettingError, match="options of ptbxl: found rate, expected source_rate"):
        get_dataset("ptbxl", rate=100)
    with pytest.raises(SettingError, match="no options"):
        get_dataset("ptb", rate=100)


def test_options_reach_the_dataset() -> None:
    assert get_dataset("ptbxl", source_rate=100).options == {"source_rate": 100}


@pytest.mark.slow
def test_datasets_know_no_torch_and_their_package_is_cheap_to_import() -> None:
    script = (
        "import sys, ecg_tl.datasets\n"
        "assert not {'wfdb', 'h5py', 'scipy'} & set(sys.modules)\n"
        "[ecg_tl.datasets.get_dataset(name) for name in ecg_tl.datasets.DATASETS]\n"
        "assert not {'torch', 'lightning'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
