"""Freezing while training: exact, whatever the optimizer, the schedule of its rates, and the precision."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch import nn
from torch.optim import SGD, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR, ReduceLROnPlateau
from trainings import equal, weights

from ecg_tl.errors import SettingError
from ecg_tl.tasks.optimization import parameter_groups
from ecg_tl.transfer.callback import TransferLearning
from ecg_tl.transfer.phases import Phase

CNN_GROUPS = ("stem", "layer1", "layer2", "layer3", "layer4", "fc1", "head")
GRU_GROUPS = ("rnn.0", "rnn.1", "rnn.2", "head")


class Recorder(Callback):
    """Keeps the network's tensors at the start and at the end of each epoch."""

    def __init__(self) -> None:
        self.states: list[dict[str, torch.Tensor]] = []
        self.trained: list[set[str]] = []

    def on_train_start(self, trainer, pl_module):
        self.states.append(weights(pl_module))

    def on_train_epoch_end(self, trainer, pl_module):
        self.states.append(weights(pl_module))
        parameters = dict(pl_module.network.named_parameters())
        groups = pl_module.network.layer_groups()
        self.trained.append({g for g, names in groups.items() if parameters[names[0]].requires_grad})


def groups_of(network: Any) -> dict[str, str]:
    """The group of every tensor, batch-norm buffers among them."""
    group_of = {name: group for group, names in network.layer_groups().items() for name in names}
    for name in network.state_dict():
        group_of.setdefault(
            name, next(g for n, g in group_of.items() if n.rpartition(".")[0] == name.rpartition(".")[0])
        )
    return group_of


def assert_only_moved(before, after, group_of, trained) -> None:
    """Every tensor of the trained groups has changed, and every other one is the same bit for bit."""
    for name, tensor in after.items():
        assert equal(tensor, before[name]) != (group_of[name] in trained), name


def run(study, folder, transfer, family="gru", epochs=3, callbacks=(), data=None, **settings):
    data = data or study.data()
    task_settings = {
        k: settings.pop(k) for k in list(settings) if k in ("optimizer", "schedule", "weight_decay")
    }
    task = study.task(data, family, **task_settings)
    recorder = Recorder()
    trainer = study.trainer(folder, transfer, recorder, *callbacks, max_epochs=epochs, **settings)
    trainer.fit(task, data)
    return task, recorder, trainer


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_frozen_weights_and_batch_norms_stay_bit_equal(study, cnn_upstream, tmp_path, optimizer):
    transfer = TransferLearning(str(cnn_upstream), recipe="linear_probe")
    task, recorder, _ = run(study, tmp_path, transfer, "cnn", optimizer=optimizer, weight_decay=0.1)
    upstream = torch.load(cnn_upstream, weights_only=True)["state_dict"]
    for name, tensor in weights(task).items():
        if not name.startswith("fc2."):
            assert equal(tensor, upstream[f"network.{name}"]), name
    assert not equal(recorder.states[0]["fc2.weight"], recorder.states[-1]["fc2.weight"])


@pytest.mark.slow
@pytest.mark.parametrize(("family", "groups"), [("cnn", CNN_GROUPS), ("gru", GRU_GROUPS)])
def test_gradual_unfreezing_trains_one_more_group_each_phase(
    study, cnn_upstream, gru_upstream, tmp_path, family, groups
):
    upstream = {"cnn": cnn_upstream, "gru": gru_upstream}[family]
    transfer = TransferLearning(str(upstream), recipe="gradual")
    task, recorder, _ = run(study, tmp_path, transfer, family, epochs=len(groups), weight_decay=0.1)
    group_of = groups_of(task.network)
    for epoch in range(len(groups)):
        trained = set(groups[len(groups) - 1 - epoch :])
        assert recorder.trained[epoch] == trained
        assert_only_moved(recorder.states[epoch], recorder.states[epoch + 1], group_of, trained)


@pytest.mark.slow
def test_lp_ft_trains_the_head_and_then_everything(study, cnn_upstream, tmp_path):
    transfer = TransferLearning(str(cnn_upstream), recipe="lp_ft", phase_epochs=2)
    task, recorder, _ = run(study, tmp_path, transfer, "cnn", epochs=3)
    assert recorder.trained == [{"head"}, {"head"}, set(CNN_GROUPS)]
    assert_only_moved(recorder.states[2], recorder.states[3], groups_of(task.network), set(CNN_GROUPS))


@pytest.mark.slow
def test_phases_take_names_and_patterns(study, cnn_upstream, tmp_path):
    phases = [Phase(0, ["head", "fc1"]), Phase(2, ["layer[34]"])]
    _, recorder, _ = run(study, tmp_path, TransferLearning(str(cnn_upstream), phases=phases), "cnn")
    assert recorder.trained == [{"fc1", "head"}] * 2 + [{"layer3", "layer4", "fc1", "head"}]


@pytest.mark.slow
def test_full_trains_everything(study, cnn_upstream, tmp_path):
    task, recorder, _ = run(study, tmp_path, TransferLearning(str(cnn_upstream)), "cnn", epochs=1)
    assert_only_moved(*recorder.states, groups_of(task.network), set(CNN_GROUPS))


def test_a_random_frozen_encoder_is_a_control(study, tmp_path, capsys):
    transfer = TransferLearning(None, recipe="linear_probe")
    task, recorder, _ = run(study, tmp_path, transfer, "cnn", epochs=2)
    assert_only_moved(recorder.states[0], recorder.states[-1], groups_of(task.network), {"head"})
    assert {t.state for t in transfer.report.tensors} == {"reinitialised"}
    assert task.transfer_report["upstream"] is None
    assert "random weights" in capsys.readouterr().err


@pytest.mark.slow
def test_every_parameter_is_in_the_optimizer_from_the_first_step(study, cnn_upstream, tmp_path):
    seen = []

    class Watch(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            seen.append([id(p) for g in trainer.optimizers[0].param_groups for p in g["params"]])

    transfer = TransferLearning(str(cnn_upstream), recipe="gradual")
    task, _, _ = run(study, tmp_path, transfer, "cnn", epochs=2, callbacks=[Watch()])
    everything = {id(p) for p in task.parameters()}
    assert all(set(ids) == everything and len(ids) == len(everything) for ids in seen)


def test_an_optimizer_that_lacks_frozen_parameters_is_refused(study, cnn_upstream, tmp_path):
    data = study.data()
    task = study.task(data, "cnn")
    task.configure_optimizers = MethodType(
        lambda self: SGD([p for p in self.parameters() if p.requires_grad], lr=0.1), task
    )
    transfer = TransferLearning(str(cnn_upstream), recipe="gradual")
    with pytest.raises(SettingError, match=r"without network|without conv1\.weight"):
        study.trainer(tmp_path, transfer).fit(task, data)


@pytest.mark.slow
def test_parameters_of_equal_value_are_all_trained(study, gru_upstream, tmp_path):
    data = study.data()
    task = study.task(data)
    changed = []

    class Zero(Callback):
        """Makes all biases equal before the first step."""

        def on_train_start(self, trainer, pl_module):
            for name, parameter in pl_module.network.named_parameters():
                if "bias" in name:
                    nn.init.zeros_(parameter)

        def on_train_end(self, trainer, pl_module):
            changed.extend(
                n for n, p in pl_module.network.named_parameters() if "bias" in n and bool(p.abs().sum() > 0)
            )

    transfer = TransferLearning(str(gru_upstream), recipe="gradual")
    study.trainer(tmp_path, transfer, Zero(), max_epochs=4).fit(task, data)
    assert changed == [n for n, _ in task.network.named_parameters() if "bias" in n]


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "moves"), [("frozen_eval", False), ("train", True)])
def test_batch_norms_of_frozen_groups_follow_their_policy(study, cnn_upstream, tmp_path, policy, moves):
    transfer = TransferLearning(str(cnn_upstream), recipe="linear_probe", batch_norm=policy)
    _, recorder, _ = run(study, tmp_path, transfer, "cnn", epochs=2)
    before, after = recorder.states[0], recorder.states[-1]
    for name in before:
        if "running" in name:
            assert equal(before[name], after[name]) != moves, name
        elif "num_batches" not in name and not name.startswith("fc2"):
            assert equal(before[name], after[name]), name


@pytest.mark.slow
def test_only_batch_norms_and_what_drops_values_are_put_in_evaluation_mode(study, cnn_upstream, tmp_path):
    # cuDNN refuses the backward pass of a recurrent layer in evaluation mode.
    modes = []

    class Watch(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            modes.append({n: m.training for n, m in pl_module.network.named_modules()})

    transfer = TransferLearning(str(cnn_upstream), phases=[Phase(0, ["layer4", "head"])])
    run(study, tmp_path, transfer, "cnn", epochs=2, callbacks=[Watch()])
    for mode in modes:
        for name, training in mode.items():
            rests = ".bn" in f".{name}" or "downsample.1" in name or "stochastic_depth" in name
            assert training != (rests and not name.startswith("layer4")), name


# Optimizers, schedules of rates, precisions, averages ---------------------------------------------------


def configure(kind: str) -> Callable[[Any], Any]:
    def configured(self):
        groups = parameter_groups(self.network, 1e-2, 0.01)
        optimizer = SGD(groups, lr=1e-2, momentum=0.9) if kind.startswith("sgd") else AdamW(groups)
        schedule = kind.partition("-")[2]
        if schedule == "one_cycle":
            rates = [g["lr"] for g in optimizer.param_groups]
            return [optimizer], [{"scheduler": OneCycleLR(optimizer, rates, 1000), "interval": "step"}]
        if schedule == "cosine":
            return [optimizer], [{"scheduler": CosineAnnealingLR(optimizer, 1000), "interval": "step"}]
        if schedule == "lambda":
            return [optimizer], [LambdaLR(optimizer, lambda epoch: 0.9**epoch)]
        if schedule == "plateau":
            plateau = ReduceLROnPlateau(optimizer, patience=0)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val/loss"}}
        return optimizer

    return configured


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [f"{o}-{s}" for o in ("adamw", "sgd") for s in ("one_cycle", "cosine", "lambda", "plateau")],
)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_schedules_of_rates_and_accumulation(study, gru_upstream, tmp_path, kind, accumulate, monkeypatch):
    from ecg_tl.tasks import EcgClassifier

    monkeypatch.setattr(EcgClassifier, "configure_optimizers", configure(kind))
    monkeypatch.setattr(EcgClassifier, "on_train_start", lambda self: None)
    transfer = TransferLearning(str(gru_upstream), recipe="gradual", warmup_steps=2)
    task, recorder, _ = run(study, tmp_path, transfer, epochs=4, accumulate_grad_batches=accumulate)
    group_of = groups_of(task.network)
    for epoch in range(4):
        trained = set(GRU_GROUPS[3 - epoch :])
        assert_only_moved(recorder.states[epoch], recorder.states[epoch + 1], group_of, trained)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["cnn", "gru"])
def test_mixed_precision(study, cnn_upstream, gru_upstream, tmp_path, family):
    upstream = {"cnn": cnn_upstream, "gru": gru_upstream}[family]
    transfer = TransferLearning(str(upstream), recipe="lp_ft", l2_sp=0.01)
    task, recorder, _ = run(study, tmp_path, transfer, family, epochs=2, precision="bf16-mixed")
    group_of = groups_of(task.network)
    assert_only_moved(recorder.states[0], recorder.states[1], group_of, {"head"})
    assert_only_moved(recorder.states[1], recorder.states[2], group_of, set(group_of.values()))


@pytest.mark.slow
def test_an_average_of_weights_begins_with_the_upstream(study, cnn_upstream, tmp_path):
    data = study.data()
    task = study.task(data, "cnn")
    average = EMAWeightAveraging(decay=0.5)
    study.trainer(tmp_path, TransferLearning(str(cnn_upstream), recipe="linear_probe"), average).fit(
        task, data
    )
    upstream = torch.load(cnn_upstream, weights_only=True)["state_dict"]
    averaged = average._average_model.module.network.state_dict()
    for name, tensor in averaged.items():
        if not name.startswith("fc2.") and "num_batches" not in name:
            torch.testing.assert_close(tensor, upstream[f"network.{name}"])


def test_an_average_listed_first_is_refused(study, cnn_upstream, tmp_path):
    data = study.data()
    trainer = study.trainer(tmp_path, EMAWeightAveraging(), TransferLearning(str(cnn_upstream)))
    with pytest.raises(SettingError, match="EMAWeightAveraging before TransferLearning"):
        trainer.fit(study.task(data, "cnn"), data)


@pytest.mark.slow
def test_layers_that_were_replaced_are_found_by_name(study, cnn_upstream, tmp_path):
    class Convert(Callback):
        """What a strategy does after callbacks were set up; here without a process group to talk to."""

        def on_fit_start(self, trainer, pl_module):
            nn.SyncBatchNorm.convert_sync_batchnorm(pl_module.network)

    transfer = TransferLearning(str(cnn_upstream), recipe="gradual")
    task, recorder, _ = run(study, tmp_path, transfer, "cnn", epochs=3, callbacks=[Convert()])
    assert isinstance(task.network.bn1, nn.SyncBatchNorm)
    group_of = groups_of(task.network)
    for epoch in range(3):
        trained = set(CNN_GROUPS[6 - epoch :])
        assert_only_moved(recorder.states[epoch], recorder.states[epoch + 1], group_of, trained)


@pytest.mark.slow
def test_a_compiled_network_is_frozen_as_any_other(study, gru_upstream, cnn_upstream, tmp_path):
    data = study.data()
    task = study.task(data, "cnn")
    task.network.compile(backend="eager")
    recorder = Recorder()
    transfer = TransferLearning(str(cnn_upstream), recipe="lp_ft")
    study.trainer(tmp_path, transfer, recorder, max_epochs=2).fit(task, data)
    group_of = groups_of(task.network)
    assert_only_moved(recorder.states[0], recorder.states[1], group_of, {"head"})
    assert_only_moved(recorder.states[1], recorder.states[2], group_of, set(CNN_GROUPS))


# Warm-up and penalty ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_each_newly_trained_group_warms_up(study, gru_upstream, tmp_path):
    """With SGD without momentum, a step is the rate times the gradient."""
    data = study.data()
    task = study.task(data)
    task.configure_optimizers = MethodType(
        lambda self: SGD(parameter_groups(self.network, 1e-2, 0.0), lr=1e-2), task
    )
    factors: dict[str, list[float]] = {"head": [], "rnn.2": []}
    probes = {"head": "fc.bias", "rnn.2": "rnn.bias_hh_l2"}

    class Watch(Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            self.before = {n: p.detach().clone() for n, p in pl_module.network.named_parameters()}
            self.grads = {
                n: p.grad.clone() for n, p in pl_module.network.named_parameters() if p.grad is not None
            }

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            now = dict(pl_module.network.named_parameters())
            for group, name in probes.items():
                if name in self.grads:
                    largest = self.grads[name].abs().argmax()
                    step = (self.before[name] - now[name].detach()).flatten()[largest]
                    factors[group].append(float(step / self.grads[name].flatten()[largest]) / 1e-2)
            assert {group["lr"] for group in trainer.optimizers[0].param_groups} == {1e-2}

    transfer = TransferLearning(str(gru_upstream), recipe="gradual", warmup_steps=3)
    trainer = study.trainer(tmp_path, transfer, Watch(), max_epochs=2)
    trainer.fit(task, data)
    steps = trainer.num_training_batches
    assert steps >= 5
    expected = [0.25, 0.5, 0.75] + [1.0] * (2 * steps - 3)
    assert factors["head"] == pytest.approx(expected, rel=1e-3)
    assert factors["rnn.2"] == pytest.approx(expected[:steps], rel=1e-3)
    assert not trainer.optimizers[0]._optimizer_step_pre_hooks


def test_a_warm_up_of_groups_that_share_a_rate_is_refused(study, gru_upstream, tmp_path):
    data = study.data()
    task = study.task(data)
    task.configure_optimizers = MethodType(lambda self: SGD(self.parameters(), lr=1e-2), task)
    transfer = TransferLearning(str(gru_upstream), recipe="gradual", warmup_steps=3)
    with pytest.raises(SettingError, match="warmup_steps"):
        study.trainer(tmp_path, transfer).fit(task, data)


@pytest.mark.slow
def test_the_penalty_pulls_to_the_upstream(study, gru_upstream, tmp_path):
    """Its gradient is l2_sp * (w - w_upstream), on what was loaded alone."""
    data = study.data()
    task = study.task(data)
    grads = []

    class Watch(Callback):
        def __init__(self, when: str) -> None:
            self.when = when

        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            named = pl_module.network.named_parameters()
            grads.append({n: (p.detach().clone(), p.grad.clone()) for n, p in named})

    transfer = TransferLearning(str(gru_upstream), l2_sp=0.5)
    study.trainer(tmp_path, Watch("before"), transfer, Watch("after")).fit(task, data)
    upstream = torch.load(gru_upstream, weights_only=True)["state_dict"]
    for before, after in zip(grads[::2], grads[1::2], strict=True):
        for name, (weight, grad) in after.items():
            expected = before[name][1]
            if not name.startswith("fc."):
                expected = expected + 0.5 * (weight - upstream[f"network.{name}"])
            torch.testing.assert_close(grad, expected)


@pytest.mark.slow
def test_a_stronger_penalty_keeps_the_backbone_closer(study, gru_upstream, tmp_path):
    from ecg_tl.transfer.movement import l2_by_group

    moved = []
    for strength in (0.0, 10.0):
        transfer = TransferLearning(str(gru_upstream), l2_sp=strength)
        task, recorder, _ = run(study, tmp_path / str(strength), transfer, optimizer="sgd", weight_decay=0.0)
        names = [n for n in recorder.states[0] if not n.startswith("fc.")]
        moved.append(sum(l2_by_group(task.network, recorder.states[0], names).values()))
    assert moved[1] < 0.7 * moved[0]
