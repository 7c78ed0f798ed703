"""Training epochs of `ecg-tl fit` against a bare loop over the same steps, on data already in memory.

    python benchmarks/trainer_overhead.py [--quick]

`ecg-tl fit` runs as it always does: sampler, loader, normalisation, learning-rate schedule, logging to
TensorBoard, scores, checkpoints. The bare loop has the same network, normalisation, loss, optimizer, schedule
and precision, and takes its batches by index from one tensor. After every step of the one comes a step of
the other, so that both see the same machine; on a GPU, where steps overlap with what the processor does
beside, an epoch of the one comes after an epoch of the other. What follows an epoch (validation and the
checkpoint) is given apart: the bare loop has none.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer
from stores import write_noise_store
from timing import computes_in_bfloat16, print_machine, print_table, synchronize
from torch import Tensor

from ecg_tl.cuda_graph import install, remove
from ecg_tl.signals import MICROVOLTS_PER_STEP
from ecg_tl.tasks import EcgClassifier
from ecg_tl.tasks.optimization import make_optimizer, make_schedule, parameter_groups
from ecg_tl.training import silence_noise, train

BATCH = 64
NETWORKS = {"resnet1d18": "CnnClassifier", "lstm": "RnnClassifier"}


class Alternate(Callback):
    """Times the training epochs of a trainer, and beside each of its steps a step of the bare loop.

    Args:
        bfloat16: Whether the bare loop computes in bfloat16 where that is safe.
        batch: Records a step.
        graph: Whether the bare loop's passes are CUDA graphs, as the trainer's are.
        whole: Whether a whole epoch of the bare loop comes before each of the trainer's, in place of a step
            after each step, for which the device is waited for.
    """

    def __init__(self, bfloat16: bool, batch: int = BATCH, graph: bool = False, whole: bool = False) -> None:
        self.graph = graph
        self.whole = whole
        self.bfloat16 = bfloat16
        self.batch = batch
        self.trained: list[float] = []
        self.bare: list[float] = []
        self.rest: list[float] = []
        self._resumed = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the bare loop's copy of everything."""
        assert isinstance(pl_module, EcgClassifier)
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        device = pl_module.device
        rows = torch.from_numpy(data.parts.split.train)
        self.signals = torch.from_numpy(data.store.signals()[rows.numpy()]).to(device)
        self.targets = torch.from_numpy(data.parts.targets)[rows].to(device)
        self.network = copy.deepcopy(pl_module.network)
        remove(self.network)
        if self.graph:
            install(self.network)
        self.normalization = pl_module.normalization
        groups = parameter_groups(self.network, 1e-3, 0.01)
        self.optimizer = make_optimizer("adamw", groups, fused=True)
        self.schedule = make_schedule(
            "one_cycle", self.optimizer, int(trainer.estimated_stepping_batches) + 9
        )

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start both watches; the bare loop's shuffle counts as well."""
        self.trained.append(0.0)
        start = now()
        self.batches = iter(torch.randperm(len(self.signals), device=self.signals.device).split(self.batch))
        if self.whole:
            for rows in self.batches:
                self._step(rows)
        self._resumed = now()
        self.bare.append(self._resumed - start)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Stop the trainer's watch while the bare loop takes its step."""
        if self.whole and not trainer.is_last_batch:
            return
        paused = now()
        self.trained[-1] += paused - self._resumed
        if not self.whole:
            self._step(next(self.batches))
        self._resumed = now()
        self.bare[-1] += self._resumed - paused

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note what came after the last step."""
        self.rest.append(now() - self._resumed)

    def _step(self, rows: Tensor) -> None:
        signal = self.normalization(self.signals[rows].float() * (MICROVOLTS_PER_STEP / 1000))
        self.optimizer.zero_grad()
        with torch.autocast(signal.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits = self.network(signal)
        F.binary_cross_entropy_with_logits(logits.float(), self.targets[rows]).backward()
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()


def now() -> float:
    """Return the time at which the device is done with everything so far."""
    synchronize()
    return time.perf_counter()


def alternating(
    network: str,
    precision: str,
    store: Path,
    samples: int,
    epochs: int,
    runs: Path,
    batch: int = BATCH,
    graph: bool = False,
    whole: bool = False,
) -> Alternate:
    """Train with a bare loop beside, one epoch more than asked for, which comes first.

    Args:
        network: Its name.
        precision: As the trainer takes it.
        store: Where the records are.
        samples: Of each lead.
        epochs: That count.
        runs: Folder of the runs.
        batch: Records a step.
        graph: Whether both train by CUDA graphs.
        whole: Whether whole epochs take turns, not steps.
    """
    alternate = Alternate(precision == "bf16-mixed", batch, graph, whole)
    words = ["fit", "--data", "PtbXlDataModule", "--data.store", str(store)]
    words += ["--data.num_samples", str(samples), "--data.batch_size", str(batch)]
    words += ["--model", NETWORKS[network], "--model.network", network, "--trainer.precision", precision]
    words += ["--trainer.max_epochs", str(1 + epochs)]
    words += ["--trainer.enable_model_summary", "false", "--trainer.enable_progress_bar", "false"]
    words += ["--pictures.records", "0", "--runs_dir", str(runs), "--speed.cuda_graph", str(graph).lower()]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        train(words, callbacks=[alternate])
    return alternate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=2, help="that count; one more comes first")
    parser.add_argument("--records", type=int, default=240)
    parser.add_argument("--quick", action="store_true", help="short signals, one epoch: does it run?")
    arguments = parser.parse_args()
    print_machine("trainer_overhead: `ecg-tl fit` against a bare loop")
    silence_noise()
    logging.disable(logging.INFO)
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        records, samples = (100, 100) if arguments.quick else (arguments.records, 1000)
        store = write_noise_store(folder / "store", records, samples)
        epochs = 1 if arguments.quick else arguments.epochs
        for network in NETWORKS:
            for precision in ("32-true", "bf16-mixed") if computes_in_bfloat16(network) else ("32-true",):
                alternate = alternating(network, precision, store.path, samples, epochs, folder / "runs")
                count = len(alternate.signals)
                trained, bare = alternate.trained[1:], alternate.bare[1:]  # the first epochs warm up
                shares = [one / other for one, other in zip(bare, trained, strict=True)]
                rows.append(
                    [
                        network,
                        precision,
                        count / statistics.median(bare),
                        count / statistics.median(trained),
                        f"{statistics.median(shares):.1%}",
                        f"{min(shares):.1%}-{max(shares):.1%}",
                        statistics.median(alternate.rest[1:]),
                    ]
                )
    columns = ["network", "precision", "bare loop, records/s", "`ecg-tl fit`, records/s", "of bare loop"]
    print_table([*columns, "epochs' range", "validation and checkpoint, s"], rows)


if __name__ == "__main__":
    main()
