"""Cases, metrics, runs and reports."""
