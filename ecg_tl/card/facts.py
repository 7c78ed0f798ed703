"""What a checkpoint, its run's folder and its upstreams say, gathered for the card."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ecg_tl.card.scores import PREDICTIONS_FILE, SCORES_FILE, TEST_FOLDER, Evaluation, read_test
from ecg_tl.checkpoints.names import is_in_a_run, run_of
from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.contamination.training_sets import TrainingSet, read_training_sets
from ecg_tl.datasets.base import LeftOut
from ecg_tl.errors import CheckpointError, EcgTlError
from ecg_tl.files import read_regular
from ecg_tl.inference.checkpoint_model import CheckpointModel
from ecg_tl.inference.model import ModelDescription
from ecg_tl.parsing import load_yaml, short_message
from ecg_tl.paths import is_file_name
from ecg_tl.store.manifest import read_manifest
from ecg_tl.transfer.inspection import inspect_checkpoint

CONFIG_FILE = "config.yaml"

MOST_UPSTREAMS = 10
"""How far a line of upstreams is followed: files that name each other would have no end."""


@dataclass(frozen=True)
class UpstreamFacts:
    """One checkpoint that training began with.

    Attributes:
        path: As the checkpoint after it names it.
        content: What `inspect_checkpoint` returned; None if the file is not at hand.
        missing: Why not, as a sentence; else empty.
    """

    path: str
    content: Mapping[str, Any] | None
    missing: str = ""


@dataclass(frozen=True)
class CardFacts:
    """All that goes into a card.

    Attributes:
        path: The checkpoint.
        digest: Its SHA-256, in hex.
        content: What `inspect_checkpoint` returned.
        description: What inference knows of it.
        parameters: Trainable values of its network.
        began_at: Optimizer step at which each layer group's training began; None if all were trained from the
            start.
        upstreams: The checkpoint that training began with, and that one's, and so on.
        config: Of the run; empty if it is not at hand.
        left_out: Records that could not be used, and why; None if the store is not at hand.
        test: Scores; None if there are none.
        untested: Why not, as a sentence; else empty.
    """

    path: Path
    digest: str
    content: Mapping[str, Any]
    description: ModelDescription
    parameters: int
    began_at: Mapping[str, int] | None
    upstreams: tuple[UpstreamFacts, ...]
    config: Mapping[str, Any]
    left_out: tuple[LeftOut, ...] | None
    test: Evaluation | None
    untested: str

    @property
    def data(self) -> Mapping[str, Any]:
        """What it was trained on, as the datamodule described it."""
        return as_mapping(self.content.get("data"))


def gather_facts(path: Path, run: Path | None = None) -> CardFacts:
    """Read everything.

    Args:
        path: A checkpoint written by `ecg-tl fit`.
        run: Its run's folder; by default the one that it lies in.

    Raises:
        CheckpointError: If the checkpoint is missing, damaged, of another project, or does not describe
            itself; if the run's folder is named and is none, or its config or its predictions are damaged.
    """
    model = CheckpointModel(path)
    content = inspect_checkpoint(path)
    checkpoint = read_checkpoint(path)
    folder = _run_folder(path, run)
    config = _read_config(folder)
    test, untested = read_test(folder, model.description, as_mapping(content.get("data")))
    return CardFacts(
        path=path,
        digest=_digest(path),
        content=content,
        description=model.description,
        parameters=sum(parameter.numel() for parameter in model.task.network.parameters()),
        began_at=_began_at(checkpoint),
        upstreams=tuple(_upstreams(path, content, read_training_sets(checkpoint, path))),
        config=config,
        left_out=_left_out(config, as_mapping(content.get("data"))),
        test=test,
        untested=untested,
    )


def card_files(path: Path, run: Path | None = None) -> list[Path]:
    """List what a card is made from, as far as it is there; arguments as those of `gather_facts`."""
    folder = _run_folder(path, run)
    if folder is None:
        return [path]
    tested = folder / TEST_FOLDER
    return [path, folder / CONFIG_FILE, tested / PREDICTIONS_FILE, tested / SCORES_FILE]


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Take a table as it is, and anything else that an altered file may hold as an empty one."""
    return value if isinstance(value, Mapping) else {}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _run_folder(path: Path, run: Path | None) -> Path | None:
    if run is None:
        return run_of(path.absolute()) if is_in_a_run(path.absolute()) else None
    if not run.is_dir():
        raise CheckpointError(
            run, "no such folder", "the folder of a run, which holds config.yaml and test/", "Check --run."
        )
    return run


def _read_config(folder: Path | None) -> Mapping[str, Any]:
    """Read a run's settings as text and numbers; what they name is not imported.

    They only add to what the checkpoint says, so that none is no error.

    Raises:
        CheckpointError: If the file is there and is damaged, or holds something else.
    """
    if folder is None:
        return {}
    path = folder / CONFIG_FILE
    try:
        content = load_yaml(read_regular(path).decode("utf-8"))
        found = None if isinstance(content, Mapping) else f"a {type(content).__name__}"
    except FileNotFoundError:
        return {}
    except OSError as error:
        found = (error.strerror or str(error)).lower()
    except (ValueError, yaml.YAMLError) as error:
        found = short_message(str(error))
    if found is not None:
        remedy = "Restore it, or move it away: the card then says less about the training."
        raise CheckpointError(path, found, "the config that its training has written", remedy)
    settings: Mapping[str, Any] = content
    return settings


def _began_at(checkpoint: Mapping[str, Any]) -> Mapping[str, int] | None:
    """Find what the transfer callback noted in the checkpoint."""
    state = as_mapping(as_mapping(checkpoint.get("callbacks")).get("TransferLearning"))
    steps = as_mapping(state.get("trained_since"))
    return {str(group): step for group, step in steps.items() if isinstance(step, int)} or None


def _upstreams(path: Path, content: Mapping[str, Any], seen: tuple[TrainingSet, ...]) -> list[UpstreamFacts]:
    """Follow the line of upstreams as far as their files are at hand and are those that were used."""
    found: list[UpstreamFacts] = []
    while len(found) < MOST_UPSTREAMS:
        name = as_mapping(content.get("transfer")).get("upstream")
        if name is None:
            break
        upstream, missing = _upstream(Path(str(name)), seen)
        found.append(UpstreamFacts(str(name), upstream, missing))
        if upstream is None:
            break
        content = upstream
    return found


def _upstream(path: Path, seen: tuple[TrainingSet, ...]) -> tuple[Mapping[str, Any] | None, str]:
    if not path.is_file():
        return None, "Its file is not at hand."
    try:
        sets = read_training_sets(read_checkpoint(path), path)
        content = inspect_checkpoint(path)
    except EcgTlError as error:
        return None, f"Its file says nothing of itself ({error.found})."
    known = [one for one in sets if one.is_known]
    if not all(any(one.same_as(other) for other in seen) for one in known):
        return None, "The file that lies there now was trained on other records than the one that was used."
    return content, ""


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value != "" and "\0" not in value


def _left_out(config: Mapping[str, Any], data: Mapping[str, Any]) -> tuple[LeftOut, ...] | None:
    """Look into the store that the run was trained from, if it is still there."""
    options = as_mapping(as_mapping(config.get("data")).get("init_args"))
    candidates = [
        Path(options["store"]) if _is_path(options.get("store")) else None,
        Path(options["store_dir"]) / data["store"]
        if _is_path(options.get("store_dir")) and is_file_name(data.get("store"))
        else None,
    ]
    for candidate in filter(None, candidates):
        try:
            manifest = read_manifest(candidate)
        except (EcgTlError, OSError):  # a name that is too long for a file
            continue
        if manifest.source.digest == data.get("fingerprint"):
            return manifest.left_out
    return None
