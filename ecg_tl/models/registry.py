"""The networks that exist, by name.

A network's file registers what makes it:

    @register_network("mynet", family="cnn")
    def mynet(num_classes: int, num_leads: int = 12, num_samples: int = 1000, width: int = 64) -> MyNet:
        ...

(or decorates the class itself). Every file of `ecg_tl/models` is imported with the package, so that this is
all: the choices of the command line and of YAML files, errors, studies, exports and tests take the names from
here. What the function takes beyond `num_classes`, `num_leads` and `num_samples` are the network's options;
each has a type and a default, and is set by `network_options` of `ecg_tl.tasks.EcgClassifier`. A network
whose residual branches end in `ecg_tl.models.stochastic_depth` says `residual=True`, and has the option
`stochastic_depth` too.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, get_type_hints

from ecg_tl.errors import SettingError
from ecg_tl.limits import fits_type, in_words, shown
from ecg_tl.models.base import EcgNetwork
from ecg_tl.models.stochastic_depth import set_stochastic_depth

SIZES = ("num_classes", "num_leads", "num_samples")
"""What every network takes; it follows from the data."""

STOCHASTIC_DEPTH = "stochastic_depth"
"""The option of networks with residual branches."""

CpuBfloat16 = Literal["as_hardware", "no_gain", "lstm_kernel"]
"""What PyTorch makes of a network in bfloat16 on a CPU.

- `as_hardware`: it is faster where the processor multiplies bfloat16 itself.
- `no_gain`: it is computed step by step, where converting costs what multiplying saves.
- `lstm_kernel`: oneDNN computes an LSTM as a whole, in bfloat16 on processors with AVX-512 alone.
"""

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")

Build = TypeVar("Build", bound=Callable[..., EcgNetwork])


@dataclass(frozen=True)
class NetworkEntry:
    """One network of the registry.

    Attributes:
        build: Makes it from `num_classes`, `num_leads`, `num_samples` and its own options.
        family: What kind of network it is, in one word: `cnn`, `rnn`, ...; studies compare families.
        bfloat16_on_cpu: What PyTorch makes of it in bfloat16 on a CPU.
        residual: Whether it has residual branches, and so an option `stochastic_depth`.
    """

    build: Callable[..., EcgNetwork]
    family: str
    bfloat16_on_cpu: CpuBfloat16 = "as_hardware"
    residual: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """Names and declared types of the settings that this network has beyond those that all have."""
        hints = get_type_hints(vars(self.build)["__init__"] if inspect.isclass(self.build) else self.build)
        names = inspect.signature(self.build).parameters
        own = {name: hints.get(name, Any) for name in names if name not in SIZES}
        return own | ({STOCHASTIC_DEPTH: float} if self.residual else {})


NETWORKS: dict[str, NetworkEntry] = {}


def register_network(
    name: str, *, family: str, bfloat16_on_cpu: CpuBfloat16 = "as_hardware", residual: bool = False
) -> Callable[[Build], Build]:
    """Give what makes a network a name.

    Args:
        name: Lower case letters, digits, `_`, `.` and `-`.
        family: What kind of network it is, in one word, such as `cnn`.
        bfloat16_on_cpu: What PyTorch makes of it in bfloat16 on a CPU.
        residual: Whether it has residual branches, and so an option `stochastic_depth`.

    Raises:
        SettingError: If the name is another network's, or cannot be one, or what is decorated does not take
            `num_classes`, `num_leads` and `num_samples`.
    """

    def register(build: Build) -> Build:
        where = f"network {build.__qualname__}"
        for word in (name, family):
            if not _NAME.fullmatch(word):
                raise SettingError(
                    where, f"the name {word!r}", "lower case letters, digits, `_`, `.` and `-`", "Correct it."
                )
        known = NETWORKS.get(name)
        # A module that is imported again registers the same network again.
        if known is not None and _origin(known.build) != _origin(build):
            raise SettingError(
                where, f"the name {name}", "one that no other network has", "Give it a name of its own."
            )
        missing = [size for size in SIZES if size not in inspect.signature(build).parameters]
        if missing:
            raise SettingError(
                where, f"no {', '.join(missing)}", f"the parameters {', '.join(SIZES)}", "Add them."
            )
        NETWORKS[name] = NetworkEntry(build, family, bfloat16_on_cpu, residual)
        return build

    return register


def network_names(family: str | None = None) -> tuple[str, ...]:
    """List the names of all networks, or of one family's."""
    return tuple(name for name, entry in NETWORKS.items() if family in (None, entry.family))


def find_network(name: object) -> NetworkEntry:
    """Look a network up.

    Raises:
        SettingError: If there is none of this name; the nearest one is named.
    """
    if isinstance(name, str) and name in NETWORKS:
        return NETWORKS[name]
    raise SettingError(
        "network",
        shown(name),
        f"one of {', '.join(NETWORKS)}",
        _did_you_mean(name, NETWORKS) or "Choose one of these.",
    )


def require_options(name: str, options: Mapping[str, object]) -> None:
    """Check names and types of a network's options; what their values may be, the network knows.

    Args:
        name: Of the network.
        options: By name.

    Raises:
        SettingError: Names the first option that the network lacks, or that is of another type.
    """
    declared = find_network(name).options
    for option, value in options.items():
        if option not in declared:
            raise SettingError(
                f"options of {name}",
                shown(option) if not isinstance(option, str) else option,
                f"only {', '.join(declared)}" if declared else "none, for it has none",
                _did_you_mean(option, declared) or "Remove or correct the option.",
            )
        if not fits_type(value, declared[option]):
            raise SettingError(
                f"options of {name}: {option}", shown(value), in_words(declared[option]), f"Correct {option}."
            )


def create_network(
    name: str, num_classes: int, num_leads: int = 12, num_samples: int = 1000, **options: object
) -> EcgNetwork:
    """Make a freshly initialised network; `torch.manual_seed` decides its weights.

    Args:
        name: One of `network_names()`.
        num_classes: Outputs, one logit each.
        num_leads: Leads of the input.
        num_samples: Samples of the input.
        **options: What the network's own function takes beyond these (ResNets: `memory_format`, `widths`,
            `features`; RNNs: `hidden_size`, `num_layers`, `pooling`), and `stochastic_depth`, the share of
            records for which the last residual branch is dropped in training; earlier ones are dropped less.

    Raises:
        SettingError: If there is no such network, it has no such option, or a value is of another type or out
            of range.
    """
    entry = find_network(name)
    require_options(name, options)
    depth = options.pop(STOCHASTIC_DEPTH, 0.0) if entry.residual else 0.0
    network = entry.build(num_classes=num_classes, num_leads=num_leads, num_samples=num_samples, **options)
    if entry.residual:
        set_stochastic_depth(network, float(depth))  # type: ignore[arg-type]  # `require_options` has looked
    return network


def _origin(build: Callable[..., EcgNetwork]) -> tuple[str, str]:
    return build.__module__, build.__qualname__


def _did_you_mean(name: object, known: Mapping[str, object]) -> str:
    close = get_close_matches(name, known, n=1) if isinstance(name, str) else []
    return f"Did you mean {close[0]}?" if close else ""
