"""A record of any length as windows of the length that a network takes.

What is done to a window is done by the store's own functions: filled, resampled behind the same filter,
rounded to 1 µV, padded with zeros. So a record gives a network the same numbers here and in a prepared store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecg_tl.errors import RecordError
from ecg_tl.inference.model import ModelDescription
from ecg_tl.preprocessing import Chain
from ecg_tl.preprocessing.polyphase import rate_ratio, resampled_length
from ecg_tl.recordings.remarks import Remark
from ecg_tl.signals import MICROVOLTS_PER_STEP, Recording
from ecg_tl.store.conform import chain_windows, conform_window
from ecg_tl.store.encoding import SIGNAL_DTYPE
from ecg_tl.store.resample import Window, window_at, window_starts
from ecg_tl.store.settings import StoreSettings

WhichWindows = Literal["all", "one"]


@dataclass(frozen=True)
class Windows:
    """What a network is given of a record.

    Attributes:
        steps: `int16 (windows, leads, samples)`, 1 µV a step: a day of 12 leads at 100 Hz is 0.2 GB.
        parts: Where each comes from in the record.
        starts: Where each begins, in seconds.
        length: Samples of each that are no padding.
        remarks: On what was done.
        resolution: What a step stands for: 0.001 mV, unless a contract's chain leaves millivolts.
    """

    steps: NDArray[np.int16]
    parts: tuple[Window, ...]
    starts: tuple[float, ...]
    length: int
    remarks: tuple[Remark, ...]
    resolution: float = MICROVOLTS_PER_STEP / 1000.0

    def __len__(self) -> int:
        return len(self.steps)

    def signal(self, windows: slice) -> NDArray[np.float32]:
        """Return some windows in millivolts, `float32 (windows, leads, samples)`, as a datamodule does."""
        # Multiplied, not divided: the datamodule does the same, and the last bit shall not differ.
        return self.steps[windows].astype(np.float32) * np.float32(self.resolution)


def cut_windows(
    recording: Recording, description: ModelDescription, which: WhichWindows, where: object
) -> Windows:
    """Cut a record into windows.

    A longer record is covered by as few windows as can be, spread evenly, so that neighbours overlap a little
    and no part is left out; or by those of a stride, where the network was validated so. A window with a gap
    too long to fill is left out, if others remain.

    Args:
        recording: The leads that the network takes, in its order.
        description: Of the network.
        which: `all`, or the `one` that a prepared store would keep; of a network that was trained on windows
            of its records, all within that.
        where: The record, for errors.

    Raises:
        RecordError: If no window can be used.
        SettingError: If the network's way of resampling cannot be carried out at the record's rate.
    """
    if description.preprocessing is not None:
        return _through_chain(recording, description, which, where)
    settings = StoreSettings(
        leads=description.leads,
        sampling_rate=description.sampling_rate,
        num_samples=description.num_samples,
        resampling=description.resampling,
        crop=description.crop,
    )
    samples = recording.values.shape[1]
    ratio = rate_ratio(recording.sampling_rate, settings.sampling_rate)
    total = resampled_length(samples, ratio)
    length = min(total, settings.num_samples)
    used, first = total, 0
    if which == "one":
        used = min(total, description.record_samples or description.num_samples)
        first = (total - used) // 2 if description.crop == "center" else 0
    starts = window_starts(used, length, description.window_stride)
    planned = [window_at(samples, ratio, first + start, length) for start in starts]
    kept, parts, refused = [], [], []
    filled = clipped = 0
    for window in planned:
        try:
            steps, nan_samples, beyond = conform_window(
                recording.values, recording.sampling_rate, window, settings, where
            )
        except RecordError as error:
            refused.append(error)
            continue
        filled, clipped = filled + nan_samples, clipped + beyond
        kept.append(steps)
        parts.append(window)
    if not kept:
        raise refused[0]
    padded = np.zeros((len(kept), len(settings.leads), settings.num_samples), dtype=SIGNAL_DTYPE)
    padded[:, :, :length] = kept
    rate = settings.sampling_rate
    return Windows(
        padded,
        tuple(parts),
        tuple((part.start * float(ratio) + part.skip) / rate for part in parts),
        length,
        tuple(_remarks(settings, total, used, length, len(kept), refused, filled, clipped)),
    )


def _through_chain(
    recording: Recording, description: ModelDescription, which: WhichWindows, where: object
) -> Windows:
    """Cut a record into windows where the chain of a contract crops, and take each through the rest of it.

    So each window has the numbers that the contract gives to a recording which begins there.

    Raises:
        RecordError: If the chain cannot take the record, or it is shorter than a window.
    """
    chain = Chain.from_json(description.preprocessing)
    settings = StoreSettings(
        description.leads,
        description.sampling_rate,
        description.num_samples,
        short="drop",
        crop="start",
        chain=chain,
    )
    rate = settings.sampling_rate

    def starts(total: int, length: int) -> tuple[int, ...]:
        if which == "one":
            per_window = (description.record_samples or description.num_samples) / description.num_samples
            total = min(total, round(length * per_window))
        stride = description.window_stride
        in_chain = None if stride is None else max(round(stride * length / description.num_samples), 1)
        return window_starts(total, length, in_chain)

    kept, filled = chain_windows(recording.values, recording.sampling_rate, settings, where, starts=starts)
    samples = recording.values.shape[1]
    total = int(samples * rate / recording.sampling_rate)
    length = kept[0].steps.shape[1]
    if length < settings.num_samples:
        raise RecordError(
            where,
            f"{samples / recording.sampling_rate:.4g} s",
            f"at least {settings.num_samples / rate:g} s, as the contract of the network asks",
            "Give a longer record.",
        )
    parts = []
    for window in kept:
        first = round(window.start * recording.sampling_rate)
        last = min(samples, first + round(length * recording.sampling_rate / rate))
        parts.append(Window(first, last, 0, length, len(kept) > 1 or total > length))
    clipped = sum(window.clipped for window in kept)
    spent = total if which == "all" or len(kept) > 1 else length
    return Windows(
        np.stack([window.steps for window in kept]),
        tuple(parts),
        tuple(window.start for window in kept),
        length,
        tuple(
            _remarks(settings, max(total, length), max(spent, length), length, len(kept), [], filled, clipped)
        ),
        settings.resolution,
    )


def _remarks(
    settings: StoreSettings,
    total: int,
    used: int,
    length: int,
    kept: int,
    refused: list[RecordError],
    filled: int,
    clipped: int,
) -> list[Remark]:
    remarks = []
    seconds, wanted = total / settings.sampling_rate, settings.num_samples / settings.sampling_rate
    if length < settings.num_samples:
        message = f"{seconds:.3g} s long, padded with zeros to the {wanted:g} s that the network takes"
        remarks.append(Remark("padded", message))
    elif total > used:
        kept_seconds = used / settings.sampling_rate
        message = f"{kept_seconds:g} s of {seconds:.4g} s used, the part that training kept ({settings.crop})"
        remarks.append(Remark("cropped", message, is_warning=False))
    elif total > length:
        message = f"{kept} windows of {wanted:g} s over {seconds:.4g} s"
        remarks.append(Remark("windows", message, is_warning=False))
    if refused:
        message = (
            f"{len(refused)} of {len(refused) + kept} windows left out, the first for {refused[0].found}"
        )
        remarks.append(Remark("windows_left_out", message))
    if filled:
        remarks.append(Remark("missing_values", f"{filled} missing samples interpolated"))
    if clipped:
        remarks.append(Remark("clipped", f"{clipped} samples beyond ±32.767 mV cut off there"))
    return remarks
