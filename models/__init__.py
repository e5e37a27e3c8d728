"""Where weights come from, the shared encoder and its adapters, and devices."""
