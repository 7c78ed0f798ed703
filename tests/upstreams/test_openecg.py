"""The weights that the package openecg ships: real ones, opened without importing it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from tiny import HALF_TRAINS, fit_words

import ecg_tl
from ecg_tl.cli import main
from ecg_tl.downloading.sources import Packaged
from ecg_tl.errors import DownloadError
from ecg_tl.models import create_network
from ecg_tl.preprocessing import Rank, Signal
from ecg_tl.synthesis import synthesize
from ecg_tl.upstreams import check_upstream, find_upstream

FEATURES = (-1.071735739776, -1.976319363186, 0.380642685274, 5.091759374448, -1.99123130388, 3.343976660106)
"""Of `signal()`, by the package's own classes, version 0.11.0, in double precision."""
NORM, MEAN = 32.13145412101731, 0.25943088267199366


def source() -> Packaged:
    found = find_upstream("openecg").source
    assert isinstance(found, Packaged)
    return found


@pytest.fixture(scope="module")
def weights() -> Path:
    try:
        return source().find().path
    except DownloadError as error:
        pytest.skip(str(error))


def signal() -> torch.Tensor:
    time = torch.arange(5000, dtype=torch.float64)
    values = torch.sin(time * 0.013) + 0.3 * torch.sin(time * 0.171) + (time % 400 == 0) * 1.0
    return (values / values.abs().max())[None, None]


def test_the_real_file_is_the_upstreams(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = check_upstream("openecg", weights)
    assert report.fits
    assert (report.container, report.prefix, report.head) == ("model_state", "", False)
    assert len(report.taken) == 67
    assert len(report.ignored) == 12
    assert main(["upstream", "check", str(weights), "--as", "openecg"]) == 0
    said = capsys.readouterr().out
    assert "taken       67 tensors under `model_state`" in said
    assert "ignored     12: of its own tasks" in said
    assert "input       leads II; 500 Hz; 5000 samples (10 s)" in said
    assert "openecg" not in sys.modules


@pytest.mark.slow
def test_its_features_are_those_of_the_packages_own_classes(weights: Path) -> None:
    network = ecg_tl.load_upstream("openecg", weights, dtype=torch.float64)
    with torch.no_grad():
        features = network.forward_features(signal())[0]
        tokens = network.forward_tokens(signal())
    assert features[:6].tolist() == pytest.approx(FEATURES, abs=1e-10)
    assert features.norm().item() == pytest.approx(NORM, abs=1e-9)
    assert features.mean().item() == pytest.approx(MEAN, abs=1e-10)
    assert tokens.shape == (1, 500, 128)
    with torch.no_grad():
        single = ecg_tl.load_upstream("openecg", weights).forward_features(signal().float())[0]
    assert torch.allclose(single.double(), features, rtol=1e-5, atol=1e-5)


def test_download_takes_the_file_out_of_the_package(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["upstream", "download", "openecg"]) == 0
    said = capsys.readouterr().out
    file = Path("weights/openecg/codec_v6.pt")
    assert f"file        {file}\n" in said
    assert "compared    with the package's sha256" in said
    assert file.read_bytes() == weights.read_bytes()
    assert main(["upstream", "download", "openecg"]) == 0
    assert "which was there" in capsys.readouterr().out
    file.write_bytes(b"changed")
    assert main(["upstream", "download", "openecg"]) == 2
    assert "found another file" in capsys.readouterr().err


def test_a_package_that_is_not_installed_says_how_to_get_it() -> None:
    with pytest.raises(DownloadError, match=r"pip install 'ecg-tl\[no_such_package\]'"):
        Packaged("no_such_package", "x/y.pt", "https://example.org").find()


def test_a_package_without_the_file_is_named() -> None:
    with pytest.raises(DownloadError, match=r"no x/y\.pt"):
        Packaged("numpy", "x/y.pt", "https://example.org").find()


def test_a_file_that_was_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "some-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some\nVersion: 1.0\n")
    digest = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"  # of nothing
    (info / "RECORD").write_text(f"some/x.pt,sha256={digest},0\n")
    (tmp_path / "some").mkdir()
    (tmp_path / "some/x.pt").write_bytes(b"")
    monkeypatch.syspath_prepend(tmp_path)
    packaged = Packaged("some", "some/x.pt", "https://example.org")
    assert packaged.find().compared == "the package's sha256"
    (tmp_path / "some/x.pt").write_bytes(b"changed")
    with pytest.raises(DownloadError, match="the checksum that the package gives"):
        packaged.find()


def test_what_it_declares_has_ludb_and_ptbxl() -> None:
    assert {"LUDB", "QTDB", "MIT-BIH", "PTB-XL"} <= set(find_upstream("openecg").trained_on)


@pytest.mark.slow
def test_fine_tuning_on_ludb_is_refused_until_it_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    state = create_network("openecg", 1, 1, 5000).state_dict()
    encoder = {name: tensor for name, tensor in state.items() if "classifier" not in name}
    torch.save({"model_state": encoder, "codec_version": "v6"}, tmp_path / "codec_v6.pt")
    synthesize("ludb", tmp_path / "ludb", 60, progress=False)
    data = ["--data", "LudbDataModule", "--data.root", str(tmp_path / "ludb")]
    data += [
        "--data.store_dir",
        str(tmp_path / "stores"),
        "--data.contract",
        "openecg",
        "--data.batch_size",
        "4",
    ]
    model = ("--model", "EcgClassifier", "--model.network", "openecg")
    transfer = ["--transfer.upstream", "openecg", "--transfer.weights", str(tmp_path / "codec_v6.pt")]
    words = [*HALF_TRAINS, *transfer, "--trainer.limit_train_batches", "1"]
    words = fit_words(data, tmp_path / "runs", *words, model=model)
    assert main(words) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "LUDB" in line
    assert "declare" in line
    assert main([*words, "--transfer.match.allow_overlap", "true"]) == 0
    (report,) = tmp_path.glob("runs/*/*/transfer_report.json")
    assert "LUDB" in report.read_text()


def test_ranks_are_those_of_each_lead_and_ties_share_theirs() -> None:
    values = np.random.default_rng(0).integers(0, 50, (2, 300)).astype(float)
    ranked = Rank()(Signal(values, 500, ("I", "II"))).values
    for row, expected in zip(ranked, values, strict=True):
        assert row == pytest.approx((rankdata(expected) - 1) / 299 * 2 - 1)
    assert Rank()(Signal(np.full((1, 9), 3.0), 500, ("II",))).values == pytest.approx(np.zeros((1, 9)))
    assert np.array_equal(ranked, Rank()(Signal(7 * values + 1, 500, ("I", "II"))).values)
