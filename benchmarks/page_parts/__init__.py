"""What benchmarks/page.py is made of."""
