"""What is kept, and how: tables, sessions, ingest, keys. Functions here never commit; the edge does."""
