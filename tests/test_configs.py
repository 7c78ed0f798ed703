"""Every YAML that is shipped runs, on simulated records in the layout that it is for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch.cli import LightningArgumentParser
from simulated import option_words
from tiny_networks import TINY, fitting

from ecg_tl.cli import main
from ecg_tl.datamodules.ptbxl import PtbXlDataModule
from ecg_tl.models import create_network
from ecg_tl.parsing import load_yaml
from ecg_tl.published import UPSTREAMS
from ecg_tl.shipped import find_config, fragment_kinds
from ecg_tl.study.design.check import _run_parser, check_runs
from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.design.settings import read_study
from ecg_tl.synthesis import synthesize

REPOSITORY = Path(__file__).parents[1]
CONFIGS = REPOSITORY / "configs"
RECORDS = 60
# Small enough for seconds, and everything on: training, validation, checkpoint, result.
SMALL = ["--data.num_samples", "100", "--data.sampling_rate", "50", "--data.batch_size", "4"]
SHORT = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1", "--trainer.precision", "32-true"]
QUIET = ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]


def yamls(folder: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGS / folder).glob("*.yaml"))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the shipped configs find their `data/...`."""
    return tmp_path_factory.mktemp("workplace")


@pytest.fixture
def here(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workplace)
    return workplace


def simulate(folder: Path, layout: str) -> None:
    root = folder / "data" / layout
    if not root.exists():
        synthesize(layout, root, RECORDS, progress=False)


def fragments(*names: str) -> list[str]:
    return [word for name in names for word in ("-c", name)]  # data/ptbxl is also a folder of records here


def write_openecg(path: Path) -> None:
    """Write a file in the layout of the one that `upstream download openecg` gives, drawn at random."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = create_network("openecg", 1).state_dict()
    torch.save({"model_state": {n: x for n, x in state.items() if "classifier" not in n}}, path)


def fit(*words: str) -> int:
    return main(["fit", *words, *SMALL, *QUIET, *SHORT])


@pytest.fixture(scope="module")
def upstream(workplace: Path) -> Path:
    simulate(workplace, "ptbxl")
    before = Path.cwd()
    os.chdir(workplace)
    try:
        assert fit(*fragments("data/ptbxl", "model/resnet1d18"), "--experiment", "upstream") == 0
    finally:
        os.chdir(before)
    return workplace / "runs" / "upstream" / "version_0" / "checkpoints" / "best.ckpt"


def test_every_folder_of_configs_is_tested_here() -> None:
    tested = {"data", "model", "pretraining", "protocol", "trainer", "transfer", "upstream", "authors"}
    tested |= {"experiment", "study"}
    assert {path.name for path in CONFIGS.iterdir()} == tested
    assert all(yamls(folder) for folder in tested)


@pytest.mark.parametrize("dataset", yamls("data"))
@pytest.mark.slow
def test_a_network_trains_on_each_dataset_and_is_tested(here: Path, dataset: str) -> None:
    simulate(here, dataset)
    words = [*fragments(f"data/{dataset}", "model/gru"), "--model.hidden_size", "8"]
    assert fit(*words, *option_words(dataset), "--experiment", f"on-{dataset}") == 0
    run = here / "runs" / f"on-{dataset}" / "version_0"
    checkpoint = run / "checkpoints" / "best.ckpt"
    assert main(["test", "-c", str(run / "config.yaml"), "--ckpt_path", str(checkpoint)]) == 0
    assert (run / "test" / "predictions.csv").is_file()


@pytest.mark.parametrize("network", yamls("model"))
@pytest.mark.slow
def test_each_network_trains(here: Path, network: str) -> None:
    simulate(here, "cpsc2018")
    assert fit(*fragments("data/cpsc2018", f"model/{network}"), "--experiment", network) == 0
    assert (here / "runs" / network / "version_0" / "result.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("protocol", yamls("protocol"))
def test_each_protocol_trains(here: Path, protocol: str) -> None:
    simulate(here, "cpsc2018")
    words = fragments("data/cpsc2018", "model/gru", f"protocol/{protocol}")
    long = [word.replace("100", "200") for word in SMALL]  # 4 s: a crop of 2.5 s lies within
    assert main(["fit", *words, *long, *QUIET, *SHORT, "--experiment", f"protocol-{protocol}"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("trainer", [name for name in yamls("trainer") if name != "ddp"])
def test_each_way_of_training_trains(here: Path, trainer: str) -> None:
    simulate(here, "cpsc2018")
    words = fragments("data/cpsc2018", "model/gru", f"trainer/{trainer}")
    last = [word for word in SHORT if word not in ("--trainer.precision", "32-true")]
    assert main(["fit", *words, *SMALL, *QUIET, *last, "--experiment", f"trainer-{trainer}"]) == 0


@pytest.mark.slow
@pytest.mark.ddp
def test_two_processes_train(here: Path) -> None:
    simulate(here, "cpsc2018")
    words = [*fragments("data/cpsc2018", "model/gru", "trainer/ddp"), "--trainer.accelerator", "cpu"]
    command = [sys.executable, "-m", "ecg_tl", "fit", *words, *SMALL, *QUIET, *SHORT, "--experiment", "two"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert (here / "runs" / "two" / "version_0" / "checkpoints" / "best.ckpt").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", yamls("transfer"))
def test_each_recipe_fine_tunes(here: Path, upstream: Path, recipe: str) -> None:
    simulate(here, "cpsc2018")
    words = fragments("data/cpsc2018", "model/resnet1d18", f"transfer/{recipe}")
    if recipe != "random_frozen":  # the control arm, which has no upstream
        words += ["--transfer.upstream", str(upstream)]
    assert fit(*words, "--experiment", f"recipe-{recipe}") == 0


AUTHORS = {
    "clef": "clef-small",
    "hubert-ecg": "hubert-ecg-small",
    "ptbxl-benchmark": "xresnet1d50-ptbxl",
    "weimann-vit": "weimann-vit-s",
}
"""Of recipes that are for several upstreams, one of them."""


@pytest.mark.parametrize("authors", yamls("authors"))
@pytest.mark.slow
def test_each_recipe_of_authors_fine_tunes_the_network_that_it_is_for(
    here: Path, tmp_path: Path, authors: str
) -> None:
    simulate(here, "cpsc2018")
    name = authors.removesuffix("-authors").removesuffix("-probe")
    network = UPSTREAMS[AUTHORS.get(name, name)].network
    options = TINY.get(network, {})
    upstream, model = tmp_path / "upstream.pt", tmp_path / "model.yaml"
    small = create_network(network, 2, 12, fitting(network, 100), **options)
    torch.save({"state_dict": small.state_dict()}, upstream)
    init_args = {"network": network, "network_options": options}
    model.write_text(json.dumps({"model": {"class_path": "EcgClassifier", "init_args": init_args}}))
    words = [*fragments("data/cpsc2018", str(model), authors), "--transfer.upstream", str(upstream)]
    assert fit(*words, "--experiment", authors) == 0
    report = json.loads((here / "runs" / authors / "version_0" / "transfer_report.json").read_text())
    assert report["coverage"] == 1


@pytest.mark.parametrize("method", yamls("pretraining"))
@pytest.mark.slow
def test_each_method_pre_trains(here: Path, method: str) -> None:
    simulate(here, "ludb")
    words = ["pretrain", *fragments(f"pretraining/{method}"), "--data", "ludb", *SMALL, *QUIET, *SHORT]
    words += [] if method == "jepa" else ["--data.crop_seconds", "1"]
    assert main([*words, "--experiment", method]) == 0
    assert (here / "runs" / method / "version_0" / "checkpoints" / "best.ckpt").is_file()


def test_each_published_upstream_has_a_config() -> None:
    assert set(yamls("upstream")) == set(UPSTREAMS)


@pytest.fixture(scope="module")
def parser() -> LightningArgumentParser:
    return _run_parser()


@pytest.mark.slow
@pytest.mark.parametrize("name", yamls("upstream"))
def test_each_published_upstream_is_its_network_under_its_contract(
    name: str, parser: LightningArgumentParser
) -> None:
    """Nothing is trained: the networks are large. `tests/transfer/test_published_upstreams.py` trains one."""
    config = load_yaml(find_config(f"upstream/{name}", fragment_kinds()).read_text())
    entry = UPSTREAMS[name]
    config["data"]["class_path"] = "PtbXlDataModule"
    parsed = parser.parse_object(config)
    assert (parsed.transfer.upstream, parsed.model.init_args.network) == (name, entry.network)
    data = PtbXlDataModule(contract=parsed.data.init_args.contract)
    assert data.contract is not None
    assert data.contract.contract == entry.contract
    options = parsed.model.init_args.network_options or {}
    assert options == dict(entry.options)
    with torch.device("meta"):
        network = create_network(entry.network, 5, data.num_leads, data.num_samples, **options)
    assert network.num_leads == len(entry.contract.leads)


@pytest.mark.slow
@pytest.mark.parametrize("experiment", yamls("experiment"))
def test_each_experiment_trains(here: Path, upstream: Path, experiment: str) -> None:
    dataset = experiment.split("-")[0]
    simulate(here, dataset)
    words = [*fragments(f"experiment/{experiment}"), *option_words(dataset)]
    if experiment.endswith("finetuned"):
        words += ["--transfer.upstream", str(upstream)]
    assert fit(*words) == 0
    assert (here / "runs" / experiment / "version_0" / "config.yaml").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("study", yamls("study"))
def test_each_study_can_be_planned(study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_openecg(tmp_path / "weights/openecg/codec_v6.pt")
    settings = read_study(CONFIGS / "study" / f"{study}.yaml")
    assert settings.name == study
    plan = make_plan(settings)
    check_runs(plan.runs)
    for run in plan.runs:  # each root lies where `--data_root` says
        root = Path(run.config["data"]["init_args"]["root"])
        assert root.parent == Path(settings.data_root)
        assert run.config["trainer"]["max_epochs"] > 0


def test_the_papers_study_has_the_papers_runs() -> None:
    runs = make_plan(read_study(CONFIGS / "study" / "paper.yaml")).runs
    whole = [run for run in runs if run.size is None]
    assert sum(run.kind == "fine-tuned" for run in whole) == 72
    assert sum(run.kind == "scratch" for run in whole) == 30
    assert sum(run.kind == "upstream" for run in whole) == 3 * 6
    sweep = [(run.arm, run.size) for run in runs if run.size is not None]
    assert sorted(sweep) == [(arm, size) for arm in ("full", "scratch") for size in range(2000, 12001, 2000)]
    for run in runs:
        data = run.config["data"]["init_args"]
        assert data["split"].get("stratify", False) == (run.dataset == "cpsc2018")
        assert data["normalization"] == ("none" if run.dataset == "ptb" else "min_max")
        assert data.get("equivalences", True) == (run.dataset not in ("cpsc2018", "georgia"))
        assert (data["split"]["kind"], data["resampling"], data["batch_size"]) == ("paper", "stride", 256)
        assert run.seed == 0
        if run.size is not None:
            assert data["split"]["subset"] == "first"
            assert (run.dataset, run.network, run.upstream) == (
                *("ptbxl", "resnet1d18"),
                None if run.arm == "scratch" else "georgia",
            )


@pytest.mark.slow
def test_the_demos_study_runs_to_its_report(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ecg_tl.study.design.speed.LONGEST_SECONDS", 0.1)
    for layout in ("ptbxl", "cpsc2018"):
        simulate(here, layout)
    words = ["demo", "--data_root", "data", "--folder", "demo-study", "--seeds", "[0]"]
    for part in ("upstream_settings", "downstream_settings"):
        words += [f"--{part}.trainer.max_epochs", "1", f"--{part}.trainer.precision", "32-true"]
        words += [
            f"--{part}.data.init_args.num_samples",
            "100",
            f"--{part}.data.init_args.sampling_rate",
            "50",
        ]
        words += [f"--{part}.trainer.accelerator", "cpu"]
    assert main(["study", "run", *words, "--concurrent", "2", "--progress", "false"]) == 0
    assert main(["study", "status", *words]) == 0
    assert "6 runs: 6 finished" in capsys.readouterr().out
    assert main(["study", "report", *words, "--resamples", "50", "--figure", "main.svg"]) == 0
    assert (here / "demo-study" / "report" / "index.html").is_file()
    assert "<svg" in (here / "main.svg").read_text()
