"""LightningModules: one for any network, and the faces of two families. Importing makes their names known."""

from ecg_tl.tasks.base import EcgClassifier
from ecg_tl.tasks.cnn import CnnClassifier
from ecg_tl.tasks.rnn import RnnClassifier

__all__ = ["CnnClassifier", "EcgClassifier", "RnnClassifier"]
