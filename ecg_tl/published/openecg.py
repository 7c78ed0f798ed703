"""openecg: the codec of waves, beats and rhythms whose weights lie in a package."""

from ecg_tl.downloading.sources import Packaged
from ecg_tl.preprocessing import Chain, Contract, Crop, FillMissing, Leads, Rank, Resample
from ecg_tl.published.entry import PublishedUpstream, publish

publish(
    PublishedUpstream(
        name="openecg",
        title="openecg's codec, one lead: waves, beats and rhythms of every sample, supervised",
        network="openecg",
        contract=Contract(
            ("II",),
            500,
            5000,
            Chain((Leads(("II",)), FillMissing("zero"), Resample(500), Crop(5000), Rank())),
            "the first 10 s; any lead may stand for II",
        ),
        feature="mean over tokens, 128",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        source=Packaged("openecg", "openecg/models/codec_v6.pt", "https://github.com/vitaldb/openecg"),
        citation="Lee, OpenECG 0.11 (a package for Python), 2026",
        # By the cards of its versions: v6 goes on from v5, that from v4, v3 and v2.
        trained_on=(
            "LUDB",
            "QTDB",
            "ISP",
            "BUT PDB",
            "MIT-BIH",
            "INCART",
            "LTDB",
            "SVDB",
            "AFDB",
            "VFDB",
            "CUDB",
            "MVEDB",
            "SDDB",
            "SCDDB",
            "NSRDB",
            "PTB-XL",
            "VitalDB",
            "lydus",
        ),
        recipe="none published: its own heads are trained on the frozen encoder",
        ignored=(
            (
                r"(head|head_sample|beat_sample|rhythm_sample)\.(weight|bias)|refine\.[02]\.(weight|bias)",
                "of its own tasks: the wave, beat and rhythm of every sample",
            ),
        ),
        unverified=("which folds of PTB-XL its rhythm labels were trained on, so all count",),
    )
)
