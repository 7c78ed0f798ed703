"""A record's picture: the ECG, what was found, and what the network looked at."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import commonpath
from pathlib import Path

import numpy as np

from ecg_tl.errors import SettingError
from ecg_tl.figures import Decision, check_figure_path, finding_figure, save_figure
from ecg_tl.inference import NOTICE
from ecg_tl.inference.answer import Answer
from ecg_tl.inference.model import InferenceModel, ModelDescription
from ecg_tl.inference.windows import Windows


def picture_paths(target: Path, records: Sequence[Path], form: str) -> dict[Path, Path]:
    """Say which record's picture goes where.

    Args:
        target: A file, for one record; or a folder, in which the pictures lie as the records do in theirs.
        records: All records.
        form: `png` or `pdf`, of pictures in a folder.

    Raises:
        SettingError: If several records should go into one file, or the file is neither PNG nor PDF.
    """
    if target.suffix and not target.is_dir():
        check_figure_path(target)
        if len(records) != 1:
            raise SettingError(
                "--plot", f"the file {target} for {len(records)} records", "a folder", "Name a folder."
            )
        return {records[0]: target}
    root = Path(commonpath([record.absolute().parent for record in records]))
    return {
        record: target / record.absolute().parent.relative_to(root) / f"{record.name}.{form}"
        for record in records
    }


def check_class(name: str, description: ModelDescription) -> None:
    """Check that the network knows a class.

    Raises:
        SettingError: If it does not.
    """
    if name not in description.class_names:
        raise SettingError(
            "--plot_class", repr(name), f"one of {', '.join(description.class_names)}", "Choose one of these."
        )


def draw(
    answer: Answer, windows: Windows, model: InferenceModel, path: Path, class_name: str | None = None
) -> None:
    """Draw one record and write the picture.

    Of a long record the window is drawn that speaks most for the class. An exported network cannot be asked
    what it looked at: its pictures show the ECG and the decisions.

    Args:
        answer: What is said of the record.
        windows: What the network was given.
        model: The network.
        path: PNG or PDF, by its suffix.
        class_name: Which class to explain; by default the one that is farthest over its threshold, or
            nearest to it.

    Raises:
        StoreError: If the file cannot be written.
    """
    description = model.description
    name = class_name or answer.ranked[0].name
    position = description.class_names.index(name)
    number = int(np.argmax(answer.window_probabilities[:, position]))
    signal = windows.signal(slice(number, number + 1))[0]
    task = getattr(model, "task", None)
    attribution = None
    if task is not None:
        from ecg_tl.explanation import integrated_gradients  # needs torch, which an ONNX file does not

        attribution = integrated_gradients(task, signal, position)[:, : windows.length]
    subtitle = f"{description.network}, trained on {description.dataset or 'unknown data'}"
    if len(windows) > 1:
        seconds = description.num_samples / description.sampling_rate
        start = windows.starts[number]
        subtitle += f"; {answer.aggregation} of {len(windows)} windows, drawn is the one that speaks most for"
        subtitle += f" {name}: {start:.1f} to {start + seconds:.1f} s of {answer.seconds:.1f} s"
    if attribution is None:
        subtitle += "; an exported network does not say what it looked at"
    figure = finding_figure(
        signal[:, : windows.length],
        description.leads,
        description.sampling_rate,
        [Decision(one.name, one.probability, one.threshold, one.found) for one in answer.classes],
        title=answer.record.name,
        subtitle=subtitle,
        warnings=[remark.message for remark in answer.warnings],
        attribution=attribution,
        explained=name,
        notice=NOTICE,
    )
    save_figure(figure, path)
