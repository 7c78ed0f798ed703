"""Writers that lay simulated records out as each published dataset does on disk.

Each module has `write(folder, records, seed, difficulty)`, a generator that yields after every record it
has written, and is finished when it is exhausted.
"""
