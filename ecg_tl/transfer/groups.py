"""The settings of a transfer, in groups: the upstream's file, what is matched how, and how it is trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from ecg_tl.errors import SettingError
from ecg_tl.limits import COUNT, EPOCHS, PENALTY, SHARE, STEPS, Limit, require_settings
from ecg_tl.transfer.phases import Phase, read_phases

HeadPolicy = Literal["reset", "by_diagnosis", "keep"]
StemPolicy = Literal["error", "select", "mean"]
BatchNormPolicy = Literal["frozen_eval", "train"]
DropoutPolicy = Literal["frozen_eval", "train"]
CachePolicy = Literal["auto", "off"]

VIEWS = Limit("augmented_views", 1, 1000, whole=True)

COMPARED = ("leads", "sampling_rate", "units", "preprocessing", "normalization")
"""What of an upstream's signals is compared with the downstream's."""


@dataclass(frozen=True)
class ForeignFile:
    """How an upstream's file names the network's tensors, where another project wrote it.

    Attributes:
        prefix: Module that holds the network, stripped from the names.
        renames: The file's names of tensors or modules, to the names that they have here.
    """

    prefix: str | None = None
    renames: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Matching:
    """What is done where upstream and downstream differ.

    Attributes:
        head: `reset` starts a new one; `by_diagnosis` copies the rows of diagnoses that both label sets name;
            `keep` takes it over for the same label set.
        stem: What to do about other leads: `error`; `select` them by name; `mean` of the upstream's.
        resample_stem: Interpolate the first layer's kernels if the upstream has another sampling rate.
        reinit_last: How many groups before the head start fresh.
        min_coverage: Least share of the backbone's parameters that must be loaded; less is an error.
        allow: Differences between upstream and downstream signals that are wanted as they are: names out of
            `leads`, `sampling_rate`, `units`, `preprocessing`, `normalization`.
        allow_overlap: Whether the upstream may have been trained on records of the downstream, whichever part
            of its split they are in; the report says which. To score the result on such records, the
            datamodule's `allow_overlap` has to be set too.

    Raises:
        SettingError: If a setting is out of range.
    """

    head: HeadPolicy = "reset"
    stem: StemPolicy = "error"
    resample_stem: bool = False
    reinit_last: int = 0
    min_coverage: float = 0.9
    allow: list[str] | None = None
    allow_overlap: bool = False

    def __post_init__(self) -> None:
        _require_choice("transfer.match.head", self.head, get_args(HeadPolicy))
        _require_choice("transfer.match.stem", self.stem, get_args(StemPolicy))
        for name in self.allow or ():
            _require_choice("transfer.match.allow", name, COMPARED)
        require_settings(
            "transfer.match", min_coverage=(SHARE, self.min_coverage), reinit_last=(COUNT, self.reinit_last)
        )


@dataclass(frozen=True)
class Training:
    """What a recipe can be set to.

    Attributes:
        phases: In place of the recipe's: from which epoch on which groups of layers are trained.
        phase_epochs: Epochs of each phase of the recipe.
        warmup_steps: Optimizer steps in which the learning rate of each newly trained group rises.
        batch_norm: Of frozen groups: `frozen_eval` keeps their statistics; `train` goes on updating them.
        dropout: Of frozen groups, stochastic depth included: `frozen_eval` drops nothing; `train` goes on
            dropping.
        cache: Whether what lies below the lowest group that is trained is computed once for each record and
            phase, and kept; the results are the same. `auto` does so where it stays the same: without
            augmentation, crops, averages of weights, or batch norms and dropout of frozen layers that go on,
            and where the network can be cut at that group, as all can at the head. `off` is for a task of
            one's own that changes its signals.
        augmented_views: With augmentation, how many views of each training record such a phase goes through,
            one an epoch, over and over, so that they are computed once as well; null for another in each
            epoch, of which nothing is kept.
        l2_sp: Strength of a penalty `l2_sp / 2 * |w - w_upstream|^2` on what was loaded (Li et al., "Explicit
            Inductive Bias for Transfer Learning with Convolutional Networks", ICML 2018). It takes the place
            of weight decay, which should then be 0. Null takes the recipe's.

    Raises:
        SettingError: If a setting is out of range.
    """

    phases: list[Phase] | None = None
    phase_epochs: int = 1
    warmup_steps: int = 0
    batch_norm: BatchNormPolicy = "frozen_eval"
    dropout: DropoutPolicy = "frozen_eval"
    cache: CachePolicy = "auto"
    augmented_views: int | None = None
    l2_sp: float | None = None

    def __post_init__(self) -> None:
        if self.phases is not None:
            object.__setattr__(self, "phases", read_phases(self.phases))  # frozen for all others
        _require_choice("transfer.train.batch_norm", self.batch_norm, get_args(BatchNormPolicy))
        _require_choice("transfer.train.dropout", self.dropout, get_args(DropoutPolicy))
        _require_choice("transfer.train.cache", self.cache, get_args(CachePolicy))
        require_settings(
            "transfer.train",
            warmup_steps=(STEPS, self.warmup_steps),
            phase_epochs=(EPOCHS, self.phase_epochs),
        )
        if self.augmented_views is not None:
            require_settings("transfer.train", augmented_views=(VIEWS, self.augmented_views))
        if self.l2_sp is not None:
            require_settings("transfer.train", l2_sp=(PENALTY, self.l2_sp))


def _require_choice(name: str, choice: object, choices: tuple[str, ...]) -> None:
    if choice not in choices:
        raise SettingError(name, repr(choice), f"one of {', '.join(choices)}", f"Correct {name}.")
