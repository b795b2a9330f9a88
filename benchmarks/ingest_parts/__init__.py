"""What benchmarks/ingest.py is made of."""
