"""What benchmarks/replies.py trains with and counts with."""
