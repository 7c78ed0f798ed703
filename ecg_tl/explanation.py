"""What a network looked at: how much each sample of each lead adds to a class's logit.

Integrated gradients (Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017): the
gradient of the logit, averaged along the straight line from a baseline to the signal, times their difference.
The attributions add up to the logit of the signal less that of the baseline (completeness), but for what the
average over a finite number of steps leaves out.

The baseline is a flat line at each lead's median: an ECG without waves, and nearly the isoelectric line. It
lies in what the network sees, after normalisation: a flat line of millivolts would have no meaning under a
normalisation by the record's own extent or deviation.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from captum.attr import IntegratedGradients
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ecg_tl.errors import SettingError
from ecg_tl.tasks.base import EcgClassifier


def integrated_gradients(
    task: EcgClassifier, signal: Tensor | ArrayLike, class_index: int, steps: int = 32
) -> NDArray[np.float32]:
    """Attribute one class's logit to the samples of one record.

    Nothing of the task is changed: neither its modes, nor gradients, nor any generator of random numbers. It
    may be called in the middle of a training, and under `torch.inference_mode`.

    Args:
        task: A task with its network, on any device.
        signal: `(leads, samples)` in millivolts.
        class_index: Of the class whose logit is explained.
        steps: Points on the way from the baseline to the signal (Gauss-Legendre quadrature). Networks with
            rectifiers bend on the way: more steps come nearer to completeness.

    Returns:
        `(leads, samples)` in units of the logit: positive where the signal speaks for the class. A lead that
        is flat has none.

    Raises:
        SettingError: If the signal is not one record of numbers with the network's leads, or there is no such
            class.
    """
    _check(task, class_index, steps)
    parameter = next(task.parameters())
    # Neither a graph nor any other trace of what a caller is doing; tensors made in here can have gradients.
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        _evaluating(task),
        _without_cudnn_for(task.network),
    ):
        millivolts = torch.as_tensor(
            np.array(signal.detach().cpu().numpy() if isinstance(signal, Tensor) else signal, dtype="f4"),
            device=parameter.device,
        )
        _check_signal(task, millivolts)
        with torch.no_grad():
            seen = task.normalization(millivolts[None]).to(parameter.dtype)
            baseline = flat_line(seen)
        # Past a compiled call: to compile the way back for a picture takes longer than the picture.
        method = IntegratedGradients(task.network.forward)
        attribution: Tensor = method.attribute(
            seen,
            baselines=baseline,
            target=class_index,
            n_steps=steps,
            # A network of a hundred layers keeps too much of a long record in memory for all steps at once.
            internal_batch_size=min(steps, 32),
        )
    return attribution[0].detach().float().cpu().numpy()


def flat_line(normalised: Tensor) -> Tensor:
    """Return the baseline of signals `(batch, leads, samples)`: each lead's median, all along."""
    return normalised.median(dim=-1, keepdim=True).values.expand_as(normalised).contiguous()


def _check(task: EcgClassifier, class_index: int, steps: int) -> None:
    if not 0 <= class_index < len(task.class_names):
        raise SettingError(
            "class to explain",
            f"number {class_index}",
            f"one from 0 to {len(task.class_names) - 1}",
            f"The classes are {', '.join(task.class_names)}.",
        )
    if steps < 1:
        raise SettingError("steps of integrated gradients", str(steps), "at least 1", "Take 32.")


def _check_signal(task: EcgClassifier, signal: Tensor) -> None:
    fits = signal.ndim == 2 and signal.shape[0] == task.network.num_leads and signal.shape[1] > 0
    if task.network.fixed_length:
        fits = fits and signal.shape[1] == task.network.num_samples
    if not fits or not bool(signal.isfinite().all()):
        raise SettingError(
            "signal to explain",
            f"shape {tuple(signal.shape)}" + (", with values that are no numbers" if fits else ""),
            f"({task.network.num_leads} leads, "
            + (f"{task.network.num_samples} " if task.network.fixed_length else "")
            + "samples) of finite millivolts",
            "Explain one record, prepared as for a prediction.",
        )


@contextmanager
def _evaluating(task: EcgClassifier) -> Iterator[None]:
    """Put all modules into eval mode, and each back into its own: frozen batch norms stay as they are."""
    modes = {module: module.training for module in task.modules()}
    task.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _without_cudnn_for(network: nn.Module) -> Iterator[None]:
    """Let PyTorch's own kernels run recurrent layers: cuDNN goes backward through them in training alone."""
    recurrent = any(isinstance(module, nn.RNNBase) for module in network.modules())
    on_gpu = any(parameter.is_cuda for parameter in network.parameters())
    if not (recurrent and on_gpu):
        yield
        return
    with torch.backends.cudnn.flags(enabled=False):
        yield
