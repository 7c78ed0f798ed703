"""What is loaded, what is reported, what is refused."""

from __future__ import annotations

import json

import pytest
import torch
from trainings import equal, weights

from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.signals import LEADS
from ecg_tl.transfer.callback import REPORT_FILE, TransferLearning


def fit_nothing(study, folder, transfer, family="gru", data=None, **settings):
    """Set a training up and stop before its first step."""
    data = data or study.data()
    task = study.task(data, family, **settings)
    fresh = weights(task)
    study.trainer(folder, transfer, max_epochs=0).fit(task, data)
    return task, fresh


@pytest.mark.parametrize("family", ["gru", "cnn"])
def test_the_backbone_is_loaded_and_the_head_is_new(study, gru_upstream, cnn_upstream, tmp_path, family):
    path = {"gru": gru_upstream, "cnn": cnn_upstream}[family]
    task, fresh = fit_nothing(study, tmp_path, TransferLearning(str(path)), family)
    upstream = torch.load(path, weights_only=True)["state_dict"]
    head = f"{task.network.head_name}."
    for name, tensor in weights(task).items():
        expected = fresh[name] if name.startswith(head) else upstream[f"network.{name}"]
        assert equal(tensor, expected), name


def test_every_tensor_is_reported(study, cnn_upstream, tmp_path):
    transfer = TransferLearning(str(cnn_upstream))
    task, _ = fit_nothing(study, tmp_path, transfer, "cnn")
    report = transfer.report
    assert [t.name for t in report.tensors] == list(task.network.state_dict())
    head = [t for t in report.tensors if t.group == "head"]
    assert {t.state for t in head} == {"reinitialised"}
    assert {t.state for t in report.tensors if t not in head} == {"loaded"}
    assert report.coverage == 1.0
    assert report.share_by_group() == dict.fromkeys(task.network.layer_groups(), 1.0) | {"head": 0.0}


@pytest.mark.slow
def test_the_report_is_printed_written_and_kept(study, gru_upstream, tmp_path, capsys):
    transfer = TransferLearning(str(gru_upstream))
    data = study.data()
    trainer = study.trainer(tmp_path, transfer)
    trainer.fit(study.task(data), data)
    trainer.save_checkpoint(tmp_path / "after.ckpt")
    printed = capsys.readouterr().err
    assert "layer group" in printed
    assert all(group in printed for group in ("rnn.0", "rnn.1", "rnn.2", "head"))
    written = json.loads((tmp_path / REPORT_FILE).read_text())
    assert written == transfer.report.as_dict()
    assert written["coverage"] == 1.0
    assert torch.load(tmp_path / "after.ckpt", weights_only=True)["ecg_tl"]["transfer"] == written


def test_too_little_of_the_backbone_is_an_error_that_lists_what_did_not_match(study, gru_upstream, tmp_path):
    with pytest.raises(CheckpointError, match="min_coverage") as caught:
        fit_nothing(study, tmp_path, TransferLearning(str(gru_upstream)), hidden_size=7)
    for name in ("rnn.weight_ih_l0 (shape-skipped)", "rnn.weight_hh_l0 (shape-skipped)"):
        assert name in str(caught.value)
    with pytest.raises(CheckpointError, match=r"conv1.weight \(missing\)"):
        fit_nothing(study, tmp_path, TransferLearning(str(gru_upstream)), "cnn")


def test_less_can_be_allowed(study, gru_upstream, tmp_path):
    transfer = TransferLearning(str(gru_upstream), min_coverage=0.3)
    fit_nothing(study, tmp_path, transfer, num_layers=2)
    assert transfer.report.count("unexpected") == 4
    assert 0.99 < transfer.report.coverage <= 1.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "settings"),
    [
        ("leads", {"leads": (*LEADS[1:], LEADS[0])}),
        ("sampling_rate", {"sampling_rate": 50.0}),
        ("normalization", {"normalization": "z_score"}),
    ],
)
def test_signals_of_another_kind_are_refused_unless_allowed(study, gru_upstream, tmp_path, field, settings):
    with pytest.raises(CheckpointError, match=field) as caught:
        fit_nothing(study, tmp_path, TransferLearning(str(gru_upstream)), data=study.data(**settings))
    assert "downstream" in str(caught.value)
    transfer = TransferLearning(str(gru_upstream), allow=[field])
    fit_nothing(study, tmp_path, transfer, data=study.data(**settings))
    assert transfer.report.coverage == 1.0


def test_signals_in_other_units_are_refused(study, gru_upstream, tmp_path):
    checkpoint = torch.load(gru_upstream, weights_only=True)
    checkpoint["ecg_tl"]["data"]["units"] = "uV"
    torch.save(checkpoint, tmp_path / "microvolts.ckpt")
    with pytest.raises(CheckpointError, match="units uV"):
        fit_nothing(study, tmp_path, TransferLearning(str(tmp_path / "microvolts.ckpt")))


@pytest.mark.parametrize("settings", [{"min_coverage": 1.2}, {"min_coverage": -0.1}, {"allow": ["lead"]}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(SettingError):
        TransferLearning("upstream.ckpt", **settings)


@pytest.mark.slow
@pytest.mark.parametrize("message", ["trainer", "fit"])
def test_a_resumed_training_loads_nothing_from_the_upstream(study, gru_upstream, tmp_path, message):
    data = study.data()
    moved = tmp_path / "upstream.ckpt"
    moved.write_bytes(gru_upstream.read_bytes())
    trainer = study.trainer(tmp_path / "one", TransferLearning(str(moved)))
    task = study.task(data)
    trainer.fit(task, data)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    trained = weights(task)
    moved.unlink()  # a resumed training does not need it
    transfer = TransferLearning(str(moved))
    again = study.trainer(tmp_path / "two", transfer)
    resumed = study.task(data, seed=5)
    if message == "trainer":
        again.ckpt_path = str(tmp_path / "last.ckpt")
        again.fit(resumed, data)
    else:
        again.fit(resumed, data, ckpt_path=str(tmp_path / "last.ckpt"))
    assert all(equal(tensor, trained[name]) for name, tensor in weights(resumed).items())
    # The folder holds the whole run, so the report of its start too.
    reports = [(tmp_path / run / REPORT_FILE).read_text() for run in ("one", "two")]
    assert reports[0] == reports[1]
    assert resumed.transfer_report == task.transfer_report


def test_testing_needs_no_upstream(study, tmp_path):
    data = study.data()
    trainer = study.trainer(tmp_path, TransferLearning("nowhere.ckpt"))
    trainer.test(study.task(data), data, verbose=False)
