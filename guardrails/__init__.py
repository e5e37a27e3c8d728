"""One rail a file, for input, retrieval, output and ingestion."""
