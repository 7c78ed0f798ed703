"""What a run leaves behind: its checkpoints, its history, its predictions, its pictures."""

from ecg_tl.callbacks.checkpoint import RunCheckpoint, WholeCheckpointIO
from ecg_tl.callbacks.curves import ScoreCurves
from ecg_tl.callbacks.events import RunEvents
from ecg_tl.callbacks.history import RunHistory
from ecg_tl.callbacks.pictures import EcgPictures
from ecg_tl.callbacks.predictions import PredictionTables
from ecg_tl.callbacks.rates import LearningRates
from ecg_tl.callbacks.signals import KeepSignals
from ecg_tl.callbacks.stopping import ScoreStopping, StayStopped
from ecg_tl.callbacks.summary import DecisionLog
from ecg_tl.callbacks.validation import KeepValidation

__all__ = [
    "DecisionLog",
    "EcgPictures",
    "KeepSignals",
    "KeepValidation",
    "LearningRates",
    "PredictionTables",
    "RunCheckpoint",
    "RunEvents",
    "RunHistory",
    "ScoreCurves",
    "ScoreStopping",
    "StayStopped",
    "WholeCheckpointIO",
]
