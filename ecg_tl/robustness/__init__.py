"""How far a network's scores fall when records are disturbed: conditions, evaluation, table, figure."""
