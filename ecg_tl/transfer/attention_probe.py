"""The recipe `attention_probe`: a learned query looks at the tokens of a network that stays as it is."""

from __future__ import annotations

from dataclasses import dataclass

from ecg_tl.limits import Limit, require_settings
from ecg_tl.models import EcgNetwork
from ecg_tl.models.attention_pool import attend_to_tokens
from ecg_tl.transfer.phases import head_alone
from ecg_tl.transfer.recipe import Recipe

HEADS = Limit("heads", 1, 256, whole=True)


@dataclass(frozen=True)
class AttentionProbeOptions:
    """How the query looks at tokens.

    As the probe of ecg-fm-benchmarking (Al-Masud et al., "Benchmarking ECG Foundational Models", arXiv
    2509.25095): one learned query, 16 heads, over frozen tokens, and a linear head on what it finds.

    Attributes:
        heads: Into which a token is cut; fewer where they do not divide its length.

    Raises:
        SettingError: If it is out of range.
    """

    heads: int = 16

    def __post_init__(self) -> None:
        require_settings(heads=(HEADS, self.heads))


def _attend(network: EcgNetwork, options: AttentionProbeOptions) -> None:
    attend_to_tokens(network, options.heads)


ATTENTION_PROBE = Recipe(
    "a learned query over tokens that stay as they are, and a new head",
    head_alone,
    prepare=_attend,
    options=AttentionProbeOptions,
    new_head=True,
    l2_sp=None,
)
