"""A study's runs: how they are executed, resumed and watched, and the files that they leave."""
