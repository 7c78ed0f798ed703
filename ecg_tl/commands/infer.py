"""`ecg-tl infer`: what a trained network says of anybody's recordings."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, get_args

from jsonargparse import ArgumentParser

from ecg_tl import printing, terminal
from ecg_tl.commands.arguments import argument_errors, path_argument
from ecg_tl.csv_text import csv_text, write_csv
from ecg_tl.errors import EcgTlError, SettingError
from ecg_tl.files import json_text, write_text
from ecg_tl.inference import NOTICE
from ecg_tl.inference.answer import Aggregation, AnswerSettings, require_aggregation
from ecg_tl.inference.many import Answered, answer_records
from ecg_tl.inference.model import InferenceModel
from ecg_tl.inference.opening import ONNX_SUFFIX, PROGRAM_SUFFIX, open_model, opening_of_its_own
from ecg_tl.inference.output import Failure, Outcome, as_json, as_table, render
from ecg_tl.inference.windows import WhichWindows
from ecg_tl.mistaken import clearer
from ecg_tl.outputs import check_outputs
from ecg_tl.recordings import ReadSettings, find_records, record_files
from ecg_tl.recordings.first_line import FirstLine
from ecg_tl.recordings.wfdb_recording import Amplitude
from ecg_tl.store.progress import record_progress

STANDARD_OUTPUT = "-"

_OPTIONS = (
    *("checkpoint", "records", "leads", "sampling_rate", "units", "first_line", "amplitude"),
    *("windows", "aggregation"),
    *("strict", "accelerator", "trust_program", "csv", "json", "plot", "plot_class", "plot_format"),
)


def run(words: Sequence[str]) -> int:
    """Run `infer`; 1 if a record could not be used, while the others were."""
    parser = _parser()
    with argument_errors("infer", words[1:], [], _OPTIONS):
        given = parser.parse_args(list(words[1:]))
    reading = ReadSettings(
        leads=None if given.leads is None else tuple(re.findall(r"[^\s,]+", given.leads)),
        sampling_rate=given.sampling_rate,
        units=given.units,
        amplitude=given.amplitude,
        first_line=given.first_line,
    )
    to_output = [option for option in (given.json, given.csv) if option == STANDARD_OUTPUT]
    if len(to_output) > 1:
        raise SettingError(
            "--csv and --json", "standard output for both", "it for one of them", "Name a file for the other."
        )
    remarks = _without_effect(given)
    settings = AnswerSettings(given.aggregation, given.windows, given.strict)
    model_path = path_argument("checkpoint", given.checkpoint)
    model = open_model(model_path, given.accelerator, trust_program=given.trust_program)
    require_aggregation(settings.aggregation, model.description)
    records, passed_over = find_records(path_argument("records", record) for record in given.records)
    pictures = _pictures(given, records, model)
    files = {f"--{name}": given[name] for name in ("csv", "json") if given[name] != STANDARD_OUTPUT}
    check_outputs(
        {**files, **{f"--plot {path}": path for path in pictures.values()}},
        chain([model_path], record_files(records)),
    )

    outcomes: list[Outcome] = []
    with record_progress("Running records", len(records), len(records) > 1) as advance:
        opening = opening_of_its_own(model, model_path, len(records), trust_program=given.trust_program)
        for one in answer_records(model, records, reading, settings, opening=opening):
            outcomes.append(_outcome(one, model, pictures, given.plot_class))
            advance()

    if given.json is not None:
        content = as_json(outcomes, model.description, model_path, settings)
        _write(given.json, json_text(content) + "\n")
    if given.csv is not None:
        table = as_table(outcomes, model.description)
        if given.csv == STANDARD_OUTPUT:
            _write(given.csv, csv_text(table))
        else:
            write_csv(Path(given.csv), table)
    for line in (*remarks, *passed_over):
        printing.say(f"ecg-tl: note: {printing.visible(line)}", error=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    for failure in failures:
        printing.say(f"ecg-tl: error: {printing.visible(failure.error)}", error=True)
    if not to_output:
        _print(outcomes, model)
    return 1 if failures else 0


def _outcome(
    answered: Answered, model: InferenceModel, pictures: dict[Path, Path], plot_class: str | None
) -> Outcome:
    """Draw one record, if asked for. What is wrong with a record is an outcome; a full disk ends it all."""
    record, found = answered.record, answered.found
    if isinstance(found, EcgTlError):
        return Failure(record, clearer(found))
    if record in pictures and answered.windows is not None:
        from ecg_tl.inference.plot import draw

        draw(found, answered.windows, model, pictures[record], plot_class)
    return found


def _without_effect(given: Any) -> list[str]:
    """Name the options that change nothing beside the others.

    Raises:
        SettingError: If an option is about pictures, and there are none, or others than it says.
    """
    for name in ("plot_class", "plot_format"):
        if given[name] is not None and given.plot is None:
            raise SettingError(
                f"--{name}",
                f"{given[name]} without --plot",
                "it beside the pictures that it is about",
                "Add --plot, or leave it out.",
            )
    target = Path(given.plot or ".")
    fits = target.is_dir() or target.suffix.lower() in ("", f".{given.plot_format}")
    if given.plot_format is not None and not fits:
        raise SettingError(
            "--plot_format", f"{given.plot_format} for {given.plot}", "one format", "Leave one of them out."
        )
    kind = Path(given.checkpoint).suffix.lower()
    idle = {
        "--trust_program: it is about `.pt2` files": given.trust_program and kind != PROGRAM_SUFFIX,
        "--accelerator: exported networks run on the CPU": given.accelerator == "cuda"
        and kind in (ONNX_SUFFIX, PROGRAM_SUFFIX),
        "--aggregation: one window is looked at": given.aggregation != "mean" and given.windows != "all",
    }
    return [f"without effect: {option}" for option, is_given in idle.items() if is_given]


def _pictures(given: Any, records: Sequence[Path], model: InferenceModel) -> dict[Path, Path]:
    if given.plot is None:
        return {}
    from ecg_tl.inference.plot import check_class, picture_paths  # matplotlib takes a second to import

    if given.plot_class is not None:
        check_class(given.plot_class, model.description)
    return picture_paths(Path(given.plot), records, given.plot_format or "png")


def _write(path: str, text: str) -> None:
    if path == STANDARD_OUTPUT:
        # Through a pipe the bytes are data; a terminal must not take any of them for a command.
        data = text.encode(errors="backslashreplace").decode()
        sys.stdout.write(printing.visible(data, keep="\n\t") if sys.stdout.isatty() else data)
    else:
        write_text(Path(path), text)


def _print(outcomes: Sequence[Outcome], model: InferenceModel) -> None:
    content = render(outcomes, model.description)
    terminal.console_for(content).print(content, highlight=False)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="ecg-tl infer",
        description="Print the probability and the decision of each class for recordings of any sampling "
        "rate and length, brought to what the network was trained on as `ecg-tl data prepare` does. The exit "
        f"status is 1 if a record could not be used. {NOTICE}",
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "checkpoint",
        type=str,
        help="A checkpoint written by `ecg-tl fit`, or a file written by `ecg-tl export`.",
    )
    parser.add_argument(
        "records",
        type=str,
        nargs="+",
        help="WFDB records (with or without extension), CSV, NumPy or HDF5 files, files of carts (DICOM, "
        "EDF, MUSE XML, ...), or folders of them.",
    )
    files = parser.add_argument_group("what CSV, NumPy and HDF5 files do not say themselves")
    files.add_argument(
        "--leads",
        type=str,
        default=None,
        help="Names of the columns or rows in their order, as I,II,V1; - for one that is no standard lead.",
    )
    files.add_argument("--sampling_rate", type=float, default=None, help="In Hz.")
    files.add_argument("--units", type=str, default=None, help="mV, uV, V or nV.")
    files.add_argument(
        "--first_line",
        choices=list(get_args(FirstLine)),
        default=None,
        help="Of CSV files: whether it names the columns or holds values, where it may be either.",
    )
    how = parser.add_argument_group("how records are taken")
    how.add_argument(
        "--amplitude",
        choices=list(get_args(Amplitude)),
        default="header",
        help="Of WFDB records: as the header says, or with 1 µV a stored step whatever it says, which LUDB's "
        "records need.",
    )
    how.add_argument(
        "--windows",
        choices=list(get_args(WhichWindows)),
        default="all",
        help="Of records that are longer: all of it in windows, or the one window that training kept.",
    )
    how.add_argument(
        "--aggregation",
        choices=list(get_args(Aggregation)),
        default="mean",
        help="What a long record's probability is made of those of its windows. The mean stays on the scale "
        "that the thresholds were chosen on; the max misses no short event, and grows with the length.",
    )
    how.add_argument("--strict", action="store_true", help="Refuse a record about which there is a warning.")
    how.add_argument(
        "--accelerator", choices=["auto", "cpu", "cuda"], default="auto", help="Where a checkpoint runs."
    )
    how.add_argument(
        "--trust_program",
        action="store_true",
        help="Load a `.pt2` file, which can execute anything when it is loaded.",
    )
    out = parser.add_argument_group("output, besides the table; - for FILE is standard output in its place")
    out.add_argument("--csv", type=str, metavar="FILE", default=None, help="A row a class of each record.")
    out.add_argument("--json", type=str, metavar="FILE", default=None, help="All that is known.")
    out.add_argument(
        "--plot",
        type=str,
        metavar="PATH",
        default=None,
        help="Draw the ECG with what was found and what the network looked at: a file .png or .pdf for one "
        "record, a folder for several.",
    )
    out.add_argument("--plot_class", type=str, default=None, help="The class to explain in pictures.")
    out.add_argument(
        "--plot_format",
        choices=["png", "pdf"],
        default=None,
        help="Of pictures in a folder; png if not given.",
    )
    return parser
