"""Fine-tuning from a published upstream: its file, its contract, and what its checkpoint can do by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import NUM_SAMPLES, QUIET, SAMPLING_RATE

from ecg_tl.cli import main
from ecg_tl.contamination.overlap import find_overlap, require_no_overlap
from ecg_tl.contamination.training_sets import TRAINED_ON, read_training_sets, training_set
from ecg_tl.datamodules.contracts import find_contract
from ecg_tl.datamodules.ptbxl import PtbXlDataModule
from ecg_tl.datasets.partners import datasets_declared
from ecg_tl.datasets.ptbxl import PtbXl
from ecg_tl.errors import EcgTlError
from ecg_tl.inference.checkpoint_model import CheckpointModel
from ecg_tl.inference.opening import open_model
from ecg_tl.inference.windows import cut_windows
from ecg_tl.models import create_network
from ecg_tl.published import UPSTREAMS, find_upstream
from ecg_tl.signals import Recording
from ecg_tl.transfer.callback import TransferLearning
from ecg_tl.transfer.inspection import inspect_checkpoint
from ecg_tl.upstreams.loading import declared_sets

TINY = {"size": "tiny"}
NETWORK = (
    "--model",
    "EcgClassifier",
    "--model.network",
    "net1d",
    "--model.network_options",
    '{"size": "tiny"}',
)


ALLOWED = ("--transfer.match.allow_overlap", "true")


@pytest.fixture(scope="module")
def small_founder() -> Iterator[None]:
    """ECGFounder's entry with a small network, and more training data; contract and layout are its own."""
    whole = UPSTREAMS["ecgfounder"]
    UPSTREAMS["ecgfounder"] = replace(whole, options=TINY, trained_on=("HEEDB", "PTB-XL"))
    yield
    UPSTREAMS["ecgfounder"] = whole


@pytest.fixture(scope="module")
def weights(small_founder: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the layout of the published one."""
    torch.manual_seed(7)
    path = tmp_path_factory.mktemp("weights") / "12_lead_ECGFounder.pth"
    network = create_network("net1d", 150, 12, 5000, **TINY)
    torch.save({"state_dict": network.state_dict(), "epoch": 3}, path)
    return path


def words(root: Path, stores: Path, runs: Path, *more: str) -> list[str]:
    return [
        *("fit", "--data", "PtbXlDataModule", "--data.root", str(root), "--data.store_dir", str(stores)),
        *("--data.batch_size", "16", *NETWORK, *QUIET, "--trainer.max_epochs", "1"),
        *("--data.split.kind", "patient", "--data.split.fractions", "[0.5, 0.25, 0.25]"),
        *("--pictures.records", "0", "--curves.every_n_epochs", "0", "--runs_dir", str(runs), *more),
    ]


@pytest.fixture(scope="module")
def run(weights: Path, ptbxl_root: Path, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch from the published file, by the shipped config; read, never write."""
    runs = tmp_path_factory.mktemp("runs")
    whole = words(ptbxl_root, prepared, runs, "--transfer.weights", str(weights), *ALLOWED)
    whole[1:3] = ["-c", "data/ptbxl", "-c", "upstream/ecgfounder"]
    assert main(whole) == 0
    (folder,) = runs.glob("*/version_*")
    return folder


@pytest.fixture
def best(run: Path) -> Path:
    return run / "checkpoints" / "best.ckpt"


def first_recording(root: Path) -> Recording:
    dataset = PtbXl()
    return dataset.read(root, dataset.scan(root).records["path"][0])


def test_every_tensor_of_the_file_is_taken_but_the_head(run: Path) -> None:
    report = json.loads((run / "transfer_report.json").read_text())
    assert report["coverage"] == 1.0
    assert set(report["counts"]) == {"loaded", "reinitialised", "unexpected"} or set(report["counts"]) == {
        "loaded",
        "reinitialised",
    }
    assert report["overlap"]["declared_elsewhere"] == ["HEEDB"]
    assert report["overlap"]["records"] == 0
    of_parts = {one["part"]: one["overlap"] for one in report["overlap"]["declared"]}
    assert of_parts == {name: part["records"] for name, part in report["overlap"]["parts"].items()}


def test_the_checkpoint_says_its_contract(best: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = inspect_checkpoint(best)
    assert content["data"]["contract"]["name"] == "ecgfounder"
    assert [step["step"] for step in content["data"]["preprocessing"]][-1] == "median_baseline"
    assert content["data"]["normalization"]["steps"][0]["step"] == "z_score"
    assert {"dataset": "HEEDB", "records": None, "declared": True} in content["trained_on"]
    assert main(["transfer", "inspect", str(best)]) == 0
    out = capsys.readouterr().out
    assert "ecgfounder" in out
    assert "median_baseline" in out
    assert "PTB-XL, as the upstream's authors declare" in " ".join(out.split())


def test_infer_gives_the_network_what_the_contract_prepares(best: Path, ptbxl_root: Path) -> None:
    recording = first_recording(ptbxl_root)
    model = CheckpointModel(best)
    windows = cut_windows(recording, model.description, "all", "record")
    wanted = find_upstream("ecgfounder").contract.prepare(
        recording.values, recording.sampling_rate, recording.leads
    )
    found = model.task.normalization(torch.from_numpy(windows.signal(slice(None))))[0].numpy()
    assert np.abs(found - wanted).max() < 1e-2
    assert np.isfinite(model.logits(windows.signal(slice(None)))).all()


def test_a_longer_record_goes_through_in_windows(best: Path, ptbxl_root: Path) -> None:
    recording = first_recording(ptbxl_root)
    longer = replace(recording, values=np.concatenate([recording.values, recording.values], axis=1))
    windows = cut_windows(longer, CheckpointModel(best).description, "all", "record")
    assert windows.starts == (0.0, 10.0)
    one = cut_windows(recording, CheckpointModel(best).description, "all", "record")
    np.testing.assert_array_equal(windows.steps[0], one.steps[0])
    np.testing.assert_array_equal(windows.steps[1], one.steps[0])
    shorter = replace(recording, values=recording.values[:, :2500])
    with pytest.raises(EcgTlError, match="at least 10 s, as the contract of the network asks"):
        cut_windows(shorter, CheckpointModel(best).description, "all", "record")


def test_a_checkpoint_has_a_contract_for_the_next_training(best: Path) -> None:
    named = find_contract(str(best))
    assert (named.name, named.contract) == ("ecgfounder", find_upstream("ecgfounder").contract)


@pytest.mark.slow
def test_the_checkpoint_is_an_upstream_itself(
    best: Path, ptbxl_root: Path, prepared: Path, tmp_path: Path
) -> None:
    more = ("--data.contract", str(best), "--transfer.upstream", str(best), "--transfer.match.allow_overlap")
    assert main(words(ptbxl_root, prepared, tmp_path, *more, "true")) == 0
    (report,) = tmp_path.glob("*/version_*/transfer_report.json")
    assert json.loads(report.read_text())["coverage"] == 1.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"upstream": "ecgfouner", "weights": "x.pth"}, "Did you mean ecgfounder"),
        ({"upstream": None, "weights": "x.pth"}, "the name of the published upstream"),
        ({"upstream": "ecgfounder", "weights": "x.pth", "prefix": "model"}, "its entry knows them"),
    ],
)
def test_senseless_settings_are_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(EcgTlError, match=message):
        TransferLearning(**settings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--transfer.upstream", "ecgfounder"), "no file for the published upstream ecgfounder"),
        (
            ("--transfer.upstream", "merl-resnet18", "--transfer.weights", "W"),
            "network is merl_resnet18",
        ),
        (("--transfer.upstream", "ecgfounder", "--transfer.weights", "W"), "--data.contract ecgfounder"),
        (("--transfer.upstream", "ecgfounder", "--transfer.weights", "none.pth"), "no such file"),
        (
            ("--data.contract", "ecgfounder", "--transfer.upstream", "ecgfounder", "--transfer.weights", "W"),
            "as its authors declare",
        ),
    ],
)
def test_what_does_not_go_together_is_one_line(
    more: tuple[str, ...],
    message: str,
    weights: Path,
    ptbxl_root: Path,
    prepared: Path,
    ptbxl_store: object,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [str(weights) if word == "W" else word for word in more]
    under = "--data.contract" in more
    data = () if under else ("--data.sampling_rate", "25", "--data.num_samples", "250")
    assert main(words(ptbxl_root, prepared, tmp_path, *data, *given)) == 2
    err = capsys.readouterr().err.strip().splitlines()
    assert message in err[-1]
    assert "Traceback" not in "\n".join(err)


def data_words(root: Path, stores: Path, contract: Path | str) -> list[str]:
    return [
        *("--data", "PtbXlDataModule", "--data.root", str(root), "--data.store_dir", str(stores)),
        *("--data.split.kind", "patient", "--data.split.fractions", "[0.5, 0.25, 0.25]"),
        *("--data.contract", str(contract), "--data.allow_overlap", "true"),
    ]


@pytest.mark.slow
def test_exported_it_takes_what_the_contract_prepares(best: Path, ptbxl_root: Path, tmp_path: Path) -> None:
    records = str(next((ptbxl_root / "records500").rglob("*.hea")))
    path = tmp_path / "model.pt2"
    words = ["export", str(best), "--format", "torch", "--output", str(path), "--records", records]
    assert main(words) == 0
    exported, model = open_model(path, trust_program=True), CheckpointModel(best)
    assert exported.description == model.description
    windows = cut_windows(first_recording(ptbxl_root), model.description, "all", "record")
    signal = windows.signal(slice(None))
    np.testing.assert_allclose(exported.logits(signal), model.logits(signal), atol=1e-4)


@pytest.mark.slow
def test_every_command_takes_it(
    best: Path, ptbxl_root: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = data_words(ptbxl_root, prepared, "ecgfounder")
    record = str(next((ptbxl_root / "records500").rglob("*.hea")))
    assert main(["infer", str(best), record]) == 0
    assert main(["card", str(best), "--output", str(tmp_path / "card.md")]) == 0
    card = (tmp_path / "card.md").read_text()
    assert "ecgfounder" in card
    assert "median\\_baseline" in card or "median_baseline" in card
    assert "declare" in card
    assert main(["robustness", str(best), *data, "--kinds", "wander", "--resamples", "0"]) == 0
    assert "disturbances meet what its filters have left" in " ".join(capsys.readouterr().out.split())
    assert main(["transfer", "rank", "--checkpoints", str(best), *data]) == 0
    plain = [word for word in data if word not in ("--data.contract", "ecgfounder")]
    assert main(["transfer", "rank", "--checkpoints", str(best), *plain]) == 2
    assert "Prepare the data under its contract" in capsys.readouterr().err


def of_ptbxl(root: Path, stores: Path) -> PtbXlDataModule:
    sizes = {"sampling_rate": SAMPLING_RATE, "num_samples": NUM_SAMPLES}
    data = PtbXlDataModule(root=str(root), store_dir=str(stores), **sizes)  # type: ignore[arg-type]
    data.setup()
    return data


PARTS = ("train", "validation", "test")


def test_what_authors_declare_is_refused_until_it_is_allowed(
    ptbxl_root: Path, prepared: Path, ptbxl_store: object
) -> None:
    data, sets = of_ptbxl(ptbxl_root, prepared), declared_sets(find_upstream("ecg-fm"))
    with pytest.raises(EcgTlError, match=r"train records \(PTB-XL\).*as its authors declare"):
        require_no_overlap(sets, data, PARTS, allow=False, where="file", setting="allow_overlap: true")
    report = require_no_overlap(sets, data, PARTS, allow=True, where="file", setting="allow_overlap: true")
    assert report.records == 0
    of_ptbxl_alone = [one for one in report.declared if one.dataset == "PTB-XL"]
    assert sum(one.overlap for one in of_ptbxl_alone) == sum(part.records for part in report.parts)
    assert any("as its authors declare" in line for line in report.lines())


def test_what_was_found_is_named_beside_what_is_declared(
    ptbxl_root: Path, prepared: Path, ptbxl_store: object
) -> None:
    data = of_ptbxl(ptbxl_root, prepared)
    sets = [*declared_sets(find_upstream("ecg-fm")), training_set(data)]
    with pytest.raises(EcgTlError) as refused:
        require_no_overlap(sets, data, ["train"], allow=False, where="file", setting="allow_overlap: true")
    records = len(data.parts.split.train)
    assert f"{records} of {records} train records of ptbxl among what it was trained on: " in str(
        refused.value
    )
    assert f"{records} of {records} train records (PTB-XL)" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_of_declared_folds_only_their_records_count(
    ptbxl_root: Path, prepared: Path, ptbxl_store: object
) -> None:
    data, sets = of_ptbxl(ptbxl_root, prepared), declared_sets(find_upstream("xresnet1d50-ptbxl"))
    report = find_overlap(sets, data, PARTS)
    assert [(one.part, one.overlap) for one in report.declared] == [("train", len(data.parts.split.train))]
    assert read_training_sets({TRAINED_ON: [sets[0].as_dict()]}, "file")[0].same_as(sets[0])


def test_a_declared_collection_counts_in_a_collection_that_holds_it() -> None:
    assert "cinc2021" in datasets_declared("PTB-XL")
    assert datasets_declared("LUDB") == {"ludb"}


def test_a_licence_that_forbids_commerce_is_printed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from ecg_tl.upstreams import read_published

    whole = UPSTREAMS["hubert-ecg-small"]
    UPSTREAMS["hubert-ecg-small"] = replace(whole, options=TINY)
    try:
        network = create_network("hubert_ecg", 1, 12, 500, **TINY)
        head = set(network.layer_groups()["head"])
        torch.save({n: x for n, x in network.state_dict().items() if n not in head}, tmp_path / "h.pt")
        upstream = read_published("hubert-ecg-small", tmp_path / "h.pt")
    finally:
        UPSTREAMS["hubert-ecg-small"] = whole
    assert "may not be used commercially" in capsys.readouterr().err
    assert not head & set(upstream.weights)
    assert upstream.data is not None
    assert upstream.data["units"] == "relative"
