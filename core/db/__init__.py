"""The SQL store: the only truth."""
