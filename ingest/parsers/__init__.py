"""One parser a file, one file a family of formats; they run in the sandbox only."""
