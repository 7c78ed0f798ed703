"""What a run leaves behind: its checkpoints, its history, its predictions, its pictures."""

from ecg_tl.callbacks.checkpoint import RunCheckpoint, WholeCheckpointIO
from ecg_tl.callbacks.history import RunHistory
from ecg_tl.callbacks.pictures import EcgPictures
from ecg_tl.callbacks.predictions import PredictionTables
from ecg_tl.callbacks.stopping import StayStopped

__all__ = [
    "EcgPictures",
    "PredictionTables",
    "RunCheckpoint",
    "RunHistory",
    "StayStopped",
    "WholeCheckpointIO",
]
