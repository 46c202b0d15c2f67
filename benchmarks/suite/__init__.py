"""Benchmarks for asv: one file a layer, data and warm-up in setup, a timed body of one line."""
