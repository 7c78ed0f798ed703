"""Where a study's runs are done: processes of this machine, or a Ray cluster."""
