"""The head that the networks of the PTB-XL benchmark share, and what else they have in common.

Strodthoff et al., "Deep Learning for ECG Analysis: Benchmarks and Insights from PTB-XL", IEEE Journal of
Biomedical and Health Informatics 25(5), 2021. The head is fastai's: the greatest value and the mean over time
of every channel, then two linear layers with batch norms.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_tl.models.base import TokenNetwork
from ecg_tl.models.laid_out import LaidOutNetwork

HIDDEN_FEATURES = 128


class FeatureNorm(nn.BatchNorm1d):
    """Batch normalisation of features `(batch, features)`, of a batch of one by the running statistics.

    One value has no variance; a last batch of one record is then trained on, not refused.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise features `(batch, features)`."""
        if self.training and input.shape[0] == 1:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        return super().forward(input)


class MaxMeanPool(nn.Module):
    """The greatest value of every channel over time, then the mean of every channel."""

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, channels, samples)` to `(batch, 2 * channels, 1)`."""
        return torch.cat((x.amax(dim=-1, keepdim=True), x.mean(dim=-1, keepdim=True)), dim=1)


def max_mean_head(channels: int, num_classes: int) -> nn.Sequential:
    """Make the head for maps of so many channels."""
    return nn.Sequential(
        MaxMeanPool(),
        nn.Flatten(),
        FeatureNorm(2 * channels),
        nn.Dropout(0.25),
        nn.Linear(2 * channels, HIDDEN_FEATURES),
        nn.ReLU(),
        FeatureNorm(HIDDEN_FEATURES),
        nn.Dropout(0.5),
        nn.Linear(HIDDEN_FEATURES, num_classes),
    )


def initialise_as_published(network: nn.Module) -> None:
    """Draw all weights as the benchmark does: kaiming normal, biases 0, batch norms' weights 1."""
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class MaxMeanNetwork(LaidOutNetwork, TokenNetwork):
    """A network of the benchmark: a map, pooled to its greatest values and means, and the head.

    Features are the pooled map, `2 * channels` of them; `forward_head` is the whole published head, of which
    transfer replaces the last linear layer. It takes signals of any length. A subclass names `head_name` as
    the head's Sequential followed by `.8`.

    Args:
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input; other lengths work as well.
        memory_format: How signals lie in memory inside the network, which decides its speed and nothing else;
            see `ecg_tl.models.layout`.

    Raises:
        SettingError: If one of the numbers is below 1, or there is no such memory format.
    """

    @property
    def num_features(self) -> int:
        """Length of the feature vector that `forward_head` takes."""
        if self.attention_pool is not None:
            return super().num_features
        return 2 * self.num_token_features

    @property
    def num_token_features(self) -> int:
        """Length of a token: the channels of the map."""
        first = self._head_layers()[4]
        assert isinstance(first, nn.Linear)
        return first.in_features // 2

    def forward_head(self, features: Tensor) -> Tensor:
        """Turn features `(batch, num_features)` into logits `(batch, num_classes)`."""
        if self.attention_pool is not None:
            return super().forward_head(features)
        logits: Tensor = self._head_layers()[1:](features)
        return logits

    def _head_layers(self) -> nn.Sequential:
        layers = self.get_submodule(self.head_name.rpartition(".")[0])
        assert isinstance(layers, nn.Sequential)
        return layers

    def _pool(self, tokens: Tensor) -> Tensor:
        pooled: Tensor = self._head_layers()[0](tokens.transpose(1, 2))
        return pooled.flatten(start_dim=1)
