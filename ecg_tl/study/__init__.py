"""Scratch against fine-tuning, as a grid of runs that is planned, run, resumed, analysed and reported."""
