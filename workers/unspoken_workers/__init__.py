"""When and how things run: load, call the core, store; with leases, retries and a schedule."""

from unspoken.memory import keep_freed

keep_freed()  # here, because it has to come before Polars, and a worker's builds are what it is for
