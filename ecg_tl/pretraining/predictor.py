"""The predictor of JEPA: from what is seen to what is masked, in the space of features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecg_tl.errors import SettingError
from ecg_tl.limits import NUM_LAYERS, Limit, require_settings
from ecg_tl.models.attention import PreNormBlock, initialise_linear
from ecg_tl.models.base import take_tokens
from ecg_tl.models.weimann_vit import interleaved_positions

EPS = 1e-6
_HEADS = Limit("predictor_heads", 1, 1_000, whole=True)
_DIM = Limit("predictor_dim", 2, 100_000, whole=True)


class TokenPredictor(nn.Module):
    """A narrow transformer over the tokens that were seen and a mask token at each place to predict.

    Assran et al., "Self-Supervised Learning from Images with a Joint-Embedding Predictive Architecture",
    CVPR 2023; sizes for ECGs in Weimann and Conrad (2025): half the encoder's width, 8 blocks.

    Args:
        features: Length of an encoder's token.
        dim: Length of a token inside, even and a multiple of `heads`.
        depth: Blocks.
        heads: Heads of each block.

    Raises:
        SettingError: If a number is out of range, or `dim` cannot be cut into as many heads.
    """

    def __init__(self, features: int, dim: int, depth: int, heads: int) -> None:
        super().__init__()
        require_settings(
            predictor_dim=(_DIM, dim), predictor_depth=(NUM_LAYERS, depth), predictor_heads=(_HEADS, heads)
        )
        if dim % 2 or dim % heads:
            raise SettingError(
                "predictor_dim",
                f"{dim} with {heads} heads",
                "an even number, and a multiple of the heads",
                "Correct one of them.",
            )
        self.dim = dim
        self.embed = nn.Linear(features, dim)
        self.mask_token = nn.Parameter(torch.empty(1, 1, dim))
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        self.blocks = nn.ModuleList(
            PreNormBlock(dim, heads, bias=True, eps=EPS, dropout=0.0) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim, eps=EPS)
        self.project = nn.Linear(dim, features)
        initialise_linear(self)

    def forward(self, context: Tensor, kept: Tensor, masked: Tensor) -> Tensor:
        """Predict the features of masked tokens.

        Args:
            context: `(batch, kept tokens, features)`, of the encoder.
            kept: `(batch, kept tokens) int64`: where they are.
            masked: `(batch, masked tokens) int64`: where features are to be predicted.

        Returns:
            `(batch, masked tokens, features)`.
        """
        tokens = kept.shape[1] + masked.shape[1]
        table = interleaved_positions(tokens, self.dim).to(context)
        positions = table.expand(len(context), -1, -1)
        seen = self.embed(context) + take_tokens(positions, kept)
        asked = self.mask_token + take_tokens(positions, masked)
        x = torch.cat((seen, asked), dim=1)
        for block in self.blocks:
            x = block(x)
        predicted: Tensor = self.project(self.norm(x[:, kept.shape[1] :]))
        return predicted
