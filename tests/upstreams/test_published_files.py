"""Files in each original's layout load strictly, and the report says exactly what they held."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny_networks import TINY
from torch import Tensor

from ecg_tl.cli import main
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.models import create_network
from ecg_tl.upstreams import (
    UPSTREAMS,
    PublishedUpstream,
    check_upstream,
    find_upstream,
    load_upstream,
    open_upstream,
)

State = dict[str, Tensor]
Layout = Callable[[State], dict[str, Any]]


def under(prefix: str, state: State) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def extras(*names: str) -> State:
    return {name: torch.zeros(2) for name in names}


def with_aliases(state: State) -> State:
    return state | {name.replace(".convs.", ".convpath.0."): x for name, x in state.items()}


def old_weight_norm(state: State) -> State:
    for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
        state = {name.replace(f"parametrizations.weight.{new}", old): x for name, x in state.items()}
    return state


OPTIMIZER = {"state": {0: {"step": 3}}, "param_groups": [{"lr": 1e-3}]}
FM_EXTRAS = ("mask_emb", "quantizer.vars", "quantizer.weight_proj.weight", "final_proj.bias")

# For each layout: what is in the file, and which names are ignored.
LAYOUTS: dict[tuple[str, str], tuple[Layout, tuple[str, ...]]] = {
    ("ecgfounder", "published"): (
        lambda s: {"state_dict": s, "epoch": 3, "step": 7, "optimizer": OPTIMIZER},
        (),
    ),
    ("ecgfounder-1", "published"): (lambda s: {"state_dict": s, "epoch": 3}, ()),
    ("clef-small", "lightning"): (lambda s: {"state_dict": under("backbone.", s), "epoch": 1}, ()),
    ("clef-medium", "moco"): (
        lambda s: {"state_dict": under("backbone.", s) | extras("backbone_k.first_conv.conv.bias", "queue")},
        ("backbone_k.first_conv.conv.bias", "queue"),
    ),
    ("clef-large", "lightning"): (lambda s: {"state_dict": under("backbone.", s)}, ()),
    ("ecg-cpc", "lightning"): (
        lambda s: {
            "state_dict": under("ts_encoder.", s) | extras("ts_encoder.head_ssl.proj.0.weight"),
            "epoch": 4,
        },
        ("ts_encoder.head_ssl.proj.0.weight",),
    ),
    ("ecg-fm", "pre-trained"): (lambda s: {"model": s | extras(*FM_EXTRAS), "args": None}, FM_EXTRAS),
    ("ecg-fm", "fine-tuned"): (
        lambda s: {"model": under("encoder.", s) | extras("proj.weight", "proj.bias")},
        ("proj.weight", "proj.bias"),
    ),
    ("ecg-fm", "old weight norm"): (lambda s: {"model": old_weight_norm(s)}, ()),
    **{
        (f"hubert-ecg-{size}", "top"): (
            lambda s: s | extras("final_proj.weight", "label_embedding.weight"),
            ("final_proj.weight", "label_embedding.weight"),
        )
        for size in ("small", "base", "large")
    },
    ("hubert-ecg-base", "fine-tuned"): (
        lambda s: {
            "model_state_dict": under("hubert_ecg.", old_weight_norm(s)) | extras("classifier.weight")
        },
        ("classifier.weight",),
    ),
    ("ecg-jepa", "published"): (lambda s: {"encoder": s, "epoch": 100}, ()),
    **{
        (f"weimann-vit-{size}", "full"): (
            lambda s: {
                "model": under("target_encoder.", s)
                | under("encoder.", {name: x + 1 for name, x in s.items()})
                | extras("predictor.norm.weight"),
                "config": {"dim": 384},
                "optimizer": OPTIMIZER,
            },
            ("encoder.norm.weight", "predictor.norm.weight"),
        )
        for size in ("xs", "s", "b")
    },
    ("merl-resnet18", "encoder"): (
        lambda s: s | extras("linear.weight", "linear.bias"),
        ("linear.weight", "linear.bias"),
    ),
    ("merl-resnet18", "whole"): (
        lambda s: under("ecg_encoder.", s) | extras("lm_model.x", "proj_t.0.weight"),
        ("lm_model.x", "proj_t.0.weight"),
    ),
    ("ked", "nested"): (
        lambda s: {"ecg_model": with_aliases(s), "model": extras("a.b"), "epoch": 3},
        ("4.0.convpath.0.0.0.weight",),
    ),
    ("ked", "flat"): (
        lambda s: under("ecg_model.", with_aliases(s)) | extras("text_encoder.x"),
        ("text_encoder.x", "ecg_model.4.0.convpath.0.0.0.weight"),
    ),
    ("xresnet1d101-ptbxl", "fastai"): (
        lambda s: {"model": with_aliases(s), "opt": OPTIMIZER},
        ("4.0.convpath.0.0.0.weight",),
    ),
    ("xresnet1d50-ptbxl", "fastai"): (lambda s: {"model": with_aliases(s), "opt": OPTIMIZER}, ()),
    ("inception1d-ptbxl", "fastai"): (lambda s: {"model": s, "opt": OPTIMIZER}, ()),
    ("resnet1d_wang-ptbxl", "fastai"): (lambda s: {"model": s, "opt": OPTIMIZER}, ()),
    ("openecg", "package"): (
        lambda s: {
            "model_state": s | extras("head.weight", "refine.0.bias", "beat_sample.weight"),
            "model_config": {"patch_size": 10},
            "codec_version": "v6",
        },
        ("head.weight", "refine.0.bias", "beat_sample.weight"),
    ),
    ("ribeiro-age", "published"): (lambda s: {"model": s, "epoch": 3, "valid_loss": 1.0}, ()),
}


@pytest.fixture(autouse=True)
def small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which names a file has does not depend on sizes."""
    torch.manual_seed(0)
    for name, entry in list(UPSTREAMS.items()):
        if entry.network in TINY:
            monkeypatch.setitem(UPSTREAMS, name, replace(entry, options=TINY[entry.network]))


def published_state(entry: PublishedUpstream, classes: int = 5) -> State:
    contract = entry.contract
    network = create_network(
        entry.network, classes, len(contract.leads), contract.num_samples, **dict(entry.options)
    )
    head = () if entry.has_head else network.layer_groups()["head"]
    return {name: x for name, x in network.state_dict().items() if name not in head}


def write(path: Path, content: dict[str, Any]) -> Path:
    if all(isinstance(value, Tensor) for value in content.values()) and path.suffix == ".safetensors":
        save_file({name: x.clone().contiguous() for name, x in content.items()}, path)
    else:
        torch.save(content, path)
    return path


def test_every_entry_has_a_layout() -> None:
    assert {name for name, _ in LAYOUTS} == set(UPSTREAMS)


@pytest.mark.slow
@pytest.mark.parametrize("which", LAYOUTS, ids=":".join)
def test_a_file_in_the_originals_layout_loads(which: tuple[str, str], tmp_path: Path) -> None:
    entry = find_upstream(which[0])
    layout, ignored = LAYOUTS[which]
    state = published_state(entry)
    suffix = ".safetensors" if which[1] == "top" else ".pt"
    loaded = open_upstream(which[0], write(tmp_path / f"file{suffix}", layout(state)), torch.float64)
    found = loaded.network.state_dict()
    for name, tensor in state.items():
        assert torch.equal(found[name], tensor.to(found[name].dtype)), name
    assert set(loaded.report.taken) == set(state)
    assert set(ignored) <= {name for name, _ in loaded.report.ignored}
    assert all(reason for _, reason in loaded.report.ignored)
    assert not loaded.network.training
    assert loaded.report.head == entry.has_head
    contract = entry.contract
    signal = torch.randn(1, len(contract.leads), contract.num_samples, dtype=torch.float64)
    with torch.no_grad():
        features = loaded.network.forward_features(signal)
        assert features.isfinite().all()
        if entry.has_head:
            assert loaded.network(signal).shape == (1, 5)


def test_the_file_decides_how_long_signals_may_be(tmp_path: Path) -> None:
    network = create_network("cpc_s4", 1, 12, 600, longest=2400, **TINY["cpc_s4"])
    state = {name: x for name, x in network.state_dict().items() if not name.startswith("classifier.")}
    path = write(tmp_path / "file.pt", {"state_dict": under("ts_encoder.", state)})
    assert load_upstream("ecg-cpc", path).lengths.longest == 2400


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s | extras("more.weight"), "unexpected: more.weight"),
        (lambda s: {n: x for n, x in s.items() if n != "bn1.weight"}, "missing: bn1.weight"),
        (lambda s: s | {"bn1.weight": torch.ones(3)}, r"bn1.weight is \[3\], expected \[64\]"),
        (lambda s: {n.replace("lin.", "line."): x for n, x in s.items()}, "unexpected: line.weight"),
        (lambda s: s | {"bn1.weight": torch.full((64,), torch.nan)}, "bn1.weight that are not finite"),
        (lambda s: {}, "no tensors"),
        (lambda s: {"x": torch.ones(1)}, "tensors named x"),
    ],
)
def test_another_file_is_refused(change: Callable[[State], State], message: str, tmp_path: Path) -> None:
    state = change(published_state(find_upstream("ribeiro-age")))
    path = write(tmp_path / "file.pt", {"model": state})
    with pytest.raises(CheckpointError, match=message):
        load_upstream("ribeiro-age", path)


def test_a_file_of_another_upstream_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "file.pt", {"model": published_state(find_upstream("ribeiro-age"))})
    with pytest.raises(CheckpointError):
        load_upstream("merl-resnet18", path)
    report = check_upstream("merl-resnet18", path)
    assert not report.fits


def test_names_beside_the_weights_are_not_ignored_where_there_is_no_prefix(tmp_path: Path) -> None:
    state = published_state(find_upstream("merl-resnet18"))
    path = write(tmp_path / "file.pt", state | extras("something.else"))
    with pytest.raises(CheckpointError, match=r"unexpected: something\.else"):
        load_upstream("merl-resnet18", path)


def test_names_without_the_prefix_are_not_ignored_unless_the_entry_says_what_they_are(tmp_path: Path) -> None:
    state = under("backbone.", published_state(find_upstream("clef-small"))) | extras("other.weight")
    with pytest.raises(CheckpointError, match=r"unexpected: other\.weight"):
        load_upstream("clef-small", write(tmp_path / "file.pt", {"state_dict": state}))


@pytest.mark.slow
def test_two_names_of_a_tensor_that_differ_are_refused(tmp_path: Path) -> None:
    state = with_aliases(published_state(find_upstream("ked")))
    state["4.0.convpath.0.0.0.weight"] = state["4.0.convpath.0.0.0.weight"] + 1
    with pytest.raises(CheckpointError, match="which differs from"):
        load_upstream("ked", write(tmp_path / "file.pt", {"ecg_model": state}))


def test_code_in_a_file_does_not_run(tmp_path: Path) -> None:
    torch.save({"model": published_state(find_upstream("ribeiro-age")), "run": Path("x")}, tmp_path / "f.pt")
    with pytest.raises(CheckpointError, match="objects other than weights"):
        load_upstream("ribeiro-age", tmp_path / "f.pt")


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingError, match="Did you mean ecgfounder"):
        find_upstream("ecgfouner")


def test_the_commands_list_show_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upstream", "list"]) == 0
    assert all(name in capsys.readouterr().out for name in ["ecgfounder"])
    assert main(["upstream", "show", "hubert-ecg-base"]) == 0
    shown = capsys.readouterr().out
    assert "may not be used commercially" in shown
    assert "fir_bandpass" in shown
    state = published_state(find_upstream("ecg-jepa"))
    path = write(tmp_path / "file.pt", {"encoder": state, "epoch": 1})
    assert main(["upstream", "check", str(path), "--as", "ecg-jepa"]) == 0
    out = capsys.readouterr().out
    assert f"{len(state)} tensors under `encoder`" in out
    assert "unexpected  none" in out
    assert "leads I II V1" in out
    assert main(["upstream", "check", str(path), "--as", "ribeiro-age"]) == 2
    assert main(["upstream", "show", "ecg-jeap"]) == 2
    assert "Did you mean ecg-jepa" in capsys.readouterr().err
