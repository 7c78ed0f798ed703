"""The sections of a model card that say what a network is and what it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ecg_tl.card.facts import CardFacts, UpstreamFacts, as_mapping
from ecg_tl.datasets import DATASETS
from ecg_tl.inference.model import ModelDescription
from ecg_tl.markdown import bullets, code, inline, table
from ecg_tl.preprocessing.chain import steps_in_words
from ecg_tl.published.declared import declared_overlaps
from ecg_tl.transfer.section import is_asked_for
from ecg_tl.transfer.words import flat, is_transfer

PARTS = ("train", "validation", "test")
MOST_LEFT_OUT = 20
"""Left-out records that are named; all are counted."""


def model_section(facts: CardFacts) -> str:
    """Say what it is: network, input, output, file."""
    description, content = facts.description, facts.content
    normalization = as_mapping(facts.data.get("normalization"))
    steps = normalization.get("steps")
    options = (
        _pairs({name: value for name, value in normalization.items() if name != "name"})
        if steps is None
        else inline(steps_in_words(steps))
    )
    epoch = content.get("epoch")
    rows = {
        "network": f"{inline(description.network)}, {facts.parameters:,} parameters",
        "input": f"{len(description.leads)} leads ({' '.join(description.leads)}), "
        f"{description.num_samples} samples at {description.sampling_rate:g} Hz "
        f"({description.num_samples / description.sampling_rate:g} s), in {description.units}"
        + _windows(description),
        **_contract(facts.data),
        "normalisation": f"{inline(normalization.get('name'))}"
        + (f" ({options})" if options else "")
        + ", part of the model",
        "output": f"one probability for each of {len(description.class_names)} classes, "
        "of which any number can hold at once",
        "trained": f"to epoch {epoch + 1 if isinstance(epoch, int) else 'unknown'}, "
        f"step {inline(content.get('step'))}",
        "file": f"{code(facts.path.name)}, SHA-256 {code(facts.digest)}",
        "versions": _pairs(as_mapping(content.get("versions"))),
    }
    return table(("", ""), ((name, text) for name, text in rows.items()), right=2)


def _windows(description: ModelDescription) -> str:
    """Say how records became inputs where these are windows of them; nothing where they are whole."""
    if description.record_samples is None:
        return ""
    seconds = description.record_samples / description.sampling_rate
    return (
        f"; trained on one random window a record of {seconds:g} s, validated and tested on the mean of the "
        "probabilities of all its windows"
    )


def _contract(data: Mapping[str, Any]) -> dict[str, str]:
    """Say whose contract signals are prepared under, and what is done to them before the network."""
    contract = as_mapping(data.get("contract"))
    if not contract:
        return {}
    return {
        "contract": f"{code(contract.get('name'))}; of longer records the mean over windows",
        "preprocessing": inline(steps_in_words(data.get("preprocessing"))) + ", before the model",
    }


def data_section(facts: CardFacts) -> str:
    """Say what it was trained on: dataset, counts, split, what was left out, and what its upstreams saw."""
    data = facts.data
    records = as_mapping(data.get("records"))
    unlabelled = "left out" if data.get("unlabelled_dropped") else "kept, as records with no class"
    leaks = as_mapping(data.get("leaks_removed"))
    rows = {
        "dataset": f"{inline(data.get('title'))} ({code(data.get('dataset'))}), "
        f"task {code(data.get('task'))}",
        "licence": inline(data.get("licence")),
        "to cite": inline(data.get("citation")),
        "records": ", ".join(f"{_count(records.get(part))} {part}" for part in PARTS),
        "without any of the classes": f"{_count(data.get('unlabelled'))}, {unlabelled}",
        "left out as unusable": _count(data.get("records_left_out")),
        "duplicates removed": ", ".join(f"{_count(leaks.get(part))} from {part}" for part in PARTS[:2])
        + " (recordings that are in a later part as well)",
        "split": f"{inline(data.get('split'))}, hash {code(data.get('split_hash'))}",
        "source files": f"state {code(data.get('fingerprint'))}, store {code(data.get('store'))}",
    }
    if data.get("query"):
        rows["query"] = f"{code(data.get('query'))}: other records of the dataset were not used"
    parts = [table(("", ""), rows.items(), right=2)]
    if data.get("selects_on_test"):
        parts.append(
            "**Validation is the test set.** The checkpoint was selected on the very records that it is "
            "tested on, so that its test scores flatter it."
        )
    left_out = _left_out(facts)
    if left_out:
        parts.append(left_out)
    parts += ["Positives of each class:", _support_table(facts)]
    parts += ["All records that the weights have seen, this training's and its upstreams':", _seen(facts)]
    return "\n\n".join(parts)


def training_section(facts: CardFacts) -> str:
    """Say by which recipe it was trained, and from which upstream."""
    settings = as_mapping(facts.content.get("settings"))
    data = as_mapping(as_mapping(facts.config.get("data")).get("init_args"))
    trainer = as_mapping(facts.config.get("trainer"))
    of_task = (
        *("optimizer", "learning_rate", "weight_decay", "schedule", "lr_decay"),
        *("hidden_size", "num_layers", "pooling", "thresholds", "threshold_target"),
    )
    chosen = {name: settings[name] for name in of_task if name in settings}
    if facts.description.single_choice:
        chosen = {name: value for name, value in chosen.items() if not name.startswith("threshold")}
    chosen |= {name: data[name] for name in ("batch_size",) if name in data}
    chosen |= {name: trainer[name] for name in ("max_epochs", "precision") if name in trainer}
    if "seed_everything" in facts.config:
        chosen["seed"] = facts.config["seed_everything"]
    augmentation = {name: value for name, value in _augmentation(facts).items() if value}
    lines = [
        f"Settings: {_pairs(chosen)}.",
        f"Augmentation: {_pairs(augmentation)}." if augmentation else "No augmentation.",
    ]
    transfer = as_mapping(facts.content.get("transfer"))
    if not transfer:
        lines.append("From scratch: no upstream.")
        return bullets(lines)
    return "\n\n".join([bullets([*lines, *_transfer(facts, transfer)]), *_lineage(facts)])


def _transfer(facts: CardFacts, transfer: Mapping[str, Any]) -> Iterator[str]:
    if transfer.get("upstream") is None:
        yield "No upstream: the frozen groups stayed as initialised, which is a control."
    else:
        coverage = transfer.get("coverage")
        share = f"{coverage:.1%}" if isinstance(coverage, float | int) else "an unknown share"
        yield f"Fine-tuned from {code(transfer.get('upstream'))}: {share} of the backbone's parameters."
        shares = {
            name: f"{value:.0%}"
            for name, value in as_mapping(transfer.get("share_by_group")).items()
            if isinstance(value, float | int)
        }
        yield f"Loaded of each layer group: {_pairs(shares)}."
    yield from _chosen(as_mapping(transfer.get("chosen")))
    recipe = _recipe(facts)
    if recipe:
        yield f"Recipe: {_pairs(recipe)}."
    if facts.began_at is not None:
        in_order = sorted(facts.began_at.items(), key=lambda item: item[1])
        steps = ", ".join(f"{inline(group)} {step}" for group, step in in_order)
        yield f"Layer groups trained, from which optimizer step on: {steps}. Others kept their first values."
    overlap = as_mapping(transfer.get("overlap"))
    if overlap.get("records"):
        yield (
            f"**{_count(overlap.get('records'))} records of the downstream data are among what the upstream "
            "was trained on**, which was allowed."
        )
    for said in declared_overlaps(overlap):
        yield f"**{inline(said)}**, which was allowed."


def _lineage(facts: CardFacts) -> Iterator[str]:
    for upstream in facts.upstreams:
        yield f"Upstream {code(upstream.path)}:\n\n{_upstream(upstream)}"


def _upstream(upstream: UpstreamFacts) -> str:
    if upstream.content is None:
        return upstream.missing
    content = upstream.content
    data = as_mapping(content.get("data"))
    if not data:
        return "It does not say what it was trained on."
    records = as_mapping(data.get("records"))
    before = as_mapping(content.get("transfer")).get("upstream")
    rows = {
        "network": inline(content.get("network")),
        "dataset": f"{inline(data.get('title'))} ({code(data.get('dataset'))}), "
        f"task {code(data.get('task'))}",
        "licence": inline(data.get("licence")),
        "to cite": inline(data.get("citation")),
        "records": ", ".join(f"{_count(records.get(part))} {part}" for part in PARTS)
        + f"; {_count(data.get('records_left_out'))} left out as unusable",
        "split": f"{inline(data.get('split'))}, hash {code(data.get('split_hash'))}",
        "began with": code(before) if before else "random weights",
    }
    return table(("", ""), rows.items(), right=2)


def _chosen(chosen: Mapping[str, Any]) -> Iterator[str]:
    """Say what a recipe has chosen on validation records."""
    alpha = chosen.get("alpha")
    if isinstance(alpha, float | int):
        yield (
            f"Weights between the start of fine-tuning and its end: {alpha:.0%} of the way, chosen on "
            f"validation records by {code(chosen.get('by'))}."
        )
    strengths = {
        name: f"{value:g}"
        for name, value in as_mapping(chosen.get("strengths")).items()
        if isinstance(value, float | int)
    }
    if strengths:
        yield f"A head that was solved for, with penalties chosen on validation records: {_pairs(strengths)}."


def _recipe(facts: CardFacts) -> dict[str, Any]:
    """Find the transfer callback's settings in the run's config, those that say how it was trained."""
    callbacks = as_mapping(facts.config.get("trainer")).get("callbacks")
    listed = [as_mapping(one) for one in (callbacks if isinstance(callbacks, list) else [])]
    # Earlier configs have it among the callbacks.
    given = [as_mapping(one.get("init_args")) for one in listed if is_transfer(one.get("class_path"))]
    options = given[0] if given else as_mapping(facts.config.get("transfer"))
    if not given and not is_asked_for(options):
        return {}
    skipped = ("upstream", "track", "renames", "prefix")
    return {name: value for name, value in flat(options).items() if name not in skipped and value is not None}


def _augmentation(facts: CardFacts) -> dict[str, Any]:
    said = facts.data.get("augmentation")
    if said is None:  # older checkpoints leave it to the run's settings
        said = as_mapping(as_mapping(facts.config.get("data")).get("init_args")).get("augmentation")
    return {name: value for name, value in as_mapping(said).items() if not str(name).endswith("_probability")}


def _left_out(facts: CardFacts) -> str:
    if not facts.data.get("records_left_out"):
        return ""
    if facts.left_out is None:
        return "Which records were left out is in the store's manifest, which is not at hand."
    named = [f"{code(one.record_id)}: {inline(one.reason)}" for one in facts.left_out[:MOST_LEFT_OUT]]
    more = len(facts.left_out) - len(named)
    if more > 0:
        named.append(f"and {more:,} more")
    return f"Left out:\n\n{bullets(named)}"


def _support_table(facts: CardFacts) -> str:
    support, answered = as_mapping(facts.data.get("support")), as_mapping(facts.data.get("answered"))
    codes = facts.description.class_codes
    system = f" ({inline(facts.description.code_system)})" if facts.description.code_system else ""
    return table(
        ("class", *PARTS, f"codes{system}"),
        (
            (
                inline(name),
                *(_positives(support, answered, part, name) for part in PARTS),
                inline(", ".join(codes.get(name, []))),
            )
            for name in facts.description.class_names
        ),
    ).replace("---: |\n", "--- |\n", 1)


def _positives(support: Mapping[str, Any], answered: Mapping[str, Any], part: str, name: str) -> str:
    """Give a class's positives, and of how many records it is known where that is not all."""
    positives = _count(as_mapping(support.get(part)).get(name))
    if part not in answered:
        return positives
    return f"{positives} of {_count(as_mapping(answered[part]).get(name))} answered"


def _seen(facts: CardFacts) -> str:
    rows: list[tuple[str, ...]] = []
    for one in facts.content["trained_on"]:
        name = str(one["dataset"])
        if one.get("declared"):
            rows.append((inline(name), "declared by the upstream's authors", "", "", ""))
            continue
        if one["records"] is None:  # then the name is that of a file, which does not say
            rows.append(("not said", "", "", "", ""))
            continue
        dataset = DATASETS[name].reader if name in DATASETS else None
        about = (dataset.title, dataset.licence, dataset.citation) if dataset else ("unknown",) * 3
        rows.append((code(name), *(inline(text) for text in about), f"{one['records']:,}"))
    return table(("dataset", "title", "licence", "to cite", "records"), rows, right=4)


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{inline(name)} {inline(_number(value))}" for name, value in values.items())


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "an unknown number"
