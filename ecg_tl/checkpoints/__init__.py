"""Checkpoints as files: their names, what they say of themselves, and their one reader, which trusts none."""
