"""One idea has one name: what two modules define under the same name is the same idea."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "ecg_tl"
SHARED = {
    "as_table": "outcomes of a command as a table for a CSV file",
    "Clip": "values beyond two bounds brought back, of one record or of a batch",
    "FeatureExtractor": "a published network's convolutions, under the name of its own code",
    "join": "shards made one store, by the command and behind it",
    "list_datasets": "names of the datasets, printed or returned",
    "MinMax": "from the least and greatest value, on one record or on a batch",
    "open_model": "a file with a network; the public face adds pictures and arrays",
    "Positions": "a published network's positional convolution, under the name of its own code",
    "prepare": "the store of a dataset, by the command and behind it",
    "render": "outcomes of a command for the terminal",
    "run": "what a word of the command line does",
    "synthesize": "simulated records, by the command, from Python, and behind both",
    "TrainingScale": "by mean and deviation of the training records, of one record or of a batch",
    "verify": "files against their digests: of a store, of a study",
    "write": "records in a dataset's layout",
    "ZScore": "mean 0 and deviation 1, on one record or on a batch",
}
"""Names that several modules define, and what each of them stands for everywhere."""


def public_definitions() -> dict[str, set[str]]:
    """Classes and functions at the top of modules, with the modules that define them."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].add(str(path.relative_to(PACKAGE)))
    return found


def test_a_name_in_two_modules_stands_for_one_idea() -> None:
    several = {name: modules for name, modules in public_definitions().items() if len(modules) > 1}
    assert set(several) == set(SHARED), {
        name: sorted(several.get(name, ())) for name in set(several) ^ set(SHARED)
    }


def test_modules_of_tests_have_names_of_their_own() -> None:
    # All folders of tests are on one path: of two modules of one name, one would be imported as the other.
    names = Counter(path.name for path in Path(__file__).parent.rglob("*.py"))
    assert {name for name, number in names.items() if number > 1} <= {"conftest.py", "__init__.py"}
