"""One recording out of any file, in millivolts by lead names. No torch here."""

from ecg_tl.recordings.contents import ReadRecord
from ecg_tl.recordings.finding import find_records, record_files
from ecg_tl.recordings.reading import read_record
from ecg_tl.recordings.settings import ReadSettings

__all__ = ["ReadRecord", "ReadSettings", "find_records", "read_record", "record_files"]
