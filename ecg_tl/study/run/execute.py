"""One run, from its start or from where it was cut off to its result."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any, TextIO

import torch
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer

from ecg_tl import printing
from ecg_tl.errors import CheckpointError, EcgTlError, SettingError, StoreError
from ecg_tl.files import write_text
from ecg_tl.lock import try_lock
from ecg_tl.pretraining.running import pretrain
from ecg_tl.study.design.file_upstreams import require_unchanged
from ecg_tl.study.design.folder import ATTEMPTS_FILE, ERROR_FILE, FIT_FILE, LOG_FILE, RunFolder
from ecg_tl.study.design.pretraining import PRETRAINING, pretraining_config
from ecg_tl.study.design.speed import chosen_precision
from ecg_tl.study.run.attempts import Stopwatch
from ecg_tl.study.run.hardware import reset_peak_memory
from ecg_tl.study.run.job import Job, JobReport
from ecg_tl.study.run.kept import Kept, read_kept, starts_anew
from ecg_tl.study.run.pretrained import probe_upstream
from ecg_tl.study.run.result import read_mapping, write_result
from ecg_tl.study.run.second_opinion import TestScoresByEpoch
from ecg_tl.training import silence_noise, train
from ecg_tl.transfer.words import is_transfer
from ecg_tl.trust import config_trust

KEPT_FROM_BEFORE = (ATTEMPTS_FILE, ERROR_FILE, LOG_FILE)
"""What a training that starts anew leaves in its folder."""

_MATMUL, _CUDNN = torch.get_float32_matmul_precision(), ("allow_tf32", "benchmark", "deterministic")
_CUDNN_DEFAULTS = {name: getattr(torch.backends.cudnn, name) for name in _CUDNN}


class NoteEpochs(Callback):
    """Tell the stopwatch of each epoch."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        self.stopwatch = stopwatch

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that it is over."""
        self.stopwatch.note(epochs=trainer.current_epoch + 1)


def execute(job: Job) -> JobReport:
    """Do a run, unless it is done or another process is at it.

    It may be killed at any moment, and done again: a training goes on from its last epoch's checkpoint, with
    the result of one that was not killed. `result.json` appears last, when everything else is there. What the
    run prints goes into its `log.txt`.

    Returns:
        What became of it. Whatever the run raises is written to its `error.txt`.
    """
    run_folder = job.run_folder
    try:
        run_folder.path.mkdir(parents=True, exist_ok=True)
        run_folder.lock.parent.mkdir(parents=True, exist_ok=True)
        with try_lock(run_folder.lock) as state:
            if state == "busy":
                return JobReport(job.run.id, "busy")
            if run_folder.finished:
                return JobReport(job.run.id, "finished")
            with config_trust(job.trust_config):
                return _execute(job, run_folder)
    except OSError as error:
        return JobReport(job.run.id, "failed", _describe_disk(error, run_folder))
    finally:
        gc.collect()  # a trainer and its network refer to each other
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _execute(job: Job, run_folder: RunFolder) -> JobReport:
    stopwatch: Stopwatch | None = None
    with _output_to(run_folder.log):
        try:
            silence_noise()
            reset_peak_memory()
            stopwatch = _start(job, run_folder)
            _fit(job, run_folder, stopwatch)
            _test(job, run_folder, stopwatch)
        except (Exception, SystemExit) as error:
            with suppress(OSError):  # a full disk
                traceback.print_exc()
            line = _describe_disk(error, run_folder) if isinstance(error, OSError) else describe_error(error)
            _note_failure(run_folder, stopwatch, f"{line}\n\n{traceback.format_exc()}")
            return JobReport(
                job.run.id, "lost" if isinstance(error, torch.OutOfMemoryError) else "failed", line
            )
    return JobReport(job.run.id, "finished")


def describe_error(error: BaseException) -> str:
    """Say in one line what is wrong: an error of this project by its message, others by their kind too."""
    said = " ".join(str(error).split())
    if isinstance(error, EcgTlError):
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _describe_disk(error: OSError, run_folder: RunFolder) -> str:
    return f"{error.filename or run_folder.path}: {error.strerror or error}"


def _note_failure(run_folder: RunFolder, stopwatch: Stopwatch | None, text: str) -> None:
    try:
        write_text(run_folder.error, text)
        if stopwatch is not None:
            stopwatch.note(outcome="failed")
    except (StoreError, OSError) as error:  # a full disk: the report that is returned says it all the same
        with suppress(OSError):
            printing.say(error, error=True)


# Before the training ------------------------------------------------------------------------------------


def _start(job: Job, run_folder: RunFolder) -> Stopwatch:
    """Clear away what cannot be gone on with, and start the clock."""
    for partial in run_folder.path.rglob(".*.partial-*"):
        partial.unlink(missing_ok=True)
    kept = _take_up(run_folder)
    if kept is None:
        _start_anew(run_folder)
    config = complete_config(job, None if kept is None else kept.speed)
    write_text(run_folder.config, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    on_gpu = torch.cuda.is_available() and config["trainer"]["accelerator"] != "cpu"
    share = job.device_share if on_gpu else 0.0
    threads = int(config["speed"]["threads"])
    return Stopwatch(
        run_folder.attempts,
        0 if kept is None else kept.epochs,
        config["trainer"].get("max_epochs"),
        share,
        threads,
    )


def _take_up(run_folder: RunFolder) -> Kept | None:
    """Return what can be gone on from; None where there is nothing, or where a file of it is damaged."""
    try:
        return read_kept(run_folder)
    except EcgTlError as error:
        printing.say(starts_anew(error), error=True)
        return None


def _start_anew(run_folder: RunFolder) -> None:
    for entry in run_folder.path.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name not in KEPT_FROM_BEFORE:
            entry.unlink()


def complete_config(job: Job, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Add to a run's config what is known only now: the upstream's checkpoint, and what every run has.

    Args:
        job: The run.
        before: Precision and threads of the attempt that is gone on with, for where none are set.

    Raises:
        SettingError: If the run asks for several devices (a study runs several runs at once instead), or for
            validations in the middle of an epoch.
    """
    if job.run.file is not None:
        require_unchanged(Path(job.run.file[0]), job.run.file[1])
    pretrains = PRETRAINING in job.run.config
    config: dict[str, Any] = pretraining_config(job.run.config) if pretrains else deepcopy(job.run.config)
    before = before or {}
    trainer = config.setdefault("trainer", {})
    if trainer.get("devices", 1) not in (1, "1", "auto"):
        raise SettingError(
            "trainer.devices",
            str(trainer["devices"]),
            "1: a study runs several runs at once, each on one device",
            "Remove the setting, and give `--concurrent`.",
        )
    every = trainer.get("val_check_interval")
    if every not in (None, 1.0):
        raise SettingError(
            "trainer.val_check_interval",
            str(every),
            "1.0: a study compares epochs, with one validation each",
            "Remove the setting.",
        )
    trainer |= {"devices": 1, "enable_progress_bar": False, "enable_model_summary": False}
    trainer.setdefault("accelerator", "auto")
    # A study's figures are those of its report.
    config.setdefault("pictures", {}).setdefault("records", 0)
    if not pretrains:
        config.setdefault("curves", {}).setdefault("every_n_epochs", 0)
    speed = config.setdefault("speed", {})
    if trainer.get("precision") is None and speed.get("precision", "auto") == "auto":
        speed["precision"] = before.get("precision") or chosen_precision(job.run)
    if speed.get("threads", "auto") == "auto":
        speed["threads"] = before.get("threads") or job.run.threads
    for callback in trainer.get("callbacks") or []:
        if is_transfer(callback["class_path"]) and job.run.file is None:
            upstream = None if job.run.needs is None else str(job.run_folder_of(job.run.needs).best)
            callback["init_args"] = {**callback.get("init_args", {}), "upstream": upstream}
    return config


# The training, the test -----------------------------------------------------------------------------------


def _fit(job: Job, run_folder: RunFolder, stopwatch: Stopwatch) -> None:
    if not run_folder.fit.is_file():
        _train(job, run_folder, stopwatch)
    unscored = (
        read_mapping(run_folder.fit).get("unscored") if run_folder.fit.is_file() else "no epoch was completed"
    )
    if unscored is not None:
        raise CheckpointError(
            run_folder.path,
            f"a training that ended without an epoch to choose ({unscored})",
            "at least one with a score to choose it by",
            "Check the split, `trainer.max_epochs` and `checkpoint.monitor`.",
        )


def _train(job: Job, run_folder: RunFolder, stopwatch: Stopwatch) -> None:
    words = ["fit", "-c", str(run_folder.config)]
    if run_folder.last.is_file():
        words += ["--ckpt_path", str(run_folder.last)]
    callbacks: list[Callback] = [NoteEpochs(stopwatch)]
    if job.score_test_by_epoch:
        callbacks.append(TestScoresByEpoch())
    _reset_switches()
    if PRETRAINING in job.run.config:
        pretrain(words[1:], folder=run_folder.path, callbacks=callbacks, result_file=FIT_FILE)
        return
    train(words, folder=run_folder.path, callbacks=callbacks, result_file=FIT_FILE)


def _test(job: Job, run_folder: RunFolder, stopwatch: Stopwatch) -> None:
    if run_folder.test.is_dir():  # of an attempt that was cut off here
        shutil.rmtree(run_folder.test)
    _reset_switches()
    trained_in = yaml.safe_load(run_folder.config.read_text(encoding="utf-8"))
    precision = str(trained_in["trainer"].get("precision") or trained_in["speed"]["precision"])
    if PRETRAINING in job.run.config:
        probed = probe_upstream(trained_in, run_folder)
        write_result(job, run_folder, stopwatch, probed.task, probed.datamodule, precision, probed.data)
    else:
        words = ["test", "-c", str(run_folder.config), "--ckpt_path", str(run_folder.best)]
        tested = train([*words, "--verbose", "false"], folder=run_folder.test)
        write_result(job, run_folder, stopwatch, tested.model, tested.datamodule, precision)
    run_folder.error.unlink(missing_ok=True)
    run_folder.last.unlink(missing_ok=True)
    if not job.keep_best:
        shutil.rmtree(run_folder.best.parent)


def _reset_switches() -> None:
    """Undo what a training has set for its whole process: no run may depend on the one before it."""
    torch.set_float32_matmul_precision(_MATMUL)
    torch.use_deterministic_algorithms(False)
    for name, value in _CUDNN_DEFAULTS.items():
        setattr(torch.backends.cudnn, name, value)


@contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Append what this process writes to the terminal to a file, also what C libraries write."""
    saved = [os.dup(number) for number in (1, 2)]
    with path.open("a", encoding="utf-8", buffering=1) as log:
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            for number in (1, 2):
                os.dup2(log.fileno(), number)
            # Something else in the place of Python's streams, as in a notebook, leads elsewhere.
            # Python's own stay: a library that keeps the one that it found would be left with a closed file.
            with ExitStack() as replaced:
                if not _leads_to(sys.stdout, 1):
                    replaced.enter_context(redirect_stdout(log))
                if not _leads_to(sys.stderr, 2):
                    replaced.enter_context(redirect_stderr(log))
                yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError):  # a full disk: what is lost is the end of the log
                    stream.flush()
            for number, before in zip((1, 2), saved, strict=True):
                os.dup2(before, number)
                os.close(before)


def _leads_to(stream: TextIO, number: int) -> bool:
    try:
        return stream.fileno() == number
    except (AttributeError, OSError, ValueError):
        return False
