"""Damage to what a file says: JSON, YAML and the primitives of a checkpoint, as trees of values."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import yaml

from fuzzing.raw import HOSTILE_TEXT

_HUGE = 10**20
_CALL = {"class_path": "os.system", "init_args": {"command": "touch owned"}}
_CALLS: tuple[Any, ...] = (
    _CALL,
    {"class_path": "subprocess.check_output", "init_args": {"args": ["touch", "owned"]}},
    {"class_path": "lightning.pytorch.callbacks.LambdaCallback", "init_args": {"setup": "os.abort"}},
    {"class_path": "pathlib.Path", "init_args": {"args": "owned"}},
    {"class_path": "ecg_tl.files.write_text", "init_args": {"path": "owned", "text": "x"}},
    {"class_path": "torch.load", "init_args": {"f": "owned"}},
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 0.5, -5.0, 10**9, -(10**9), _HUGE, -_HUGE, 2**31, 2**63, 10**4300 // 7),
    *(math.nan, math.inf, -math.inf, 1e308, 1e-308, [], {}, [[]], [None], [0, "a", None], {"": 0}, {"a": {}}),
    *(["x"] * 20_000, list(range(1000)), "0", "1e9", "abc"),
    *HOSTILE_TEXT,
    *_CALLS,
    *_CALLS,
)


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Let Python recurse as deep as what is nested here, to write it."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(usual)


def nested(depth: int, as_mapping: bool) -> Any:
    """Return lists or mappings in each other, `depth` of them."""
    value: Any = 0
    for _ in range(depth):
        value = {"a": value} if as_mapping else [value]
    return value


def change_tree(random: Random, content: Any) -> str:
    """Change one to three places of a tree of lists and mappings, and say how."""
    return "; ".join(_change_once(random, content) for _ in range(random.choice((1, 1, 1, 2, 3))))


def _change_once(random: Random, content: Any) -> str:
    places = list(_places(content, ""))
    if not places:
        return "nothing to change"
    owner, key, name = random.choice(places)
    how = random.random()
    if how < 0.6:
        value = random.choice(_VALUES)
        owner[key] = value
        return f"{name} = {_shown(value)}"
    if how < 0.7:
        depth, as_mapping = random.choice((100, 900, 3000)), random.random() < 0.5
        owner[key] = nested(depth, as_mapping)
        return f"{name} = {depth} {'mappings' if as_mapping else 'lists'} in each other"
    if how < 0.8:
        del owner[key]
        return f"{name} left out"
    if how < 0.9 and isinstance(owner, dict):
        new = random.choice((*HOSTILE_TEXT, "class_path", "init_args", "format", "extra"))
        owner[new] = owner.pop(key)
        return f"{name} called {new[:40]!r}"
    if isinstance(owner[key], list) and owner[key]:
        owner[key] = owner[key] * random.choice((2, 100)) if random.random() < 0.5 else owner[key][:-1]
        return f"{name} of another length"
    value = _of_another_type(owner[key])
    owner[key] = value
    return f"{name} = {_shown(value)}, of another type"


def _places(node: Any, name: str, depth: int = 0) -> list[tuple[Any, Any, str]]:
    found: list[tuple[Any, Any, str]] = []
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for number, (key, value) in enumerate(pairs):
        if number < 30 and depth < 50:
            found.append((node, key, f"{name}.{key}"[:80]))
            found += _places(value, f"{name}.{key}"[:80], depth + 1)
    return found


def _of_another_type(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return "yes"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return [value]
    return str(value)[:1000] if isinstance(value, list) else list(value.values())


def _shown(value: Any) -> str:
    try:
        return repr(value)[:60]
    except ValueError:  # whole numbers of thousands of digits
        return "a whole number of 4,299 digits"
    except RecursionError:
        return "values nested too deep to be shown"


def change_json(random: Random, path: Path) -> str:
    content = json.loads(path.read_text(encoding="utf-8"))
    described = change_tree(random, content)
    with deep_recursion():
        path.write_text(json.dumps(_writable(content)), encoding="utf-8")
    return described


def bomb_json(random: Random, path: Path) -> str:
    depth = random.choice((1000, 10_000, 1_000_000))
    text = random.choice(("[" * depth + "]" * depth, '{"a":' * depth + "0" + "}" * depth, "1" * depth))
    content = path.read_text(encoding="utf-8")
    if random.random() < 0.5 and content.startswith("{"):
        text = f'{{"bomb": {text},' + content[1:]
    path.write_text(text, encoding="utf-8")
    return f"JSON with {text[:12]}... {depth:,} times"


def bomb_xml(random: Random, path: Path) -> str:
    """Put an entity that grows without end, or one that names a file, before what an XML file says."""
    content = path.read_bytes()
    head, body = content[: content.find(b"<", 1)], content[content.find(b"<", 1) :]
    if not head.startswith(b"<?"):
        head, body = b"", content
    layers = [b'<!ENTITY a0 "aaaaaaaaaa">']
    layers += [b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, random.choice((9, 30)))]
    external = b'<!ENTITY e SYSTEM "file:///etc/passwd">'
    inside = external if random.random() < 0.5 else b"".join(layers)
    used = b"&e;" if inside == external else b"&a%d;" % (len(layers) - 1)
    cut = body.find(b">") + 1
    path.write_bytes(head + b"<!DOCTYPE x [" + inside + b"]>" + body[:cut] + used + body[cut:])
    return "an external entity" if inside == external else f"{len(layers)} layers of entities"


def change_yaml(random: Random, path: Path) -> str:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    described = change_tree(random, content)
    with deep_recursion():
        path.write_text(yaml.safe_dump(_writable(content)), encoding="utf-8")
    return described


def bomb_yaml(random: Random, path: Path) -> str:
    """Put aliases that stand for billions of values, a value that holds itself, or deep nesting."""
    text = path.read_text(encoding="utf-8")
    how = random.choice(
        ("billions by aliases", "itself", "nesting", "tag", "two documents", "merge", "anchor")
    )
    billions = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    added = {
        "billions by aliases": billions,
        "itself": "itself: &self [*self]\n",
        "nesting": "deep: " + "[" * 5000 + "]" * 5000 + "\n",
        "tag": '? !!python/object/apply:os.system ["touch owned"]\n: 1\n',
        "two documents": "---\nother: 1\n",
        "merge": "<<: [*unknown]\n",
        "anchor": "trainer: &t\n  <<: *t\n",
    }[how]
    key = random.choice(("", "data:\n  init_args:\n    extra: ", "trainer: "))
    mixed = text + added if not key else text + key + added.replace("\n", " ").strip() + "\n"
    path.write_text(mixed, encoding="utf-8")
    return f"YAML with {how}"


def _writable(node: Any) -> Any:
    """Return the tree without what no writer of JSON or YAML takes: numbers of thousands of digits."""
    if isinstance(node, dict):
        return {str(key): _writable(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_writable(value) for value in node]
    if isinstance(node, int) and abs(node) > 10**4000:
        return 10**4000
    return node
