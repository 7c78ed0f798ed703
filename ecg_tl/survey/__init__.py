"""What a folder of recordings and a table hold, and the config that says how they are read."""

from ecg_tl.survey.columns import ColumnsSaid
from ecg_tl.survey.folder import FolderFound, survey_folder
from ecg_tl.survey.writing import dataset_config, write_dataset_yaml

__all__ = ["ColumnsSaid", "FolderFound", "dataset_config", "survey_folder", "write_dataset_yaml"]
