"""Structured state-space layers (S4), as plain sums and FFTs.

Gu et al., "Efficiently Modeling Long Sequences with Structured State Spaces", ICLR 2022. Names are
those of the supervised baseline in Al-Masud et al., "Benchmarking ECG Foundational Models", 2025, after
Mehari and Strodthoff, "Towards quantitative precision for ECG analysis", IEEE JBHI 27(11), 2023. As there,
the poles and the time steps of the states are drawn once and never trained.

One layer filters each channel by a kernel that a linear system of few states gives. The kernel's spectrum is
a rational function of the frequency, whose value at `omega = -1` is a limit of two infinite factors: here
both are multiplied by `cos(theta)`, with `omega = exp(-2i theta)`, and nothing is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_tl.errors import SettingError
from ecg_tl.limits import HIDDEN_SIZE, NUM_LAYERS, Limit, require_settings
from ecg_tl.models.stochastic_depth import StochasticDepth

# Beyond some hundred states the basis is lost to rounding.
STATES_LIMIT = Limit("states", 2, 256, whole=True)
SHORTEST_STEP, LONGEST_STEP = 0.001, 0.1


class S4Kernel(nn.Module):
    """The kernels of one layer: the impulse responses of one small linear system a channel.

    Complex numbers are stored as pairs. `C` alone is trained.

    Args:
        width: Channels.
        states: States of each system, an even number; half of them are stored, the others are conjugate.
        length: Samples of the kernels, an even number: the longest signal.
        kernels: Kernels a channel: 1, or 2 for one in each direction.
    """

    C: Tensor
    omega: Tensor
    z: Tensor
    log_dt: Tensor
    B: Tensor
    P: Tensor
    w: Tensor
    Q: Tensor
    nodes: Tensor

    def __init__(self, width: int, states: int, length: int, kernels: int) -> None:
        super().__init__()
        w, p, b = hippo_legs(states)
        steps = torch.rand(width, device="cpu", dtype=torch.float64)
        log_dt = steps * math.log(LONGEST_STEP / SHORTEST_STEP) + math.log(SHORTEST_STEP)
        c = torch.randn(kernels, width, len(w), device="cpu", dtype=torch.complex128)
        self.C = nn.Parameter(_pairs(truncated(c, w, p, log_dt.exp(), length)))
        omega = torch.exp(-2j * math.pi / length * torch.arange(length // 2 + 1, device="cpu"))
        self.register_buffer("omega", _pairs(omega))
        # The file has the node at omega = -1 as a huge number; which one does not matter.
        self.register_buffer("z", _pairs(2 * (1 - omega) / (1 + omega)))
        self.register_buffer("log_dt", log_dt.to(torch.get_default_dtype()))
        self.register_buffer("B", _pairs(b.expand(1, width, -1)))
        self.register_buffer("P", _pairs(p.expand(1, width, -1)))
        self.register_buffer("w", _pairs(w.expand(width, -1)))
        self.register_buffer("Q", _pairs(p.conj().expand(1, width, -1)))
        self.register_buffer("nodes", self._nodes().to(torch.get_default_dtype()), persistent=False)

    @property
    def length(self) -> int:
        """Samples of the kernels."""
        return 2 * (len(self.omega) - 1)

    def _nodes(self) -> Tensor:
        """Compute sine and cosine of `theta` at each frequency, `(2, length / 2 + 1)`, in double."""
        theta = torch.arange(self.length // 2 + 1, device="cpu", dtype=torch.float64) * (
            math.pi / self.length
        )
        return torch.stack((theta.sin(), theta.cos()))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> S4Kernel:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        # A network that became double would otherwise keep the rounding of single precision.
        self.nodes = self._nodes().to(self.nodes)
        return self

    def forward(self) -> Tensor:
        """Compute the kernels `(kernels, width, length)`, in single precision at least."""
        dtype = torch.float64 if self.C.dtype == torch.float64 else torch.float32
        c, b, p, q, w = (_complex(x, dtype) for x in (self.C, self.B, self.P, self.Q, self.w))
        dt = self.log_dt.to(dtype).exp()
        sine, cosine = self.nodes.to(dtype)
        poles = w * dt[:, None]  # (width, states / 2)
        count = len(c)
        # All that the four sums of Woodbury's identity need: B and P with every C, and with Q.
        products = torch.cat((b * c, p * c, b * q, p * q))  # (2 * count + 2, width, states / 2)
        inverse = torch.complex(
            poles.abs().square()[..., None] * cosine.square() - 4 * sine.square(),
            -4 * poles.real[..., None] * (sine * cosine),
        ).reciprocal()  # (width, states / 2, frequencies)
        weights = torch.cat((products.real, (products * poles.conj()).real)).transpose(0, 1)
        sums = torch.view_as_complex(
            (weights @ torch.view_as_real(inverse).flatten(start_dim=2)).reshape(*weights.shape[:2], -1, 2)
        )  # (width, 2 * (2 * count + 2), frequencies)
        of_values, of_poles = (2 * dt[:, None, None] * sums).transpose(0, 1).chunk(2)
        response = 2j * sine * of_values - cosine * of_poles
        bc, pc, bq, pq = response.split((count, count, 1, 1))
        spectrum = torch.complex(cosine, sine) * (bc - cosine * bq * pc / (1 + cosine * pq))
        kernels: Tensor = torch.fft.irfft(spectrum, self.length)
        return kernels


class KernelHolder(nn.Module):
    """The kernel under its published name, `kernel.kernel`.

    Args:
        kernel: The kernel.
    """

    def __init__(self, kernel: S4Kernel) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self) -> Tensor:
        """Compute the kernels `(kernels, width, length)`."""
        kernels: Tensor = self.kernel()
        return kernels


class ChannelLinear(nn.Module):
    """A linear layer over channels.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(in_channels)  # PyTorch's for linear layers
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out_channels, 1).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, in_channels, samples)` to `(batch, out_channels, samples)`."""
        return F.conv1d(x, self.weight.unsqueeze(-1), self.bias.squeeze(-1))


class S4Layer(nn.Module):
    """Each channel filtered by its kernel, GELU, then a gated mixture of channels.

    Args:
        width: Channels.
        states: States of each channel's system.
        length: The longest signal, an even number of samples.
        bidirectional: Whether a second kernel looks at what comes; without it the layer is causal.
        dropout: Share of whole channels dropped after the GELU in training.
    """

    taps: Tensor | None

    def __init__(self, width: int, states: int, length: int, bidirectional: bool, dropout: float) -> None:
        super().__init__()
        self.D = nn.Parameter(torch.randn(1, width))
        self.kernel = KernelHolder(S4Kernel(width, states, length, 2 if bidirectional else 1))
        self.register_buffer("taps", None, persistent=False)
        self.dropout = nn.Dropout1d(dropout)
        self.output_linear = nn.Sequential(ChannelLinear(width, 2 * width), nn.GLU(dim=1))
        self.stochastic_depth = StochasticDepth()

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, width, samples)` to as much."""
        x = self.dropout(F.gelu(self._filter(x)))
        mixed: Tensor = self.stochastic_depth(self.output_linear(x))
        return mixed

    def fix_kernel(self) -> None:
        """Compute the kernels once and for all, and filter without FFT from now on."""
        with torch.no_grad():
            kernels = self.kernel()
            behind = kernels[0] + F.pad(self.D.to(kernels).T, (0, kernels.shape[-1] - 1))
            # What is looked at comes in the order of time; the last of the other kernel is never met.
            ahead = [kernel[:, :-1] for kernel in kernels[1:]]
            self.taps = torch.cat((behind.flip(-1), *ahead), dim=-1)

    def _filter(self, x: Tensor) -> Tensor:
        if self.taps is not None:
            behind = self.kernel.kernel.length - 1
            padded = F.pad(x, (behind, self.taps.shape[-1] - 1 - behind))
            return F.conv1d(padded, self.taps.unsqueeze(1).to(x.dtype), groups=len(self.taps))
        samples = x.shape[-1]
        # There is no FFT in half precision, and the kernel would be wrong in it.
        with torch.autocast(x.device.type, enabled=False):
            kernels = self.kernel()[..., :samples]
            ahead = F.pad(kernels[0] + F.pad(self.D.to(kernels).T, (0, samples - 1)), (0, samples))
            if len(kernels) == 2:
                ahead = ahead + F.pad(kernels[1].flip(-1), (samples, 0))
            spectrum = torch.fft.rfft(x.to(kernels.dtype), 2 * samples) * torch.fft.rfft(ahead)
            filtered: Tensor = torch.fft.irfft(spectrum, 2 * samples)[..., :samples]
        return filtered.to(x.dtype) if x.dtype == self.D.dtype else filtered


class S4Stack(nn.Module):
    """Layers, each with a sum and a layer norm after it.

    Args:
        width: Channels.
        depth: Layers.
        states: States of each channel's system.
        length: The longest signal, an even number of samples.
        bidirectional: Whether a second kernel looks at what comes.
        dropout: Share of whole channels dropped in training, inside each layer and after it.
    """

    def __init__(
        self, width: int, depth: int, states: int, length: int, bidirectional: bool, dropout: float
    ) -> None:
        super().__init__()
        self.s4_layers = nn.ModuleList(
            S4Layer(width, states, length, bidirectional, dropout) for _ in range(depth)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, width, samples)` to tokens `(batch, samples, width)`."""
        return run_layers(self.s4_layers, self.norms, self.dropout, x)


def steps_of_layers(
    layers: nn.ModuleList, norms: nn.ModuleList, dropout: nn.Module
) -> list[tuple[str, Callable[[Tensor], Tensor]]]:
    """List layers, each with a sum and a layer norm after it, on `(batch, width, samples)`."""

    def step(layer: nn.Module, norm: nn.Module) -> Callable[[Tensor], Tensor]:
        return lambda x: norm((x + dropout(layer(x))).transpose(1, 2)).transpose(1, 2)

    both = zip(layers, norms, strict=True)
    return [(f"layer{number}", step(*one)) for number, one in enumerate(both, start=1)]


def run_layers(layers: nn.ModuleList, norms: nn.ModuleList, dropout: nn.Module, x: Tensor) -> Tensor:
    """Run layers, each with a sum and a layer norm after it, from `(batch, width, samples)` to tokens."""
    for _, step in steps_of_layers(layers, norms, dropout):
        x = step(x)
    return x.transpose(1, 2)


def fix_kernels(layers: nn.ModuleList) -> None:
    """Compute the kernels of all layers once and for all."""
    for layer in layers:
        assert isinstance(layer, S4Layer)
        layer.fix_kernel()


def check_sizes(width: int, depth: int, states: int) -> None:
    """Check what a network of these layers can be made of.

    Raises:
        SettingError: If a number is below 1, or the states are odd in number.
    """
    require_settings(width=(HIDDEN_SIZE, width), depth=(NUM_LAYERS, depth), states=(STATES_LIMIT, states))
    if states % 2:
        raise SettingError(
            "states", str(states), "an even number", "Half of them are conjugate to the others."
        )


def hippo_legs(states: int) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the start of a system that remembers by Legendre polynomials, diagonal up to rank one.

    Gu et al., "HiPPO: Recurrent Memory with Optimal Polynomial Projections", NeurIPS 2020. The matrix is
    `diag(w) - P P*` in the basis in which B and P are given; one of each conjugate pair is kept.

    Args:
        states: States, an even number.

    Returns:
        `w`, `P` and `B`, each `(states / 2,)` and complex in double precision.
    """
    n = np.arange(states)
    roots = np.sqrt(2 * n + 1)
    matrix = np.where(n[:, None] > n, -np.outer(roots, roots), 0) - np.diag(n + 1)
    low_rank = np.sqrt(n + 0.5)
    # With the term of rank one it is -1/2 on the diagonal and skew-symmetric beside it.
    normal = matrix + np.outer(low_rank, low_rank)
    frequencies, basis = np.linalg.eigh(-1j * (normal + np.eye(states) / 2))
    kept = frequencies > 0
    w, project = -0.5 + 1j * frequencies[kept], basis[:, kept].conj().T
    return tuple(torch.from_numpy(x) for x in (w, project @ low_rank, project @ roots))  # type: ignore[return-value]


def truncated(c: Tensor, w: Tensor, p: Tensor, dt: Tensor, length: int) -> Tensor:
    """Change C so that the kernel's spectrum at `length` frequencies is that of the kernel cut to `length`.

    Args:
        c: `(kernels, width, states / 2)`, complex.
        w: Poles, `(states / 2,)`.
        p: The term of rank one, `(states / 2,)`.
        dt: Time steps, `(width,)`.
        length: Samples of the kernel.

    Returns:
        `C (I - dA ** length)`, where `dA` is the bilinear step of the system, as large as `c`.
    """
    step = bilinear_step(w, p, dt)
    whole = torch.cat((c, c.conj()), dim=-1)
    kept: Tensor = whole - torch.einsum("chn,hnm->chm", whole, torch.linalg.matrix_power(step, length))
    return kept[..., : len(w)]


def bilinear_step(w: Tensor, p: Tensor, dt: Tensor) -> Tensor:
    """Compute what one time step does to all states of each channel, `(width, states, states)`."""
    poles, low_rank = torch.cat((w, w.conj())), torch.cat((p, p.conj()))
    half = (torch.diag(poles) - torch.outer(low_rank, low_rank.conj())) * (dt[:, None, None] / 2)
    one = torch.eye(len(poles), dtype=poles.dtype, device="cpu")
    step: Tensor = torch.linalg.solve(one - half, one + half)
    return step


def _pairs(x: Tensor) -> Tensor:
    """Store complex numbers as pairs, in the precision that networks are made in."""
    return torch.view_as_real(x.resolve_conj()).to(torch.get_default_dtype()).clone()


def _complex(pairs: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.view_as_complex(pairs.to(dtype))
