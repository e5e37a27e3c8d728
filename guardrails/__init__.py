"""Rails: small checks of what comes in, what was found, and what goes out."""
