"""Which stretches of a signal the context encoder sees, and which are to be predicted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ecg_tl.errors import SettingError
from ecg_tl.limits import SHARE, Limit, require_settings

_BLOCK = Limit("min_block", 1, 10_000, whole=True)


@dataclass(frozen=True)
class BlockMasks:
    """How much is kept, and in which pieces.

    Of `tokens` stretches, a share between `min_keep` and `max_keep` is kept, in whole blocks of at least
    `min_block` (fewer, where less is kept); all others are masked. Weimann and Conrad (2025) keep 15 to 25 %
    of 200 tokens of 50 ms, in blocks of at least 10.

    Attributes:
        min_keep: Least share that the context encoder sees.
        max_keep: Greatest share.
        min_block: Fewest tokens in a row that are kept.

    Raises:
        SettingError: If a number is out of range, or the least share is the greater.
    """

    min_keep: float = 0.15
    max_keep: float = 0.25
    min_block: int = 5

    def __post_init__(self) -> None:
        require_settings(
            "masks",
            min_keep=(SHARE, self.min_keep),
            max_keep=(SHARE, self.max_keep),
            min_block=(_BLOCK, self.min_block),
        )
        if not 0 < self.min_keep <= self.max_keep < 1:
            raise SettingError(
                "masks",
                f"shares from {self.min_keep} to {self.max_keep}",
                "two shares over 0 and below 1, the least first",
                "Correct min_keep and max_keep.",
            )

    def draw(self, tokens: int, records: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw the masks of a batch: all of them keep as many tokens in as many blocks, each elsewhere.

        Args:
            tokens: Of a signal.
            records: Of the batch.
            generator: Where all random numbers come from, on the CPU.

        Returns:
            Which tokens are kept, `(records, kept) int64`, and which are masked, `(records, masked) int64`,
            both ascending; at least one of each, and together every token once.

        Raises:
            SettingError: If there are fewer than two tokens.
        """
        if tokens < 2:
            raise SettingError(
                "masks",
                f"{tokens} token(s) a signal",
                "at least 2",
                "Give longer signals, or another network.",
            )
        share = self.min_keep + (self.max_keep - self.min_keep) * float(torch.rand((), generator=generator))
        kept = min(max(round(share * tokens), 1), tokens - 1)
        smallest = min(self.min_block, kept)
        # Between two blocks lies at least one token.
        most = max(1, min(kept // smallest, tokens - kept + 1))
        blocks = int(torch.randint(1, most + 1, (), generator=generator))
        lengths = smallest + _parts(kept - blocks * smallest, blocks, records, generator)
        gaps = _parts(tokens - kept - (blocks - 1), blocks + 1, records, generator)
        gaps[:, 1:-1] += 1
        # From gap, block, gap, block, ..., gap to where each begins and ends.
        ends = torch.stack((gaps[:, :-1], lengths), dim=2).flatten(1).cumsum(1)
        starts, ends = ends[:, 0::2, None], ends[:, 1::2, None]
        position = torch.arange(tokens)
        sees = ((position >= starts) & (position < ends)).any(dim=1)
        order = torch.argsort((~sees).to(torch.uint8), dim=1, stable=True)
        return order[:, :kept], order[:, kept:]


def _parts(total: int, parts: int, records: int, generator: torch.Generator) -> Tensor:
    """Divide a count at random into parts of 0 and more: `(records, parts)`, each row with that sum."""
    cuts = torch.randint(0, total + 1, (records, parts - 1), generator=generator).sort(dim=1).values
    low, high = torch.zeros(records, 1, dtype=torch.int64), torch.full((records, 1), total)
    edges = torch.cat((low, cuts, high), dim=1)
    return edges.diff(dim=1)
