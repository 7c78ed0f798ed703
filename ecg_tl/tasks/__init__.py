"""LightningModules: one for CNNs, one for RNNs. Importing them makes their short names known to the CLI."""

from ecg_tl.tasks.base import EcgClassifier
from ecg_tl.tasks.cnn import CnnClassifier
from ecg_tl.tasks.rnn import RnnClassifier

__all__ = ["CnnClassifier", "EcgClassifier", "RnnClassifier"]
