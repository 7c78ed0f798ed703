"""ECGFounder and CLEF: Net1D."""

from types import MappingProxyType

from ecg_tl.downloading.sources import Archived, HuggingFace
from ecg_tl.preprocessing import (
    Butterworth,
    Chain,
    Contract,
    Crop,
    FillMissing,
    Leads,
    MedianBaseline,
    Notch,
    Resample,
    ZScore,
)
from ecg_tl.published.entry import UNVERIFIED, PublishedUpstream, publish
from ecg_tl.signals import LEADS


def _founder(leads: tuple[str, ...]) -> Contract:
    steps = (
        Leads(leads),
        FillMissing("zero"),
        Resample(500, "linear"),
        Crop(5000),
        Notch(50, 30),
        Butterworth(4, 0.67, 40, "ba"),
        MedianBaseline(0.4),
        ZScore("all", 1e-8),
    )
    return Contract(leads, 500, 5000, Chain(steps), "the first 10 s")


for _name, _leads, _file in (
    ("ecgfounder", LEADS, "12_lead_ECGFounder.pth"),
    ("ecgfounder-1", ("I",), "1_lead_ECGFounder.pth"),
):
    publish(
        PublishedUpstream(
            name=_name,
            title=f"ECGFounder, {len(_leads)} lead{'s' if len(_leads) > 1 else ''}: supervised, 150 labels",
            network="net1d",
            contract=_founder(_leads),
            feature="mean over time, 1024",
            code_licence="MIT",
            weights_licence=UNVERIFIED,
            source=HuggingFace("PKUDigitalHealth/ECGFounder", _file),
            citation="Li et al., An Electrocardiogram Foundation Model Built on over 10 Million Recordings, "
            "NEJM AI 2025",
            trained_on=("HEEDB",),
            recipe="Adam 1e-4, weight decay 1e-5, batch 256, 5 epochs, rate reduced on a plateau; linear: "
            "all frozen but the head",
            has_head=True,
            unverified=("the file itself", "the licence of the weights"),
        )
    )

for _size, _file, _width in (
    ("small", "clef_small.ckpt", 256),
    ("medium", "clef_medium.ckpt", 1024),
    ("large", "clef_largel.ckpt", 2048),
):
    publish(
        PublishedUpstream(
            name=f"clef-{_size}",
            title=f"CLEF {_size}, one lead: contrastive, weighted by risk scores",
            network="net1d",
            options=MappingProxyType({"size": _size}),
            contract=Contract(
                ("I",),
                500,
                5000,
                Chain(
                    (
                        Leads(("I",)),
                        FillMissing("interpolate"),
                        Resample(500, "linear"),
                        Crop(5000),
                        Butterworth(5, 0.67, 40, "ba"),
                        ZScore("lead", 1e-8),
                    )
                ),
                "the first 10 s; any lead may stand for I",
            ),
            feature=f"mean over time, {_width}",
            code_licence="Clear BSD",
            weights_licence=UNVERIFIED,
            source=Archived("10.5281/zenodo.17572734", _file),
            citation="Shu et al., CLEF: Clinically-Guided Contrastive Learning for Electrocardiogram "
            "Foundation Models, arXiv 2512.02180",
            trained_on=("MIMIC-IV-ECG",),
            recipe="AdamW 1e-3, weight decay 1e-5, one cycle, batch 64, patience 5",
            ignored=((r"backbone_(k|target)\..*|queue(_ptr)?|predictor\..*", "of the pre-training alone"),),
            unverified=("the file itself", "the licence of the weights"),
        )
    )
