"""`ecg-tl pretrain`: a training of this project whose model is a pre-training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningArgumentParser

from ecg_tl.acceleration import Speed
from ecg_tl.callbacks import RunCheckpoint
from ecg_tl.callbacks.history import RESULT_FILE
from ecg_tl.pretraining.base import Pretraining
from ecg_tl.pretraining.cpc import CpcPretraining
from ecg_tl.pretraining.data import PretrainingData
from ecg_tl.pretraining.jepa import JepaPretraining
from ecg_tl.pretraining.pictures import PretrainingPictures
from ecg_tl.pretraining.simclr import SimClrPretraining
from ecg_tl.training import EcgCLI, data_seed, run_settings
from ecg_tl.trust import (
    config_is_trusted,
    config_trust,
    parsing_limits,
    require_known_kinds,
    without_trust_option,
)

METHODS: dict[str, type[Pretraining]] = {
    one.method: one for one in (JepaPretraining, CpcPretraining, SimClrPretraining)
}
"""By the name that `-c` and a study use."""

LINKED_TO_DATA = ("num_leads", "num_samples", "sampling_rate", "normalization")
"""Settings of a pre-training that are properties of its data."""


class PretrainCLI(EcgCLI):
    """The command line of a training, with the parts that a pre-training has."""

    command = "pretrain"

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add where runs are kept, which checkpoint is chosen, and the links from data to model."""
        self.add_run_arguments(parser)
        parser.add_lightning_class_args(RunCheckpoint, "checkpoint")
        # There is no label to choose an epoch by: the last one is kept.
        parser.set_defaults({"checkpoint.monitor": "epoch"})
        parser.add_lightning_class_args(PretrainingPictures, "pictures")
        parser.add_class_arguments(Speed, "speed")
        for name in LINKED_TO_DATA:
            parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")
        parser.link_arguments("seed_everything", "data.seed", compute_fn=data_seed)
        parser.link_arguments("seed_everything", "model.init_args.seed", compute_fn=data_seed)

    def take_up_transfer(self, config: Any) -> None:
        """Begin as initialised: a pre-training starts from no upstream."""


def make_pretraining(config: Mapping[str, Any]) -> tuple[PretrainingData, Pretraining]:
    """Make data and model of a config of `ecg-tl pretrain`, without reading any record.

    Args:
        config: Of which the sections `data` and `model` are looked at.

    Raises:
        SettingError: If a setting makes no sense.
        jsonargparse.ArgumentError: If there is no such setting, or a value is of another type.
    """
    of_data = ArgumentParser(exit_on_error=False)
    of_data.add_class_arguments(PretrainingData, "data")
    data: PretrainingData = of_data.instantiate(of_data.parse_object({"data": dict(config["data"])})).data
    linked = {name: getattr(data, name) for name in LINKED_TO_DATA}
    model = {**config["model"], "init_args": {**config["model"].get("init_args", {}), **linked}}
    of_model = ArgumentParser(exit_on_error=False)
    of_model.add_subclass_arguments(Pretraining, "model", required=True)
    parsed = of_model.parse_object({"model": model})
    require_known_kinds(parsed)
    made: Pretraining = of_model.instantiate(parsed).model
    return data, made


def pretrain(
    words: Sequence[str],
    *,
    folder: Path | None = None,
    callbacks: Sequence[Callback] = (),
    result_file: str = RESULT_FILE,
) -> PretrainCLI:
    """Pre-train, and return what was made for it.

    Args:
        words: The arguments of `ecg-tl pretrain`, with the datasets as `data.sources`.
        folder: Where the run is kept, whose owner also keeps its config; None for a new one under `runs_dir`
            and `experiment`, with a `config.yaml`.
        callbacks: Beside those that every run has.
        result_file: Name of the file that says what it came to.

    Raises:
        SettingError: If the config names what it may not, and `words` do not say `--trust_config`.
    """
    words, trusted = without_trust_option(words)
    with config_trust(trusted or config_is_trusted()), parsing_limits():
        usage = "ecg-tl pretrain [options] --data NAME [--data NAME ...]"
        settings = run_settings(["fit", *words], folder, callbacks, result_file, {"fit": {"usage": usage}})
        return PretrainCLI(Pretraining, PretrainingData, **settings)
