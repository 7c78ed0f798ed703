"""One file a format; each registers its own, see `recordings.registry`."""
