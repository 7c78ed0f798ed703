"""From a trained network, in a checkpoint or exported, to an answer about somebody's recording."""
