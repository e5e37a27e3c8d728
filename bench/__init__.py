"""Benchmarks and harnesses; none of them is part of the product."""
