"""The model card of a checkpoint: what somebody must know who is handed nothing but the file.

Its headings follow Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""
