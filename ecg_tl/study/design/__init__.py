"""A study's settings and the runs that they ask for: what will be done, and how long it takes."""
