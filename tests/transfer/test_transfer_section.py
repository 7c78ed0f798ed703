"""The upstream is a setting of its own, whatever else the callbacks are and however configs are ordered."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_tl.commands.fragments import classes_first
from ecg_tl.errors import SettingError
from ecg_tl.training import EcgCLI, train
from ecg_tl.transfer.section import defaults, is_asked_for, join_settings, renamed, start_from

CONFIGS = Path(__file__).parents[2] / "configs"
FRAGMENTS = ("data/custom", "model/gru", "protocol/strict", "transfer/lp_ft", "trainer/early_stopping")
BASE = (
    "--data",
    "CustomDataModule",
    "--data.root",
    "x",
    "--model",
    "RnnClassifier",
    "--model.network",
    "gru",
)
OLD = """trainer:
  callbacks+:
    - class_path: TransferLearning
      init_args: {upstream: old.ckpt, schedule: lp_ft, phase_epochs: 7}
"""


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Parse a command line as `ecg-tl fit` does, and make nothing."""
    monkeypatch.setattr(EcgCLI, "instantiate_classes", lambda self: None)
    monkeypatch.setattr(EcgCLI, "_run_subcommand", lambda self, subcommand: None)

    def parse(*words: str) -> Any:
        changed, _, _ = renamed(classes_first(["fit", *words]))
        cli = train(changed)
        cli.before_instantiate_classes()
        return cli

    return parse


def settings(cli: Any) -> Any:
    return cli.config.fit.as_dict()


@pytest.mark.slow
def test_fragments_go_together_in_any_order(parsed: Any) -> None:
    last = ["--transfer.upstream", "X", "--trainer.accelerator", "cpu"]
    first = None
    for order in list(permutations(FRAGMENTS))[::17]:  # eight of them; parsing takes a second
        words = [word for name in order for word in ("-c", str(CONFIGS / f"{name}.yaml"))]
        cli = parsed(*words, *last)
        found = settings(cli)
        found.pop("config")
        assert cli.transfers
        assert (found["transfer"]["upstream"], found["transfer"]["recipe"]) == ("X", "lp_ft")
        first = first or found
        assert found == first, order


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--transfer.upstream", "--trainer.callbacks.upstream"])
@pytest.mark.parametrize("early", [True, False])
def test_a_config_of_an_earlier_version_is_addressed_by_both_flags(
    parsed: Any, tmp_path: Path, flag: str, early: bool
) -> None:
    (tmp_path / "old.yaml").write_text(OLD)
    configs = [tmp_path / "old.yaml", CONFIGS / "trainer" / "early_stopping.yaml"]
    words = [word for path in configs[:: 1 if early else -1] for word in ("-c", str(path))]
    cli = parsed(*words, *BASE, flag, "X")
    found = settings(cli)
    assert found["transfer"]["upstream"] == "X"
    assert (found["transfer"]["recipe"], found["transfer"]["train"]["phase_epochs"]) == ("lp_ft", 7)
    assert [one["class_path"].rpartition(".")[2] for one in found["trainer"]["callbacks"]] == [
        "ScoreStopping"
    ]


@pytest.mark.slow
def test_without_any_setting_there_is_no_transfer(parsed: Any) -> None:
    cli = parsed(*BASE)
    assert not cli.transfers
    assert settings(cli)["transfer"] == defaults()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--trainer.callbacks.upstream", "X"], ["--transfer.upstream", "X"]),
        (["--trainer.callbacks.upstream=X"], ["--transfer.upstream=X"]),
        (["--trainer.callbacks.init_args.schedule=full"], ["--transfer.recipe=full"]),
        (
            ["--trainer.callbacks+", "TransferLearning", "--trainer.callbacks.upstream", "X"],
            ["--transfer.upstream", "X"],
        ),
        (
            ["--trainer.callbacks+=ecg_tl.transfer.callback.TransferLearning", "--trainer.callbacks.l2_sp=1"],
            ["--transfer.train.l2_sp=1"],
        ),
    ],
)
def test_old_flags_are_renamed(words: list[str], expected: list[str]) -> None:
    assert renamed(words)[:2] == (expected, True)


@given(
    st.lists(st.sampled_from(["--trainer.callbacks+", "EarlyStopping", "--trainer.callbacks.prefix", "x"]))
)
def test_flags_of_another_callback_that_was_just_added_stay(words: list[str]) -> None:
    start = ["--trainer.callbacks+", "Own"]
    assert renamed([*start, *words]) == ([*start, *words], False, [])


def test_two_transfers_are_refused_and_no_setting_is_lost() -> None:
    with pytest.raises(SettingError, match="2 times TransferLearning"):
        join_settings([{}, {}], defaults(), [])
    listed = {"upstream": "a", "schedule": "lp_ft"}
    assert join_settings([listed], defaults(), [])["recipe"] == "lp_ft"
    assert (
        join_settings([listed], defaults(), ["recipe"])["recipe"] == "full"
    )  # said, though it is the default
    assert join_settings([listed], {**defaults(), "upstream": "b"}, [])["upstream"] == "b"


def test_a_setting_of_the_callback_is_a_setting_of_transfer() -> None:
    assert not is_asked_for(defaults())
    assert is_asked_for({**defaults(), "recipe": "linear_probe"})  # the control without an upstream
    assert start_from(**defaults()).upstream is None
