"""What a pre-training does, in TensorBoard: what is masked, and which records look alike to the network."""

from __future__ import annotations

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from ecg_tl.callbacks.curves import tensorboard_writers
from ecg_tl.figures import figure_to_image
from ecg_tl.figures.traces import Trace, traces_figure
from ecg_tl.limits import COUNT, require_settings
from ecg_tl.pretraining.base import Pretraining

SHOWN_LEAD = "II"
"""Drawn of each record, where it is there; else the first."""

NEIGHBOURS = 2


class PretrainingPictures(Callback):
    """Draw a fixed handful of validation records.

    - **masks**: which stretches the context encoder does not see (of JEPA), at the first validation.
    - **neighbours**: beside each record the others whose features are nearest to its own by cosine.

    Nothing random is drawn and nothing of the training is touched.

    Args:
        records: How many; evenly spaced over the validation records. 0 draws none.
        every_n_epochs: Beside the first and the last epoch.
    """

    def __init__(self, records: int = 4, every_n_epochs: int = 20) -> None:
        require_settings("pictures", records=(COUNT, records), every_n_epochs=(COUNT, every_n_epochs))
        self.records = records
        self.every_n_epochs = every_n_epochs

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw them if it is time."""
        writers = tensorboard_writers(trainer)
        if trainer.sanity_checking or not (writers and self.records and isinstance(pl_module, Pretraining)):
            return
        epoch = trainer.current_epoch
        is_time = self.every_n_epochs and epoch % self.every_n_epochs == 0
        if epoch and not is_time and epoch + 1 != trainer.max_epochs:
            return
        looked_at = pl_module.looked_at
        if looked_at is None or not len(looked_at.index):
            return
        count = len(looked_at.index)
        chosen = list(range(0, count, max(1, count // self.records)))[: self.records]
        figures = {"neighbours": _neighbours(pl_module, looked_at.index, looked_at.logits, chosen, epoch)}
        masks = _masks(pl_module, looked_at.index[chosen]) if epoch == 0 else None
        if masks is not None:
            figures["masks"] = masks
        for writer in writers:
            for name, figure in figures.items():
                image = figure_to_image(figure)
                writer.add_image(f"pretraining/{name}", image, trainer.global_step, dataformats="HWC")


def nearest(features: Tensor, of: int, count: int) -> list[tuple[int, float]]:
    """Return the rows whose features are nearest to those of row `of`, with the cosine of each."""
    unit = torch.nn.functional.normalize(features.double(), dim=1)
    cosine = unit @ unit[of]
    cosine[of] = -torch.inf
    order = torch.argsort(cosine, descending=True, stable=True)[: min(count, len(features) - 1)]
    return [(int(row), float(cosine[row])) for row in order]


def _neighbours(
    module: Pretraining, index: Tensor, features: Tensor, chosen: list[int], epoch: int
) -> Figure:
    rows = []
    for of in chosen:
        row = [_trace(module, int(index[of]))]
        near = nearest(features, of, NEIGHBOURS)
        row += [_trace(module, int(index[other]), f"cosine {cosine:.2f}: ") for other, cosine in near]
        rows.append(row)
    title = f"Records and those whose features are nearest, after epoch {epoch + 1}"
    return traces_figure(rows, module.sampling_rate, title)


def _masks(module: Pretraining, index: Tensor) -> Figure | None:
    masked = module.masked_samples(len(index))
    if masked is None:
        return None
    rows = [[_trace(module, int(row), shaded=one.numpy())] for row, one in zip(index, masked, strict=True)]
    return traces_figure(rows, module.sampling_rate, "What the context encoder does not see, shaded")


def _trace(
    module: Pretraining, position: int, before: str = "", shaded: NDArray[np.bool_] | None = None
) -> Trace:
    signal, name = module.data.looked_at(position)
    leads = module.data.leads
    lead = leads.index(SHOWN_LEAD) if SHOWN_LEAD in leads else 0
    return Trace(f"{before}{name}, {leads[lead]}", signal[lead], shaded)
