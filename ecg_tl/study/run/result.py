"""What a run came to, in one file that is written when all is there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ecg_tl import files, printing
from ecg_tl.callbacks.history import FILES_OF_A_FIT
from ecg_tl.callbacks.predictions import PREDICTIONS_FILE, SCORES_FILE
from ecg_tl.checkpoints.description import describe_versions
from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.datamodules import EcgDataModule
from ecg_tl.errors import EcgTlError, StoreError
from ecg_tl.files import digests_of, write_json
from ecg_tl.models import find_network
from ecg_tl.store.digests import with_own_digest
from ecg_tl.study.design.folder import NOT_ITS_OWN, TEST_FOLDER, RunFolder, unreadable
from ecg_tl.study.run.attempts import Stopwatch
from ecg_tl.study.run.hardware import describe_hardware
from ecg_tl.study.run.job import Job
from ecg_tl.study.run.result_schema import FORMAT
from ecg_tl.tasks import EcgClassifier
from ecg_tl.tasks.restoring import restore_task
from ecg_tl.transfer.ranking import encode_part, read_candidate
from ecg_tl.transfer.transferability import logme, melep

DIGESTED = (
    *FILES_OF_A_FIT,
    f"{TEST_FOLDER}/{PREDICTIONS_FILE}",
    f"{TEST_FOLDER}/{SCORES_FILE}",
)
"""Files of a run whose digests its result holds, by their paths in its folder."""


def write_result(
    job: Job,
    run_folder: RunFolder,
    stopwatch: Stopwatch,
    task: EcgClassifier,
    datamodule: EcgDataModule,
    precision: str,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Gather what training and test have left, and write `result.json`: then the run is finished.

    Args:
        job: The run.
        run_folder: Its folder, with a finished training and a finished test.
        stopwatch: Of the present attempt.
        task: The tested network.
        datamodule: The data that it was tested on, set up.
        precision: That it was trained in.
        data: What is said of the data otherwise than the training said.

    Raises:
        StoreError: If a file is missing or damaged, or the disk is full.
    """
    fit, tested = read_mapping(run_folder.fit), read_mapping(run_folder.test / SCORES_FILE)
    transferability = _transferability(job, datamodule) if job.measure_transferability else None
    attempts = stopwatch.note(outcome="finished")
    network = task.network
    result = {
        "format": FORMAT,
        "run": job.run.describe(),
        "study": job.study,
        "family": find_network(task.network_name).family,
        "head": network.head_kind,
        "parameters": sum(p.numel() for p in network.parameters()),
        "head_parameters": sum(p.numel() for p in network.head.parameters()),
        "trainable_parameters": fit["trainable_parameters"],
        "scores": tested["scores"],
        "best_scores": fit["best_scores"],
        "calibration": tested["calibration"],
        "precision": precision,
        "threads": fit.get("threads"),
        "monitor": fit["monitor"],
        "epochs": fit["epochs"],
        "epochs_to_best": fit["epochs_to_best"],
        "seconds_to_best": fit["seconds_to_best"],
        "seconds": fit["seconds"],
        "wall_seconds": attempts.wall_seconds,
        "device_seconds": attempts.device_seconds,
        "peak_memory_bytes": attempts.peak_memory_bytes,
        "peak_device_memory_bytes": attempts.peak_device_memory_bytes,
        "transfer": _transfer(run_folder),
        "transferability": transferability,
        "data": {**fit["data"], **(data or {})},
        "versions": describe_versions(),
        "hardware": describe_hardware(),
        "attempts": len(attempts.all),
        "digests": digests_of(run_folder.path, DIGESTED),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(run_folder.result, with_own_digest(result))


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a mapping.

    Raises:
        StoreError: If the file is missing or holds none.
    """
    try:
        content = files.read_json(path)
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise _damaged(path, " ".join(str(error).split())) from error
    if not isinstance(content, dict):
        raise _damaged(path, f"a {type(content).__name__}")
    return content


def _damaged(path: Path, found: str) -> StoreError:
    return StoreError(path, found, "a file that a run has written", NOT_ITS_OWN)


def _transfer(run_folder: RunFolder) -> Mapping[str, Any] | None:
    """Give the transfer report without its line for each tensor."""
    if not run_folder.transfer_report.is_file():
        return None
    return {
        name: value for name, value in read_mapping(run_folder.transfer_report).items() if name != "tensors"
    }


def _transferability(job: Job, datamodule: EcgDataModule) -> dict[str, Any] | None:
    """Score the upstream, as it was before any training, on the downstream's training records."""
    assert job.run.needs is not None, "asked of fine-tuned runs only"
    path = job.run_folder_of(job.run.needs).best
    trainer = datamodule.trainer
    try:
        read_candidate(path, datamodule)  # refuses one whose signals are others
        upstream = restore_task(path, read_checkpoint(path))
        # Without a trainer, the loader gives the records on the CPU, and nothing is augmented.
        datamodule.trainer = None
        device = upstream.device if trainer is None else trainer.strategy.root_device
        encoded = encode_part(upstream, datamodule, "train", device)
        explained = melep(encoded.probabilities, encoded.targets)
        evidence = logme(encoded.features, encoded.targets)
    except (EcgTlError, ValueError, FloatingPointError) as error:
        # A score that is nice to have, of a run that is done: say why there is none, and go on.
        printing.say(f"no score of transferability: {error}", error=True)
        return None
    finally:
        datamodule.trainer = trainer
    return {
        "melep": explained.value,
        "entropy": explained.entropy,
        "difference": explained.difference,
        "logme": evidence.mean,
        "records": len(encoded.targets),
    }
