"""What a process lets go of, it need not ask the system for again."""

import os
import subprocess
import sys
from textwrap import dedent

import pytest

COUNTED = """
    import resource
    {first}
    import numpy as np
    import polars as pl

    def part():
        arrays = [np.ones(500_000) for _ in range(8)]
        frame = pl.DataFrame({{str(n): array for n, array in enumerate(arrays)}})
        return frame.with_columns(pl.all() * 2).select(pl.all().sum())

    part()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        part()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


KEEP = "from unspoken import memory; memory.keep_freed()"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc, and pages counted by Linux")
LEAST = "131072"  # bytes, which is what glibc begins with
SAID = [
    {"MALLOC_TRIM_THRESHOLD_": LEAST, "MALLOC_MMAP_THRESHOLD_": LEAST},
    {"GLIBC_TUNABLES": f"glibc.malloc.mmap_threshold={LEAST}:glibc.malloc.trim_threshold={LEAST}"},
]


def faults(first: str, **said: str) -> int:
    """Pages that were asked for, but for those of the first part."""
    ours = ("_RJEM_MALLOC_CONF", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
    clean = {name: value for name, value in os.environ.items() if name not in ours} | said
    script = dedent(COUNTED).format(first=first)
    return int(subprocess.run([sys.executable, "-c", script], env=clean, capture_output=True, check=True).stdout)


@LINUX
def test_part_after_part_asks_the_system_for_little_more_than_the_first():
    assert faults(KEEP) < faults("") / 4


@LINUX
@pytest.mark.parametrize("said", SAID)
def test_what_the_environment_says_of_the_memory_stays(said):
    assert faults(KEEP, **said) > faults("", **said) / 2
