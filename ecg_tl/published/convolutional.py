"""MERL, KED, the networks of the PTB-XL benchmark, and Ribeiro's."""

from types import MappingProxyType

from ecg_tl.downloading.sources import Archived, ByHand, Direct
from ecg_tl.preprocessing import (
    Chain,
    Contract,
    Crop,
    FillMissing,
    Leads,
    MinMax,
    Pad,
    Resample,
    TrainingScale,
)
from ecg_tl.published.entry import UNVERIFIED, PublishedUpstream, publish
from ecg_tl.signals import LEADS

MIMIC_ORDER = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")

publish(
    PublishedUpstream(
        name="merl-resnet18",
        title="MERL's ResNet-18: records and machine reports contrasted",
        network="merl_resnet18",
        contract=Contract(
            MIMIC_ORDER,
            500,
            5000,
            Chain(
                (Leads(MIMIC_ORDER), FillMissing("zero"), Resample(500), Crop(5000), Pad(5000), MinMax("all"))
            ),
            "the first 10 s; shorter ones get zeros at the end",
        ),
        feature="mean over time, 512",
        code_licence="MIT",
        weights_licence=UNVERIFIED,
        source=ByHand(
            "https://drive.google.com/drive/folders/13wb4DppUciMn-Y_qC2JRWTbZdz3xX0w2",
            "res18_best_encoder.pth",
            "a site that wants a click",
        ),
        citation="Liu et al., Zero-Shot ECG Classification with Multimodal Learning and Test-time Clinical "
        "Knowledge Enhancement, ICML 2024",
        trained_on=("MIMIC-IV-ECG",),
        recipe="linear: Adam 1e-3, weight decay 1e-4, batch 16, 100 epochs",
        ignored=((r"linear\.(weight|bias)", "a head that was never trained"),),
        beside="of the contrastive training alone",
        unverified=("the file itself", "the licence of the weights"),
    )
)

publish(
    PublishedUpstream(
        name="ked",
        title="KED's xresnet1d101: records, reports and label texts contrasted",
        network="xresnet1d101",
        options=MappingProxyType({"variant": "ked"}),
        contract=Contract(
            MIMIC_ORDER,
            100,
            1000,
            Chain((Leads(MIMIC_ORDER), FillMissing("zero"), Resample(100, "fourier"), Crop(1000))),
            "the first 10 s",
        ),
        feature="mean over time, 768",
        code_licence="none given",
        weights_licence=UNVERIFIED,
        source=Archived("10.5281/zenodo.14881564", "best_valid_all_increase_with_augment_epoch_3.pt"),
        citation="Tian et al., Foundation model of ECG diagnosis: Diagnostics and explanations of any form "
        "and rhythm on ECG, Cell Reports Medicine 5(12), 2024",
        trained_on=("MIMIC-IV-ECG",),
        recipe="AdamW 5e-5, weight decay 0.02, cosine to 1e-6, 10 epochs, batch 80",
        beside="the other networks of the contrastive training",
        unverified=("the file itself", "its container", "the licence of the weights"),
    )
)

for _network in ("xresnet1d101", "xresnet1d50", "inception1d", "resnet1d_wang"):
    publish(
        PublishedUpstream(
            name=f"{_network}-ptbxl",
            title=f"{_network} of the PTB-XL benchmark, supervised",
            network=_network,
            contract=Contract(
                LEADS,
                100,
                250,
                Chain((Leads(LEADS), Resample(100), Crop(250), TrainingScale("all"))),
                "crops of 2.5 s every 1.25 s, the greatest of their probabilities",
            ),
            feature="greatest value and mean over time; the hidden layer of 128 belongs to forward_head",
            code_licence="GPL-3.0",
            weights_licence="GPL-3.0",
            source=Direct(
                "https://raw.githubusercontent.com/helme/ecg_ptbxl_benchmarking/master/output/exp0/models/"
                f"fastai_{_network}/models/fastai_{_network}.pth",
                "https://github.com/helme/ecg_ptbxl_benchmarking",
            ),
            citation="Strodthoff et al., Deep Learning for ECG Analysis: Benchmarks and Insights from "
            "PTB-XL, IEEE JBHI 25(5), 2021",
            trained_on=("PTB-XL folds 1-8",),
            recipe="new last layer; the last group alone 30 epochs at 1e-2, then all 30 epochs at 1e-5 to "
            "1e-3",
            has_head=True,
            unverified=(
                "the file itself, and that it is in the repository: its page links an archive as well",
                "mean and deviation of its training records are in another file: fit the contract",
            ),
        )
    )

publish(
    PublishedUpstream(
        name="ribeiro-age",
        title="The network of Lima, Ribeiro et al.: age, from Brazilian primary care",
        network="ribeiro_resnet",
        contract=Contract(
            LEADS,
            400,
            4096,
            Chain((Leads(LEADS), FillMissing("zero"), Resample(400), Crop(4096), Pad(4096))),
            "the first 10.24 s; shorter ones get zeros at the end",
        ),
        feature="the last map, flattened, 5120",
        code_licence="MIT",
        weights_licence=UNVERIFIED,
        source=Archived("10.5281/zenodo.4892365", "model.pth"),
        citation="Lima et al., Deep neural network-estimated electrocardiographic age as a mortality "
        "predictor, Nature Communications 12, 2021",
        trained_on=("CODE",),
        recipe="Adam 1e-3, batch 32, 70 epochs, rate by 0.1 after 7 without gain, squared error by age",
        has_head=True,
        unverified=(
            "the file itself",
            "the licence of the weights: its page says that they are made available without restrictions",
            "the unit of its input: its page says 1e-4 V, and volts times 1000; here it is millivolts",
        ),
    )
)
