"""From a trained network, in a checkpoint or exported, to an answer about somebody's recording."""

NOTICE = "This is research software and no medical device."
"""Part of every output."""
