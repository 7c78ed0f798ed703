"""What to cite: the data, weights and methods that a study used, as their entries and code state them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecg_tl.published import UPSTREAMS
from ecg_tl.study.design.settings import Overlay, is_a_file
from ecg_tl.study.findings.tables import Line, Table, make_table
from ecg_tl.study.findings.topic import Analysis, Topic, one_file, register_topic
from ecg_tl.study.findings.values import Axes

NOT_STATED = "not stated"

_RESNET = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016"
_XRESNET = "He et al., Bag of Tricks for Image Classification with Convolutional Neural Networks, CVPR 2019"
_PTBXL_BENCHMARK = (
    "Strodthoff et al., Deep Learning for ECG Analysis: Benchmarks and Insights from PTB-XL, IEEE Journal of "
    "Biomedical and Health Informatics 25(5), 2021"
)
_BENCHMARK = "Al-Masud et al., Benchmarking ECG Foundational Models, arXiv 2509.25095, 2025"
PAPER = "Nguyen and Do, Transfer Learning in ECG Diagnosis: Is It Effective?, PLOS ONE 20(5), e0316043, 2025"

NETWORKS: Mapping[str, str] = {
    "resnet1d": _RESNET,
    "xresnet1d": f"{_XRESNET}; {_PTBXL_BENCHMARK}",
    "inception1d": "Ismail Fawaz et al., InceptionTime: Finding AlexNet for time series classification, Data "
    f"Mining and Knowledge Discovery 34, 2020; {_PTBXL_BENCHMARK}",
    "resnet1d_wang": "Wang et al., Time Series Classification from Scratch with Deep Neural Networks: A "
    f"Strong Baseline, IJCNN 2017; {_PTBXL_BENCHMARK}",
    "s4": "Gu et al., Efficiently Modeling Long Sequences with Structured State Spaces, ICLR 2022; Mehari "
    "and Strodthoff, Towards quantitative precision for ECG analysis, IEEE JBHI 27(11), 2023",
    "net1d": "Hong et al., HOLMES: Health OnLine Model Ensemble Serving for Deep Learning Models in "
    "Intensive Care Units, KDD 2020",
    "ribeiro_resnet": "Ribeiro et al., Automatic diagnosis of the 12-lead ECG using a deep neural network, "
    "Nature Communications 11, 2020",
    "gru": "Cho et al., 2014 (gated recurrent units)",
}
"""By the beginning of the registered name, the longest that fits; as the network's file states it."""

RECIPES: Mapping[str, str] = {
    "lp_ft": "Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform Out-of-"
    "Distribution, ICLR 2022",
    "gradual": "Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, ACL 2018",
    "l2_sp": "Li et al., Explicit Inductive Bias for Transfer Learning with Convolutional Networks, ICML "
    "2018",
    "lora": "Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, arXiv 2106.09685, 2021",
    "attention_probe": _BENCHMARK,
}

PRETRAINING: Mapping[str, str] = {
    "simclr": "Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020",
    "jepa": "Assran et al., Self-Supervised Learning from Images with a Joint-Embedding Predictive "
    "Architecture, CVPR 2023; Weimann and Conrad, Self-Supervised Pre-Training with Joint-Embedding "
    "Predictive Architecture Boosts ECG Classification Performance, Computers in Biology and Medicine 196, "
    "2025",
    "cpc": "van den Oord, Li and Vinyals, Representation Learning with Contrastive Predictive Coding, arXiv "
    "1807.03748, 2018; Mehari and Strodthoff, Self-supervised representation "
    "learning from 12-lead ECG data, Computers in Biology and Medicine 141, 2022",
}

STATISTICS: tuple[tuple[str, str], ...] = (
    ("correction for many comparisons", "Holm, Scandinavian Journal of Statistics 6, 1979"),
    ("intervals of two sources of variance", "Howe, JASA 69, 1974"),
    ("spread between seeds, learned over configurations", "Smyth, Stat. Appl. Genet. Mol. Biol. 3, 2004"),
    ("equivalence by two one-sided tests", "Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987"),
)
"""Of every report; `ecg_tl/statistics/` states them."""

COMBINING = (
    "Viechtbauer, J. Educ. Behav. Stat. 30, 2005; Hartung and Knapp, Stat. Med. 20, 2001; Higgins, Thompson "
    "and Spiegelhalter, J. R. Stat. Soc. A 172, 2009; Röver, J. Stat. Softw. 93, 2020"
)
SPENDING = "Lan and DeMets, Biometrika 70, 1983; Jennison and Turnbull, J. R. Stat. Soc. B 51, 1989"


@dataclass(frozen=True)
class Citation:
    """One thing to cite.

    Attributes:
        kind: `data`, `weights` or `method`.
        name: What it is.
        citation: Whom to cite; `not stated` where the entry says nothing.
        licence: Of data and weights; empty of methods.
    """

    kind: str
    name: str
    citation: str
    licence: str = ""


def citations_of(study: Analysis) -> tuple[Citation, ...]:
    """List them: data, then weights, then methods; each once."""
    return tuple(dict.fromkeys([*_data(study), *_weights(study), *_methods(study)]))


def _data(study: Analysis) -> Iterator[Citation]:
    for run in study.results.runs:
        data = run.result["data"]
        name = str(data.get("title") or data.get("dataset") or run.run["dataset"])
        yield Citation(
            "data", name, str(data.get("citation") or NOT_STATED), str(data.get("licence") or NOT_STATED)
        )


def _weights(study: Analysis) -> Iterator[Citation]:
    for name, upstream in study.settings.upstreams.items():
        if not is_a_file(upstream):
            continue
        entry = UPSTREAMS.get(str(upstream.get("published")))
        if entry is None:
            yield Citation("weights", name, NOT_STATED, NOT_STATED)
        else:
            licence = f"weights: {entry.weights_licence}; code: {entry.code_licence}"
            yield Citation("weights", entry.name, entry.citation, licence)


def _methods(study: Analysis) -> Iterator[Citation]:
    settings = study.settings
    for name, overlay in settings.networks.items():
        registered = _network_of(overlay) or name
        known = [prefix for prefix in NETWORKS if registered.startswith(prefix)]
        if known:
            yield Citation("method", f"network {registered}", NETWORKS[max(known, key=len)])
    for arm in settings.arms.values():
        recipe = str((arm.transfer or {}).get("recipe", ""))
        if recipe in RECIPES:
            yield Citation("method", f"recipe {recipe}", RECIPES[recipe])
    for upstream in settings.upstreams.values():
        method = str(upstream.get("pretraining", ""))
        if method in PRETRAINING:
            yield Citation("method", f"pre-training {method}", PRETRAINING[method])
    yield Citation("method", "the claims, and protocol `paper`", PAPER)
    if settings.protocol == "fm_benchmark":
        yield Citation("method", "protocol `fm_benchmark`", _BENCHMARK)
    foresight = [run.result.get("transferability") or {} for run in study.results.runs]
    if any("melep" in one for one in foresight):
        text = (
            "Nguyen, Duong and Do, MELEP: A Novel Predictive Measure of Transferability in Multi-Label ECG "
        )
        yield Citation("method", "MELEP", f"{text}Diagnosis, arXiv 2311.04224")
    if any("logme" in one for one in foresight):
        text = (
            "You et al., LogME: Practical Assessment of Pre-trained Models for Transfer Learning, ICML 2021"
        )
        yield Citation("method", "LogME", text)
    yield from (Citation("method", name, text) for name, text in STATISTICS)
    if len(settings.downstreams) > 1:
        yield Citation("method", "one effect of several downstreams", COMBINING)
    if study.grid.price > 1:
        yield Citation("method", "looking until it is sure", SPENDING)


def _network_of(overlay: Overlay) -> str:
    init_args: Any = (overlay.get("model") or {}).get("init_args") or {}
    return str(init_args.get("network", ""))


def citations_table(found: Sequence[Citation]) -> Table | None:
    """Lay them out."""
    rows: list[Line] = [
        {"Kind": one.kind, "What": one.name, "To cite": one.citation, "Licence": one.licence} for one in found
    ]
    return make_table(
        "Data, weights and methods that this study used",
        rows,
        "As the entries of datasets and published upstreams, and the code, state them. Not stated: the entry "
        "says nothing, as of your own records and checkpoints.",
    )


def _tables(found: Sequence[Citation], default: Axes) -> dict[str, Table | None]:
    return {"citations": citations_table(found)}


register_topic(
    Topic("citations", citations_of, one_file("citations"), _tables, "To cite", "What is to be cited?")
)
