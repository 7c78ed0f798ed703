"""What a training may use to be fast on the hardware at hand: each a setting, `auto` by default.

Every decision is a pure function from a setting and what is known of the hardware to a `Choice`, which holds
the reason for the log. `auto` chooses only what was measured or what the makers of the hardware document. The
precision that it chose, which changes numbers, is kept in the run's config, to repeat the run elsewhere.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import torch
from jsonargparse.typing import restricted_number_type
from torch import nn

from ecg_tl.allocation import can_keep_freed_memory, keep_freed_memory
from ecg_tl.errors import SettingError
from ecg_tl.models import NETWORKS

Auto = Literal["auto"]
TrainingPrecision = Literal["auto", "32-true", "bf16-mixed"]
CompileMode = Literal["auto", "none", "default", "reduce-overhead"]

MOST_THREADS = 1024
Threads = int
if not TYPE_CHECKING:  # for the command line, which refuses others
    Threads = restricted_number_type("Threads", int, [(">=", 1), ("<=", MOST_THREADS)])

Value = TypeVar("Value")


@dataclass(frozen=True)
class Speed:
    """How a training uses the hardware. Scoring, in single precision, heeds `keep_memory` and `threads`.

    Attributes:
        precision: Of a training whose `trainer.precision` is not given. `auto` is `bf16-mixed` where the
            hardware multiplies bfloat16 itself, else `32-true`.
        tf32: Whether a GPU may multiply single precision with 10 bits of mantissa. `auto` allows it where the
            training is in mixed precision; with `32-true` PyTorch's defaults stay.
        cudnn_benchmark: Whether cuDNN tries its algorithms for each shape and takes the fastest. `auto` does
            on a GPU, but for trainings that must be deterministic.
        keep_memory: Whether the process keeps what a step frees for the next one; see `ecg_tl.allocation`.
            `auto` does on a CPU, where the C library is glibc.
        threads: Of each process on the CPU, 1 to 1024. Their number decides in which order sums are added up,
            and so the last digits of every number. `auto` is the checkpoint's where a training goes on, else
            what PyTorch chooses for this machine; in a study 1. The run's config and checkpoint keep it.
        compile: Whether, and in which of its modes, `torch.compile` translates the network;
            `reduce-overhead` uses CUDA graphs. `auto` is `none`.
        cuda_graph: Whether the network's training passes are recorded on a GPU, and launched at once; see
            `ecg_tl.cuda_graph`. `auto` does where one process trains without accumulating gradients.
        fused_optimizer: Whether the optimizer updates parameters in one kernel. `auto` does on CPU and CUDA.
    """

    precision: TrainingPrecision = "auto"
    tf32: bool | Auto = "auto"
    cudnn_benchmark: bool | Auto = "auto"
    keep_memory: bool | Auto = "auto"
    threads: Threads | Auto = "auto"
    compile: CompileMode = "auto"
    cuda_graph: bool | Auto = "auto"
    fused_optimizer: bool | Auto = "auto"


@dataclass(frozen=True)
class Hardware:
    """What the choices depend on.

    Attributes:
        device: `cpu`, `cuda`, or another of PyTorch's types.
        name: For the log.
        bfloat16: Whether it multiplies bfloat16 itself, faster than single precision.
        bfloat16_lstm: Whether PyTorch can compute an LSTM in bfloat16 on it at all.
    """

    device: str
    name: str
    bfloat16: bool
    bfloat16_lstm: bool = True


@dataclass(frozen=True)
class Choice(Generic[Value]):
    """What a setting came to, and why."""

    value: Value
    reason: str

    def __str__(self) -> str:
        return f"{self.value} ({self.reason})"


def take_device(accelerator: str) -> torch.device:
    """Return where a network runs outside of a trainer; on a CPU, freed memory is kept from now on.

    Args:
        accelerator: `auto` takes a GPU if there is one; `cpu`, `cuda`.

    Raises:
        SettingError: If a GPU is asked for that is not there.
    """
    found = "cuda" if torch.cuda.is_available() else "cpu"
    if accelerator == "cuda" and found == "cpu":
        raise SettingError("accelerator", "cuda", "a GPU that torch can use", "Use `auto` or `cpu`.")
    device = torch.device(found if accelerator == "auto" else accelerator)
    if device.type == "cpu":
        keep_freed_memory()
    return device


def describe_device(accelerator: str = "auto") -> Hardware:
    """Look at the device that a trainer with this `accelerator` uses."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        # Emulation does not count: it is slower than single precision.
        native = torch.cuda.get_device_capability() >= (8, 0)
        return Hardware("cuda", torch.cuda.get_device_name(), native)
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return Hardware("mps", "MPS", False)
    if accelerator in ("auto", "cpu"):
        return Hardware("cpu", platform.machine() or "CPU", _cpu_has_bfloat16(), _cpu_has_bfloat16_lstm())
    return Hardware(accelerator, accelerator, False)


def _cpu_has_bfloat16() -> bool:
    # PyTorch exposes these under names with an underscore; one that lacks them is taken for one without.
    return any(
        bool(getattr(torch.cpu, test, lambda: False)())
        for test in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )


@cache
def _cpu_has_bfloat16_lstm() -> bool:
    # No version of PyTorch or oneDNN lists what it can do for which processor: it is tried.
    with torch.random.fork_rng(devices=[]):
        lstm, signal = nn.LSTM(1, 1), torch.zeros(1, 1, 1)
    try:
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            lstm(signal)
    except RuntimeError:
        return False
    return True


def choose_precision(
    wanted: TrainingPrecision, given: object, hardware: Hardware, network: str | None = None
) -> Choice[object]:
    """Choose the trainer's precision.

    Args:
        wanted: `Speed.precision`.
        given: The trainer's own setting, which is above this one; None if there is none.
        hardware: What trains.
        network: Name of what is trained, if it is known.

    Raises:
        SettingError: If a bfloat16 was asked for in which the network cannot be computed here.
    """
    of_network = NETWORKS[network].bfloat16_on_cpu if network in NETWORKS else "as_hardware"
    if given is not None or wanted != "auto":
        setting, value = ("speed.precision", wanted) if given is None else ("trainer.precision", given)
        if str(value).startswith("bf16") and of_network == "lstm_kernel" and not hardware.bfloat16_lstm:
            raise SettingError(
                setting,
                f"{value} for {network}",
                f"32-true: PyTorch cannot compute an LSTM in bfloat16 on this {hardware.device}",
                "Remove the setting, so that it is chosen for the hardware.",
            )
        return Choice(value, "as set" if given is None else "as set for the trainer")
    if hardware.device == "cpu" and of_network == "no_gain":
        return Choice("32-true", f"auto: bfloat16 does not make a {network} faster on a cpu")
    if hardware.bfloat16:
        return Choice("bf16-mixed", f"auto: this {hardware.device} multiplies bfloat16 itself")
    return Choice("32-true", f"auto: this {hardware.device} has no fast bfloat16")


def choose_tf32(wanted: bool | Auto, precision: object, hardware: Hardware) -> Choice[bool | None]:
    """Choose whether TF32 is used; None leaves what PyTorch does."""
    if hardware.device != "cuda":
        return Choice(None, f"a {hardware.device} has none")
    if wanted != "auto":
        return Choice(wanted, "as set")
    if str(precision) in ("bf16-mixed", "16-mixed"):
        return Choice(True, "auto: finer than the half precision of the rest")
    return Choice(None, "auto: single precision was asked for, PyTorch's defaults stay")


def choose_cudnn_benchmark(
    wanted: bool | Auto, given: bool | None, deterministic: bool, hardware: Hardware
) -> Choice[bool | None]:
    """Choose whether cuDNN compares algorithms; None leaves what PyTorch does.

    Args:
        wanted: `Speed.cudnn_benchmark`.
        given: The trainer's own `benchmark`, which is above this one; None if there is none.
        deterministic: Whether the trainer must be.
        hardware: What trains.
    """
    if given is not None:
        return Choice(given, "as set for the trainer")
    if hardware.device != "cuda":
        return Choice(None, f"a {hardware.device} has none")
    if wanted != "auto":
        return Choice(wanted, "as set")
    if deterministic:
        return Choice(None, "auto: the fastest algorithm may differ from run to run")
    return Choice(True, "auto: all batches have one shape")


def choose_keep_memory(wanted: bool | Auto, hardware: Hardware) -> Choice[bool]:
    """Choose whether the process keeps what it frees."""
    if not can_keep_freed_memory():
        return Choice(False, "only glibc has this setting")
    if wanted != "auto":
        return Choice(wanted, "as set")
    if hardware.device != "cpu":
        return Choice(False, f"auto: PyTorch keeps a {hardware.device}'s memory by itself")
    return Choice(True, "auto: to ask for it again takes up to half of a step")


def choose_threads(wanted: int | Auto, before: int | None, processes: int) -> Choice[int]:
    """Choose the number of threads of each process.

    Args:
        wanted: `Speed.threads`.
        before: With which the training that is gone on with was begun; None if there is none that says so.
        processes: Of this training on this machine.
    """
    if wanted != "auto":
        differs = before is not None and before != wanted
        return Choice(wanted, f"as set; the checkpoint was trained with {before}" if differs else "as set")
    if before is not None:
        return Choice(before, "auto: as the checkpoint was trained with")
    # In a process that another one of the training has started, the variable says what that one chose.
    if processes == 1 or "OMP_NUM_THREADS" in os.environ:
        return Choice(torch.get_num_threads(), "auto: PyTorch's choice for this machine")
    return Choice(max(1, torch.get_num_threads() // processes), f"auto: shared by {processes} processes")


def choose_compile(wanted: CompileMode) -> Choice[CompileMode]:
    """Choose a mode of `torch.compile`, or `none`."""
    if wanted != "auto":
        return Choice(wanted, "as set")
    return Choice("none", "auto: no gain was measured, and compiling takes a minute")


def choose_cuda_graph(
    wanted: bool | Auto, *, device: str, parallel: bool, accumulates: bool, compiled: bool
) -> Choice[bool]:
    """Choose whether training passes are recorded as CUDA graphs.

    Args:
        wanted: `Speed.cuda_graph`.
        device: Type of the device that trains.
        parallel: Whether the strategy is one for several processes.
        accumulates: Whether gradients of several batches are added up.
        compiled: Whether `torch.compile` translates the network.

    Raises:
        SettingError: If they are asked for where they cannot be.
    """
    hindrances = {
        f"a {device} has none": device != "cuda",
        "the strategy is one for several processes": parallel,
        "gradients are accumulated, which a graph would overwrite": accumulates,
        "the network is compiled": compiled,
    }
    found = next((words for words, is_so in hindrances.items() if is_so), None)
    if wanted is True and found is not None:
        raise SettingError("speed.cuda_graph", f"true, where {found}", "auto or false", "Remove the setting.")
    if wanted == "auto":
        return Choice(found is None, f"auto: {found or 'all kernels of a pass are launched at once'}")
    return Choice(wanted, "as set")


def choose_fused_optimizer(wanted: bool | Auto, module: nn.Module, precision: object) -> Choice[bool]:
    """Choose whether the optimizer updates all parameters of a group in one kernel.

    Args:
        wanted: `Speed.fused_optimizer`.
        module: What is optimized, on its device.
        precision: The trainer's.
    """
    if wanted != "auto":
        return Choice(wanted, "as set")
    devices = {parameter.device.type for parameter in module.parameters()}
    if not devices <= {"cuda", "cpu"}:
        return Choice(False, f"auto: nothing is known of {' and '.join(sorted(devices))}")
    if str(precision) == "16-mixed":
        # It would unscale gradients itself, which Lightning refuses together with clipping.
        return Choice(False, "auto: gradients are scaled")
    return Choice(True, "auto: one pass over the parameters instead of ten")


@dataclass(frozen=True)
class Acceleration:
    """What the settings of a training came to.

    Attributes:
        hardware: What trains.
        precision: The trainer's.
        tf32: None leaves what PyTorch does.
        cudnn_benchmark: None leaves what PyTorch does.
        compile: A mode of `torch.compile`, or `none`.
    """

    hardware: Hardware
    precision: Choice[object]
    tf32: Choice[bool | None]
    cudnn_benchmark: Choice[bool | None]
    compile: Choice[CompileMode]

    def lines(self) -> list[str]:
        """Say what was chosen and why, a line each; of a GPU's settings only where there is one."""
        chosen = {"precision": self.precision, "compile": self.compile}
        if self.hardware.device == "cuda":
            chosen |= {"tf32": self.tf32, "cudnn_benchmark": self.cudnn_benchmark}
        return [f"{name}: {choice}" for name, choice in chosen.items()]

    def apply(self, network: nn.Module) -> None:
        """Set PyTorch's switches for this process, and let the network be compiled when it is first used."""
        if self.tf32.value is not None:
            torch.set_float32_matmul_precision("high" if self.tf32.value else "highest")
            torch.backends.cudnn.allow_tf32 = self.tf32.value
        if self.compile.value != "none":
            # In place: the names of parameters, and so checkpoints, stay as they are.
            network.compile(mode=self.compile.value)


def choose_acceleration(
    speed: Speed,
    *,
    network: str | None = None,
    accelerator: str = "auto",
    precision: object = None,
    benchmark: bool | None = None,
    deterministic: bool = False,
) -> Acceleration:
    """Settle everything that can be known before the network is on its device.

    Args:
        speed: The settings.
        network: Name of what is trained, if it is known.
        accelerator: The trainer's.
        precision: The trainer's own, if it was given.
        benchmark: The trainer's own, if it was given.
        deterministic: Whether the trainer must be.
    """
    hardware = describe_device(accelerator)
    chosen = choose_precision(speed.precision, precision, hardware, network)
    return Acceleration(
        hardware,
        precision=chosen,
        tf32=choose_tf32(speed.tf32, chosen.value, hardware),
        cudnn_benchmark=choose_cudnn_benchmark(speed.cudnn_benchmark, benchmark, deterministic, hardware),
        compile=choose_compile(speed.compile),
    )
