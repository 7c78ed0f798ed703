"""Two files of weights compared: the words, for every way in which a training can go wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ecg_tl.cli import main
from ecg_tl.errors import CheckpointError
from ecg_tl.models import create_network
from ecg_tl.transfer.audit import audit
from ecg_tl.transfer.audit_words import sentences

State = dict[str, Tensor]
DOC = Path(__file__).parents[2] / "docs" / "audit.md"


class Small(nn.Module):
    """An encoder with a batch norm, and a head."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv1d(2, 4, 3, bias=False), nn.BatchNorm1d(4), nn.Conv1d(4, 4, 3))
        self.fc = nn.Linear(4, classes)

    def forward(self, signal: Tensor) -> Tensor:
        """Map `(batch, 2, samples)` to logits."""
        logits: Tensor = self.fc(self.encoder(signal).mean(dim=2))
        return logits


def trained(module: Small, parameters: object, *, training: bool = True, decay: float = 0.0) -> State:
    module.train(training)
    optimizer = torch.optim.SGD(parameters, lr=0.1, weight_decay=decay)  # type: ignore[arg-type]
    for _ in range(3):
        optimizer.zero_grad()
        module(torch.randn(8, 2, 20)).square().mean().backward()
        optimizer.step()
    return {name: x.clone() for name, x in module.state_dict().items()}


@pytest.fixture
def module() -> Small:
    torch.manual_seed(0)
    return Small()


def save(folder: Path, before: object, after: object) -> tuple[Path, Path]:
    torch.save(before, folder / "before.pt")
    torch.save(after, folder / "after.pt")
    return folder / "before.pt", folder / "after.pt"


def start(module: nn.Module) -> State:
    return {name: x.clone() for name, x in module.state_dict().items()}


def test_an_optimizer_without_the_encoder_is_found(module: Small, tmp_path: Path) -> None:
    before = start(module)
    found = audit(*save(tmp_path, before, trained(module, module.fc.parameters())))
    words = sentences(found)
    assert words[0].startswith("ONLY THE HEAD WAS TRAINED: all 5 tensors of the encoder (84 numbers)")
    assert words[1].startswith("BATCH NORMS MOVED WITHOUT WEIGHTS: 2 of 2 running means and variances")
    assert {one.name for one in found.tensors if one.moved} == {
        "fc.weight",
        "fc.bias",
        "encoder.1.running_mean",
        "encoder.1.running_var",
        "encoder.1.num_batches_tracked",
    }
    assert found.head == {"fc.weight", "fc.bias"}


def test_a_probe_in_eval_mode_moved_no_batch_norm(module: Small, tmp_path: Path) -> None:
    before = start(module)
    after = trained(module, module.fc.parameters(), training=False)
    words = sentences(audit(*save(tmp_path, before, after)))
    assert words[0].startswith("ONLY THE HEAD")
    assert not any("BATCH NORMS" in one for one in words)


def test_a_training_of_everything_is_said_with_how_far_each_group_moved(
    module: Small, tmp_path: Path
) -> None:
    before = start(module)
    found = audit(*save(tmp_path, before, trained(module, module.parameters())))
    assert sentences(found)[0] == "All 5 tensors of the encoder moved (84 numbers)."
    groups = {one.group: one for one in found.groups()}
    assert list(groups) == ["encoder.0", "encoder.1", "encoder.2", "fc"]
    assert (groups["encoder.1"].statistics, groups["encoder.1"].statistics_moved) == (2, 2)
    after = module.state_dict()
    difference = torch.cat([(after[n] - before[n]).flatten() for n in ("fc.weight", "fc.bias")]).double()
    length = torch.cat([before[n].flatten() for n in ("fc.weight", "fc.bias")]).double().norm()
    assert groups["fc"].relative == pytest.approx(float(difference.norm() / length), rel=1e-5)
    assert groups["fc"].largest == pytest.approx(float(difference.abs().max()), rel=1e-5)


def test_groups_that_stayed_are_named(module: Small, tmp_path: Path) -> None:
    before = start(module)
    after = trained(module, [*module.encoder[2].parameters(), *module.fc.parameters()], training=False)
    words = sentences(audit(*save(tmp_path, before, after)))
    assert words[0] == (
        "2 of 5 tensors of the encoder moved; 3 (32 numbers) did not, among them all of encoder.0, encoder.1."
    )
    assert "No running mean or variance of a batch norm moved: they were kept as they were." in words


def test_the_same_weights_are_the_same(module: Small, tmp_path: Path) -> None:
    state = start(module)
    assert sentences(audit(*save(tmp_path, state, state)))[0] == (
        "Nothing was trained: all 7 tensors are what they were."
    )


def test_half_precision_is_no_training(module: Small, tmp_path: Path) -> None:
    state = start(module)
    half = {name: x.half() if x.is_floating_point() else x for name, x in state.items()}
    for pair in ((state, half), (half, state)):
        assert not any(one.moved for one in audit(*save(tmp_path, *pair)).tensors)


def test_weight_decay_without_a_gradient_is_told_from_a_training(module: Small, tmp_path: Path) -> None:
    before = start(module)
    after = start(module)
    for name in ("encoder.0.weight", "encoder.2.weight"):
        after[name] = after[name] * 0.97
    after["fc.weight"] = after["fc.weight"] + 0.1
    found = audit(*save(tmp_path, before, after))
    factors = {one.name: one.factor for one in found.tensors if one.factor is not None}
    assert factors == pytest.approx({"encoder.0.weight": 0.97, "encoder.2.weight": 0.97})
    assert any("multiplied by one number each" in one for one in sentences(found))


def test_a_new_head_is_the_head_whatever_it_is_called(module: Small, tmp_path: Path) -> None:
    before, after = start(module), start(module)
    torch.manual_seed(1)
    after |= {name: torch.randn(x.shape[0] + 2, *x.shape[1:]) for name, x in before.items() if "fc" in name}
    after["extra.scale"] = torch.ones(2)
    found = audit(*save(tmp_path, before, after))
    words = sentences(found)
    assert words[0].startswith("ONLY THE HEAD WAS TRAINED")
    assert found.head == {"fc.weight", "fc.bias", "extra.scale"}
    assert "Not compared, since the first file lacks them: extra.scale." in words
    assert "Not compared, since they have another shape: fc.weight, fc.bias." in words
    assert dict(found.reshaped)["fc.bias"] == "[3] became [5]"


def test_files_of_any_origin_find_each_other(module: Small, tmp_path: Path) -> None:
    before = start(module)
    after = trained(module, module.parameters())
    torch.save({"model": {f"module.net.{n}": x for n, x in before.items()}, "epoch": 3}, tmp_path / "a.pth")
    save_file({f"backbone.{n}": x.contiguous() for n, x in after.items()}, tmp_path / "b.safetensors")
    found = audit(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert not found.only_before
    assert not found.only_after
    assert {one.name for one in found.tensors} == set(before)


def test_weight_norm_is_compared_in_both_spellings(tmp_path: Path) -> None:
    old = {
        "pos.weight_g": torch.ones(1, 1, 3),
        "pos.weight_v": torch.ones(2, 2, 3),
        "x.weight": torch.ones(2, 2),
    }
    new = {
        "pos.parametrizations.weight.original0": torch.ones(1, 1, 3),
        "pos.parametrizations.weight.original1": torch.ones(2, 2, 3),
        "x.weight": torch.ones(2, 2),
    }
    found = audit(*save(tmp_path, old, new))
    assert len(found.tensors) == 3
    assert not any(one.moved for one in found.tensors)


def test_the_network_says_groups_and_head_of_a_published_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = create_network("resnet1d_wang", 4, 12, 250)
    before = start(network)
    after = start(network)
    after["6.8.bias"] = after["6.8.bias"] + 1
    found = audit(*save(tmp_path, {"model": before}, {"model": after}), "resnet1d_wang-ptbxl")
    assert found.head_known
    assert found.head == set(network.layer_groups()["head"])
    assert {one.group for one in found.tensors} == set(network.layer_groups())
    assert not any("guessed" in one for one in sentences(found))


def test_checkpoints_of_this_project_have_their_layer_groups(gru_upstream: Path) -> None:
    found = audit(gru_upstream, gru_upstream)
    assert found.head_known
    assert found.grouped_by == "layer groups of the network"
    assert sentences(found)[0].startswith("Nothing was trained")


def test_two_networks_with_nothing_in_common_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"after\.pt: found tensors named b\.y, expected some of those"):
        audit(*save(tmp_path, {"a.x": torch.ones(2)}, {"b.y": torch.ones(3)}))


def test_what_is_no_file_of_weights_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = save(tmp_path, {"a": 1}, {"b.y": torch.ones(3)})
    assert main(["transfer", "audit", str(before), str(after)]) == 2
    assert "found no tensors" in capsys.readouterr().err
    assert main(["transfer", "audit", str(tmp_path / "none"), str(after)]) == 2
    assert "no such file" in capsys.readouterr().err
    assert main(["transfer", "audit", str(after)]) == 2


def test_json_has_every_tensor(module: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = start(module)
    paths = save(tmp_path, before, trained(module, module.fc.parameters()))
    assert main(["transfer", "audit", *map(str, paths), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["words"][0].startswith("ONLY THE HEAD")
    assert {one["name"] for one in said["tensors"]} == set(before)
    assert {"group", "relative", "statistics_moved"} <= said["groups"][0].keys()


@pytest.mark.slow
def test_the_case_in_the_documentation_is_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rounding differs between machines, so numbers behind a point may too; the rest is as printed."""
    blocks = re.findall(r"```(\w*)\n(.*?)```", DOC.read_text(encoding="utf-8"), flags=re.DOTALL)
    script = next(text for kind, text in blocks if kind == "python")
    printed = next(text for kind, text in blocks if kind == "text")
    commands = [text.strip() for kind, text in blocks if kind == "bash"]
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "docs/audit.md", "exec"), {"__name__": "__main__"})
    assert commands[0] == "ecg-tl transfer audit before.pt after.pt"
    assert main(commands[0].split()[1:]) == 0

    def masked(text: str) -> list[list[str]]:
        text = re.sub(r"\d\.\d+(e-\d+)?", "x", text)
        return [line.split() for line in text.splitlines() if line.strip()]

    assert masked(capsys.readouterr().out) == masked(printed)
