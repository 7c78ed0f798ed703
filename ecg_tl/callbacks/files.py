"""`ecg_tl.files` by its former name."""

from ecg_tl.files import write_csv, write_json, write_text

__all__ = ["write_csv", "write_json", "write_text"]
