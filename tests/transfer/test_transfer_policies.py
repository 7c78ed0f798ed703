"""Foreign files, heads, stems and fresh groups, through the callback."""

from __future__ import annotations

import json

import pytest
import torch
from jsonargparse import Namespace
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.strategies import FSDPStrategy
from safetensors.torch import save_file
from trainings import equal, weights

from ecg_tl.checkpoints.digest import DIGEST
from ecg_tl.checkpoints.reading import read_upstream
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.signals import LEADS
from ecg_tl.transfer.callback import REPORT_FILE, TransferLearning
from ecg_tl.transfer.groups import Matching
from ecg_tl.transfer.matching import plan_transfer
from ecg_tl.transfer.phases import Phase
from ecg_tl.transfer.summary import _lines


def set_up(study, folder, transfer, family="gru", data=None, **settings):
    """Set a training up, stop before its first step; returns the task, and its tensors before and after."""
    data = data or study.data()
    task = study.task(data, family, **settings)
    fresh = weights(task)
    study.trainer(folder, transfer, max_epochs=0).fit(task, data)
    return task, fresh, weights(task)


def network_of(path):
    state = torch.load(path, weights_only=True)["state_dict"]
    return {name.removeprefix("network."): tensor for name, tensor in state.items()}


# Foreign files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["safetensors", "pt", "ckpt"])
@pytest.mark.parametrize("wrapper", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_files_of_weights_alone_are_read(study, gru_upstream, tmp_path, kind, wrapper):
    state = network_of(gru_upstream)
    path = tmp_path / f"foreign.{kind}"
    wrapped = {f"{wrapper}{name}": tensor for name, tensor in state.items()}
    if kind == "safetensors":
        save_file(wrapped, path)
    else:
        torch.save(wrapped if kind == "pt" else {"state_dict": wrapped, "epoch": 3}, path)
    transfer = TransferLearning(str(path))
    with pytest.warns(UserWarning, match="does not say what signals"):
        _, fresh, after = set_up(study, tmp_path, transfer)
    for name, tensor in after.items():
        assert equal(tensor, fresh[name] if name.startswith("fc.") else state[name]), name


def test_a_prefix_is_stripped_from_the_start_alone(study, gru_upstream, tmp_path):
    state = network_of(gru_upstream)
    path = tmp_path / "foreign.pt"
    foreign = {f"model.encoder.{name}": tensor for name, tensor in state.items()}
    torch.save({**foreign, "model.decoder.rnn.weight_hh_l0": torch.ones(18, 6)}, path)
    transfer = TransferLearning(str(path), prefix="model.encoder")
    _, _, after = set_up(study, tmp_path, transfer)
    assert equal(after["rnn.weight_hh_l0"], state["rnn.weight_hh_l0"])
    (unexpected,) = [t for t in transfer.report.tensors if t.state == "unexpected"]
    assert unexpected.name == "model.decoder.rnn.weight_hh_l0"
    inner = read_upstream(path, prefix="model.encoder.")
    assert set(inner.weights) == set(state)
    with pytest.raises(CheckpointError, match="no tensor under encoder"):
        read_upstream(path, prefix="encoder")


def test_modules_and_tensors_are_renamed_by_a_table(study, cnn_upstream, tmp_path):
    state = network_of(cnn_upstream)
    foreign = {
        name.replace("layer1.", "stages.first.").replace("conv1.weight", "entry", name == "conv1.weight"): t
        for name, t in state.items()
    }
    path = tmp_path / "foreign.safetensors"
    save_file(foreign, path)
    assert "entry" in foreign
    renames = {"stages.first": "layer1", "entry": "conv1.weight"}
    transfer = TransferLearning(str(path), renames=renames)
    _, _, after = set_up(study, tmp_path, transfer, "cnn")
    for name, tensor in after.items():
        assert name.startswith("fc2.") or equal(tensor, state[name]), name
    states = {t.name: t.state for t in transfer.report.tensors}
    assert {n for n, s in states.items() if s == "renamed"} == {
        n for n in state if n.startswith("layer1.") or n == "conv1.weight"
    }
    notes = {t.name: t.note for t in transfer.report.tensors}
    assert notes["conv1.weight"] == "from entry"
    assert transfer.report.coverage == 1.0


@pytest.mark.parametrize(
    ("renames", "message"),
    [({"stage": "layer1"}, "nothing called stage"), ({"layer2": "layer1"}, "two tensors")],
)
def test_a_table_that_does_not_fit_is_refused(cnn_upstream, renames, message):
    with pytest.raises(CheckpointError, match=message):
        read_upstream(cnn_upstream, renames=renames)


@pytest.mark.parametrize("content", [b"", b"\x10\0\0\0\0\0\0\0{}", b"\xff" * 64])
def test_a_damaged_safetensors_file_is_refused(tmp_path, content):
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged|no weights") as caught:
        read_upstream(path)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite_are_refused(cnn_upstream, tmp_path):
    checkpoint = torch.load(cnn_upstream, weights_only=True)
    checkpoint["state_dict"]["network.fc1.bias"][3] = float("nan")
    del checkpoint[DIGEST]
    torch.save(checkpoint, tmp_path / "diverged.ckpt")
    with pytest.raises(CheckpointError, match=r"fc1\.bias that are not finite"):
        read_upstream(tmp_path / "diverged.ckpt")


# The head -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gru", "cnn"])
def test_rows_of_shared_diagnoses_are_copied(study, gru_upstream, cnn_upstream, tmp_path, family):
    """Nine classes from five: NORM and AF are called alike; VEB meets an upstream's PVC."""
    path = tmp_path / "upstream.ckpt"
    checkpoint = torch.load({"gru": gru_upstream, "cnn": cnn_upstream}[family], weights_only=True)
    description = checkpoint["ecg_tl"]["data"]
    assert description["class_names"] == ["NORM", "AF", "BBB", "LVH", "MI"]
    description["class_codes"]["LVH"] = ["PVC"]
    torch.save(checkpoint, path)
    transfer = TransferLearning(str(path), head="by_diagnosis")
    task, fresh, after = set_up(study, tmp_path, transfer, family)
    copied = {"NORM": 0, "AF": 1, "VEB": 3}
    for kind in ("weight", "bias"):
        name = f"{task.network.head_name}.{kind}"
        upstream = checkpoint["state_dict"][f"network.{name}"]
        for row, label in enumerate(task.class_names):
            expected = upstream[copied[label]] if label in copied else fresh[name][row]
            assert equal(after[name][row], expected), (kind, label)
    heads = [t for t in transfer.report.tensors if t.group == "head"]
    assert {t.state for t in heads} == {"adapted"}
    assert all("NORM from NORM, AF from AF, VEB from LVH" in t.note for t in heads)
    assert all("initialised: IAVB, LBBB, RBBB, PAC, STD, STE" in t.note for t in heads)
    assert transfer.report.share_by_group()["head"] == pytest.approx(3 / 9)
    written = json.loads((tmp_path / REPORT_FILE).read_text())
    assert written["counts"]["adapted"] == 2


@pytest.mark.slow
def test_a_head_is_kept_for_the_same_label_set(study, gru_upstream, tmp_path):
    transfer = TransferLearning(str(gru_upstream), head="keep", allow_overlap=True)  # its own records
    _, _, after = set_up(study, tmp_path, transfer, data=study.data("custom"))
    assert all(equal(tensor, network_of(gru_upstream)[name]) for name, tensor in after.items())
    assert {t.state for t in transfer.report.tensors} == {"loaded"}
    with pytest.raises(CheckpointError, match="by_diagnosis"):
        set_up(study, tmp_path, TransferLearning(str(gru_upstream), head="keep"))


@pytest.mark.slow
def test_a_head_of_other_features_is_refused(study, tmp_path):
    data = study.data("custom", num_samples=50)  # flattened, so that length makes features
    task = study.task(data, pooling="flatten")
    trainer = study.trainer(tmp_path / "flat", logger=False)
    trainer.fit(task, data)
    trainer.save_checkpoint(tmp_path / "flat.ckpt")
    with pytest.raises(CheckpointError, match="300 features"):
        set_up(
            study,
            tmp_path,
            TransferLearning(str(tmp_path / "flat.ckpt"), head="by_diagnosis"),
            pooling="flatten",
        )


# The stem -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("family", ["cnn", "gru"])
@pytest.mark.parametrize("leads", [("II",), ("I", "II", "V2"), LEADS[:6], (*LEADS[:2], *LEADS[6:])])
def test_twelve_leads_become_fewer_by_name(study, gru_upstream, cnn_upstream, tmp_path, family, leads):
    path = {"gru": gru_upstream, "cnn": cnn_upstream}[family]
    data = study.data(leads=leads)
    with pytest.raises(CheckpointError, match="stem: select"):
        set_up(study, tmp_path, TransferLearning(str(path)), family, data)
    transfer = TransferLearning(str(path), stem="select")
    task, _, after = set_up(study, tmp_path, transfer, family, study.data(leads=leads))
    for name in task.network.input_weight_names:
        chosen = network_of(path)[name][:, [LEADS.index(lead) for lead in leads]]
        assert equal(after[name], chosen)
        assert [t.state for t in transfer.report.tensors if t.name == name] == ["adapted"]
    assert transfer.report.coverage == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("family", ["cnn", "gru"])
def test_one_lead_becomes_twelve(study, tmp_path, family):
    path = study.upstream(tmp_path, family, leads=("II",))
    for stem in ("select", "mean"):
        transfer = TransferLearning(str(path), stem=stem, min_coverage=0.4)
        task, _, after = set_up(study, tmp_path / stem, transfer, family)
        for name in task.network.input_weight_names:
            source = network_of(path)[name]
            expected = source.expand(-1, 12, *source.shape[2:]) / 12
            if stem == "select":
                expected = torch.zeros_like(expected)
                expected[:, 1] = source[:, 0]
            torch.testing.assert_close(after[name], expected)


def test_a_foreign_stem_of_other_leads_is_an_error_by_default(study, cnn_upstream, tmp_path):
    path = tmp_path / "foreign.pt"
    torch.save(network_of(cnn_upstream), path)
    data = study.data(leads=("II",))
    with pytest.raises(CheckpointError, match="for 12 leads"):
        set_up(study, tmp_path, TransferLearning(str(path), min_coverage=0.0), "cnn", data)
    with pytest.raises(CheckpointError, match="no names of its leads"):
        set_up(study, tmp_path, TransferLearning(str(path), stem="select"), "cnn", data)
    transfer = TransferLearning(str(path), stem="mean")
    set_up(study, tmp_path, transfer, "cnn", data)
    assert transfer.report.coverage == 1.0


@pytest.mark.slow
def test_another_rate_is_an_error_that_names_the_upstreams(study, cnn_upstream, gru_upstream, tmp_path):
    data = study.data(sampling_rate=50.0)
    with pytest.raises(CheckpointError, match=r"`sampling_rate: 100\.0`"):
        set_up(study, tmp_path, TransferLearning(str(cnn_upstream)), "cnn", data)
    transfer = TransferLearning(str(cnn_upstream), resample_stem=True)
    _, _, after = set_up(study, tmp_path, transfer, "cnn", data)
    (stem,) = [t for t in transfer.report.tensors if t.name == "conv1.weight"]
    assert (stem.state, stem.note) == ("adapted", "kernels from 100 to 50 Hz")
    source = network_of(cnn_upstream)["conv1.weight"]
    torch.testing.assert_close(after["conv1.weight"].sum(-1), source.sum(-1), rtol=1e-4, atol=1e-5)
    with pytest.raises(SettingError, match="resample_stem"):
        set_up(study, tmp_path, TransferLearning(str(gru_upstream), resample_stem=True), data=data)


@pytest.mark.slow
def test_other_leads_at_another_rate(study, cnn_upstream, tmp_path):
    transfer = TransferLearning(str(cnn_upstream), stem="select", resample_stem=True)
    set_up(study, tmp_path, transfer, "cnn", study.data(leads=("I", "V1"), sampling_rate=50.0))
    (stem,) = [t for t in transfer.report.tensors if t.name == "conv1.weight"]
    assert stem.note == "kernels from 100 to 50 Hz; 2 of 12 leads selected by name"


# Fresh groups, and what is refused ----------------------------------------------------------------------


@pytest.mark.slow
def test_the_last_groups_start_fresh(study, cnn_upstream, tmp_path):
    transfer = TransferLearning(str(cnn_upstream), reinit_last=2)
    _, fresh, after = set_up(study, tmp_path, transfer, "cnn")
    upstream = network_of(cnn_upstream)
    for name, tensor in after.items():
        new = name.startswith(("layer4.", "fc1.", "fc2."))
        assert equal(tensor, fresh[name] if new else upstream[name]), name
    assert {t.group for t in transfer.report.tensors if t.state == "reinitialised"} == {
        "layer4",
        "fc1",
        "head",
    }
    assert transfer.report.coverage == 1.0
    with pytest.raises(SettingError, match="reinit_last"):
        set_up(study, tmp_path, TransferLearning(str(cnn_upstream), reinit_last=6), "cnn")


@pytest.mark.parametrize("family", ["gru", "cnn"])
def test_a_group_that_does_not_exist_is_refused_before_anything_is_loaded(study, tmp_path, family):
    transfer = TransferLearning("nowhere.ckpt", phases=[Phase(0, ["head"]), Phase(1, ["layer9"])])
    with pytest.raises(SettingError, match=r"layer9, expected groups out of (rnn.0|stem)"):
        set_up(study, tmp_path, transfer, family)


@pytest.mark.slow
def test_warnings_reach_the_user(study, gru_upstream, tmp_path):
    data = study.data()
    transfer = TransferLearning(str(gru_upstream), recipe="gradual", phase_epochs=4)
    trainer = study.trainer(tmp_path, transfer, EarlyStopping("val/loss", patience=1), max_epochs=1)
    with pytest.warns(UserWarning, match="will never come"):
        trainer.fit(study.task(data), data)
    transfer = TransferLearning(str(gru_upstream), recipe="lp_ft", phase_epochs=3)
    trainer = study.trainer(tmp_path, transfer, EarlyStopping("val/loss", patience=0), max_epochs=4)
    with pytest.warns(UserWarning, match="Early stopping may end"):
        trainer.fit(study.task(data), data)


def test_a_sharding_strategy_is_refused_before_anything_is_loaded(study, tmp_path, monkeypatch):
    trainer = study.trainer(tmp_path)
    monkeypatch.setattr(type(trainer), "strategy", FSDPStrategy.__new__(FSDPStrategy))
    transfer = TransferLearning("nowhere.ckpt", recipe="gradual")
    with pytest.raises(SettingError, match="FSDPStrategy"):
        transfer.setup(trainer, study.task(study.data()), "fit")


@pytest.mark.parametrize(
    "settings",
    [
        {"head": "new"},
        {"stem": "sum"},
        {"batch_norm": "eval"},
        {"l2_sp": -1.0},
        {"reinit_last": -1},
        {"warmup_steps": -1},
        {"recipe": "gradual", "phases": [Phase(0, ["head"])]},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(SettingError):
        TransferLearning("upstream.ckpt", **settings)


@pytest.mark.parametrize(
    "settings",
    [{"prefix": "x"}, {"renames": {"a": "b"}}, {"head": "keep"}, {"reinit_last": 1}, {"l2_sp": 0.1}],
)
def test_settings_about_an_upstream_need_one(settings):
    with pytest.raises(SettingError, match="null"):
        TransferLearning(None, **settings)


# What the forward uses counts ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        (("running_mean", "running_var"), "0.0% of the backbone's batch norms' statistics"),
        (("running_var",), "50.0% of the backbone's batch norms' statistics"),
        (("weight", "bias"), "0.0% of the backbone's batch norms' weights"),
        (("num_batches_tracked",), None),
    ],
)
def test_batch_norms_count_by_themselves(study, cnn_upstream, tmp_path, left_out, said):
    state = network_of(cnn_upstream)
    norms = {name.removesuffix(".running_mean") for name in state if name.endswith(".running_mean")}
    missing = {f"{norm}.{kind}" for norm in norms for kind in left_out}
    path = tmp_path / "parts.pt"
    torch.save({name: tensor for name, tensor in state.items() if name not in missing}, path)
    upstream, network = read_upstream(path), study.task(study.data(), "cnn").network
    if said is None:
        report = plan_transfer(upstream, network, Matching(), None).report
        assert report.norm_coverage == {"weights": 1, "statistics": 1}
        return
    with pytest.raises(CheckpointError, match=said):
        plan_transfer(upstream, network, Matching(), None)
    report = plan_transfer(upstream, network, Matching(min_coverage=0), None).report
    assert min(report.norm_coverage.values()) < 1
    assert report.as_dict()["norm_coverage"] == report.norm_coverage
    assert said.split("'s ")[-1].split("' ")[-1] in " ".join(_lines(report))


def test_a_network_without_batch_norms_has_no_such_share(study, gru_upstream):
    network = study.task(study.data(), "gru").network
    assert plan_transfer(read_upstream(gru_upstream), network, Matching(), None).report.norm_coverage == {}


@pytest.mark.parametrize("table", [dict, Namespace], ids=["a table", "a parser's"])
def test_phases_of_a_config_are_phases(table):
    for settings in (
        {"train": {"phases": [table(epoch=0, train=["head"])]}},
        {"phases": [table(epoch=0, train=["head"])]},
    ):
        assert TransferLearning(None, **settings).train.phases == [Phase(0, ["head"])]
    with pytest.raises(SettingError, match=r"transfer\.train\.phases: found a phase of a"):
        TransferLearning(None, train={"phases": [table(a=1)]})
