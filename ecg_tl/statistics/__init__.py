"""Resampling, scores of resamples, intervals and what seeds say together: NumPy and SciPy alone."""
