"""What a checkpoint says about itself, as primitives and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ecg_tl.checkpoints.description import read_description
from ecg_tl.checkpoints.digest import DIGEST
from ecg_tl.checkpoints.reading import read_checkpoint
from ecg_tl.checkpoints.settings import task_class
from ecg_tl.contamination.training_sets import TrainingSet, read_training_sets
from ecg_tl.errors import CheckpointError
from ecg_tl.preprocessing.chain import steps_in_words
from ecg_tl.statistics.decisions import MOST_PROBABLE
from ecg_tl.temperature import AT_RANGE_END, is_at_range_end
from ecg_tl.terminal import Group, RenderableType, Table, Text

PARTS = ("train", "validation", "test")


def inspect_checkpoint(path: Path) -> dict[str, Any]:
    """Read all that a checkpoint says about itself; its weights are only counted.

    Returns:
        Primitives: `file`, `task`, `network`, `settings`, `epoch`, `step`, `digest` (of the weights; None in
        older ones), `tensors`, `values` (numbers in these tensors, buffers included), `trained_on` (how many
        records of which dataset, its upstreams' among them; None if it does not say), and the entries of
        `CheckpointDescription`.

    Raises:
        CheckpointError: If the file cannot be read, or says nothing, or nothing intelligible.
    """
    checkpoint = read_checkpoint(path)
    description = read_description(checkpoint, path).as_dict()
    settings = checkpoint.get("hyper_parameters", {})
    entries = {"hyper_parameters": settings} | {
        name: description[name] for name in ("data", "calibration", "transfer", "versions")
    }
    for name, entry in entries.items():
        if entry is not None and not isinstance(entry, Mapping):
            raise CheckpointError(
                path, f"{name} that are a {type(entry).__name__}", "a table", "Give an intact checkpoint."
            )
    network = settings.get("network")
    class_path = settings.get("_class_path")
    task = task_class(settings)
    tensors = [tensor for tensor in checkpoint["state_dict"].values() if isinstance(tensor, Tensor)]
    return {
        "file": str(path),
        "task": str(class_path).rpartition(".")[2] if class_path else task.__name__ if task else None,
        "network": network,
        "settings": {name: value for name, value in settings.items() if not str(name).startswith("_")},
        "epoch": checkpoint.get("epoch"),
        "step": checkpoint.get("global_step"),
        "digest": checkpoint.get(DIGEST),
        "tensors": len(tensors),
        "values": sum(tensor.numel() for tensor in tensors),
        "trained_on": [_counted(one) for one in read_training_sets(checkpoint, path)],
        **description,
    }


def render_checkpoint(content: Mapping[str, Any]) -> RenderableType:
    """Lay out what `inspect_checkpoint` returned: a line a topic, and a table of the classes."""
    data = _table(content.get("data"))
    lines = {
        "file": content["file"],
        "task": f"{content['task'] or 'unknown'}, network {content['network'] or 'unknown'}, "
        f"{content['values']:,} values in {content['tensors']} tensors",
        "trained": f"to epoch {_plus_one(content['epoch'])}, step {content['step']}",
        "settings": _pairs(
            {
                name: value
                for name, value in content["settings"].items()
                if name
                not in ("network", "class_names", "normalization", "num_classes", "num_leads", "num_samples")
            }
        ),
        "digest": f"{content['digest']}, that of its weights"
        if content["digest"]
        else "none: an older checkpoint, whose archive's checksums alone were checked",
        **(_data_lines(data) if data else {"dataset": "not said: it was trained without a datamodule"}),
        "temperature": _temperature(_table(content.get("calibration"))),
        "trained on": "; ".join(_seen(one) for one in content["trained_on"]),
        "transfer": _transfer(_table(content.get("transfer"))),
        "versions": _pairs(_table(content.get("versions"))),
    }
    topics = Table.grid(padding=(0, 2))
    topics.add_column()
    topics.add_column(overflow="fold")
    for topic, line in lines.items():
        topics.add_row(Text(topic, style="bold"), Text(str(line)))
    return Group(topics, Text(), _classes(content, data))


def _seen(one: Mapping[str, Any]) -> str:
    if one.get("declared"):
        folds = one.get("folds")
        within = f" folds {folds[0]}-{folds[-1]}" if folds else ""
        return f"{one['dataset']}{within}, as the upstream's authors declare"
    return f"{one['records']:,} records of {one['dataset']}" if one["records"] else "not said"


def _counted(trained_on: TrainingSet) -> dict[str, Any]:
    known = trained_on.is_known
    declared = {"declared": True, **({"folds": list(trained_on.folds)} if trained_on.folds else {})}
    return {
        "dataset": trained_on.dataset,
        "records": len(trained_on.record_ids) if known else None,
        **(declared if trained_on.declared else {}),
    }


def _data_lines(data: Mapping[str, Any]) -> dict[str, str]:
    records = _table(data.get("records"))
    leads = data.get("leads")
    names = (
        [str(lead) for lead in leads] if isinstance(leads, Sequence) and not isinstance(leads, str) else []
    )
    without = f"{data.get('unlabelled')} have none of the classes: "
    without += "left out" if data.get("unlabelled_dropped") else "kept as all-zero rows"
    split = f"{data.get('split')}, {data.get('split_hash')}"
    if data.get("selects_on_test"):
        split += "; validation is the test set: it was selected on test data"
    return {
        "dataset": f"{data.get('title')} ({data.get('dataset')}), task {data.get('task')}",
        "licence": str(data.get("licence")),
        "citation": str(data.get("citation")),
        "records": ", ".join(f"{records.get(part)} {part}" for part in PARTS)
        + f"; {without}; {data.get('records_left_out')} could not be used",
        "split": split,
        "leads": f"{len(names)}: {' '.join(names)}",
        "signals": f"{_number(data.get('sampling_rate'))} Hz, {data.get('num_samples')} samples, "
        f"{data.get('units')}"
        + ("" if data.get("preprocessing") else f"; resampling {data.get('resampling')}"),
        **_contract_lines(data),
        "normalization": _normalization(_table(data.get("normalization"))),
    }


def _contract_lines(data: Mapping[str, Any]) -> dict[str, str]:
    contract = _table(data.get("contract"))
    if not contract:
        return {}
    return {"contract": str(contract.get("name")), "preprocessing": steps_in_words(data.get("preprocessing"))}


def _normalization(said: Mapping[str, Any]) -> str:
    return _pairs(said) if "steps" not in said else f"name chain: {steps_in_words(said['steps'])}"


def _classes(content: Mapping[str, Any], data: Mapping[str, Any]) -> Table:
    """One row a class: its codes, positives in each part, threshold."""
    codes, support = _table(data.get("class_codes")), _table(data.get("support"))
    calibration = _table(content.get("calibration"))
    chooses = bool(data.get("single_choice"))
    thresholds, tuned = calibration.get("thresholds"), calibration.get("tuned")
    table = Table()
    table.add_column("class")
    table.add_column("codes", overflow="fold")
    for part in PARTS:
        table.add_column(part, justify="right")
    if not chooses:
        table.add_column("threshold", justify="right")
    for column, name in enumerate(content["class_names"]):
        of_class = codes.get(name) or ()
        table.add_row(
            Text(str(name)),
            Text(", ".join(str(code) for code in of_class)),
            *(str(_table(support.get(part)).get(name, "?")) for part in PARTS),
            *(() if chooses else [Text(_threshold(_at(thresholds, column), _at(tuned, column)))]),
        )
    return table


def _threshold(value: Any, tuned: Any) -> str:
    if value is None:
        return "none"
    return _number(value) if tuned else f"{_number(value)}, not tuned"


def _temperature(calibration: Mapping[str, Any]) -> str:
    if not calibration:
        return "none: it was never validated"
    temperature = calibration.get("temperature")
    if temperature is None:
        return f"none: {calibration.get('uncalibrated') or 'not said why'}"
    if isinstance(temperature, float) and is_at_range_end(temperature):
        return f"{_number(temperature)}, which is not used: {AT_RANGE_END}"
    as_others = "" if calibration.get("rule") == MOST_PROBABLE else ", as the thresholds below"
    return f"{_number(calibration.get('temperature'))}, fitted on validation records{as_others}"


def _transfer(transfer: Mapping[str, Any]) -> str:
    if not transfer:
        return "none: trained from scratch"
    coverage, shares = transfer.get("coverage"), _table(transfer.get("share_by_group"))
    percent = f"{coverage:.1%}" if isinstance(coverage, float | int) else "an unknown share"
    by_group = ", ".join(
        f"{group} {share:.0%}" for group, share in shares.items() if isinstance(share, float | int)
    )
    return f"from {transfer.get('upstream')}: {percent} of the backbone's parameters ({by_group})"


def _pairs(table: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_number(value)}" for name, value in table.items())


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _plus_one(value: Any) -> str:
    return str(value + 1) if isinstance(value, int) else "unknown"


def _at(values: Any, position: int) -> Any:
    is_list = isinstance(values, Sequence) and not isinstance(values, str)
    return values[position] if is_list and position < len(values) else None


def _table(value: Any) -> Mapping[str, Any]:
    """Take a table as it is, and anything else that an altered file may hold as an empty one."""
    return value if isinstance(value, Mapping) else {}
