"""A linear probe of 20 epochs with and without its frozen layers computed once, in forward passes.

    python benchmarks/cached_features.py [--networks ...] [--records 500] [--quick]

The unit is one bare forward pass over the training and validation records, which is measured before and after
in the same process: what a probe costs at least. The aim is 1.3 of them for a whole probe. Epochs without the
cache are all alike, so that few are timed and counted up to the same number. Weights are drawn, which costs
the same as loaded ones. Prepared records are in memory; importing and setting up are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import statistics
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from stores import write_noise_store
from timing import print_machine, print_table, synchronize

from ecg_tl.datamodules.ptbxl import PtbXlDataModule
from ecg_tl.store.reader import Store
from ecg_tl.tasks import EcgClassifier
from ecg_tl.training import silence_noise
from ecg_tl.transfer.callback import TransferLearning

BATCH = 50  # divides the default numbers of records, so that the last batch is as large as the others
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet1d18": {},
    "xresnet1d101": {},
    "gru": {"hidden_size": 100},
    "weimann_vit": {"size": "s"},
    "ecg_fm": {"size": "base"},
}
"""Networks and their options."""

LARGE = ("ecg_fm",)
"""Of 90 million parameters, which takes two cores minutes: measured if it is named."""


@dataclass
class Watch(Callback):
    """Notes how long a training takes, from its first epoch to the end of its last."""

    began: float = 0.0
    seconds: float = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start."""
        self.began = now()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop."""
        self.seconds = now() - self.began


def now() -> float:
    """Return the time at which the device is done with everything so far."""
    synchronize()
    return time.perf_counter()


def data_of(store: Store, samples: int) -> PtbXlDataModule:
    """Open the records."""
    return PtbXlDataModule(store=str(store.path), num_samples=samples, batch_size=BATCH)


def probe(store: Store, samples: int, network: str, precision: Any, epochs: int, cache: str) -> float:
    """Train a linear probe; returns its seconds."""
    data = data_of(store, samples)
    task = EcgClassifier.for_data(data, network=network, network_options=NETWORKS[network])
    watch = Watch()
    trainer = Trainer(
        max_epochs=epochs,
        callbacks=[TransferLearning(None, recipe="linear_probe", train={"cache": cache}), watch],
        precision=precision,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        trainer.fit(task, data)
    return watch.seconds


def forward_pass(store: Store, samples: int, network: str, precision: str) -> float:
    """Run the network once over training and validation records; returns the seconds."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = data_of(store, samples)
    data.setup()
    task = EcgClassifier.for_data(data, network=network, network_options=NETWORKS[network]).to(device).eval()
    start = now()
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, precision == "bf16-mixed"):
        for part in ("train", "validation"):
            for batch in data.batches_of(part, device, as_judged=True):
                task(batch["signal"])
    return now() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--networks", nargs="+", choices=list(NETWORKS), default=[one for one in NETWORKS if one not in LARGE]
    )
    parser.add_argument("--records", type=int, default=500, help="in all; 9 of 10 train and validate")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--plain_epochs", type=int, default=1, help="without the cache, counted up")
    parser.add_argument("--precision", choices=("32-true", "bf16-mixed"), default="32-true")
    parser.add_argument("--quick", action="store_true", help="short signals, two networks: does it run?")
    arguments = parser.parse_args()
    silence_noise()
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")
    print_machine(f"cached_features: a linear probe of {arguments.epochs} epochs in forward passes")
    names = ["resnet1d18", "gru"] if arguments.quick else arguments.networks
    records, samples = (100, 100) if arguments.quick else (arguments.records, 1000)
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        store = write_noise_store(Path(folder) / "store", records, samples)
        for name in names:
            how = (store, samples, name, arguments.precision)
            forward_pass(*how)  # the first allocates and chooses kernels
            passes = [forward_pass(*how)]
            cached = probe(*how, arguments.epochs, "auto")
            plain = probe(*how, arguments.plain_epochs, "off") * arguments.epochs / arguments.plain_epochs
            passes.append(forward_pass(*how))
            one = statistics.mean(passes)
            rows.append([name, one, cached, cached / one, plain, plain / one, plain / cached])
    columns = ["network", "one pass, s", "cached, s", "in passes", "without, s", "in passes", "times faster"]
    print_table(columns, rows)


if __name__ == "__main__":
    main()
