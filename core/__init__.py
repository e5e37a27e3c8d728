"""Types, settings, errors, logging, SQL models and the one access filter; imports nothing else of ours."""
