"""What is chosen for which hardware, and that each way gives the same training."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import GRU, HALF_TRAINS, QUIET, RESNET, data_words
from torch import nn

from ecg_tl import acceleration
from ecg_tl.acceleration import (
    Hardware,
    Speed,
    choose_acceleration,
    choose_compile,
    choose_cudnn_benchmark,
    choose_fused_optimizer,
    choose_keep_memory,
    choose_precision,
    choose_tf32,
)
from ecg_tl.cli import main
from ecg_tl.errors import SettingError
from ecg_tl.models import create_network
from ecg_tl.store.reader import Store
from ecg_tl.tasks.optimization import OptimizerName, make_optimizer, parameter_groups
from ecg_tl.training import train

H100 = Hardware("cuda", "NVIDIA H100", bfloat16=True)
V100 = Hardware("cuda", "Tesla V100", bfloat16=False)
SERVER = Hardware("cpu", "x86_64", bfloat16=True)
LAPTOP = Hardware("cpu", "x86_64", bfloat16=False)


@pytest.mark.parametrize(
    ("hardware", "expected"),
    [(H100, "bf16-mixed"), (V100, "32-true"), (SERVER, "bf16-mixed"), (LAPTOP, "32-true")],
)
def test_auto_takes_bfloat16_where_the_hardware_has_it(hardware: Hardware, expected: str) -> None:
    choice = choose_precision("auto", None, hardware)
    assert choice.value == expected
    assert "auto: " in str(choice)


def test_auto_knows_where_bfloat16_does_not_help() -> None:
    assert choose_precision("auto", None, SERVER, "gru").value == "32-true"
    assert choose_precision("auto", None, H100, "gru").value == "bf16-mixed"
    assert choose_precision("bf16-mixed", None, SERVER, "gru").value == "bf16-mixed"


@pytest.mark.parametrize("network", ["lstm", "bilstm"])
@pytest.mark.parametrize(
    ("wanted", "given"), [("bf16-mixed", None), ("auto", "bf16-mixed"), ("auto", "bf16-true")]
)
def test_a_bfloat16_in_which_lstms_cannot_be_computed_is_refused(
    wanted: Any, given: str | None, network: str
) -> None:
    old = Hardware("cpu", "x86_64", bfloat16=False, bfloat16_lstm=False)
    assert choose_precision("auto", None, old, network).value == "32-true"
    assert choose_precision(wanted, given, LAPTOP, network).value == (given or wanted)
    assert choose_precision(wanted, given, old, "resnet1d18").value == (given or wanted)
    with pytest.raises(SettingError, match=rf"precision: found bf16-\w+ for {network}, expected 32-true"):
        choose_precision(wanted, given, old, network)


def test_what_was_given_is_above_auto() -> None:
    assert choose_precision("32-true", None, H100).value == "32-true"
    assert choose_precision("bf16-mixed", "64-true", H100).value == "64-true"
    assert choose_cudnn_benchmark(True, False, False, H100).value is False
    assert choose_tf32(True, "32-true", H100).value is True
    assert choose_compile("reduce-overhead").value == "reduce-overhead"
    network = create_network("gru", 2, 1, 20, hidden_size=2)
    assert choose_fused_optimizer(False, network, "32-true").value is False


def test_single_precision_that_was_asked_for_stays_single() -> None:
    assert choose_tf32("auto", "32-true", H100).value is None
    assert choose_tf32("auto", "bf16-mixed", H100).value is True


def test_settings_of_a_gpu_do_nothing_on_a_cpu() -> None:
    assert choose_tf32(True, "bf16-mixed", SERVER).value is None
    assert choose_cudnn_benchmark(True, None, False, SERVER).value is None


def test_cudnn_compares_algorithms_but_for_deterministic_trainings() -> None:
    assert choose_cudnn_benchmark("auto", None, False, H100).value is True
    assert choose_cudnn_benchmark("auto", None, True, H100).value is None


def test_memory_is_kept_on_a_cpu_where_the_c_library_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceleration, "can_keep_freed_memory", lambda: True)
    assert choose_keep_memory("auto", LAPTOP).value is True
    assert choose_keep_memory("auto", H100).value is False
    assert choose_keep_memory(True, H100).value is True
    assert choose_keep_memory(False, LAPTOP).value is False
    monkeypatch.setattr(acceleration, "can_keep_freed_memory", lambda: False)
    assert choose_keep_memory(True, LAPTOP).value is False


def test_optimizers_are_fused_where_that_is_known_to_work() -> None:
    network = create_network("gru", 2, 1, 20, hidden_size=2)
    assert choose_fused_optimizer("auto", network, "bf16-mixed").value is True
    assert choose_fused_optimizer("auto", network, "16-mixed").value is False
    assert choose_fused_optimizer("auto", network.to("meta"), "32-true").value is False


def test_the_log_names_a_gpus_settings_only_beside_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceleration, "describe_device", lambda accelerator: H100)
    lines = choose_acceleration(Speed()).lines()
    assert [line.split(":")[0] for line in lines] == ["precision", "compile", "tf32", "cudnn_benchmark"]
    monkeypatch.setattr(acceleration, "describe_device", lambda accelerator: LAPTOP)
    lines = choose_acceleration(Speed()).lines()
    assert [line.split(":")[0] for line in lines] == ["precision", "compile"]


def test_the_switches_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceleration, "describe_device", lambda accelerator: H100)
    compiled: list[str] = []
    network = nn.Linear(1, 1)
    monkeypatch.setattr(network, "compile", lambda mode: compiled.append(mode))
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        choose_acceleration(Speed(compile="reduce-overhead", tf32=False)).apply(network)
        assert torch.get_float32_matmul_precision() == "highest"
        assert torch.backends.cudnn.allow_tf32 is False
        choose_acceleration(Speed()).apply(network)
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cudnn.allow_tf32 is True
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
    assert compiled == ["reduce-overhead"]


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_a_fused_optimizer_makes_the_same_steps(name: OptimizerName) -> None:
    signal, target = torch.randn(8, 12, 50), (torch.rand(8, 3) > 0.5).float()
    trained = []
    for fused in (False, True):
        torch.manual_seed(0)
        network = create_network("gru", 3, 12, 50, hidden_size=8)
        optimizer = make_optimizer(name, parameter_groups(network, 1e-3, 0.01), fused=fused)
        for _ in range(5):
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(network(signal), target).backward()
            optimizer.step()
        trained.append(network.state_dict())
        assert bool(optimizer.param_groups[0]["fused"]) is fused
    for key, value in trained[0].items():
        torch.testing.assert_close(trained[1][key], value, atol=1e-5, rtol=1e-4)


@pytest.fixture
def words(ptbxl_root: Path, ptbxl_store: Store, prepared: Path, tmp_path: Path) -> list[str]:
    quiet = [word for word in QUIET if word not in ("--trainer.precision", "32-true")]
    data = data_words("PtbXlDataModule", ptbxl_root, prepared)
    ends = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1", "--pictures.records", "0"]
    return ["fit", *data, *HALF_TRAINS, *quiet, *ends, "--runs_dir", str(tmp_path / "runs")]


@pytest.mark.slow
def test_a_run_says_what_was_chosen_and_its_config_keeps_it(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(acceleration, "_cpu_has_bfloat16", lambda: True)
    with caplog.at_level(logging.INFO):
        trained = train([*words, *RESNET])
    assert trained.trainer.precision == "bf16-mixed"
    said = "\n".join(record.getMessage() for record in caplog.records)
    for setting in (
        "precision: bf16-mixed (auto",
        "compile: none",
        "keep_memory: ",
        "memory_format: ",
        "fused_optimizer: ",
    ):
        assert setting in said
    config = tmp_path / "runs" / "default" / "version_0" / "config.yaml"
    monkeypatch.setattr(acceleration, "_cpu_has_bfloat16", lambda: False)
    # Where the run is repeated, its precision is the same, ...
    again = train(["fit", "-c", str(config), "--runs_dir", str(tmp_path / "again")])
    assert again.trainer.precision == "bf16-mixed"
    # ... and scores are in single precision wherever they are computed.
    checkpoint = config.parent / "checkpoints" / "best.ckpt"
    scored = train(["test", "-c", str(config), "--ckpt_path", str(checkpoint)])
    assert scored.trainer.precision == "32-true"


@pytest.mark.slow
def test_settings_reach_what_they_are_for(words: list[str]) -> None:
    trained = train([*words, *GRU, "--speed.precision", "32-true", "--speed.fused_optimizer", "false"])
    assert trained.trainer.precision == "32-true"
    assert not trained.trainer.optimizers[0].param_groups[0]["fused"]


def test_a_wrong_setting_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, *GRU, "--speed.precision", "half"]) == 2
    assert "speed.precision" in capsys.readouterr().err
