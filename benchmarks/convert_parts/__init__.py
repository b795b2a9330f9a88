"""The parts of benchmarks/convert.py."""
