"""CPC: tell what comes next from what comes elsewhere in the same record."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_tl.errors import SettingError
from ecg_tl.limits import Limit, require_settings
from ecg_tl.models.s4 import CpcS4
from ecg_tl.pretraining.base import Pretraining
from ecg_tl.pretraining.draws import Draws

_STEPS = Limit("steps_ahead", 1, 10_000, whole=True)
_NEGATIVES = Limit("negatives", 1, 100_000, whole=True)


class CpcPretraining(Pretraining):
    """Contrastive predictive coding, several steps ahead, with negatives from the same record.

    van den Oord, Li and Vinyals, "Representation Learning with Contrastive Predictive Coding", 2018
    (arXiv 1807.03748); on ECGs Mehari and Strodthoff, "Self-supervised representation learning from 12-lead
    ECG data", Computers in Biology and Medicine 141, 2022; with S4 layers Al-Masud et al., "Benchmarking ECG
    Foundational Models", 2025 (14 steps, 128 negatives).

    Convolutions turn a crop into `z (batch, tokens, width)`; causal layers turn this into `c` of the same
    shape, where `c_t` has seen `z_1 ... z_t`. For each of `K` steps a matrix `W_k` predicts `z_{t+k}`. With
    `n` tokens `z_j` of the same record, drawn anew for each step, the loss is the mean over `k`, `t` and
    records of

        -log( exp(s(z_{t+k})) / (exp(s(z_{t+k})) + sum_j exp(s(z_j))) ),   s(z) = (W_k c_t) . z / sqrt(width).

    A drawn token that is the right one is left out of the sum. The upstream is convolutions and layers.

    Args:
        steps_ahead: `K`; tokens of `cpc_s4` are two samples each.
        negatives: `n`.
        **kwargs: Those of `Pretraining`.

    Raises:
        SettingError: If a setting makes no sense, the network is not of this kind, or the crop is too short
            for the steps.
    """

    method = "cpc"

    def __init__(self, steps_ahead: int = 14, negatives: int = 128, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keep_settings(locals())
        require_settings(steps_ahead=(_STEPS, steps_ahead), negatives=(_NEGATIVES, negatives))
        network = self.network
        if not isinstance(network, CpcS4):
            raise SettingError(
                "network",
                f"{self.network_name}, which is not made of an encoder of single moments and causal layers",
                "cpc_s4",
                "Choose it, or another method.",
            )
        tokens = -(-network.num_samples // 2)
        if tokens <= steps_ahead + 1:
            raise SettingError(
                "steps_ahead",
                f"{steps_ahead}, of {tokens} tokens a crop",
                f"at most {max(tokens - 2, 0)}",
                "Predict fewer steps ahead, or give longer crops.",
            )
        self.steps_ahead, self.negatives = steps_ahead, negatives
        width = network.num_token_features
        self.predictions = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(steps_ahead))
        self.freeze_what_is_idle()

    def own_modules(self) -> list[nn.Module]:
        """Return the matrices that predict."""
        return [self.predictions]

    def objective(self, views: list[Tensor], draws: Draws) -> Tensor:
        """Return InfoNCE over steps, tokens and records."""
        (signal,) = views
        network = self.network
        assert isinstance(network, CpcS4)
        local = network.forward_local(signal)
        context = network.forward_context(local)
        tokens = local.transpose(1, 2)
        records, count, width = tokens.shape
        losses = []
        for step, predict in enumerate(self.predictions, start=1):
            drawn = torch.randint(
                0, count, (records * draws.world, self.negatives), generator=draws.generator
            )
            drawn = draws.own(drawn).to(signal.device)
            predicted = predict(context[:, :-step]) / width**0.5  # (records, count - step, width)
            right = (predicted * tokens[:, step:]).sum(dim=2, keepdim=True)
            others = tokens.gather(1, drawn[:, :, None].expand(-1, -1, width))
            wrong = predicted @ others.transpose(1, 2)  # (records, count - step, negatives)
            at = torch.arange(step, count, device=signal.device)
            wrong = wrong.masked_fill(drawn[:, None] == at[:, None], float("-inf"))
            scores = torch.cat((right, wrong), dim=2).float().flatten(0, 1)
            losses.append(F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.int64).to(at)))
        return torch.stack(losses).mean()
