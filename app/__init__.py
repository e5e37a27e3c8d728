"""The ways in: REST, command line, and the one pipeline that answers."""
