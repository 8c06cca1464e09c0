"""The driver of benchmarks/run; Python's own library alone."""
