"""SimCLR: two crops of one record are alike, those of other records are not."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_gather

from ecg_tl.errors import SettingError
from ecg_tl.limits import HIDDEN_SIZE, Limit, require_settings
from ecg_tl.pretraining.base import Pretraining
from ecg_tl.pretraining.draws import Draws

_TEMPERATURE = Limit("temperature", 1e-4, 100.0)


class SimClrPretraining(Pretraining):
    """A simple contrastive method, the reference for the others; for any network.

    Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020.

    Two crops of each of `N` records, augmented each for itself, become features and, by a layer of `hidden`
    units with ReLU and a linear one, vectors of `projection` numbers and length 1. With `2N` of these over
    all processes, and `i'` the other crop of `i`'s record, the loss is

        mean over i of -log( exp(v_i . v_i' / T) / sum over j != i of exp(v_i . v_j / T) ).

    The upstream is the network; the projection stays behind.

    Args:
        hidden: Units of the projection's hidden layer.
        projection: Length of what is compared.
        temperature: `T`.
        **kwargs: Those of `Pretraining`. Without augmentation or a crop shorter than the record, both crops
            are the same, and there is nothing to learn.

    Raises:
        SettingError: If a setting makes no sense, or when the training begins, if both crops are the same.
    """

    method = "simclr"
    views = 2

    def __init__(
        self, hidden: int = 256, projection: int = 64, temperature: float = 0.1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.keep_settings(locals())
        require_settings(
            hidden=(HIDDEN_SIZE, hidden),
            projection=(HIDDEN_SIZE, projection),
            temperature=(_TEMPERATURE, temperature),
        )
        self.temperature = temperature
        self.projector = nn.Sequential(
            nn.Linear(self.network.num_features, hidden), nn.ReLU(), nn.Linear(hidden, projection)
        )
        self.freeze_what_is_idle()

    def on_fit_start(self) -> None:
        """Refuse to tell two crops from others that are the same."""
        if self.augmentation.is_off and self.data.crops is None:
            raise SettingError(
                "augmentation",
                "none, and crops as long as the record",
                "two crops that differ",
                "Set `data.crop_seconds` below the record's length, or an augmentation.",
            )

    def own_modules(self) -> list[nn.Module]:
        """Return the projection."""
        return [self.projector]

    def objective(self, views: list[Tensor], draws: Draws) -> Tensor:
        """Return the loss over both crops of every record, of all processes while training."""
        records = len(views[0])
        if records * draws.world < 2:
            raise SettingError(
                "batch_size", f"{records} record(s) a step", "at least 2, to be told apart", "Raise it."
            )
        # Together, so that batch norms see both crops of every record.
        features = self.network.forward_features(torch.cat(views))
        vectors = F.normalize(self.projector(features).float(), dim=1)
        first, second = vectors[:records], vectors[records:]
        if draws.world > 1 and distributed.is_initialized():
            first, second = (_of_all(one) for one in (first, second))
        everything = torch.cat((first, second))
        alike = everything @ everything.T / self.temperature
        alike = alike.masked_fill(torch.eye(len(alike), dtype=torch.bool, device=alike.device), float("-inf"))
        other = torch.arange(len(alike), device=alike.device).roll(len(first))
        return F.cross_entropy(alike, other)


def _of_all(vectors: Tensor) -> Tensor:
    """Put the vectors of all processes together; gradients find their way back."""
    gathered: tuple[Tensor, ...] = all_gather(vectors.contiguous())  # type: ignore[no-untyped-call]
    return torch.cat(gathered)
