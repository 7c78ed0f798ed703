"""A network that one file adds is trained, fine-tuned, exported and asked like those of the project."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import Callback
from tiny import NUM_SAMPLES, SAMPLING_RATE

from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.checkpoints.settings import declared_settings
from ecg_tl.datamodules import Cpsc2018DataModule, EcgDataModule, PtbXlDataModule, SplitSettings
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.export.exporting import export
from ecg_tl.inference.opening import open_model
from ecg_tl.models import NETWORKS, create_network, network_names, register_network
from ecg_tl.store.reader import Store
from ecg_tl.tasks import CnnClassifier, EcgClassifier, RnnClassifier
from ecg_tl.tasks.links import LINKED_TO_DATA
from ecg_tl.tasks.restoring import restore_task
from ecg_tl.transfer.callback import TransferLearning

FILE = '''
"""Two convolutions, as anybody might write them."""

import torch
from torch import Tensor, nn

from ecg_tl.models.base import EcgNetwork
from ecg_tl.models.registry import register_network


@register_network("two_convolutions", family="plain")
class TwoConvolutions(EcgNetwork):
    head_name = "classify"
    input_weight_names = ("first.weight",)

    def __init__(self, num_classes: int, num_leads: int, num_samples: int, width: int = 8) -> None:
        super().__init__(num_classes, num_leads, num_samples)
        self.first = nn.Conv1d(num_leads, width, 5, stride=2)
        self.second = nn.Conv1d(width, width, 5, stride=2)
        self.classify = nn.Linear(width, num_classes)

    def _encode(self, signal: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(signal)))).mean(dim=-1)

    def _group_of(self, parameter_name: str) -> str:
        return parameter_name.split(".", 1)[0]
'''
NAME = "two_convolutions"


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Import the file, which is all that adds the network, and forget it afterwards."""
    path = tmp_path_factory.mktemp("networks") / "plain_network.py"
    path.write_text(FILE)
    spec = importlib.util.spec_from_file_location("plain_network", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["plain_network"] = module
    spec.loader.exec_module(module)
    yield NAME
    NETWORKS.pop(NAME)
    del sys.modules["plain_network"]


def fit(task: EcgClassifier, data: EcgDataModule, path: Path, *callbacks: Callback) -> Path:
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(
        accelerator="cpu", max_epochs=1, enable_model_summary=False, callbacks=list(callbacks), **quiet
    )
    trainer.fit(task, data)
    trainer.save_checkpoint(path)
    return path


def data_of(kind: type[EcgDataModule], root: Path, stores: Path) -> EcgDataModule:
    return kind(  # type: ignore[call-arg]  # each names its dataset itself
        root=str(root),
        store_dir=str(stores),
        sampling_rate=SAMPLING_RATE,
        num_samples=NUM_SAMPLES,
        batch_size=16,
        split=SplitSettings(kind="patient", fractions=(0.5, 0.25, 0.25)),
    )


def test_a_network_of_one_file_is_trained_finetuned_exported_and_asked(
    added: str,
    ptbxl_root: Path,
    ptbxl_store: Store,
    cpsc2018_root: Path,
    cpsc2018_store: Store,
    prepared: Path,
    tmp_path: Path,
) -> None:
    upstream_data = data_of(PtbXlDataModule, ptbxl_root, prepared)
    data = data_of(Cpsc2018DataModule, cpsc2018_root, prepared)
    options = {"network_options": {"width": 6}}
    seed_everything(0, verbose=False)
    upstream = fit(
        EcgClassifier.for_data(upstream_data, added, **options), upstream_data, tmp_path / "upstream.ckpt"
    )

    task = EcgClassifier.for_data(data, added, **options)
    transfer = TransferLearning(str(upstream))
    finetuned = fit(task, data, tmp_path / "finetuned.ckpt", transfer)
    assert task.transfer_report is not None
    assert task.transfer_report["coverage"] == 1.0
    assert task.network.num_classes == data.num_classes != upstream_data.num_classes

    exported = export(finetuned, "onnx").path
    signal = np.random.default_rng(0).normal(size=(2, 12, NUM_SAMPLES)).astype("f4")
    answers = [open_model(path, "cpu").logits(signal) for path in (finetuned, exported)]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-4)
    np.testing.assert_array_equal(answers[0], task.eval()(torch.from_numpy(signal)).detach().numpy())


def test_all_lists_of_names_have_it(added: str) -> None:
    assert added in network_names()
    assert network_names("plain") == (added,)
    assert added in get_args(get_type_hints(EcgClassifier.__init__)["network"])
    assert added not in get_args(get_type_hints(CnnClassifier.__init__)["network"])
    with pytest.raises(SettingError, match=f"{added}.*Did you mean {added}"):
        create_network("two_convolution", 3)


def settings_of(network: str, **options: Any) -> dict[str, Any]:
    return {
        "network": network,
        "num_classes": 2,
        "num_leads": 12,
        "num_samples": 100,
        "class_names": ["A", "B"],
        "normalization": {"name": "none"},
        "network_options": options,
    }


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"widht": 3}, "Did you mean width"),
        ({"width": "3"}, "width: '3', expected a whole number"),
        ({"width": [3]}, "width"),
        ({"width": 10**9}, "width"),
        ({"width": float("nan")}, "width"),
    ],
)
def test_options_of_a_strangers_checkpoint_are_checked_by_the_network(
    added: str, options: dict[str, Any], found: str
) -> None:
    assert declared_settings(EcgClassifier, settings_of(added, width=3), "x.ckpt")
    with pytest.raises(CheckpointError, match=found):
        declared_settings(EcgClassifier, settings_of(added, **options), "x.ckpt")


def test_a_checkpoint_of_a_network_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    with pytest.raises(CheckpointError, match="'nowhere' in its settings"):
        restore_task(path, {"hyper_parameters": {"network": "nowhere"}, "state_dict": {}})


@pytest.mark.parametrize("kind", [EcgClassifier, CnnClassifier, RnnClassifier])
def test_a_task_for_data_takes_what_the_command_line_links(
    kind: type[EcgClassifier], ptbxl_root: Path, prepared: Path
) -> None:
    data = data_of(PtbXlDataModule, ptbxl_root, prepared)
    name = "resnet1d18" if kind is CnnClassifier else "gru"
    settings: dict[str, Any] = {"learning_rate": 0.5}
    if kind is EcgClassifier:
        settings["network_options"] = {"hidden_size": 3}
    task = kind.for_data(data, name, **settings)
    # A choice is among the settings only where one of the classes is chosen.
    assert "single_choice" not in task.hparams
    assert {name: task.hparams.get(name, False) for name in LINKED_TO_DATA} == {
        name: getattr(data, name) for name in LINKED_TO_DATA
    }
    assert task.hparams["learning_rate"] == task.learning_rate == 0.5
    assert isinstance(task, LightningModule)
    assert ("network_options" in task.hparams) == (kind is EcgClassifier)


@pytest.mark.parametrize(("face", "name"), [(CnnClassifier, "resnet1d18"), (RnnClassifier, "gru")])
def test_a_face_is_the_one_classifier_with_other_names(face: type[EcgClassifier], name: str) -> None:
    sizes = {k: v for k, v in settings_of(name).items() if k not in ("network", "network_options")}
    tasks = []
    for kind in (face, EcgClassifier):
        torch.manual_seed(1)
        tasks.append(kind(network=name, **sizes).state_dict())
    assert tasks[0].keys() == tasks[1].keys()
    assert all(torch.equal(tasks[0][key], tasks[1][key]) for key in tasks[0])


def test_a_name_is_one_networks(added: str) -> None:
    def other(num_classes: int, num_leads: int, num_samples: int) -> Any: ...

    with pytest.raises(SettingError, match=f"the name {added}"):
        register_network(added, family="cnn")(other)
    with pytest.raises(SettingError, match="the name 'A B'"):
        register_network("A B", family="cnn")(other)
    with pytest.raises(SettingError, match="no num_leads, num_samples"):
        register_network("some", family="cnn")(lambda num_classes: None)  # type: ignore[arg-type, return-value]


def test_the_checkpoint_keeps_plain_settings(added: str, tmp_path: Path) -> None:
    settings = settings_of(added, width=3)
    task = EcgClassifier(**settings)
    torch.save({"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams)}, tmp_path / "x.ckpt")
    kept = read_checkpoint(tmp_path / "x.ckpt")["hyper_parameters"]
    assert {name: kept[name] for name in settings} == settings
