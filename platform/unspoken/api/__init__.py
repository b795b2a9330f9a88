"""HTTP: events in, what became of them out. Loads neither polars nor torch."""
