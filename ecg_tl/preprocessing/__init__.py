"""What a recording goes through before a network sees it: named steps with parameters, and chains of them.

All in double precision and on the processor: what is here runs once, when a dataset is prepared. A chain
goes to JSON and back, so that a store, a checkpoint and a card can say what was done.
"""

from ecg_tl.preprocessing.chain import Chain
from ecg_tl.preprocessing.contract import Contract
from ecg_tl.preprocessing.filters import Butterworth, FirBandpass, MedianBaseline, Notch
from ecg_tl.preprocessing.layout import Crop, FillMissing, Flatten, Leads, Pad, Unflatten
from ecg_tl.preprocessing.ranks import Rank
from ecg_tl.preprocessing.resampling import Decimate, Resample, Stretch
from ecg_tl.preprocessing.scaling import Clip, MinMax, TrainingScale, ZScore
from ecg_tl.preprocessing.step import STEPS, Signal, Step

__all__ = [
    "STEPS",
    "Butterworth",
    "Chain",
    "Clip",
    "Contract",
    "Crop",
    "Decimate",
    "FillMissing",
    "FirBandpass",
    "Flatten",
    "Leads",
    "MedianBaseline",
    "MinMax",
    "Notch",
    "Pad",
    "Rank",
    "Resample",
    "Signal",
    "Step",
    "Stretch",
    "TrainingScale",
    "Unflatten",
    "ZScore",
]
