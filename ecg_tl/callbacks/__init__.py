"""What a run leaves behind: its history, its predictions, its pictures."""

from ecg_tl.callbacks.history import RunHistory
from ecg_tl.callbacks.pictures import EcgPictures
from ecg_tl.callbacks.predictions import PredictionTables

__all__ = ["EcgPictures", "PredictionTables", "RunHistory"]
