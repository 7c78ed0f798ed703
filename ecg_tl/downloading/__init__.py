"""Fetching published files: what was cut is gone on with, and a file has its name when it is whole."""
