"""`ecg-tl upstream list | show | check | download | convert`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from ecg_tl import printing
from ecg_tl.commands.arguments import argument_errors, path_argument
from ecg_tl.downloading.fetching import Fetched, fetch
from ecg_tl.downloading.progress import byte_progress
from ecg_tl.downloading.sources import ByHand, Packaged, copy_packaged, locate
from ecg_tl.errors import DownloadError, SettingError
from ecg_tl.files import json_text
from ecg_tl.outputs import check_outputs
from ecg_tl.paths import require_file_name
from ecg_tl.upstreams import UPSTREAMS, FileReport, PublishedUpstream, check_upstream, find_upstream
from ecg_tl.upstreams.conversion import convert
from ecg_tl.upstreams.pickled_names import Kind, read_asked

LISTED = 10


def run(words: Sequence[str]) -> int:
    """Run `upstream` and one of its words."""
    parser = ArgumentParser(
        prog="ecg-tl upstream",
        description="Published upstreams: which there are, what each asks of data, and what a file holds.",
        exit_on_error=False,
    )
    subcommands = parser.add_subcommands(dest="word")
    listing = ArgumentParser(exit_on_error=False, description="List the published upstreams.")
    showing = ArgumentParser(exit_on_error=False, description="Say what is known of one.")
    showing.add_argument("name", type=str, help="Its name, see `ecg-tl upstream list`.")
    checking = ArgumentParser(
        exit_on_error=False,
        description="Say which tensors of a file are the upstream's, which are ignored and why, and which "
        "nobody expected. The status is 2 if it is another file.",
    )
    checking.add_argument("file", type=str, help="A file of weights as it was published.")
    checking.add_argument("--as", type=str, required=True, help="Name of the upstream.")
    downloading = ArgumentParser(
        exit_on_error=False,
        description="Fetch the file of a published upstream: gone on with after a cut, compared with its "
        "checksum, and under its name when it is whole.",
    )
    downloading.add_argument("name", type=str, help="Its name, see `ecg-tl upstream list`.")
    downloading.add_argument(
        "--to", type=str, default=None, help="Folder; `weights/NAME` if not given. It is made."
    )
    downloading.add_argument(
        "--file", type=str, default=None, help="Another file of the same repository or deposit."
    )
    converting = ArgumentParser(
        exit_on_error=False,
        description="Say which classes and functions a file asks for, without executing anything of it. With "
        "--trust FILE its tensors are saved again as safetensors, in a process of its own.",
    )
    converting.add_argument("file", type=str, help="A file of weights that holds more than tensors.")
    converting.add_argument("--trust", type=str, default=None, help="The same file once more.")
    converting.add_argument(
        "--to", type=str, default=None, help="The new file; FILE with the ending .safetensors if not given."
    )
    subcommands.add_subcommand("list", listing, help="list the published upstreams")
    subcommands.add_subcommand("show", showing, help="say what is known of one")
    subcommands.add_subcommand("check", checking, help="say what a file of weights holds")
    subcommands.add_subcommand("download", downloading, help="fetch the file of one")
    subcommands.add_subcommand("convert", converting, help="say what a pickle asks for; save its tensors")
    command = " ".join(words[:2]) if set(words[1:2]) & set(subcommands.choices) else "upstream"
    with argument_errors(command, words[1:], [], ("name", "file", "as", "to", "trust")):
        settings = parser.parse_args(list(words[1:]))
    if settings.word == "show":
        return print_upstream(settings.show.name)
    if settings.word == "check":
        return print_check(settings.check.file, settings.check["as"])
    if settings.word == "download":
        return download(settings.download.name, settings.download.to, settings.download.file)
    if settings.word == "convert":
        return convert_file(settings.convert.file, settings.convert.trust, settings.convert.to)
    return print_list()


def print_list() -> int:
    """Print name and title of every published upstream."""
    width = max(map(len, UPSTREAMS))
    for name, entry in UPSTREAMS.items():
        printing.say(f"{name:<{width}}  {entry.title}")
    return 0


def print_upstream(name: str) -> int:
    """Print what is known of a published upstream.

    Raises:
        SettingError: If there is none of this name.
    """
    entry = find_upstream(name)
    options = ", ".join(f"{key} {value}" for key, value in entry.options.items())
    for word, text in (
        ("name", entry.name),
        ("what", entry.title),
        ("network", f"{entry.network}{f' ({options})' if options else ''}"),
        ("feature", entry.feature),
        ("file", str(entry.source)),
        ("code", entry.code_licence),
        ("weights", entry.weights_licence),
        ("trained on", ", ".join(entry.trained_on) or "unverified"),
        ("recipe", entry.recipe),
        ("unverified", "; ".join(entry.unverified)),
        ("citation", entry.citation),
    ):
        printing.say(f"{word:<11} {text}")
    _say_contract(entry)
    if entry.licence_remark:
        printing.say(entry.licence_remark)
    return 0


def print_check(file: str, name: str) -> int:
    """Print what a file holds in the light of an upstream's entry.

    Raises:
        SettingError: If there is no such upstream.
        CheckpointError: If the file cannot be read, or is another one.
    """
    report = check_upstream(name, file)
    entry = find_upstream(name)
    where = f"under `{report.container}`" if report.container else "at the top"
    prefix = f", without the prefix `{report.prefix}`" if report.prefix else ""
    printing.say(f"taken       {len(report.taken)} tensors {where}{prefix}")
    for reason, names in _by_reason(report).items():
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        printing.say(f"ignored     {len(names)}: {reason}: {', '.join(names[:LISTED])}{more}")
    if not report.head:
        printing.say("head        none that was trained; a fine-tuning draws its own")
    report.require_fit()
    printing.say("unexpected  none")
    _say_contract(entry)
    return 0


def download(name: str, to: str | None, file: str | None = None) -> int:
    """Fetch the file of a published upstream, and say what to do with it.

    Args:
        name: Of the upstream.
        to: Folder; `weights/NAME` if not given.
        file: Another file of the same repository or deposit.

    Raises:
        SettingError: If there is no such upstream, or a library is missing.
        DownloadError: If its file cannot be fetched; see `ecg_tl.downloading`.
    """
    entry = find_upstream(name)
    folder = Path("weights", name) if to is None else path_argument("--to", to)
    if isinstance(entry.source, ByHand):
        kept = f", save {entry.source.file} as {folder / entry.source.file}" if entry.source.file else ""
        raise DownloadError(
            entry.source.page,
            entry.source.why,
            "a file that anybody may fetch",
            f"Open the page{kept}, and run `ecg-tl upstream check FILE --as {name}`.",
        )
    if isinstance(entry.source, Packaged):
        return _say_fetched(copy_packaged(entry.source, folder / entry.source.file), name)
    remote, file_name = locate(entry.source, file)
    require_file_name(file_name, remote.page, DownloadError)
    path = folder / file_name
    if entry.licence_remark:
        printing.say(entry.licence_remark, error=True)
    try:
        with byte_progress(file_name) as report:
            fetched = fetch(remote, path, report=report)
    except DownloadError as error:
        raise type(error)(
            error.where, error.found, error.expected, f"{error.remedy} It belongs at {path}."
        ) from None
    return _say_fetched(fetched, name)


def _say_fetched(fetched: Fetched, name: str) -> int:
    printing.say(f"file        {fetched.path}{', which was there' if fetched.already else ''}")
    printing.say(f"sha256      {fetched.sha256}")
    compared = fetched.compared or "nothing: the site publishes no checksum"
    printing.say(f"compared    with {compared}")
    printing.say(f"next        ecg-tl upstream check {shlex.quote(str(fetched.path))} --as {name}")
    return 0


def convert_file(file: str, trust: str | None, to: str | None) -> int:
    """Say what a pickle asks for, and save its tensors again if it is trusted.

    Args:
        file: The pickle.
        trust: The same file, from whoever has read what it asks for; None if nobody has.
        to: The new file; `file` with the ending `.safetensors` if not given.

    Raises:
        SettingError: If another file is trusted, or the new one cannot be written.
        CheckpointError: If the file is no pickle, or holds no tensors.
    """
    path = path_argument("file", file)
    target = path.with_suffix(".safetensors") if to is None else path_argument("--to", to)
    if trust is not None and path_argument("--trust", trust).resolve() != path.resolve():
        raise SettingError("--trust", trust, str(path), "Name the file that is converted once more.")
    asked = read_asked(path)
    check_outputs({"--to": target}, [path])
    printing.say(f"file        {path}: {asked.container}")
    kinds: tuple[tuple[Kind, str], ...] = (
        ("tensors", "tensors and plain values"),
        ("objects", "other classes and functions, which may run code when the file is opened"),
        ("code", "RUNS CODE: nothing of this belongs in a file of weights"),
    )
    for kind, words in kinds:
        names = asked.of_kind(kind)
        if names:
            printing.say(f"asks for    {words}")
        for name, count in names.items():
            printing.say(f"  {name}{f' ({count} times)' if count > 1 else ''}")
    if trust is None:
        quoted = shlex.quote(str(path))
        others = asked.of_kind("objects") or asked.of_kind("code")
        printing.say(
            f"next        ecg-tl upstream convert {quoted} --trust {quoted} saves its tensors as {target}"
            if others
            else "next        nothing: it asks for nothing but tensors, and opens as it is"
        )
        return 0
    done = convert(path, target)
    left = f"; {done.left_out} elsewhere (an optimizer's and the like) left out" if done.left_out else ""
    printing.say(f"saved       {done.saved} tensors in {done.path}{left}")
    return 0


def _by_reason(report: FileReport) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for name, reason in report.ignored:
        # A second name is told of each tensor; the kind is enough here.
        kind = "a second name of a tensor" if reason.endswith("under a second name") else reason
        reasons.setdefault(kind, []).append(name)
    return reasons


def _say_contract(entry: PublishedUpstream) -> None:
    contract = entry.contract
    printing.say(
        f"input       leads {' '.join(contract.leads)}; {contract.sampling_rate:g} Hz; "
        f"{contract.num_samples} samples ({contract.seconds:g} s)"
    )
    for step in contract.chain.to_json():
        parameters = {key: value for key, value in step.items() if key != "step"}
        printing.say(f"  {step['step']:<16} {json_text(parameters, indent=None).strip()}")
    printing.say(f"longer      {contract.longer}")
