"""Files become committed chunks."""
