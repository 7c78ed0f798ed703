"""All JSON is what any reader takes: without NaN, which is Python's alone."""

from __future__ import annotations

import ast
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ecg_tl
from ecg_tl.files import json_text, write_json

PACKAGE = Path(ecg_tl.__file__).parent
NO_FILES = {
    "files.py": "the one writer",
    "store/fingerprint.py": "a hash, which refuses NaN",
    "store/digests.py": "a hash, of a manifest that is read from JSON",
    "store/columns.py": "names of columns inside of an archive, which are text",
    "store/table.py": "cells of a store's table, which are read back as they were",
    "study/design/overlay.py": "a hash",
    "commands/pretrain.py": "settings that are parsed as a flag are",
    "study/from_python.py": "a setting that is parsed as a flag is",
    "study/findings/data.py": "a key in memory",
}
NUMBERS = st.floats() | st.integers(-(2**53), 2**53)
CONTENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


def strict(text: str) -> Any:
    return json.loads(text, parse_constant=pytest.fail)


def without_what_is_not_finite(content: Any) -> Any:
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: without_what_is_not_finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [without_what_is_not_finite(value) for value in content]
    return content


@pytest.mark.slow
@given(st.dictionaries(st.text(), CONTENTS), st.booleans())
def test_what_is_written_is_json_and_the_same_but_for_numbers_that_are_not_finite(
    content: dict[str, Any], ensure_ascii: bool
) -> None:
    assert strict(json_text(content, ensure_ascii=ensure_ascii)) == without_what_is_not_finite(content)


def test_a_file_holds_null_for_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"score": float("nan"), "scores": [float("inf"), 1.0]})
    assert strict((tmp_path / "a.json").read_text()) == {"score": None, "scores": [None, 1.0]}


@pytest.mark.slow
def test_nothing_else_in_the_package_writes_json() -> None:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("dump", "dumps", "to_json"):
                owner = node.value
                if isinstance(owner, ast.Name) and owner.id == "json":
                    found.add(path.relative_to(PACKAGE).as_posix())
    assert found <= set(NO_FILES)
