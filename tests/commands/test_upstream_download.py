"""`ecg-tl upstream download`: from a site to a file that `check` takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from file_server import Fault, FileServer, serving
from tiny_networks import TINY

from ecg_tl.cli import main
from ecg_tl.downloading.sources import Direct
from ecg_tl.models import create_network
from ecg_tl.upstreams import UPSTREAMS


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Serves a file in HuBERT-ECG's layout."""
    from safetensors.torch import save

    entry = replace(UPSTREAMS["hubert-ecg-small"], options=TINY["hubert_ecg"])
    contract = entry.contract
    network = create_network(
        entry.network, 1, len(contract.leads), contract.num_samples, **dict(entry.options)
    )
    head = network.layer_groups()["head"]
    state = {name: x for name, x in network.state_dict().items() if name not in head}
    with serving({"/model.safetensors": save(state)}) as running:
        source = Direct(f"{running.url}/model.safetensors", "https://example.org/card")
        monkeypatch.setitem(UPSTREAMS, entry.name, replace(entry, source=source))
        yield running


def test_a_file_is_fetched_and_fits(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    server.faults = [Fault(cut_after=1000)]
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert main(["upstream", "download", "hubert-ecg-small"]) == 0
    said = capsys.readouterr()
    file = Path("weights/hubert-ecg-small/model.safetensors")
    assert file.read_bytes() == server.files["/model.safetensors"]
    assert f"file        {file}\n" in said.out
    assert "compared    with nothing: the site publishes no checksum" in said.out
    assert f"next        ecg-tl upstream check {file} --as hubert-ecg-small" in said.out
    assert "may not be used commercially: its weights are CC BY-NC 4.0" in said.err
    assert main(["upstream", "check", str(file), "--as", "hubert-ecg-small"]) == 0
    assert "may not be used commercially" in capsys.readouterr().err
    assert main(["upstream", "download", "hubert-ecg-small"]) == 0
    assert "which was there" in capsys.readouterr().out
    assert len(server.asked) == 2


def test_a_site_that_wants_a_log_in_says_where_the_file_belongs(
    server: FileServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.always = Fault(status=401)
    assert main(["upstream", "download", "hubert-ecg-small", "--to", str(tmp_path / "w")]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "wants a log-in" in line
    assert "Open https://example.org/card" in line
    assert line.endswith(f"It belongs at {tmp_path / 'w' / 'model.safetensors'}.")


@pytest.mark.slow
def test_a_site_that_wants_a_click_says_where_the_file_belongs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upstream", "download", "ecg-jepa"]) == 2
    line = capsys.readouterr().err
    assert "drive.google.com" in line
    assert "save multiblock_epoch100.pth as weights/ecg-jepa/multiblock_epoch100.pth" in line
    assert "ecg-tl upstream check FILE --as ecg-jepa" in line
    assert main(["upstream", "download", "weimann-vit-s"]) == 2
    assert "no public file that was found" in capsys.readouterr().err


def test_an_unknown_upstream_is_named_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upstream", "download", "hubert-ecg-smal"]) == 2
    assert "Did you mean hubert-ecg-small?" in capsys.readouterr().err


def test_weights_opened_from_python_print_what_their_licence_forbids(
    server: FileServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import ecg_tl

    file = tmp_path / "model.safetensors"
    file.write_bytes(server.files["/model.safetensors"])
    for _ in range(2):
        ecg_tl.load_upstream("hubert-ecg-small", file)
        assert "may not be used commercially" in capsys.readouterr().err


def test_weights_of_a_free_licence_print_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import ecg_tl

    network = create_network("resnet1d_wang", 2, 12, 250)
    torch.save({"model": network.state_dict()}, tmp_path / "x.pth")
    ecg_tl.load_upstream("resnet1d_wang-ptbxl", tmp_path / "x.pth")
    assert capsys.readouterr() == ("", "")
