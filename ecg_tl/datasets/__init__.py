"""The datasets: what lies on disk, turned into records, labels and signals. No torch here."""

from ecg_tl.datasets.registry import DATASETS, DatasetEntry, get_dataset, layout_names

__all__ = ["DATASETS", "DatasetEntry", "get_dataset", "layout_names"]
