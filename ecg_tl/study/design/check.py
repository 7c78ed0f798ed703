"""Whether the configs of a study's runs can be carried out: seen before the first of them starts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from difflib import get_close_matches
from types import SimpleNamespace
from typing import Any

from jsonargparse import ArgumentError
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.cli import LightningArgumentParser

from ecg_tl.callbacks import EcgPictures, RunCheckpoint, ScoreCurves
from ecg_tl.datamodules import EcgDataModule, SplitSettings
from ecg_tl.errors import EcgTlError, SettingError
from ecg_tl.models import require_options
from ecg_tl.parsing import hint, own_error, short_message
from ecg_tl.pretraining.running import make_pretraining
from ecg_tl.study.design.overlay import digest
from ecg_tl.study.design.pretraining import PRETRAINING, pretraining_config
from ecg_tl.study.design.runs import Run
from ecg_tl.study.design.settings import Overlay
from ecg_tl.tasks import EcgClassifier
from ecg_tl.tasks.links import settings_from
from ecg_tl.trainer_settings import require_an_end
from ecg_tl.training import EcgCLI
from ecg_tl.transfer.callback import TransferLearning
from ecg_tl.transforms import Augmentation
from ecg_tl.trust import UntrustedConfigError, parsing_limits, require_known_kinds

_SECTIONS = (
    *("data", "model", "trainer", "checkpoint", "pictures", "curves", "speed"),
    *("seed_everything", "runs_dir", "experiment"),
)
_NO_CLASS = re.compile(r"Expected a dot import path string: (\w+)")


def check_runs(runs: Iterable[Run]) -> None:
    """Parse every config, and make the datamodules and callbacks, without reading any data.

    Raises:
        SettingError: If a run's config has a key or value that `ecg-tl fit` does not take; the first run that
            has it is named.
    """
    parsers = (_run_parser(), _data_parser())
    seen: set[str] = set()
    for run in runs:
        for required, of, such_as in (
            ("data", "dataset", "PtbXlDataModule"),
            ("model", "network", "CnnClassifier"),
        ):
            if "class_path" not in run.config.get(required, {}):
                raise SettingError(
                    f"{run.id}: {required}",
                    "no `class_path`",
                    f"one, such as {such_as}",
                    f"Add it to the {of}.",
                )
        for section, content in run.config.items():
            if section == PRETRAINING:
                _check_pretraining(run)
                continue
            if section not in _SECTIONS:
                close = get_close_matches(section, _SECTIONS, n=1)
                raise SettingError(
                    run.id,
                    f"a section `{section}` of its config",
                    f"one of {', '.join(_SECTIONS)}",
                    f"Did you mean {close[0]}?" if close else "Correct it in the study's config.",
                )
            if section == "seed_everything" and isinstance(content, int):
                continue  # another in each run, and nothing to check: parsing it takes as long as the rest
            if section == "trainer":
                _require_an_end(content, run)
            key = digest([section, content])
            if key not in seen:
                seen.add(key)
                # A network waits for its data: it is parsed, and not made.
                parser = parsers[section == "data"]
                _parse(parser, section, content, f"{run.id}: {section}", make=section != "model")


def _check_pretraining(run: Run) -> None:
    """Make what a pre-training is made of, without reading any data.

    Raises:
        SettingError: If a setting is not one of its method's, or the network is not one that it trains.
    """
    where = f"{run.id}: {PRETRAINING}"
    try:
        with parsing_limits():
            make_pretraining(pretraining_config(run.config))
    except EcgTlError as error:
        raise _at(where, error) from error
    except (ArgumentError, ValueError, TypeError) as error:
        own = own_error(error)
        if own is not None:
            raise _at(where, own) from error
        raise _refusal(where, short_message(str(error))) from error


def _require_an_end(trainer: Mapping[str, Any], run: Run) -> None:
    defaults = {"max_epochs": 20, "max_steps": -1, "max_time": None, "enable_checkpointing": None}
    try:
        require_an_end(SimpleNamespace(**(defaults | dict(trainer))))
    except SettingError as error:
        raise _at(run.id, error) from error


def make_data(run: Run) -> EcgDataModule:
    """Make a run's datamodule, without reading any data.

    Raises:
        SettingError: If its settings cannot be carried out.
    """
    made = _parse(_data_parser(), "data", run.config["data"], f"{run.id}: data")
    assert isinstance(made, EcgDataModule)
    return made


def _run_parser() -> LightningArgumentParser:
    """Make the parser of `ecg-tl fit`, without what it does."""
    parser = LightningArgumentParser(exit_on_error=False)
    parser.add_argument("--seed_everything", type=bool | int, default=0)
    parser.add_lightning_class_args(Trainer, "trainer")
    parser.add_lightning_class_args(EcgDataModule, "data", subclass_mode=True, required=False)
    parser.add_lightning_class_args(EcgClassifier, "model", subclass_mode=True, required=False)
    # Not initialised, which would parse the command line: the method adds to the parser alone.
    EcgCLI.__new__(EcgCLI).add_arguments_to_parser(parser)
    return parser


def _data_parser() -> LightningArgumentParser:
    """Make a parser without links to a network: to follow them, LUDB's classes are counted in its files."""
    parser = LightningArgumentParser(exit_on_error=False)
    parser.add_lightning_class_args(EcgDataModule, "data", subclass_mode=True)
    return parser


def _parse(
    parser: LightningArgumentParser, section: str, content: Any, where: str, *, make: bool = True
) -> Any:
    try:
        with parsing_limits():
            parsed = parser.parse_object({section: deepcopy(content)})
            require_known_kinds(parsed)
            if section == "model":  # which is parsed and not made: its network looks at the options
                given = parsed.model.init_args
                if given.get("network_options"):
                    require_options(given.network, given.network_options)
            # The trainer itself is not made: that looks for devices, and tells about them.
            made = parser.instantiate(parsed, instantiate_groups=False) if make else parsed
        return getattr(made, section)
    except (UntrustedConfigError, SettingError) as error:
        raise _at(where, error) from error
    except (ArgumentError, ValueError, TypeError) as error:
        own = own_error(error)
        if own is not None:
            raise _at(where, own) from error
        raise _refusal(where, short_message(str(error))) from error


def fill_model(model: Mapping[str, Any], data: EcgDataModule) -> Overlay:
    """Return a run's section `model` with what the network takes from its data."""
    filled = deepcopy(dict(model))
    filled["init_args"] = {**filled.get("init_args", {}), **settings_from(data)}
    return filled


def _refusal(where: str, fault: str) -> SettingError:
    expected = "keys and values that `ecg-tl fit` knows"
    misspelt = _NO_CLASS.search(fault)
    if misspelt is not None:
        close = get_close_matches(misspelt[1], _classes(), n=1)
        fault, expected = f"the class {misspelt[1]}", f"one such as {', '.join(close or _classes())}"
    elif "not accept" in fault:
        expected += hint(fault, _owners())
    return SettingError(where, fault, expected, "Correct it in the study's config.")


def _at(where: str, error: EcgTlError) -> EcgTlError:
    return type(error)(f"{where}: {error.where}", error.found, error.expected, error.remedy)


def _owners() -> list[Callable[..., Any]]:
    return [
        Trainer,
        SplitSettings,
        Augmentation,
        RunCheckpoint,
        EcgPictures,
        ScoreCurves,
        TransferLearning,
        *EcgDataModule.__subclasses__(),
        *EcgClassifier.__subclasses__(),
    ]


def _classes() -> list[str]:
    named = [
        *EcgDataModule.__subclasses__(),
        *EcgClassifier.__subclasses__(),
        TransferLearning,
        EarlyStopping,
    ]
    return [kind.__name__ for kind in named]
