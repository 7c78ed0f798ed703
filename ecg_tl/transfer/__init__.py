"""Transfer from an upstream checkpoint: reading, matching, reporting, and the callback that does it."""
