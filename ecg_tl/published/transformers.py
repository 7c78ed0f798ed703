"""ECG-FM, HuBERT-ECG, ECG-JEPA and the transformers of Weimann and Conrad."""

from types import MappingProxyType

from ecg_tl.downloading.sources import ByHand, HuggingFace
from ecg_tl.preprocessing import (
    Chain,
    Clip,
    Contract,
    Crop,
    Decimate,
    FillMissing,
    FirBandpass,
    Flatten,
    Leads,
    MinMax,
    Resample,
    TrainingScale,
    Unflatten,
    ZScore,
)
from ecg_tl.published.entry import UNVERIFIED, PublishedUpstream, publish
from ecg_tl.signals import LEADS

CHALLENGE_2021 = ("PTB-XL", "PTB", "CPSC", "CPSC-Extra", "Georgia", "Chapman", "Ningbo", "INCART")
EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
WEIMANN_DEVIATION = (0.191, 0.166, 0.173, 0.142, 0.149, 0.147, 0.235, 0.338, 0.335, 0.299, 0.294, 0.242)

publish(
    PublishedUpstream(
        name="ecg-fm",
        title="ECG-FM: wav2vec 2.0 on twelve leads, with random leads masked",
        network="ecg_fm",
        contract=Contract(
            LEADS,
            500,
            2500,
            Chain((Leads(LEADS), Resample(500, "linear"), ZScore("lead"), Crop(2500))),
            "segments of 5 s that do not overlap, the mean or greatest of their probabilities",
        ),
        feature="mean over tokens, 768",
        code_licence="MIT",
        weights_licence="MIT, by its card",
        source=HuggingFace("wanglab/ecg-fm", "mimic_iv_ecg_physionet_pretrained.pt"),
        citation="McKeen et al., ECG-FM: An Open Electrocardiogram Foundation Model, JAMIA Open 8(5), 2025",
        trained_on=("MIMIC-IV-ECG", *CHALLENGE_2021),
        recipe="Adam (0.9, 0.98) 1e-6, batch 256, 140 epochs, convolutions frozen, dropout 0.1 inside the "
        "feed-forward parts",
        ignored=(
            (
                r"mask_emb|quantizer\.(vars|weight_proj\.(weight|bias))|(project_q|final_proj)\.(weight|bias)",
                "of the pre-training alone",
            ),
            (r"proj\.(weight|bias)", "the head of 17 labels of the fine-tuned file"),
        ),
    )
)

for _size, _dim in (("small", 512), ("base", 768), ("large", 960)):
    publish(
        PublishedUpstream(
            name=f"hubert-ecg-{_size}",
            title=f"HuBERT-ECG {_size}: leads one after another, hidden units predicted",
            network="hubert_ecg",
            options=MappingProxyType({"size": _size}),
            contract=Contract(
                LEADS,
                100,
                500,
                Chain(
                    (
                        Leads(LEADS),
                        FillMissing("mean"),
                        FirBandpass(0.05, 47),
                        Resample(500, "fourier"),
                        MinMax("lead", -1, 1),
                        Crop(2500),
                        # The authors decimate across the borders of leads.
                        Flatten(),
                        Decimate(5),
                        Unflatten(LEADS),
                    )
                ),
                "the first 5 s, in training a random crop",
            ),
            feature=f"mean over tokens, {_dim}; the network lays the leads one after another itself",
            code_licence="CC BY-NC 4.0",
            weights_licence="CC BY-NC 4.0",
            non_commercial=True,
            source=HuggingFace(f"Edoardo-BS/hubert-ecg-{_size}", "model.safetensors"),
            citation="Coppola et al., HuBERT-ECG as a self-supervised foundation model for broad and "
            "scalable cardiac applications, medRxiv 2024.11.14.24317328",
            trained_on=(),
            recipe="AdamW (0.9, 0.98, eps 1e-9) 1e-5, 8 % warm-up, batch 64, 70,000 steps, the last 8 to 16 "
            "blocks, no dropout, random crops of 5 s",
            ignored=(
                (r"final_proj\..*|label_embedding\..*", "of the pre-training alone"),
                (r"classifier\..*", "a head of the authors' fine-tuning"),
            ),
            unverified=("the file itself", "which of some twelve datasets it was trained on"),
        )
    )

publish(
    PublishedUpstream(
        name="ecg-jepa",
        title="ECG-JEPA of Kim: patches of eight leads, their encodings predicted",
        network="ecg_jepa",
        contract=Contract(
            EIGHT,
            250,
            2500,
            Chain((Resample(250, "fourier"), Leads(EIGHT), Crop(2500))),
            "the first 10 s; fine-tuning filters 0.67 to 40 Hz as well (Butterworth 5, sections)",
        ),
        feature="mean over tokens, 768",
        code_licence="MIT",
        weights_licence=UNVERIFIED,
        source=ByHand(
            "https://drive.google.com/file/d/1gMOT4xjQQg0GZkY1iE6NuDzua4ALw00l/view",
            "multiblock_epoch100.pth",
            "a site that wants a click",
        ),
        citation="Kim, Learning General Representation of 12-Lead Electrocardiogram with a Joint-Embedding "
        "Predictive Architecture, arXiv 2410.08559",
        trained_on=("Chapman", "Ningbo", "CODE-15"),
        recipe="AdamW (0.9, 0.95) 1e-4 * batch / 256, batch 16, weight decay 0.05, 10 epochs, 3 of warm-up",
        unverified=("the file itself", "the licence of the weights"),
    )
)

for _size, _dim in (("xs", 192), ("s", 384), ("b", 768)):
    publish(
        PublishedUpstream(
            name=f"weimann-vit-{_size}",
            title=f"The ViT-{_size.upper()} of Weimann and Conrad: patches of all leads, encodings predicted",
            network="weimann_vit",
            options=MappingProxyType({"size": _size}),
            contract=Contract(
                LEADS,
                500,
                1250,
                Chain(
                    (
                        Leads(LEADS),
                        FillMissing("interpolate"),
                        Resample(500, "polyphase"),
                        Crop(1250),
                        TrainingScale("lead", (0.0,) * 12, WEIMANN_DEVIATION),
                        Clip(-5, 5),
                    )
                ),
                "crops of 2.5 s every 1.25 s, the mean of their logits",
            ),
            feature=f"the register's token, {_dim}",
            code_licence="MIT",
            weights_licence=UNVERIFIED,
            source=ByHand("https://github.com/kweimann/ECG-JEPA", "", "no public file that was found"),
            citation="Weimann and Conrad, Self-Supervised Pre-Training with Joint-Embedding Predictive "
            "Architecture Boosts ECG Classification Performance, 2025",
            trained_on=("MIMIC-IV-ECG", "CODE-15", *CHALLENGE_2021),
            recipe="attentive pooling over the frozen encoder, AdamW 1e-3, 5,000 steps; then all, 1e-4 to "
            "1e-6, 5,000 steps, dropout 0.1",
            ignored=((r"(encoder|predictor)\..*", "the online encoder and predictor of the pre-training"),),
            unverified=("the file itself", "its config: leads and training data may differ by file"),
        )
    )
