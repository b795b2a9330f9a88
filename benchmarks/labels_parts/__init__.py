"""What benchmarks/labels.py is put together from."""
