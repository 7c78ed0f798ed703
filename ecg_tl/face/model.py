"""`ecg_tl.open_model`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecg_tl.errors import RecordError, SettingError
from ecg_tl.face.names import require_name
from ecg_tl.inference import opening
from ecg_tl.inference.answer import Aggregation, Answer, AnswerSettings, require_aggregation
from ecg_tl.inference.answer import answer as answer_record
from ecg_tl.inference.model import InferenceModel, ModelDescription
from ecg_tl.inference.windows import WhichWindows
from ecg_tl.recordings import ReadRecord, ReadSettings, find_records, read_record
from ecg_tl.recordings.wfdb_recording import Amplitude

_ARRAY = Path("array")
"""What a recording that is no file is called in answers and errors."""


@dataclass(frozen=True)
class OpenModel:
    """A trained network that answers.

    Attributes:
        path: Of its file.
        model: What runs it.
    """

    path: Path
    model: InferenceModel

    @property
    def description(self) -> ModelDescription:
        """What it says of itself: classes, leads, sampling rate, thresholds, what it was trained on."""
        return self.model.description

    def logits(self, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn signals as the network takes them into logits, with nothing done before or after.

        Args:
            signal: `(batch, leads, samples)` in millivolts, in the network's order of leads and at its rate.

        Returns:
            `(batch, classes)`, uncalibrated.
        """
        return self.model.logits(signal)

    def answer(
        self,
        recording: str | Path | ArrayLike,
        *,
        leads: Sequence[str] | None = None,
        sampling_rate: float | None = None,
        units: str | None = None,
        amplitude: Amplitude = "header",
        windows: WhichWindows = "all",
        aggregation: Aggregation = "mean",
        strict: bool = False,
        picture: str | Path | None = None,
        picture_class: str | None = None,
    ) -> Answer:
        """Say what the network finds in a recording of any rate, length and order of leads.

        It is brought to what the network was trained on as `ecg-tl infer` does it, and the answer says what
        was done (`notes`) and what weakens it (`warnings`).

        Args:
            recording: A WFDB record (`record.hea`), a CSV or NumPy file, or an array `(leads, samples)`.
            leads: Names of the array's rows, or of a file's that does not name them.
            sampling_rate: In Hz, of an array, or of a file that does not say it.
            units: `mV`, `uV`, `V` or `nV`, likewise.
            amplitude: Of WFDB records: `header`, or `steps` for 1 µV a stored step, as LUDB's need.
            windows: `all` of a long recording, or the `one` window that training kept.
            aggregation: What a long recording's probability is made of those of its windows; the `mean` where
                one of the classes is chosen.
            strict: Whether a recording with a warning is refused.
            picture: Draw the ECG with what was found, and what a checkpoint looked at, into this file, `.png`
                or `.pdf`.
            picture_class: The class to explain in it; the first of `ranked` if None.

        Returns:
            The answer: `found` are the classes that were found, `classes` all of them in the network's
            order, each with `name`, `probability`, `threshold` (None where one class is chosen) and `found`.

        Raises:
            RecordError: If the recording cannot be used; under `strict`, if there is a warning.
            SettingError: If a setting makes no sense.
        """
        for name, value, known in (
            ("amplitude", amplitude, Amplitude),
            ("windows", windows, WhichWindows),
            ("aggregation", aggregation, Aggregation),
        ):
            require_name(value, get_args(known), "the word", name)
        require_aggregation(aggregation, self.description)
        if picture is not None:
            from ecg_tl.figures import check_figure_path  # matplotlib takes a second to import

            check_figure_path(Path(picture))
        if picture_class is not None:
            require_name(picture_class, self.description.class_names, "the class", "picture_class")
        settings = ReadSettings(
            leads=None if leads is None else tuple(leads),
            sampling_rate=sampling_rate,
            units=units,
            amplitude=amplitude,
        )
        if isinstance(recording, str | Path):
            path, read = _read_file(Path(recording), settings)
        else:
            path, read = _ARRAY, _read_array(recording, settings)
        how = AnswerSettings(aggregation, windows, strict)
        found, cut = answer_record(self.model, path, read, how)
        if picture is not None:
            from ecg_tl.inference.plot import draw  # explains with torch, which an ONNX file does not need

            draw(found, cut, self.model, Path(picture), picture_class)
        return found


def open_model(path: str | Path, accelerator: str = "auto", *, trust_program: bool = False) -> OpenModel:
    """Open a checkpoint of a training, or a network that `ecg-tl export` wrote.

    Args:
        path: Of the file; one that ends in `.onnx` or `.pt2` is an exported network.
        accelerator: Where a checkpoint runs: `auto` takes a GPU if there is one; `cpu`, `cuda`.
        trust_program: Whether a `.pt2` file may be loaded, which can execute what is in it.

    Raises:
        CheckpointError: If the file is missing, damaged, of another project, or does not describe itself.
    """
    return OpenModel(Path(path), opening.open_model(path, accelerator, trust_program=trust_program))


def _read_file(path: Path, settings: ReadSettings) -> tuple[Path, ReadRecord]:
    records, _ = find_records([path])
    if len(records) != 1:
        raise SettingError("recording", f"{len(records)} in {path}", "one", "Name one of them.")
    return records[0], read_record(records[0], settings)


def _read_array(values: Any, settings: ReadSettings) -> ReadRecord:
    # Through a file: whatever holds for a NumPy file of a user's holds here, and is said in the same words.
    with TemporaryDirectory() as folder:
        file = Path(folder) / "recording.npy"
        np.save(file, np.asarray(values), allow_pickle=False)
        try:
            read = read_record(file, settings)
            values = np.array(read.recording.values)
            return replace(read, recording=replace(read.recording, values=values))
        except RecordError as error:
            raise RecordError(_ARRAY, error.found, error.expected, error.remedy) from error
