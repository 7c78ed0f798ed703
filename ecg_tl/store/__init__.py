"""The prepared dataset: one memory-mapped int16 array, a table and a manifest, and how it is built."""
