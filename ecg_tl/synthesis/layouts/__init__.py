"""Writers that lay simulated records out as each published dataset does on disk.

Each module has a `Layout`, which the registry of datasets names.
"""
