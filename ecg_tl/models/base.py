"""The contract that every network fulfils."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ecg_tl.errors import SettingError

_PARAMETRIZED = re.compile(r"^((?:.*\.)?)parametrizations\.([^.]+)\..*$")
"""What `torch.nn.utils.parametrize` makes of the name of a weight."""


ATTENTION_POOL = "attention_pool"
"""Of a network that is given one (`ecg_tl.models.attention_pool`): what makes features of its tokens."""


Step = tuple[str, Callable[[Tensor], Tensor]]
"""A step of a network: the group of layers that it is of, and what it makes of what the one before gave."""


@dataclass(frozen=True)
class Lengths:
    """The numbers of samples that a network takes.

    Attributes:
        shortest: The fewest samples.
        longest: The most samples; `None` where there is no bound.
        multiple_of: What the number of samples must be divisible by.
    """

    shortest: int = 1
    longest: int | None = None
    multiple_of: int = 1

    def __contains__(self, samples: int) -> bool:
        return (
            samples >= self.shortest
            and (self.longest is None or samples <= self.longest)
            and samples % self.multiple_of == 0
        )

    def __str__(self) -> str:
        if self.shortest == self.longest:
            return f"exactly {self.shortest} samples"
        bound = "" if self.longest is None else f" and at most {self.longest}"
        divisible = "" if self.multiple_of == 1 else f", in steps of {self.multiple_of}"
        return f"at least {self.shortest}{bound} samples{divisible}"


class EcgNetwork(nn.Module, ABC):
    """A classifier of ECGs: features from a signal, and one linear layer, the head, from features to classes.

    Whatever works on networks (transfer, freezing, learning rates by depth) finds its way by the names that
    this contract gives. It holds no references to layers, so that layers may be replaced at any time (a new
    head, `SyncBatchNorm`) and the names still hold.

    A subclass registers its layers in the order that a signal passes them, the head last under `head_name`.
    It must give `head_name`, `input_weight_names`, `_encode` and `_group_of`. What only some networks have,
    it gives if it is one of them:

    - `fixed_length`: it takes signals of `num_samples` samples and of no other length.
    - `lengths`: other bounds on the length, which its `__init__` checks by `require_length`.
    - `has_tokens` and `_encode_tokens`: features of each stretch of time, before they are pooled.
    - `_steps`: the steps that it consists of, so that it can be cut between two groups of layers.
    - `head_kind`: `flatten` if the head takes the features of all moments one after the other.
    - `prepare_for_export`: what it sets where other programs run it.
    - `hardware_choices`: what it chose for the device that it is on.

    `ecg_tl.models.registry` gives networks their names, and says how a file adds one.

    Args:
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input. A network that pools over time takes other lengths as well.

    Raises:
        SettingError: If one of the numbers is below 1.
    """

    head_name: ClassVar[str]
    """Name of the last linear layer as in `named_modules()`: the prefix of the parameters that transfer
    replaces."""

    input_weight_names: tuple[str, ...]
    """Parameters whose second axis is the leads, for adapting a network to other leads. A bidirectional
    network has two of them."""

    has_tokens: ClassVar[bool] = False
    """Whether there is a `forward_tokens`."""

    def __init__(self, num_classes: int, num_leads: int, num_samples: int) -> None:
        super().__init__()
        for name, value in (
            ("num_classes", num_classes),
            ("num_leads", num_leads),
            ("num_samples", num_samples),
        ):
            require_positive(name, value)
        self.attention_pool: nn.Module | None = None
        self.num_leads = num_leads
        self.num_samples = num_samples

    @property
    def fixed_length(self) -> bool:
        """Whether signals must have exactly `num_samples` samples."""
        return False

    @property
    def head_kind(self) -> Literal["pooled", "flatten"]:
        """How time reaches the head: pooled, or flattened, where the head grows with the signal."""
        return "pooled"

    @property
    def lengths(self) -> Lengths:
        """The numbers of samples that signals may have."""
        return Lengths(self.num_samples, self.num_samples) if self.fixed_length else Lengths()

    @property
    def head(self) -> nn.Linear:
        """The last linear layer, from features to logits."""
        head = self.get_submodule(self.head_name)
        assert isinstance(head, nn.Linear)
        return head

    @property
    def num_classes(self) -> int:
        """Number of logits."""
        return self.head.out_features

    @property
    def num_features(self) -> int:
        """Length of the feature vector that `forward_head` takes."""
        return self.head.in_features

    def layer_groups(self) -> dict[str, tuple[str, ...]]:
        """Name the parameters of each group of layers, from input to output; the last group is `head`.

        Every parameter, named as in `named_parameters()`, is in exactly one group.
        """
        groups: dict[str, list[str]] = {}
        for name, _ in self.named_parameters():
            whole = _PARAMETRIZED.sub(r"\1\2", name)  # a weight in parts is where the whole one was
            is_head = whole.startswith((f"{self.head_name}.", f"{ATTENTION_POOL}."))
            groups.setdefault("head" if is_head else self._group_of(whole), []).append(name)
        return {group: tuple(names) for group, names in groups.items()}

    def forward_features(self, signal: Tensor) -> Tensor:
        """Encode signals `(batch, num_leads, samples)` as features `(batch, num_features)`.

        Raises:
            SettingError: If the signals have another number of leads, or of samples where that is fixed.
        """
        self._check_input(signal)
        if self.attention_pool is not None:
            pooled: Tensor = self.attention_pool(self._encode_tokens(signal))
            return pooled
        return self._encode(signal)

    def forward_tokens(self, signal: Tensor) -> Tensor:
        """Encode signals `(batch, num_leads, samples)` as tokens `(batch, tokens, features of a token)`.

        Tokens follow each other in time and are what the network pools; a token may have another number of
        features than `num_features`.

        Raises:
            SettingError: As `forward_features`, and if the network has no tokens (`has_tokens`).
        """
        if not self.has_tokens:
            raise SettingError(
                "tokens",
                f"a {type(self).__name__}, which has none",
                "a network with tokens",
                "Choose another network.",
            )
        self._check_input(signal)
        return self._encode_tokens(signal)

    def forward_head(self, features: Tensor) -> Tensor:
        """Turn features `(batch, num_features)` into logits `(batch, num_classes)`."""
        logits: Tensor = self.head(features)
        return logits

    def can_be_cut(self, group: str) -> bool:
        """Say whether there are a `forward_below` and a `forward_from` of a group of layers."""
        if group == "head":
            return True
        return self.attention_pool is None and any(one != group for one, _ in self._cut(group)[0])

    def forward_below(self, signal: Tensor, group: str = "head") -> Tensor:
        """Return what a group of layers begins with: the head with features, or tokens that it attends to.

        Args:
            signal: `(batch, num_leads, samples)`.
            group: One at which it can be cut.
        """
        if group == "head":
            attends = self.attention_pool is not None
            return self.forward_tokens(signal) if attends else self.forward_features(signal)
        self._check_input(signal)
        return run_steps(self._cut(group)[0], signal)

    def forward_from(self, below: Tensor, group: str = "head") -> Tensor:
        """Turn what `forward_below` gives into logits `(batch, num_classes)`."""
        if group == "head":
            return self.forward_head(below if self.attention_pool is None else self.attention_pool(below))
        return self.forward_head(run_steps(self._cut(group)[1], below))

    def _cut(self, group: str) -> tuple[Sequence[Step], Sequence[Step]]:
        """Divide the steps into those below a group of layers, and it with those above."""
        groups = list(self.layer_groups())
        steps = self._steps()
        below = sum(groups.index(one) < groups.index(group) for one, _ in steps)
        return steps[:below], steps[below:]

    def _steps(self) -> Sequence[Step]:
        """List the steps from signal to features in their order; none for a network that is not cut."""
        return ()

    def forward(self, signal: Tensor) -> Tensor:
        """Turn signals `(batch, num_leads, samples)` into logits `(batch, num_classes)`."""
        return self.forward_head(self.forward_features(signal))

    def prepare_for_export(self) -> None:
        """Set what suits a graph that other programs run, and what exporters can follow; by default nothing.

        It is called of a copy in eval mode, whose outputs must stay as they were but for rounding.
        """

    def hardware_choices(self) -> dict[str, str]:
        """Say what was chosen for the device that the network is on, and why, by the name of the setting."""
        return {}

    @abstractmethod
    def _encode(self, signal: Tensor) -> Tensor:
        """Do what `forward_features` says, with signals of the right shape."""

    def _encode_tokens(self, signal: Tensor) -> Tensor:
        """Do what `forward_tokens` says, with signals of the right shape: of a network with `has_tokens`."""
        raise NotImplementedError(f"{type(self).__name__} has tokens, and no `_encode_tokens`")

    @abstractmethod
    def _group_of(self, parameter_name: str) -> str:
        """Name the group of a parameter that is not the head's."""

    def _check_input(self, signal: Tensor) -> None:
        fits = signal.ndim == 3 and signal.shape[1] == self.num_leads and signal.shape[2] >= 1
        lengths = self.lengths
        if not fits or signal.shape[2] not in lengths:
            samples = f"{self.num_samples}" if self.fixed_length else "samples"
            raise SettingError(
                f"input of {type(self).__name__}",
                f"signals of shape {tuple(signal.shape)}",
                f"(batch, {self.num_leads}, {samples}): {self.num_leads} leads"
                + (f" of {lengths}" if lengths != Lengths() else ""),
                "Prepare the data with these leads and this length, or make the network anew.",
            )


class TokenNetwork(EcgNetwork):
    """A network whose features are pooled from tokens: one vector for each stretch of the signal."""

    has_tokens = True

    leading_tokens: ClassVar[int] = 0
    """How many of the first tokens stand for no stretch of the signal, such as registers."""

    tokens_follow_time: ClassVar[bool] = True
    """Whether the other tokens are equal stretches of all leads, one after the other."""

    @property
    def num_token_features(self) -> int:
        """Length of a token."""
        return self.num_features

    def forward_kept_tokens(self, signal: Tensor, kept: Tensor, count: int) -> Tensor:
        """Encode some stretches of signals `(batch, num_leads, samples)`, which see nothing of the others.

        Args:
            signal: Whole signals.
            kept: `(batch, kept tokens) int64`: which stretches, counted from 0 without `leading_tokens`, in
                ascending order; as many for each signal.
            count: Tokens of a whole signal, without `leading_tokens`.

        Returns:
            `(batch, kept tokens, features of a token)`, without `leading_tokens`.

        Raises:
            SettingError: As `forward_tokens`, and if the tokens do not follow time.
        """
        if not self.tokens_follow_time:
            raise SettingError(
                "tokens",
                f"a {type(self).__name__}, whose tokens are not stretches of all leads",
                "tokens that follow each other in time",
                "Choose another network.",
            )
        self._check_input(signal)
        return self._encode_kept_tokens(signal, kept, count)

    def _encode_kept_tokens(self, signal: Tensor, kept: Tensor, count: int) -> Tensor:
        """Do what `forward_kept_tokens` says: here by a signal that is zero outside of what is kept.

        A network that can leave tokens out should do so instead: it is faster, and zeros say where something
        was.
        """
        of_sample = torch.arange(signal.shape[-1], device=signal.device) * count // signal.shape[-1]
        sees = torch.zeros(len(signal), count, dtype=torch.bool, device=signal.device)
        sees = sees.scatter(1, kept, True)[:, of_sample]
        tokens = self._encode_tokens(signal.masked_fill(~sees[:, None], 0.0))[:, self.leading_tokens :]
        return take_tokens(tokens, kept)

    def _encode_tokens(self, signal: Tensor) -> Tensor:
        return run_steps(self._token_steps(), signal)

    def _token_steps(self) -> Sequence[Step]:
        """List the steps from signal to tokens in their order; a network without has an `_encode_tokens`."""
        return ()

    def _steps(self) -> Sequence[Step]:
        steps = self._token_steps()
        return (*steps, (steps[-1][0], self._pool)) if steps else ()

    def _pool(self, tokens: Tensor) -> Tensor:
        """Turn tokens `(batch, tokens, num_token_features)` into features `(batch, num_features)`."""
        return tokens.mean(dim=1)

    def _encode(self, signal: Tensor) -> Tensor:
        return self._pool(self._encode_tokens(signal))


def run_steps(steps: Iterable[Step], x: Tensor) -> Tensor:
    """Do steps, one after the other."""
    for _, step in steps:
        x = step(x)
    return x


def take_tokens(tokens: Tensor, positions: Tensor) -> Tensor:
    """Take tokens `(batch, tokens, features)` at `positions (batch, taken)` of each signal, in that order."""
    return tokens.gather(1, positions[:, :, None].expand(-1, -1, tokens.shape[-1]))


def require_positive(name: str, value: int) -> None:
    """Check a count among a network's settings.

    Raises:
        SettingError: If `value` is below 1.
    """
    if value < 1:
        raise SettingError(name, str(value), "a whole number of at least 1", f"Correct {name}.")


def require_length(lengths: Lengths, num_samples: int) -> None:
    """Check that a network which takes these lengths can be made for signals of `num_samples` samples.

    Raises:
        SettingError: If it cannot.
    """
    if num_samples not in lengths:
        raise SettingError(
            "num_samples", str(num_samples), str(lengths), "Prepare the data with such a length."
        )


def require_one_of(name: str, value: str, choices: Iterable[str]) -> None:
    """Check a word among a network's settings.

    Raises:
        SettingError: If `value` is not one of `choices`.
    """
    choices = tuple(choices)
    if value not in choices:
        raise SettingError(name, repr(value), f"one of {', '.join(choices)}", "Choose one of these.")
