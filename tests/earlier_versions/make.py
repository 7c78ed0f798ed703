"""Files as an earlier revision writes them: `python tests/earlier_versions/make.py REVISION [NAME]`.

The revision's code is taken out of git's history into a temporary folder and run there by its command line,
with the libraries at hand. What it writes goes to `tests/earlier_versions/NAME` (the revision's short hash if
not given):

    stores/custom-.../       a prepared store
    runs/default/version_0/  config.yaml, checkpoints and test predictions of a training of two epochs
    gru.onnx                 its best checkpoint, exported (where the revision exports)
    study/, study.yaml       a study of five runs, finished (where the revision has studies)
    expected.json            the revision, and numbers of the store

The records are not kept: `integer_records.py` makes the same bytes again. Nor is the name of the temporary
folder: `/earlier/version` stands for it, cut or filled to its length, so that no other byte moves.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
from integer_records import RATE, SAMPLES, write_records

HERE = Path(__file__).parent
RECORDS = {"upstream": (20, 1), "downstream": (24, 2)}
"""For each dataset, how many records and the seed."""

_DATA = [
    *("--data", "CustomDataModule", "--data.root", "records/downstream", "--data.store_dir", "stores"),
    *("--data.sampling_rate", str(RATE), "--data.num_samples", str(SAMPLES), "--data.batch_size", "8"),
    *("--data.split.kind", "patient", "--data.split.fractions", "[0.5, 0.25, 0.25]"),
]
_GRU = [
    *("--model", "RnnClassifier", "--model.network", "gru", "--model.hidden_size", "4"),
    *("--model.schedule", "constant"),  # any other is planned for two epochs: the training could not go on
]
_TRAINER = [
    *("--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.precision", "32-true"),
    *("--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"),
    *("--trainer.max_epochs", "2", "--pictures.records", "0", "--runs_dir", "runs"),
]
_STUDY = """\
name: tiny
folder: study
data_root: records
store_dir: stores
upstreams:
  up: {data: {class_path: CustomDataModule, init_args: {root: upstream}}}
downstreams:
  down: {data: {class_path: CustomDataModule, init_args: {root: downstream}}}
networks:
  gru: {model: {class_path: RnnClassifier, init_args: {network: gru, hidden_size: 4}}}
arms:
  scratch: {}
  full: {transfer: {schedule: full}}
seeds: [0, 1]
second_opinion: false
settings:
  trainer: {max_epochs: 2, accelerator: cpu, devices: 1, precision: 32-true}
  data:
    init_args:
      sampling_rate: 25
      num_samples: 100
      batch_size: 8
      split: {kind: patient, fractions: [0.5, 0.25, 0.25]}
"""
_KEPT = (
    *("config.yaml", "metrics.csv", "fit.json", "result.json", "test_by_epoch.csv", "transfer_report.json"),
    *("predictions.csv", "scores.json", "study.yaml"),
)


def make(revision: str, name: str | None = None) -> Path:
    """Write the files of `revision`, and return their folder."""
    short = _git("rev-parse", "--short", revision).strip()
    target = HERE / (name or short)
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        code, work = Path(scratch, "code"), Path(scratch, "work")
        _take_out(short, code)
        work.mkdir()
        for dataset, (records, seed) in RECORDS.items():
            write_records(work / "records" / dataset, records, seed)
        words = set(_run(code, work, "--help").split())
        _run(code, work, "fit", *_DATA, *_GRU, *_TRAINER)
        (run,) = work.glob("runs/default/version_*")
        best = str((run / "checkpoints" / "best.ckpt").relative_to(work))
        _run(code, work, "test", "-c", str((run / "config.yaml").relative_to(work)), "--ckpt_path", best)
        if "export" in words:
            _run(code, work, "export", best, "--format", "onnx", "--output", "gru.onnx")
        if "study" in words:
            (work / "study.yaml").write_text(_STUDY)
            _run(code, work, "study", "run", "study.yaml", "--concurrent", "1", "--progress", "false")
        _keep(work, target)
        _write_expected(short, target)
    return target


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=HERE, check=True, capture_output=True, text=True).stdout


def _take_out(revision: str, folder: Path) -> None:
    folder.mkdir()
    top = _git("rev-parse", "--show-toplevel").strip()
    archive = subprocess.run(["git", "archive", revision], cwd=top, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x"], cwd=folder, check=True, input=archive)


def _run(code: Path, work: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "ecg_tl", *words]
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def _keep(work: Path, target: Path) -> None:
    """Copy what is read again: no logs, no curves, no records."""
    for path in sorted(work.rglob("*")):
        part = path.relative_to(work)
        wanted = (
            (part.parts[0] == "stores" and path.suffix != ".lock")
            or path.suffix in (".ckpt", ".onnx")
            or path.name in _KEPT
        )
        if path.is_file() and wanted and not (part.parts[0] == "study" and part.name == "last.ckpt"):
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            (target / part).write_bytes(nameless(path.read_bytes(), str(work.parent)))
    small = [path for path in sorted(target.glob("stores/*")) if not _is_of(path, "downstream")]
    for path in small:  # the upstream's store says nothing that the downstream's does not
        shutil.rmtree(path)


def nameless(content: bytes, folder: str) -> bytes:
    """Return a file with a neutral name of equal length in place of a folder's; archives' checksums too."""
    named = folder.encode()
    neutral = b"/earlier/version".ljust(len(named), b"-")[: len(named)]
    if content[:2] != b"PK":
        return content.replace(named, neutral)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [(entry.CRC, archive.read(entry)) for entry in archive.infolist()]
    for before, entry in entries:  # torch stores entries without compression
        if named in entry:
            after = zlib.crc32(entry.replace(named, neutral))
            content = content.replace(before.to_bytes(4, "little"), after.to_bytes(4, "little"))
    return content.replace(named, neutral)


def _is_of(store: Path, dataset: str) -> bool:
    return bool(json.loads((store / "store.json").read_text())["source_root"].endswith(dataset))


def _write_expected(revision: str, target: Path) -> None:
    (store,) = target.glob("stores/*")
    signals = np.fromfile(store / "signals.i16", dtype="<i2").reshape(-1, 12, SAMPLES)
    expected = {"revision": revision, "store": {"sums": signals.sum(axis=(1, 2), dtype=int).tolist()}}
    (target / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    print(make(*sys.argv[1:3]))
