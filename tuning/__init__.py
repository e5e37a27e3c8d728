"""p-tuning, adapters, search over settings and capacity planning."""
