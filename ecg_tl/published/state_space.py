"""ECG-CPC: convolutions and causal S4 layers."""

from ecg_tl.downloading.sources import Archived
from ecg_tl.preprocessing import Chain, Contract, Crop, Leads, Resample
from ecg_tl.published.entry import UNVERIFIED, PublishedUpstream, publish
from ecg_tl.signals import LEADS

publish(
    PublishedUpstream(
        name="ecg-cpc",
        title="ECG-CPC: what comes next is predicted from the past",
        network="cpc_s4",
        contract=Contract(
            LEADS,
            240,
            600,
            Chain((Leads(LEADS), Resample(240), Crop(600))),
            "crops of 2.5 s, their mean; any length up to the file's kernels is taken",
        ),
        feature="mean over tokens, 512",
        code_licence="none given",
        weights_licence=UNVERIFIED,
        source=Archived("10.6084/m9.figshare.30192604"),
        citation="Al-Masud, Lopez Alcaraz and Strodthoff, Benchmarking ECG Foundational Models: A Reality "
        "Check Across Clinical Tasks, arXiv 2509.25095",
        trained_on=("HEEDB",),
        recipe="AdamW, weight decay 1e-3, constant: 1e-3 head, 1e-4 layers, 1e-5 convolutions, batch 64, "
        "100 epochs",
        ignored=((r"ts_encoder\.head_ssl\.proj\.0\.weight", "the projection of the pre-training"),),
        unverified=(
            "the file itself (a zip archive: unpack it, and give its .ckpt)",
            "the licence of the weights",
            "the length of its kernels",
        ),
    )
)
