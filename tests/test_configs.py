"""Every YAML that is shipped runs, on simulated records in the layout that it is for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecg_tl.cli import main
from ecg_tl.synthesis import synthesize

REPOSITORY = Path(__file__).parents[1]
CONFIGS = REPOSITORY / "configs"
RECORDS = {"ptbxl": 60, "cpsc2018": 40, "georgia": 40, "ptb": 24, "code_test": 40, "ludb": 60, "custom": 40}
# Small enough for seconds, and everything on: training, validation, checkpoint, result.
SMALL = ["--data.num_samples", "100", "--data.sampling_rate", "50", "--data.batch_size", "4"]
SHORT = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1", "--trainer.precision", "32-true"]
QUIET = ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
DATASET_FLAGS = {"code_test": ["--data.expected_records", "null"], "ludb": ["--data.min_records", "1"]}


def yamls(folder: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGS / folder).glob("*.yaml"))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the shipped configs find their `data/...`."""
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "configs").symlink_to(CONFIGS)
    return folder


@pytest.fixture
def here(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workplace)
    return workplace


def simulate(folder: Path, layout: str) -> None:
    root = folder / "data" / layout
    if not root.exists():
        synthesize(layout, root, RECORDS[layout], progress=False)


def fragments(*names: str) -> list[str]:
    return [word for name in names for word in ("-c", f"configs/{name}.yaml")]


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
    tested = {"data", "model", "protocol", "trainer", "transfer", "experiment"}
    assert {path.name for path in CONFIGS.iterdir()} == tested
    assert all(yamls(folder) for folder in tested)


@pytest.mark.parametrize("dataset", yamls("data"))
def test_a_network_trains_on_each_dataset_and_is_tested(here: Path, dataset: str) -> None:
    simulate(here, dataset)
    words = [*fragments(f"data/{dataset}", "model/gru"), "--model.hidden_size", "8"]
    assert fit(*words, *DATASET_FLAGS.get(dataset, []), "--experiment", f"on-{dataset}") == 0
    run = here / "runs" / f"on-{dataset}" / "version_0"
    checkpoint = run / "checkpoints" / "best.ckpt"
    assert main(["test", "-c", str(run / "config.yaml"), "--ckpt_path", str(checkpoint)]) == 0
    assert (run / "test" / "predictions.csv").is_file()


@pytest.mark.parametrize("network", yamls("model"))
def test_each_network_trains(here: Path, network: str) -> None:
    simulate(here, "cpsc2018")
    assert fit(*fragments("data/cpsc2018", f"model/{network}"), "--experiment", network) == 0
    assert (here / "runs" / network / "version_0" / "result.json").is_file()


@pytest.mark.parametrize("protocol", yamls("protocol"))
def test_each_protocol_trains(here: Path, protocol: str) -> None:
    simulate(here, "cpsc2018")
    words = fragments("data/cpsc2018", "model/gru", f"protocol/{protocol}")
    assert fit(*words, "--experiment", f"protocol-{protocol}") == 0


@pytest.mark.parametrize("trainer", [name for name in yamls("trainer") if name != "ddp"])
def test_each_way_of_training_trains(here: Path, trainer: str) -> None:
    simulate(here, "cpsc2018")
    words = fragments("data/cpsc2018", "model/gru", f"trainer/{trainer}")
    last = [word for word in SHORT if word not in ("--trainer.precision", "32-true")]
    assert main(["fit", *words, *SMALL, *QUIET, *last, "--experiment", f"trainer-{trainer}"]) == 0


@pytest.mark.ddp
def test_two_processes_train(here: Path) -> None:
    simulate(here, "cpsc2018")
    words = [*fragments("data/cpsc2018", "model/gru", "trainer/ddp"), "--trainer.accelerator", "cpu"]
    command = [sys.executable, "-m", "ecg_tl", "fit", *words, *SMALL, *QUIET, *SHORT, "--experiment", "two"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert (here / "runs" / "two" / "version_0" / "checkpoints" / "best.ckpt").is_file()


@pytest.mark.parametrize("recipe", yamls("transfer"))
def test_each_recipe_fine_tunes(here: Path, upstream: Path, recipe: str) -> None:
    simulate(here, "cpsc2018")
    words = fragments("data/cpsc2018", "model/resnet1d18", f"transfer/{recipe}")
    if recipe != "random_frozen":  # the control arm, which has no upstream
        words += ["--trainer.callbacks.upstream", str(upstream)]
    assert fit(*words, "--experiment", f"recipe-{recipe}") == 0


@pytest.mark.parametrize("experiment", yamls("experiment"))
def test_each_experiment_trains(here: Path, upstream: Path, experiment: str) -> None:
    dataset = experiment.split("-")[0]
    simulate(here, dataset)
    words = [*fragments(f"experiment/{experiment}"), *DATASET_FLAGS.get(dataset, [])]
    if experiment.endswith("finetuned"):
        words += ["--trainer.callbacks.upstream", str(upstream)]
    assert fit(*words) == 0
    assert (here / "runs" / experiment / "version_0" / "config.yaml").is_file()
