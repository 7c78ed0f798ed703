"""The report of a study: one page that explains itself, and tables beside it."""
