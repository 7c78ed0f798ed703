"""Settings of one's own records stand in four signatures, which parsers and help read: they are the same."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ecg_tl.commands.data_init import init
from ecg_tl.datamodules.custom import CustomDataModule
from ecg_tl.datasets.custom import Custom
from ecg_tl.survey.initial import init_data


def settings_of(function: Callable[..., Any]) -> dict[str, Any]:
    given = inspect.signature(function).parameters.values()
    return {one.name: one.default for one in given if one.kind is not inspect.Parameter.VAR_KEYWORD}


def test_the_datamodule_takes_every_setting_of_the_reader_with_its_default() -> None:
    reader, datamodule = settings_of(Custom), settings_of(CustomDataModule)
    assert {name: default for name, default in datamodule.items() if name != "root"} == reader


def test_what_looks_at_a_folder_can_be_said_of_a_dataset_and_the_command_says_all_of_it() -> None:
    asked, command = settings_of(init_data), settings_of(init)
    assert asked == command
    of_the_look = {"folder", "look_at", "output", "overwrite"}
    assert asked.keys() - of_the_look <= settings_of(Custom).keys()
