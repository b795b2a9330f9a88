"""The parts of benchmarks/convert.py."""

from unspoken.memory import keep_freed

keep_freed()  # as in a worker; every job is measured so, also those that only read
