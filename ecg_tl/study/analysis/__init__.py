"""What a study's results say, as pure functions of them: resampling, contrasts, curves, convergence, ..."""
