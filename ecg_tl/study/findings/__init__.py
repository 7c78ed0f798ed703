"""What a study found, one file a topic: its numbers, its table, its CSV columns."""
