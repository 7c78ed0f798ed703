"""The public face in Python: what `import ecg_tl` gives, a file for each thing. Nothing is imported here."""
