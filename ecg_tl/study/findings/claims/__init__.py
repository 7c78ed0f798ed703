"""The claims of the paper, tested on a study's runs."""
