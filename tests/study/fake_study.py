"""Run folders with known effects, written without any training."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecg_tl.files import digests_of
from ecg_tl.study.design.settings import Arm, StudySettings

ARMS = {
    "scratch": Arm(),
    "full": Arm(transfer={"recipe": "full"}),
    "probe": Arm(transfer={"recipe": "linear_probe"}),
    "frozen": Arm(transfer={"recipe": "linear_probe"}, pretrained=False),
}
FAMILIES = {"gru": "rnn", "vit": "transformer", "s4": "state_space"}
KINDS = {"scratch": "scratch", "full": "fine-tuned", "probe": "fine-tuned", "frozen": "control"}


@dataclass
class FakeStudy:
    """Writes runs whose skill, the distance of positives from negatives, is given.

    Test records are fixed for each dataset: `patients` of them, two records each for the first half.
    """

    folder: Path
    patients: int = 120
    prevalence: tuple[float, ...] = (0.4, 0.25, 0.15)
    seed_spread: float = 0.05
    noise: float = 0.6
    axes: dict[str, dict[str, Any]] = field(default_factory=dict)
    protocol: str = "strict"
    ids: list[str] = field(default_factory=list)
    digests: bool = False

    def settings(self, **changes: Any) -> StudySettings:
        names: dict[str, Any] = {
            "upstreams": {"up": {}, "other": {}},
            "downstreams": {"down": {}, "down2": {}},
            "networks": {"resnet1d18": {}, "gru": {}, "gru_flat": {}},
        }
        return StudySettings(
            name="fake",
            folder=str(self.folder),
            arms=ARMS,
            axes=self.axes,
            protocol=self.protocol,  # type: ignore[arg-type]
            **{**names, **changes},
        )

    def test_set(self, dataset: str, split: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw the patients of a split; each has patients of its own, numbered on from those before."""
        rng = np.random.default_rng([ord(c) for c in dataset] + [split] * (split > 0))
        patient = np.concatenate([np.arange(self.patients), np.arange(self.patients // 2)])
        targets = (rng.random((self.patients, len(self.prevalence))) < self.prevalence)[patient]
        difficulty = rng.normal(size=(self.patients, len(self.prevalence)))[patient]
        return patient + split * self.patients, targets, difficulty

    def add(
        self,
        arm: str,
        skill: float | tuple[float, ...],
        seeds: tuple[int, ...] = (0, 1, 2),
        *,
        dataset: str = "down",
        upstream: str | None = None,
        network: str = "resnet1d18",
        size: int | None = None,
        train_records: int | None = None,
        axes: dict[str, str] | None = None,
        validation: float | None = None,
        peak_f1: float | None = None,
        f1_by_epoch: tuple[float, ...] | None = None,
        epochs_to_best: int = 5,
        match: int | None = None,
        protocol: str | None = None,
        foresight: dict[str, float] | None = None,
        monitor: str = "val/auroc_macro",
        split: int = 0,
        probes: dict[int, float] | None = None,
        **result: Any,
    ) -> None:
        for seed in seeds:
            self._write(locals() | {"seed": seed})

    def _write(self, given: dict[str, Any]) -> None:
        arm, seed, dataset, upstream = given["arm"], given["seed"], given["dataset"], given["upstream"]
        axes = {axis: next(iter(values)) for axis, values in self.axes.items()} | (given["axes"] or {})
        protocol = given["protocol"] or self.protocol
        words = [arm, dataset, upstream, given["network"], given["size"], *axes.values(), protocol, seed]
        words += [f"split{given['split']}"] if given["split"] else []
        run_id = "-".join(str(w) for w in words)
        self.ids.append(run_id)
        folder = self.folder / "runs" / run_id
        (folder / "test").mkdir(parents=True)
        patient, targets, difficulty = self.test_set(dataset, given["split"])
        rng = np.random.default_rng([ord(c) for c in run_id])
        skill = np.asarray(given["skill"]) + rng.normal() * self.seed_spread
        logits = (targets - 0.5) * skill + difficulty * 0.7 + rng.normal(size=targets.shape) * self.noise
        probabilities = 1 / (1 + np.exp(-logits))
        names = [f"class{k}" for k in range(targets.shape[1])]
        table = pd.DataFrame({"record_id": _record_ids(len(patient), given["split"]), "patient_id": patient})
        for k, name in enumerate(names):
            table[f"target/{name}"] = targets[:, k].astype(int)
            table[f"probability/{name}"] = probabilities[:, k]
        # Not in the order of their ids, as a run may leave them.
        table.sample(frac=1, random_state=1).to_csv(folder / "test" / "predictions.csv", index=False)
        epochs = 12
        by_epoch = given["f1_by_epoch"] or tuple(np.linspace(0.2, given["peak_f1"] or 0.5, epochs))
        history = pd.DataFrame({"epoch": range(1, epochs + 1), given["monitor"]: _curve(given, epochs)})
        history["seconds"] = history["epoch"] * 2.0
        if given["probes"] is not None:  # of an upstream that is pre-trained without labels, by epoch
            history["val/probe_auroc"] = [given["probes"].get(epoch) for epoch in history["epoch"]]
            history["val/feature_rank"], history["val/collapsed"] = 8.5, (history["epoch"] < 3) * 1.0
        history.to_csv(folder / "metrics.csv", index=False)
        if given["peak_f1"] is not None or given["f1_by_epoch"] is not None:
            tests = pd.DataFrame({"epoch": range(1, len(by_epoch) + 1), "f1_weighted": by_epoch})
            tests.to_csv(folder / "test_by_epoch.csv", index=False)
        train = given["train_records"] or given["size"] or 4000
        result = {
            "format": 1,
            "run": {
                "id": run_id,
                "kind": "upstream" if arm == "upstream" else KINDS[arm],
                "dataset": dataset,
                "upstream": upstream,
                "network": given["network"],
                "arm": arm,
                "size": given["size"],
                "seed": seed,
                "axes": axes,
                "protocol": protocol,
                "needs": None,
                "after": None,
                **({"split": given["split"]} if given["split"] else {}),
            },
            "study": "fake",
            "family": FAMILIES.get(given["network"].split("_")[0], "cnn"),
            "head": "flatten" if given["network"] == "gru_flat" else "pooled",
            "parameters": 1000,
            "head_parameters": 930 if given["network"] == "gru_flat" else 10,
            "trainable_parameters": 1000,
            "scores": {},
            "best_scores": {given["monitor"]: given["validation"] or 0.5 + np.mean(given["skill"]) / 10},
            "calibration": {
                "thresholds": [0.5] * len(names),
                "tuned": [True] * len(names),
                "temperature": 1.5,
            },
            "monitor": given["monitor"],
            "epochs": epochs,
            "epochs_to_best": given["epochs_to_best"],
            "seconds_to_best": 2.0 * given["epochs_to_best"],
            "seconds": 2.0 * epochs,
            "wall_seconds": 30.0,
            "device_seconds": 25.0,
            "peak_memory_bytes": 2**28,
            "peak_device_memory_bytes": None,
            "to_scratch_best": None,
            "transferability": given["foresight"],
            "data": {
                "dataset": "ludb",
                "title": "A dataset",
                "class_names": names,
                "split": "record" if protocol != "strict" else "patient",
                "split_hash": f"{dataset}{given['size']}",
                "selects_on_test": protocol != "strict",
                "patients_shared": 3 if protocol != "strict" else 0,
                "records": {"train": train, "validation": 20, "test": len(patient)},
                "support": {part: dict.fromkeys(names, 30) for part in ("train", "validation", "test")},
                "normalization": {"name": "fixed_scale", "scale_mv": 0.3},
            },
            "versions": {"torch": "2.13"},
            "hardware": {
                "cpu": "a processor",
                "cores": 2,
                "gpu": None,
                "memory_bytes": 2**34,
                "platform": "Linux",
            },
            "attempts": 1,
            "finished": f"2026-01-0{seed % 9 + 1}T00:00:00+00:00",
        }
        if self.digests:
            result["digests"] = digests_of(
                folder, ("test/predictions.csv", "metrics.csv", "test_by_epoch.csv")
            )
        result.update(given["result"])
        (folder / "result.json").write_text(json.dumps(result))


def _record_ids(records: int, split: int) -> list[str]:
    return [f"{number:04d}" if not split else f"{split}-{number:04d}" for number in range(records)]


def _curve(given: dict[str, Any], epochs: int) -> np.ndarray:
    """Rise at once at the epoch `match`, scratch at the tenth; without it, slowly."""
    step = 10 if given["match"] is None and given["arm"] == "scratch" else given["match"]
    if step is None:
        return np.linspace(0.5, 0.8, epochs)
    return np.where(np.arange(1, epochs + 1) >= step, 0.8, 0.5)
