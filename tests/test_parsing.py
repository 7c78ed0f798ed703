"""YAML: a key twice is refused wherever it stands, and everything else is read as jsonargparse reads it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonargparse import get_loader

from ecg_tl.parsing import load_yaml

_KEYS = st.text("abcdefgh", min_size=1, max_size=3)
_LEAVES = st.none() | st.booleans() | st.integers() | st.text("abc", max_size=4)
_TREES = st.recursive(
    _LEAVES,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(_KEYS, below, max_size=3),
    max_leaves=8,
)


def _mappings(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where mappings that are not empty stand."""
    if isinstance(tree, list):
        return [found for number, one in enumerate(tree) for found in _mappings(one, (*path, number))]
    if not isinstance(tree, dict):
        return []
    below = [found for key, one in tree.items() for found in _mappings(one, (*path, key))]
    return ([path] if tree else []) + below


def _written(tree: Any, twice: tuple[Any, ...] | None, path: tuple[Any, ...] = ()) -> str:
    """Write a tree as YAML in one line; the first key of the mapping at `twice` is there once more."""
    if isinstance(tree, list):
        return "[" + ", ".join(_written(one, twice, (*path, n)) for n, one in enumerate(tree)) + "]"
    if isinstance(tree, dict):
        entries = [f'"{key}": {_written(one, twice, (*path, key))}' for key, one in tree.items()]
        if path == twice:
            entries.append(f'"{next(iter(tree))}": 1')
        return "{" + ", ".join(entries) + "}"
    return yaml.safe_dump(tree, default_flow_style=True, width=1000).partition("\n")[0]


@pytest.mark.slow
@given(tree=_TREES, data=st.data())
def test_a_key_twice_is_refused_wherever_it_stands(tree: Any, data: st.DataObject) -> None:
    text = f"whole: {_written(tree, None)}"
    assert load_yaml(text) == yaml.safe_load(text)
    places = _mappings(tree)
    if places:
        twice = data.draw(st.sampled_from(places))
        with pytest.raises(yaml.YAMLError, match="twice, in line 1 and in line 1"):
            load_yaml(f"whole: {_written(tree, twice)}")


def test_the_number_1_and_the_text_1_are_one_key() -> None:
    with pytest.raises(yaml.YAMLError, match="'1' twice"):
        load_yaml("size_settings: {1: {}, '1': {}}")


def test_a_merged_key_may_be_given_anew() -> None:
    assert load_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}") == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 3, "y": 2},
    }


@pytest.mark.parametrize("text", ["a: &a [*a]", "[" * 5000, "a: &a {b: *a}"])
def test_what_has_no_end_is_no_yaml(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        load_yaml(text)


def test_every_parser_of_the_process_reads_so() -> None:
    for module in ("ecg_tl.parsing", "ecg_tl.training"):  # training adds something to what is read
        import_module(module)
        with pytest.raises(yaml.YAMLError, match="twice"):
            get_loader("yaml")("a: 1\na: 2")
