"""A training, a validation, a test or a prediction: LightningCLI with this project's defaults."""

from __future__ import annotations

import logging
import shlex
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import set_loader
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning_utilities.core.rank_zero import rank_zero_info

from ecg_tl import printing
from ecg_tl.acceleration import (
    Acceleration,
    Speed,
    choose_acceleration,
)
from ecg_tl.callbacks import EcgPictures, LearningRates, RunCheckpoint, RunEvents, ScoreCurves
from ecg_tl.callbacks.cuda_graph import CudaGraphs
from ecg_tl.callbacks.events import keep_quiet_about_disks
from ecg_tl.callbacks.history import RESULT_FILE
from ecg_tl.callbacks.signals import ending_together
from ecg_tl.callbacks.summary import print_scores
from ecg_tl.checkpoints.description import read_description, require_epoch_end, threads_of
from ecg_tl.checkpoints.names import BEST, run_of
from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.datamodules import EcgDataModule
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.metrics import TO_SCORE
from ecg_tl.parsing import load_yaml, own_error, short_message
from ecg_tl.run_defaults import (
    TRAINER_DEFAULTS,
    run_callbacks,
    run_plugins,
    settle_memory,
    settle_threads,
)
from ecg_tl.run_folder import SaveRunConfig, open_beside, open_kept, open_new
from ecg_tl.shipped import config_names, fragment_kinds
from ecg_tl.stopping import saying_what_is_left
from ecg_tl.tasks import EcgClassifier
from ecg_tl.tasks.links import LINKED_TO_DATA
from ecg_tl.trainer_settings import require_an_effect, require_an_end, require_device
from ecg_tl.transfer.section import RENAMED, is_asked_for, join_settings, named_in, start_from
from ecg_tl.transfer.words import is_transfer, present_config, remark
from ecg_tl.trust import (
    TRUST_OPTION,
    config_is_trusted,
    config_trust,
    parsing_limits,
    require_known_kinds,
    without_trust_option,
)

_TRUST = (
    f"{TRUST_OPTION} lets a config name any class and function, which then runs: without it, only classes of "
    "ecg_tl, lightning and torch that a training takes."
)


def _load_config(text: str) -> Any:
    """Read YAML, with the names of now for a transfer's settings."""
    content, earlier = present_config(load_yaml(text))
    if earlier:
        rank_zero_info(remark(earlier))
    return content


set_loader("yaml", _load_config, (yaml.YAMLError,))
"""For every parser of this process, as that of `ecg_tl.parsing` was before."""


class EcgCLI(LightningCLI):
    """LightningCLI that tells the network what its data are, and keeps each run in a folder of its own.

    Args:
        *args: Those of LightningCLI.
        folder: Where the run is kept; None for a new one under `runs_dir` and `experiment`.
        words: The command and its arguments.
        **kwargs: Those of LightningCLI.
    """

    command = "fit"
    """Of `ecg-tl`, that trains."""

    def __init__(
        self, *args: Any, folder: Path | None = None, words: Sequence[str] = (), **kwargs: Any
    ) -> None:
        self.folder = folder
        self.words = words
        self.transfers = False  # whether the training starts from an upstream
        self.acceleration: Acceleration | None = None  # of a fit; scoring has none
        self.threads_before: int | None = None  # of the training that is gone on with
        super().__init__(*args, **kwargs)

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]  # called on the instance alone
        """Name the command that is run: making the parsers of all four takes longer than all the rest."""
        return _asked_for(self.words)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add where runs are kept, which checkpoint is chosen, and the links from data to model."""
        self.add_run_arguments(parser)
        parser.add_lightning_class_args(RunCheckpoint, "checkpoint")
        parser.add_lightning_class_args(EcgPictures, "pictures")
        parser.add_lightning_class_args(ScoreCurves, "curves")
        parser.add_class_arguments(Speed, "speed")
        # Not among the callbacks, where flags reach only the last of the list, whichever that is.
        parser.add_function_arguments(start_from, "transfer")
        for name in LINKED_TO_DATA:
            parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")
        parser.link_arguments("seed_everything", "data.init_args.seed", compute_fn=data_seed)

    @staticmethod
    def add_run_arguments(parser: LightningArgumentParser) -> None:
        """Add where runs are kept."""
        parser.add_argument("--runs_dir", type=str, default="runs", help="Folder that holds all runs.")
        parser.add_argument(
            "--experiment", type=str, default="default", help="Name of this run's folder below it."
        )

    def _parse_ckpt_path(self) -> None:
        # LightningCLI would put the checkpoint's hyperparameters over what the user wrote. The run's
        # config.yaml says the same and can be read; a checkpoint that does not fit is refused by name. Here
        # the file is only looked at, so that a damaged or hostile one is a line and not a traceback.
        command = self.config.subcommand
        path = self.config[command].get("ckpt_path")
        if path is None and command != "fit":
            raise SettingError(
                "ckpt_path",
                "none",
                "a checkpoint: without one, freshly drawn weights would be scored",
                f"Add `--ckpt_path runs/.../{BEST}` to `ecg-tl {command}`.",
            )
        # Lightning's words (`best`, `last`) mean a training of this process, of which there is none: it would
        # go on without any checkpoint.
        if path is not None:
            checkpoint = read_checkpoint(Path(path))
            read_description(checkpoint, path)
            if command == "fit":
                self.threads_before = threads_of(checkpoint)
                require_epoch_end(checkpoint, path, validated_is_enough=False)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Make the trainer, with a TensorBoard folder for this run unless a logger was asked for."""
        logger = self._get(self.config_init, "trainer.logger")
        trial = self._get(self.config_init, "trainer.fast_dev_run")  # which leaves no run behind
        if logger in (None, True) and not trial:
            kwargs["logger"] = self._open_events()
        if logger is not False:  # without any logger, Lightning refuses to monitor rates
            self.trainer_defaults["callbacks"].insert(0, LearningRates(logging_interval="step"))
        plugins = self._get(self.config_init, "trainer.plugins")
        kwargs["plugins"] = run_plugins(plugins, self._get(self.config_init, "trainer.strategy"))
        if self.acceleration is not None:
            kwargs |= self._accelerate(self.acceleration)
        if self.transfers:
            # First: what averages weights must not begin with those from before the transfer.
            transfer = start_from(**vars(self._get(self.config_init, "transfer")))
            kwargs["callbacks"] = [transfer, *(self._get(self.config_init, "trainer.callbacks") or [])]
        try:
            return super().instantiate_trainer(**kwargs)
        except (ValueError, TypeError, RuntimeError, ImportError) as error:
            if own_error(error) is not None:
                raise
            # Nothing has run: what fails here is a setting that Lightning does not take.
            raise MisconfigurationException(short_message(str(error))) from error

    def before_instantiate_classes(self) -> None:
        """Settle what depends on nothing but this machine, so that the run's config says what it came to."""
        config = self.config[self.config.subcommand]
        require_known_kinds(config)
        # Unpickle nothing but tensors and primitives, whatever Lightning's default for local files is.
        if config.get("weights_only") is None:
            config["weights_only"] = True
        self.take_up_transfer(config)
        if self.config.subcommand == "fit":
            require_an_end(config.trainer)
        else:
            require_an_effect(self.words)
        require_device(str(config.trainer.accelerator))
        speed, trainer = Speed(**config.speed.as_dict()), config.trainer
        settle_memory(speed, str(trainer.accelerator))
        if self.config.subcommand == "fit":
            self.acceleration = choose_acceleration(
                speed,
                network=config.model.init_args.get("network"),
                accelerator=str(trainer.accelerator),
                precision=trainer.precision,
                benchmark=trainer.benchmark,
                deterministic=bool(trainer.deterministic),
            )
            if trainer.precision is None:
                config.speed.precision = self.acceleration.precision.value

    def take_up_transfer(self, config: Any) -> None:
        """Move a transfer callback from the list of callbacks, where it was earlier, to `transfer`."""
        callbacks = config.trainer.callbacks or []
        callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
        listed = [one for one in callbacks if is_transfer(getattr(one, "class_path", ""))]
        if listed:
            own = [vars(one.init_args) for one in listed]
            for name, value in join_settings(own, vars(config.transfer), named_in(self.words)).items():
                config.transfer[name] = value
            config.trainer.callbacks = [one for one in callbacks if one not in listed] or None
            if self.folder is None:
                rank_zero_info(RENAMED)
        self.transfers = bool(listed) or is_asked_for(vars(config.transfer))

    def instantiate_classes(self) -> None:
        """Make data, network and trainer, and settle the number of threads."""
        super().instantiate_classes()
        config = self.config[self.config.subcommand]
        processes = int(getattr(self.trainer.strategy, "num_processes", 1))
        threads = settle_threads(Speed(**config.speed.as_dict()), self.threads_before, processes)
        if self.config.subcommand == "fit":
            config.speed.threads = threads

    def _accelerate(self, acceleration: Acceleration) -> dict[str, Any]:
        """Say and do what was chosen; return what the trainer must be told of it."""
        for line in acceleration.lines():
            rank_zero_info(line)
        acceleration.apply(self.model.network)
        speed = self._get(self.config_init, "speed")
        self.model.fused_optimizer = speed.fused_optimizer
        self.trainer_defaults["callbacks"].append(CudaGraphs(speed.cuda_graph))
        precision, benchmark = acceleration.precision.value, acceleration.cudnn_benchmark.value
        return {"precision": precision, "benchmark": benchmark}

    def fit(self, model: LightningModule, ckpt_path: str | None = None, **kwargs: Any) -> None:
        """Train, or go on training.

        A checkpoint to go on from is told to the trainer beforehand: callbacks that start a training from
        elsewhere (transfer) must know in their `setup` that it has started already.
        """
        if ckpt_path is not None:
            self.trainer.ckpt_path = ckpt_path
        with saying_what_is_left(self._what_is_left), ending_together(self.trainer):
            self.trainer.fit(model, **kwargs)

    def _what_is_left(self) -> str:
        """Say from where a training that is stopped goes on."""
        # Of the callback, not of the trainer: to ask that one is a collective call, and others may be gone.
        checkpoint = self.trainer.checkpoint_callback
        last = Path(getattr(checkpoint, "last_model_path", "") or "none")
        if not last.is_file():
            if self.trainer.ckpt_path is not None:
                return f"No epoch was finished. The same command goes on from {self.trainer.ckpt_path} again."
            return "No epoch was finished. The same command begins anew."
        command = ["ecg-tl", self.command, "-c", str(run_of(last) / "config.yaml"), "--ckpt_path", str(last)]
        return f"The last epoch that was finished is kept. To go on: {shlex.join(command)}"

    def validate(self, verbose: bool = True, **kwargs: Any) -> None:
        """Score the validation records, and print the scores in a table of this project's."""
        with ending_together(self.trainer), self._naming_the_checkpoint():
            self.trainer.validate(verbose=False, **kwargs)
        self._print_scores("val", verbose)

    def test(self, verbose: bool = True, **kwargs: Any) -> None:
        """Score the test records, and print the scores in a table of this project's."""
        with ending_together(self.trainer), self._naming_the_checkpoint():
            self.trainer.test(verbose=False, **kwargs)
        self._print_scores("test", verbose)

    @contextmanager
    def _naming_the_checkpoint(self) -> Iterator[None]:
        """Say whose probabilities cannot be scored."""
        try:
            yield
        except SettingError as error:
            if error.where != TO_SCORE:
                raise
            where = self._get(self.config_init, "ckpt_path")
            found = f"probabilities of which {error.found}"
            raise CheckpointError(where, found, error.expected, error.remedy) from error

    def _print_scores(self, stage: str, verbose: bool) -> None:
        if verbose and self.trainer.is_global_zero and isinstance(self.model, EcgClassifier):
            print_scores(self.model, stage)

    def _open_events(self) -> RunEvents:
        if self.folder is not None:
            return open_kept(self.folder)
        if self.subcommand == "fit":
            return open_new(
                Path(self._get(self.config_init, "runs_dir")), str(self._get(self.config_init, "experiment"))
            )
        return open_beside(Path(self._get(self.config_init, "ckpt_path")), str(self.subcommand))


def _asked_for(words: Sequence[str]) -> dict[str, set[str]]:
    """Return LightningCLI's entry of the command that `words` begin with; all of them where it has none."""
    commands = LightningCLI.subcommands()
    return {name: skipped for name, skipped in commands.items() if name in words[:1]} or commands


def data_seed(seed: bool | int) -> int:
    """Return the seed of the data for `seed_everything`; true and false, "any seed" and "none", name none."""
    return 0 if isinstance(seed, bool) else seed


def silence_noise() -> None:
    """Leave out what Lightning says that a user of this command can do nothing about."""
    threading.excepthook = keep_quiet_about_disks
    for message in (
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",
        r"The number of training batches \(\d+\) is smaller than the logging interval",
        r"LightningCLI's args parameter is intended to run from within Python",  # as `demo` does
        r"Precision .* is not supported by the model summary",
        r"The dirpath has changed from",  # the checkpoint that is tested lies in another folder
        r"The '\w+_dataloader' does not have many workers",  # batches are one gather, without any work
        r"It is recommended to use `self\.log\(.*, sync_dist=True\)`",  # scores are equal on every process
    ):
        warnings.filterwarnings("ignore", message=message)
    printing.show_logs_as_text("lightning.pytorch", "lightning.fabric", "lightning_utilities")
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
        lambda record: "litlogger" not in record.getMessage()
    )


def train(
    words: Sequence[str],
    *,
    folder: Path | None = None,
    callbacks: Sequence[Callback] = (),
    result_file: str = RESULT_FILE,
) -> EcgCLI:
    """Run one of the trainer's commands and return what was made for it.

    Args:
        words: The command and its arguments, as on the command line.
        folder: Where the run is kept, whose owner also keeps its config; None for a new one under `runs_dir`
            and `experiment`, with a `config.yaml`.
        callbacks: Beside those that every run has.
        result_file: Name of the file that says what a fit came to.

    Raises:
        SettingError: If the config names what it may not, and `words` do not say `--trust_config`.
    """
    words, trusted = without_trust_option(words)
    with config_trust(trusted or config_is_trusted()), parsing_limits():
        return _train(words, folder, callbacks, result_file)


def _train(
    words: Sequence[str], folder: Path | None, callbacks: Sequence[Callback], result_file: str
) -> EcgCLI:
    names = [name for kind in fragment_kinds() for name in config_names(kind)]
    epilog = f"Shipped configs, for -c: {', '.join(names)}. {_TRUST}"
    return EcgCLI(
        EcgClassifier,
        EcgDataModule,
        subclass_mode_data=True,
        **run_settings(
            words, folder, callbacks, result_file, {name: {"epilog": epilog} for name in _asked_for(words)}
        ),
    )


def run_settings(
    words: Sequence[str],
    folder: Path | None,
    callbacks: Sequence[Callback],
    result_file: str,
    commands: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """Give what `EcgCLI` and the command lines that are made of it are made with.

    Args:
        words: The command and its arguments.
        folder: As of `train`.
        callbacks: As of `train`.
        result_file: As of `train`.
        commands: Of the trainer's commands that may be asked for, what their parsers are made with.
    """
    # Raised, an error of the parser is said as any other.
    own = {name: {"exit_on_error": False, **made_with} for name, made_with in commands.items()}
    return {
        "folder": folder,
        "words": list(words),
        "subclass_mode_model": True,
        "auto_configure_optimizers": False,
        "seed_everything_default": 0,
        "trainer_defaults": {**TRAINER_DEFAULTS, "callbacks": [*run_callbacks(result_file), *callbacks]},
        "parser_kwargs": {"prog": "ecg-tl", "exit_on_error": False, **own},
        "save_config_callback": SaveRunConfig if folder is None else None,
        "args": list(words),
    }
