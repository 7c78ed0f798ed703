"""What a run chose on validation records, computed again from its files alone."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_study import Done

from ecg_tl.calibration import calibrate
from ecg_tl.errors import StoreError
from ecg_tl.metrics import multilabel_scores
from ecg_tl.study.design.folder import StudyFolder
from ecg_tl.validation_predictions import read_validation


def monitored(folder: Path, monitor: str) -> list[float]:
    """The monitored score of each validation, in the single precision in which it is logged."""
    kept = read_validation(folder / "validation.npz")
    targets, names = torch.from_numpy(kept.targets), kept.class_names.tolist()
    name = monitor.removeprefix("val/")
    return [
        float(np.float32(getattr(multilabel_scores(torch.from_numpy(one).sigmoid(), targets, names), name)))
        for one in kept.logits
    ]


def check(folder: Path, result: dict[str, Any], calibration: dict[str, Any]) -> None:
    """Compute epoch, monitored value, thresholds and temperature anew, and compare them exactly."""
    kept, history = read_validation(folder / "validation.npz"), pd.read_csv(folder / "metrics.csv")
    values = monitored(folder, result["monitor"])
    assert kept.epochs.tolist() == history["epoch"].tolist() == list(range(1, result["epochs"] + 1))
    assert kept.steps.tolist() == history["step"].tolist()
    assert values == history[result["monitor"]].tolist()
    chosen = int(np.argmax(values))
    assert kept.epochs[chosen] == result["epochs_to_best"]
    assert values[chosen] == result["best_scores"][result["monitor"]]
    logits, targets = torch.from_numpy(kept.logits[chosen]), torch.from_numpy(kept.targets)
    again = calibrate(logits, targets, calibration["rule"], calibration["target"] or 0.9)  # f1 has no target
    assert again.as_dict() == calibration


@pytest.mark.slow
def test_a_studys_run(finished: Done) -> None:
    for run in finished.plan.runs:
        run_folder = StudyFolder(finished.folder).run(run.id)
        result = json.loads(run_folder.result.read_text())
        check(run_folder.path, result, result["calibration"])
        kept = read_validation(run_folder.validation)
        assert len(kept.record_ids) == len(set(kept.record_ids)) == result["data"]["records"]["validation"]
        test = pd.read_csv(run_folder.test / "predictions.csv", dtype=str)
        assert not set(kept.record_ids) & set(test["record_id"])
        assert not set(kept.patient_ids) & set(test["patient_id"])


def test_a_fit(trained_run: Path) -> None:
    result = json.loads((trained_run / "result.json").read_text())
    best = torch.load(trained_run / "checkpoints" / "best.ckpt", weights_only=True)
    check(trained_run, result, best["ecg_tl"]["calibration"])


def test_a_result_holds_the_digests_of_its_files(finished: Done, trained_run: Path) -> None:
    folders = [StudyFolder(finished.folder).run(run.id).path for run in finished.plan.runs]
    for folder in [*folders, trained_run]:
        digests = json.loads((folder / "result.json").read_text())["digests"]
        assert digests == {name: sha256((folder / name).read_bytes()).hexdigest() for name in digests}
        there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        tables = {name for name in there if name.endswith((".csv", ".npz"))}
        assert tables | {"config.yaml"} <= set(digests)
        assert ("transfer_report.json" in there) == ("transfer_report.json" in digests)


@pytest.mark.parametrize("damage", ["none", "half", "other"])
def test_a_file_that_cannot_be_read(damage: str, trained_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "validation.npz"
    content = (trained_run / "validation.npz").read_bytes()
    if damage != "none":
        path.write_bytes(content[: len(content) // 2] if damage == "half" else b"something else")
    with pytest.raises(StoreError, match="validation predictions"):
        read_validation(path)
