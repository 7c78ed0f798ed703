"""Parts of a run's config, laid over each other; and which of its settings decide a run's numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from hashlib import sha256
from typing import Any

from ecg_tl.shipped import protocol
from ecg_tl.study.design.settings import Overlay

APPENDED = ("trainer.callbacks",)
"""Lists to which a layer adds; every other list is replaced, as by a later `-c` of `ecg-tl fit`."""

# Where a run finds its files and on which device it runs: the same training on another machine has its id.
_NOT_DECISIVE = (
    *(f"data.init_args.{name}" for name in ("root", "store", "store_dir", "residency")),
    *(f"data.init_args.{name}" for name in ("num_workers", "prepare_workers")),
    *(f"trainer.{name}" for name in ("accelerator", "devices", "num_nodes", "strategy")),
    *(f"trainer.{name}" for name in ("default_root_dir", "logger", "profiler", "log_every_n_steps")),
    *(f"checkpoint.{name}" for name in ("dirpath", "filename", "save_last", "verbose")),
    *("runs_dir", "experiment", "pictures", "curves"),
)
_OF_A_SOURCE = re.compile(r"^pretraining\.(?:sources|excluded)\.[^.]+\.")
"""Datasets of a pre-training, beside the one under `data`."""
_NOT_DECISIVE_PREFIXES = ("trainer.enable_",)


def papers_judgement() -> Overlay:
    """Return what of protocol `paper` decides on which records a run is judged, and which epoch is chosen."""
    paper = protocol("paper")
    decides = {name: paper["data"]["init_args"][name] for name in ("split", "allow_overlap")}
    return {"data": {"init_args": decides}, "checkpoint": paper["checkpoint"]}


def layered(*overlays: Overlay) -> Overlay:
    """Lay overlays over each other, key by key; the later wins.

    Lists are replaced, but for those of `APPENDED`: early stopping that all runs have stays when an arm adds
    its own callback.
    """
    merged: Overlay = {}
    for overlay in overlays:
        _lay(merged, overlay, "")
    return merged


def _lay(below: Overlay, above: Mapping[str, Any], where: str) -> None:
    for key, value in above.items():
        path = f"{where}.{key}" if where else key
        known = below.get(key)
        if isinstance(known, dict) and isinstance(value, Mapping):
            _lay(known, value, path)
        elif path in APPENDED and isinstance(known, list) and isinstance(value, list):
            below[key] = known + deepcopy(value)
        else:
            below[key] = deepcopy(value)


def decisive(config: Overlay) -> Overlay:
    """Return a config without what says only where a run finds its files and on which device it runs."""
    return _kept(config, "")


def _kept(config: Mapping[str, Any], where: str) -> Overlay:
    kept: Overlay = {}
    for key, value in config.items():
        path = f"{where}.{key}" if where else key
        if _OF_A_SOURCE.sub("data.", path) in _NOT_DECISIVE or path.startswith(_NOT_DECISIVE_PREFIXES):
            continue
        inner = _kept(value, path) if isinstance(value, Mapping) else value
        if inner != {}:  # nothing said, which is as good as a key that is not there
            kept[key] = inner
    return kept


def digest(content: object) -> str:
    """Return ten hex digits that are equal for equal contents, whatever the order of keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]
