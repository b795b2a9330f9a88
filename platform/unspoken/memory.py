"""Memory that is let go of stays in the process, for the next part of what it works through.

A build takes one range of conversations after the other, and each asks for the same hundred megabytes again. By default
both allocators in the process (that of Polars, and the C library's, which numpy uses) give them back to the system each
time; to get them anew, page by page, takes a third of the build's CPU time. What is kept is bounded by KEPT_BYTES for
the one, and by what was let go of in the last few seconds for the other.
"""

import ctypes
import os

KEPT_BYTES = 2**28
LARGEST_BYTES = 2**25  # of one block that may be kept: glibc takes no more
# jemalloc.net/jemalloc.3.html: fewer arenas, or each thread keeps what another could use. Polars waits 500 ms.
POLARS = "narenas:2,dirty_decay_ms:5000,muzzy_decay_ms:-1"
# What the environment calls it, its number in glibc's malloc.h, and its value.
GLIBC = (("MALLOC_TRIM_THRESHOLD_", -1, KEPT_BYTES), ("MALLOC_MMAP_THRESHOLD_", -3, LARGEST_BYTES))


def keep_freed() -> None:
    """Call it before Polars is loaded, which looks once; what the environment says already stays. Nothing elsewhere."""
    os.environ.setdefault("_RJEM_MALLOC_CONF", POLARS)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", ""):
        return
    for name, number, value in GLIBC:
        if name not in os.environ:
            mallopt(number, value)
