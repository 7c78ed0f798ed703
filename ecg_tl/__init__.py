"""Transfer learning in ECG diagnosis: fine-tune or train from scratch, answered on your own records."""

__version__ = "0.1.0"
