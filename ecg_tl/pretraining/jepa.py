"""JEPA: predict the features of masked stretches of a signal from those of the others."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from ecg_tl.errors import SettingError
from ecg_tl.limits import SHARE, require_settings
from ecg_tl.models.base import TokenNetwork, take_tokens
from ecg_tl.pretraining.base import Pretraining
from ecg_tl.pretraining.draws import Draws
from ecg_tl.pretraining.masks import BlockMasks
from ecg_tl.pretraining.predictor import TokenPredictor


class JepaPretraining(Pretraining):
    """A joint-embedding predictive architecture over time.

    Assran et al., "Self-Supervised Learning from Images with a Joint-Embedding Predictive Architecture", CVPR
    2023; on ECGs Weimann and Conrad, "Self-Supervised Pre-Training with Joint-Embedding Predictive
    Architecture Boosts ECG Classification Performance", Computers in Biology and Medicine 196, 2025.

    A context encoder `f` sees the kept tokens `C` of a signal `x`, a target encoder `g` all of them; a
    predictor `p` says what `g` makes of the masked tokens `M`. With `d` features a token, the loss is

        mean over t in M and features of | p(f(x_C), t) - LN(g(x)_t) |,

    where `LN` gives each token mean 0 and deviation 1 over its features, so that networks without a norm at
    their end have targets of a fixed size. `g` is not trained: after step `s` of `S` its weights are
    `m g + (1 - m) f`, where `m` goes linearly from `momentum` to `final_momentum`. The upstream is `g`.

    Which network: any with tokens that follow each other in time. A transformer leaves masked tokens out
    (`weimann_vit`); others see zeros there.

    Args:
        masks: What is kept and what is masked.
        predictor_dim: Width of the predictor; half of a token's length if None.
        predictor_depth: Its blocks.
        predictor_heads: Heads of each.
        momentum: Of the target encoder, at the first step.
        final_momentum: At the last step.
        **kwargs: Those of `Pretraining`.

    Raises:
        SettingError: If a setting makes no sense, or the network has no tokens that follow time.
    """

    method = "jepa"

    def __init__(
        self,
        masks: BlockMasks = BlockMasks(),  # noqa: B008  (frozen)
        predictor_dim: int | None = None,
        predictor_depth: int = 4,
        predictor_heads: int = 4,
        momentum: float = 0.998,
        final_momentum: float = 0.9995,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.keep_settings(locals())
        require_settings(momentum=(SHARE, momentum), final_momentum=(SHARE, final_momentum))
        if not (isinstance(self.network, TokenNetwork) and self.network.tokens_follow_time):
            raise SettingError(
                "network",
                f"{self.network_name}, which has no tokens that follow each other in time",
                "a network of which JEPA can mask stretches, such as weimann_vit",
                "Choose another network, or another method.",
            )
        self.masks = masks
        self.momentum, self.final_momentum = momentum, final_momentum
        self.context: TokenNetwork = deepcopy(self.network)
        features = self.context.num_token_features
        if predictor_dim is None:
            step = 2 * predictor_heads
            predictor_dim = max(features // 2 // step, 1) * step
        self.predictor = TokenPredictor(features, predictor_dim, predictor_depth, predictor_heads)
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        self.freeze_what_is_idle()

    @property
    def trained_network(self) -> TokenNetwork:
        """The context encoder; the target follows it."""
        return self.context

    def own_modules(self) -> list[nn.Module]:
        """Return the predictor."""
        return [self.predictor]

    def masked_samples(self, records: int) -> Tensor:
        """Return what a first batch of so many crops has masked, `(records, samples)`."""
        samples = self.network.num_samples
        with torch.no_grad():
            empty = torch.zeros(1, self.network.num_leads, self.network.num_samples, device=self.device)
            tokens = self.network.forward_tokens(empty).shape[1] - self.context.leading_tokens
        _, masked = self.masks.draw(tokens, records, Draws(self.seed, 0, 0).generator)
        is_masked = torch.zeros(records, tokens, dtype=torch.bool).scatter(1, masked, True)
        return is_masked[:, torch.arange(samples) * tokens // samples]

    def objective(self, views: list[Tensor], draws: Draws) -> Tensor:
        """Return the mean distance of predictions from the target's features of masked tokens."""
        (signal,) = views
        with torch.no_grad():
            tokens = self.network.forward_tokens(signal)[:, self.context.leading_tokens :]
        count = tokens.shape[1]
        kept, masked = self.masks.draw(count, len(signal) * draws.world, draws.generator)
        kept, masked = draws.own(kept).to(signal.device), draws.own(masked).to(signal.device)
        context = self.context.forward_kept_tokens(signal, kept, count)
        predicted = self.predictor(context, kept, masked)
        # In float32 whatever the precision of the networks.
        target = F.layer_norm(take_tokens(tokens, masked).float(), tokens.shape[2:])
        return F.l1_loss(predicted.float(), target)

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Any = None,
    ) -> None:
        """Train the context encoder and the predictor, and let the target follow."""
        momentum = self._momentum(self.trainer.global_step)
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        follow(self.network, self.context, momentum)

    def _momentum(self, step: int) -> float:
        steps = max(int(self.trainer.estimated_stepping_batches) - 1, 1)
        return self.momentum + (self.final_momentum - self.momentum) * min(step / steps, 1.0)


@torch.no_grad()
def follow(target: nn.Module, source: nn.Module, momentum: float) -> None:
    """Move a network's weights to `momentum * target + (1 - momentum) * source`; buffers are taken over."""
    for mine, theirs in zip(target.parameters(), source.parameters(), strict=True):
        mine.lerp_(theirs.detach().to(mine), 1.0 - momentum)
    for kept, current in zip(target.buffers(), source.buffers(), strict=True):
        kept.copy_(current)
