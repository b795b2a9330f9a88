"""When and how things run: load, call the core, store; with leases, retries and a schedule."""
