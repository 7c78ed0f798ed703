"""The callback that starts a downstream training from an upstream checkpoint."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from ecg_tl.callbacks.files import write_json
from ecg_tl.errors import CheckpointError, SettingError
from ecg_tl.tasks.base import EcgClassifier
from ecg_tl.transfer.checkpoint import TransferReport, Upstream, match, read_upstream, require_coverage
from ecg_tl.transfer.summary import print_report

REPORT_FILE = "transfer_report.json"


class TransferLearning(Callback):
    """Load the backbone of an upstream checkpoint, give the network a new head, and fine-tune all layers.

    It loads once, before the optimizer is made, and never when a training is resumed: `ckpt_path` means
    resume, `upstream` means transfer. The report of every tensor is printed, written to
    `transfer_report.json` in the run's folder, and kept in the checkpoint.

    Args:
        upstream: A checkpoint of this project.
        min_coverage: Least share of the backbone's parameters that must be loaded; less is an error.
        allow: Differences between upstream and downstream signals that are wanted: names out of `leads`,
            `sampling_rate`, `units`, `normalization`.

    Raises:
        SettingError: If a setting is out of range, or the model is not one of this project.
        CheckpointError: If the upstream cannot be read, does not match the network, or was trained on
            signals of another kind.
    """

    comparable = ("leads", "sampling_rate", "units", "normalization")

    def __init__(self, upstream: str, min_coverage: float = 0.9, allow: list[str] | None = None) -> None:
        if not 0 <= min_coverage <= 1:
            raise SettingError(
                "min_coverage", str(min_coverage), "a share from 0 to 1", "Correct min_coverage."
            )
        unknown = [name for name in allow or [] if name not in self.comparable]
        if unknown:
            raise SettingError(
                "allow", ", ".join(unknown), f"names out of {', '.join(self.comparable)}", "Correct the list."
            )
        self.upstream = Path(upstream)
        self.min_coverage = min_coverage
        self.allow = tuple(allow or ())
        self.report: TransferReport | None = None
        self._refusal: CheckpointError | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Load the upstream's backbone into a fresh training's network."""
        if stage != "fit" or trainer.ckpt_path is not None:
            return
        if not isinstance(pl_module, EcgClassifier):
            raise SettingError(
                "model",
                type(pl_module).__name__,
                "an ecg_tl classifier",
                "Use CnnClassifier or RnnClassifier.",
            )
        try:
            self._load(trainer, pl_module)
        except CheckpointError as error:
            # `fit(ckpt_path=...)` says only later that this is a resumption, which needs no upstream.
            self._refusal = error

    def _load(self, trainer: Trainer, pl_module: EcgClassifier) -> None:
        upstream = read_upstream(self.upstream)
        datamodule = getattr(trainer, "datamodule", None)
        if datamodule is not None:
            self._require_same_signals(upstream, datamodule.describe())
        network = pl_module.network
        state = network.state_dict()
        report = match(upstream.weights, state, network.layer_groups(), str(self.upstream))
        require_coverage(report, self.min_coverage)
        loaded = {t.name: upstream.weights[t.name] for t in report.tensors if t.state == "loaded"}
        network.load_state_dict(state | loaded)
        self.report = report
        pl_module.transfer_report = report.as_dict()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Publish the report; a training that goes on has the one that its checkpoint keeps."""
        if self._refusal is not None and trainer.ckpt_path is None:
            raise self._refusal
        folder = trainer.log_dir  # a collective call: every process must make it
        if self.report is None or trainer.ckpt_path is not None or not trainer.is_global_zero:
            return
        print_report(self.report)
        if folder is not None and trainer.loggers:
            write_json(Path(folder) / REPORT_FILE, self.report.as_dict())

    def _require_same_signals(self, upstream: Upstream, downstream: dict[str, object]) -> None:
        trained_on = upstream.description.data
        if trained_on is None:
            return
        for field in self.comparable:
            if field not in self.allow and trained_on.get(field) != downstream.get(field):
                raise CheckpointError(
                    self.upstream,
                    f"{field} {trained_on.get(field)}",
                    f"{field} {downstream.get(field)}, as the downstream data have",
                    f"Prepare the data as the upstream has it, or allow it with `allow: [{field}]`.",
                )
