"""The versions that are pinned can be installed on every Python that the project promises."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from packaging.specifiers import SpecifierSet

REPOSITORY = Path(__file__).parents[1]


def pinned() -> dict[str, str]:
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(re.findall(r"^([\w.-]+)==([^;\s]+)", "\n".join(lines), re.MULTILINE))


def test_no_pin_asks_for_a_later_python_than_the_project() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (least,) = re.findall(r"^>=\s*(\d+\.\d+)$", project["requires-python"])
    later, looked_at = {}, 0
    for name, version in pinned().items():
        try:
            of = metadata(name)
        except PackageNotFoundError:  # of an extra that is not installed here
            continue
        if of["Version"] != version:
            continue
        looked_at += 1
        asked = of["Requires-Python"] or ""
        if not SpecifierSet(asked).contains(f"{least}.0"):  # as Debian 12 has 3.11.2
            later[name] = asked
    assert later == {}
    assert looked_at > 50
