"""`ecg-tl transfer rank` and `inspect` on a small upstream and other data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import NUM_SAMPLES, SAMPLING_RATE, data_words

from ecg_tl.checkpoints.digest import DIGEST
from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.cli import main
from ecg_tl.commands.transfer import short_names
from ecg_tl.contamination.training_sets import TRAINED_ON
from ecg_tl.datamodules import SplitSettings
from ecg_tl.datamodules.cpsc2018 import Cpsc2018DataModule
from ecg_tl.errors import CheckpointError
from ecg_tl.store.reader import Store
from ecg_tl.tasks import CnnClassifier
from ecg_tl.transfer.ranking import encode_part, rank
from ecg_tl.transforms import Augmentation

SPLIT = ("--data.split.fractions", "[0.5, 0.25, 0.25]")
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="session")
def upstream(trained_run: Path) -> Path:
    return trained_run / "checkpoints" / "best.ckpt"


@pytest.fixture
def downstream(cpsc2018_root: Path, cpsc2018_store: Store, prepared: Path) -> list[str]:
    """Words that name CPSC2018's records, whose store is prepared."""
    return [*data_words("Cpsc2018DataModule", cpsc2018_root, prepared), *SPLIT]


@pytest.fixture
def make_data(cpsc2018_root: Path, cpsc2018_store: Store, prepared: Path) -> Callable[..., Any]:
    def make(**settings: Any) -> Cpsc2018DataModule:
        known = {
            "sampling_rate": SAMPLING_RATE,
            "num_samples": NUM_SAMPLES,
            "split": SplitSettings(fractions=(0.5, 0.25, 0.25)),
        }
        return Cpsc2018DataModule(str(cpsc2018_root), store_dir=str(prepared), **(known | settings))

    return make


@pytest.fixture
def altered(upstream: Path, tmp_path: Path) -> Callable[[str, Change], Path]:
    """Copies of the upstream in which something is changed."""

    def alter(name: str, change: Change) -> Path:
        checkpoint = torch.load(upstream, map_location="cpu", weights_only=True)
        del checkpoint[DIGEST]
        change(checkpoint)
        path = tmp_path / name / "best.ckpt"
        path.parent.mkdir()
        torch.save(checkpoint, path)
        return path

    return alter


def shuffle_weights(checkpoint: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(0)
    for name, tensor in checkpoint["state_dict"].items():
        checkpoint["state_dict"][name] = torch.randn(tensor.shape, generator=generator)


# rank -------------------------------------------------------------------------------------------------------


def test_rank_prints_and_writes_every_candidate_the_least_melep_first(
    upstream: Path,
    altered: Callable[[str, Change], Path],
    downstream: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = altered("other", shuffle_weights)
    table = tmp_path / "table.csv"
    words = ["--checkpoints", str(upstream), str(other), *downstream, "--csv", str(table)]
    assert main(["transfer", "rank", *words]) == 0
    printed = capsys.readouterr().out
    for word in ("MELEP", "entropy", "LogME", "probe", "seconds", "cpsc2018", "ptbxl", "gru"):
        assert word in printed
    rows = pd.read_csv(table)
    assert set(rows["upstream"]) == {str(upstream), str(other)}
    assert rows["melep"].is_monotonic_increasing
    assert (rows["melep"] <= rows["entropy"]).all()
    assert np.allclose(rows["difference"], rows["entropy"] - rows["melep"])
    assert rows["probe_auroc_macro"].between(0, 1).all()
    assert (rows["seconds"] > 0).all()
    assert (rows["records_trained_on"] == 0).all()
    assert rows["downstream"].tolist() == ["cpsc2018"] * 2
    assert rows["train_records"].tolist() == [20] * 2


@pytest.mark.slow
@pytest.mark.parametrize(("sort_by", "column"), [("logme", "logme"), ("probe", "probe_auroc_macro")])
def test_rank_sorts_by_the_score_that_was_asked_for(
    upstream: Path,
    altered: Callable[[str, Change], Path],
    downstream: list[str],
    tmp_path: Path,
    sort_by: str,
    column: str,
) -> None:
    table = tmp_path / "table.csv"
    candidates = [str(altered("other", shuffle_weights)), str(upstream)]
    words = [*downstream, "--sort_by", sort_by, "--csv", str(table)]
    assert main(["transfer", "rank", "--checkpoints", *candidates, *words]) == 0
    assert pd.read_csv(table)[column].is_monotonic_decreasing


def test_rank_takes_the_data_from_a_config_file(
    upstream: Path, cpsc2018_root: Path, cpsc2018_store: Store, prepared: Path, tmp_path: Path
) -> None:
    config = tmp_path / "data.yaml"
    config.write_text("data:\n  class_path: Cpsc2018DataModule\n  init_args:\n    root: nowhere\n")
    words = data_words("Cpsc2018DataModule", cpsc2018_root, prepared)[2:]
    assert main(["transfer", "rank", "--checkpoints", str(upstream), "-c", str(config), *words, *SPLIT]) == 0


@pytest.mark.slow
def test_no_test_record_changes_any_score(
    upstream: Path, make_data: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (before,) = rank([upstream], make_data(), progress=False)
    data = make_data()
    data.prepare_data()
    data.setup()
    test = data.parts.split.test
    signals = np.array(data.store.signals())
    signals[test] = np.random.default_rng(0).integers(-3000, 3000, signals[test].shape)
    data.parts.targets[test] = 1 - data.parts.targets[test]
    monkeypatch.setattr(Store, "signals", lambda self: signals)
    (after,) = rank([upstream], data, progress=False)
    same = {"seconds": 0}
    assert after.as_row() | same == before.as_row() | same

    # The same done to a training record is seen.
    train = data.parts.split.train[:1]
    signals[train] = signals[test[:1]]
    data = make_data()
    (changed,) = rank([upstream], data, progress=False)
    assert changed.melep.value != before.melep.value


@pytest.mark.slow
def test_records_are_encoded_once_in_order_in_eval_mode_and_without_augmentation(
    make_data: Callable[..., Any],
) -> None:
    data = make_data(
        batch_size=3, augmentation=Augmentation(gaussian_noise=1.0, gaussian_noise_probability=1)
    )
    data.prepare_data()
    data.setup()
    task = CnnClassifier(
        "resnet1d18", 4, 12, NUM_SAMPLES, class_names=list("ABCD"), normalization={"name": "z_score"}
    )  # batch norm tells training from evaluation
    rows = np.sort(data.parts.split.train)
    encoded = encode_part(task.train(), data, "train", torch.device("cpu"))
    assert np.array_equal(encoded.targets, data.parts.targets[rows])
    millivolts = torch.from_numpy(np.array(data.store.signals()[rows])).float() / 1000
    with torch.no_grad():
        expected = task.eval()(millivolts).sigmoid().numpy()
    assert encoded.probabilities == pytest.approx(expected, abs=1e-5)
    assert encoded.features.shape == (len(rows), task.network.num_features)


@pytest.mark.slow
def test_long_feature_vectors_are_sketched_and_keep_their_products(
    upstream: Path, make_data: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (exact,) = rank([upstream], make_data(), progress=False)
    monkeypatch.setattr("ecg_tl.transfer.ranking.MOST_FEATURE_VALUES", 20 * 1000)
    (sketched,) = rank([upstream], make_data(), progress=False)
    assert (exact.sketched, sketched.sketched) == (False, True)
    assert sketched.melep.value == exact.melep.value
    assert sketched.logme.mean == pytest.approx(exact.logme.mean, abs=0.1)


@pytest.mark.parametrize(("known", "said"), [(True, "(29 records)"), (False, "without saying on which")])
def test_a_candidate_that_was_trained_on_these_records_is_pointed_out(
    altered: Callable[[str, Change], Path],
    ptbxl_root: Path,
    ptbxl_store: Store,
    prepared: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    known: bool,
    said: str,
) -> None:
    path = altered("same", (lambda checkpoint: None) if known else drop_training_sets)
    table = tmp_path / "table.csv"
    data = [*data_words("PtbXlDataModule", ptbxl_root, prepared), "--data.split.kind", "patient", *SPLIT]
    assert main(["transfer", "rank", "--checkpoints", str(path), *data, "--csv", str(table)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    overlap = pd.read_csv(table)["records_trained_on"]
    assert overlap.tolist() == [29] if known else overlap.isna().all()
    assert said in printed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data.leads", "[I, II]"], ("leads", "--data.leads '[I, II, III, aVR")),
        (["--data.sampling_rate", "50"], ("sampling_rate 25", "--data.sampling_rate 25")),
        (["--data.num_samples", "100"], ("num_samples 250", "--data.num_samples 250")),
        (["--data.split.kind", "paper"], ("split.kind", "must not be chosen on test records")),
        (["--data.batch_size", "0"], ("batch_size", "a whole number from 1 to")),
    ],
)
def test_data_that_cannot_be_ranked_on_are_one_clear_line(
    upstream: Path,
    downstream: list[str],
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: tuple[str, ...],
) -> None:
    assert main(["transfer", "rank", "--checkpoints", str(upstream), *downstream, *words]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("ecg-tl: error: ")
    assert "\n" not in error
    assert all(part in error for part in said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "rank"),
        (["rank", "--data", "Cpsc2018DataModule"], "checkpoints"),
        (["rank", "--checkpoints", "x"], "data"),
        (["rank", "--checkpoints", "x", "--data", "NoDataModule"], "NoDataModule"),
        (
            ["rank", "--checkpoints", "x", "--data", "Cpsc2018DataModule", "--data.spilt.kind", "patient"],
            "spilt",
        ),
        (["rank", "--checkpoints", "x", "--data", "Cpsc2018DataModule", "--sort_by", "luck"], "luck"),
        (["rank", "--checkpoints", "x", "-c", "no.yaml"], "no.yaml"),
        (["inspect"], "checkpoint"),
    ],
)
def test_a_wrong_command_line_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["transfer", *words]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("ecg-tl: error: ")
    assert "\n" not in error
    assert said in error


def test_other_units_are_refused_before_anything_is_read(
    altered: Callable[[str, Change], Path], tmp_path: Path
) -> None:
    path = altered("volts", lambda checkpoint: checkpoint["ecg_tl"]["data"].update(units="V"))
    absent = Cpsc2018DataModule(
        str(tmp_path / "absent"), sampling_rate=SAMPLING_RATE, num_samples=NUM_SAMPLES
    )
    with pytest.raises(CheckpointError, match="units V, expected units mV"):
        rank([path], absent)


def drop_description(checkpoint: dict[str, Any]) -> None:
    del checkpoint["ecg_tl"]


def drop_training_sets(checkpoint: dict[str, Any]) -> None:
    del checkpoint[TRAINED_ON]


def drop_data(checkpoint: dict[str, Any]) -> None:
    checkpoint["ecg_tl"]["data"] = None


def other_network(checkpoint: dict[str, Any]) -> None:
    checkpoint["hyper_parameters"]["hidden_size"] = 9


def unknown_network(checkpoint: dict[str, Any]) -> None:
    checkpoint["hyper_parameters"] |= {"network": "transformer", "_class_path": "os.system"}


def diverged(checkpoint: dict[str, Any]) -> None:
    for tensor in checkpoint["state_dict"].values():
        tensor.fill_(float("nan"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop_description, "no description"),
        (drop_data, "nothing on the data"),
        (other_network, "make no network"),
        (unknown_network, "'transformer'"),
        (diverged, "NaN"),
    ],
)
def test_checkpoints_that_cannot_be_ranked_are_one_clear_line(
    altered: Callable[[str, Change], Path],
    downstream: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    change: Change,
    said: str,
) -> None:
    path, table = altered("bad", change), tmp_path / "table.csv"
    words = ["--checkpoints", str(path), *downstream, "--csv", str(table)]
    assert main(["transfer", "rank", *words]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error.splitlines()[-1]
    assert str(path) in error
    assert "Traceback" not in error
    assert not table.exists()


def test_paths_are_told_apart_by_what_differs() -> None:
    paths = [Path("/runs/a/version_0/best.ckpt"), Path("/runs/b/version_1/best.ckpt")]
    assert short_names(paths) == ["a/version_0", "b/version_1"]
    assert short_names(paths[:1]) == ["/runs/a/version_0/best.ckpt"]
    assert short_names([paths[0], paths[0]]) == ["/runs/a/version_0/best.ckpt"] * 2


# inspect ----------------------------------------------------------------------------------------------------


def test_inspect_prints_what_the_checkpoint_says(
    upstream: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["transfer", "inspect", str(upstream)]) == 0
    printed = capsys.readouterr().out
    content = read_checkpoint(upstream)["ecg_tl"]
    data = content["data"]
    for said in (
        "RnnClassifier, network gru",
        "hidden_size 8",
        data["licence"],
        data["citation"],
        data["split_hash"],
        f"{data['records']['train']} train, {data['records']['validation']} validation",
        "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6",
        "25 Hz, 250 samples, mV",
        "fixed_scale",
        "trained from scratch",
        "29 records of ptbxl",
        f"torch {content['versions']['torch']}",
        f"{content['calibration']['temperature']:.4g}, fitted on validation records",
    ):
        assert said in printed
    for name in content["class_names"]:
        (line,) = (line for line in printed.splitlines() if line.startswith(f"│ {name} "))
        assert str(data["support"]["train"][name]) in line
    assert "LVH" in printed


def test_inspect_gives_all_of_it_as_json(upstream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transfer", "inspect", str(upstream), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    checkpoint = read_checkpoint(upstream)
    assert content["data"] == json.loads(json.dumps(checkpoint["ecg_tl"]["data"]))
    assert content["network"] == "gru"
    assert content["settings"]["hidden_size"] == 8
    assert content["values"] == sum(t.numel() for t in checkpoint["state_dict"].values())


def test_inspect_summarises_a_transfer(
    altered: Callable[[str, Change], Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    report = {"upstream": "up.ckpt", "coverage": 0.975, "share_by_group": {"rnn": 1.0, "head": 0.0}}
    path = altered("tuned", lambda checkpoint: checkpoint["ecg_tl"].update(transfer=report))
    assert main(["transfer", "inspect", str(path)]) == 0
    said = "from up.ckpt: 97.5% of the backbone's parameters (rnn 100%, head 0%)"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("field", ["data", "calibration", "transfer"])
def test_inspect_says_what_is_not_known(
    altered: Callable[[str, Change], Path], capsys: pytest.CaptureFixture[str], field: str
) -> None:
    path = altered("less", lambda checkpoint: checkpoint["ecg_tl"].update({field: None}))
    assert main(["transfer", "inspect", str(path)]) == 0
    assert "class" in capsys.readouterr().out


def test_markup_in_a_file_is_printed_and_not_obeyed(
    altered: Callable[[str, Change], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def change(checkpoint: dict[str, Any]) -> None:
        checkpoint["ecg_tl"]["class_names"][0] = "[/bold]"
        checkpoint["ecg_tl"]["data"]["licence"] = "[link=evil]free[/link]"
        checkpoint["ecg_tl"]["data"]["support"] = "none"

    assert main(["transfer", "inspect", str(altered("markup", change))]) == 0
    printed = capsys.readouterr().out
    assert "[/bold]" in printed
    assert "[link=evil]free[/link]" in printed


def spoil(path: Path, how: str) -> None:
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "truncated": content[: len(content) // 2], "text": b"hello"}[how])


@pytest.mark.parametrize("how", ["empty", "truncated", "text"])
def test_inspect_of_a_damaged_file_is_one_clear_line(
    altered: Callable[[str, Change], Path], capsys: pytest.CaptureFixture[str], how: str
) -> None:
    path = altered("damaged", lambda checkpoint: None)
    spoil(path, how)
    assert main(["transfer", "inspect", str(path)]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith(f"ecg-tl: error: {path}: found ")
    assert "\n" not in error


@pytest.mark.parametrize("field", ["data", "calibration", "versions"])
def test_inspect_of_a_malformed_description_is_one_clear_line(
    altered: Callable[[str, Change], Path], capsys: pytest.CaptureFixture[str], field: str
) -> None:
    path = altered("malformed", lambda checkpoint: checkpoint["ecg_tl"].update({field: "text"}))
    assert main(["transfer", "inspect", str(path)]) == 2
    assert f"{field} that are a str" in capsys.readouterr().err


def test_inspect_of_no_file_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transfer", "inspect", str(tmp_path / "none.ckpt")]) == 2
    assert "no such file" in capsys.readouterr().err
