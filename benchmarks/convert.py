"""How fast do events become episodes and pairs, next to DuckDB doing the same job, and next to only reading them?

Chats are drawn (a third messages, a third heartbeats, ids as UUIDs) and sealed as the platform seals them. Ours is
what a build does: Segments.made, which keeps the episodes beside the segments, on the disk, and the pairs of siblings
and votes of them. Each job runs in a process of its own, in turn, with the memory settings of a worker
(unspoken.memory), and writes Parquet; that ours and DuckDB's say the same is checked column by column. To only read
is to bring every column of the same files into memory and let go of it; and, beside it, to add up every value. The
increment is the same job again after something has come in a hundredth of the conversations, in the process that made
the whole. From a database: the segments brought up to date and the job, against the fastest way to read the rows out
of it that we know, alone.
Run: make bench NAME=convert
"""

import json
import os
import platform
import subprocess
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
RESULTS = ROOT / "benchmarks" / "results"
CHATS = ROOT / ".bench" / "convert" / "chats"
PARTS = ("compare", "memory", "increment", "databases")
SEED = 1
NAMES = {
    "scan": "only reading into memory",
    "summed": "reading and adding up every value",
    "ours": "**ours**",
    "duckdb": "DuckDB",
}
COMPARED = ("duckdb_ratio", "scan_ratio", "summed_ratio", "peak_gb_10m")


def run(job: str, folder: Path, out: Path) -> dict[str, float]:
    """One job in its own process: seconds and the greatest memory."""
    command = [sys.executable, "-m", "benchmarks.convert_parts.jobs", job, str(folder), str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{job} failed:\n{done.stderr[-2000:]}")
    told: dict[str, float] = json.loads(done.stdout)
    return told


def sealed(millions: float) -> Path:
    """The folder of so many million events, drawn once."""
    from benchmarks.convert_parts.sealed import seal

    folder = CHATS / f"{millions:g}"
    seal(folder, int(millions * 1_000_000), SEED)
    return folder


def compare(millions: float, rounds: int) -> dict[str, Any]:
    """Ours, DuckDB and two ways to only read in turn, each round; SystemExit if the results differ."""
    from benchmarks.convert_parts.same import digests

    folder = sealed(millions)
    times: dict[str, list[float]] = {job: [] for job in NAMES}
    peaks: dict[str, float] = {}
    for _ in range(rounds):
        with TemporaryDirectory(prefix="convert-") as out:
            for job, found in times.items():
                (Path(out) / job).mkdir()
                told = run(job, folder, Path(out) / job)
                found.append(told["seconds"])
                peaks[job] = max(peaks.get(job, 0), told["peak_gb"])
            mine, theirs = digests(Path(out) / "ours"), digests(Path(out) / "duckdb")
    if differing := [name for name in mine if mine[name] != theirs[name]]:
        raise SystemExit(f"the results differ in {', '.join(differing)}")
    typical = {job: median(found) for job, found in times.items()}
    return {
        "duckdb_ratio": round(typical["duckdb"] / typical["ours"], 3),
        "scan_ratio": round(typical["ours"] / typical["scan"], 3),
        "summed_ratio": round(typical["ours"] / typical["summed"], 3),
        "peak_gb_10m": peaks["ours"],
        "millions": millions,
        "threads": {"polars": pl.thread_pool_size(), "duckdb": duckdb_threads()},
        "seconds": {job: spread(found) for job, found in times.items()},
        "peak_gb": peaks,
        "episodes": mine["episodes"], "sibling_pairs": mine["siblings"], "vote_pairs": mine["votes"],
    }  # fmt: skip


def duckdb_threads() -> int:
    """As many as it takes by itself."""
    import duckdb

    return int(duckdb.sql("SELECT current_setting('threads')").fetchall()[0][0])


def memory(millions: float) -> float:
    """The greatest memory of our job, GB."""
    with TemporaryDirectory(prefix="convert-") as out:
        return run("ours", sealed(millions), Path(out))["peak_gb"]


def increment(millions: float, rounds: int) -> dict[str, Any]:
    """A hundredth of the conversations, the last ones and any, as a share of all of them."""
    folder = sealed(millions)
    times: dict[str, list[float]] = {"last": [], "anywhere": [], "ours": []}
    for _ in range(rounds):
        with TemporaryDirectory(prefix="convert-") as out:
            told = run("increments", folder, Path(out))
        for job, found in times.items():
            found.append(told[job])
    last, anywhere = (round(median(times[which]) / median(times["ours"]), 4) for which in ("last", "anywhere"))
    seconds = {job: spread(found) for job, found in times.items()}
    return {"increment_share": last, "increment_anywhere_share": anywhere, "increment_seconds": seconds}


def spread(values: list[float]) -> dict[str, float]:
    """Seconds."""
    return {"median": round(median(values), 3), "min": min(values), "max": max(values)}


def table(figures: dict[str, Any]) -> str:
    """For readers."""
    lines = ["| job | seconds: median (min – max) | peak memory |", "|---|---|---|"]
    for job, name in NAMES.items():
        seconds = figures["compared"]["seconds"][job]
        times = f"{seconds['median']:.2f} ({seconds['min']:.2f} – {seconds['max']:.2f})"
        lines.append(f"| {name} | {times} | {figures['compared']['peak_gb'][job]:.2f} GB |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write results/convert.{json,md}."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=float, default=10, help="of events to compare with")
    parser.add_argument("--many", type=float, default=30, help="millions of events to see the memory grow with")
    parser.add_argument("--database-millions", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this (not written to the results)")
    chosen = parser.parse_args()
    parts = chosen.part or PARTS
    figures: dict[str, Any] = {}
    if "compare" in parts:
        figures["compared"] = compare(chosen.millions, chosen.rounds)
        figures |= {name: figures["compared"].pop(name) for name in COMPARED}
    if "memory" in parts:
        figures["peak_gb_30m"] = memory(chosen.many)
    if "increment" in parts:
        figures |= increment(chosen.millions, chosen.rounds)
    if "databases" in parts:
        from benchmarks.convert_parts.databases import databases

        figures |= databases(sealed(chosen.database_millions), chosen.rounds)
    print(json.dumps(figures, indent=1))
    if chosen.part:
        return
    result = {
        "name": "convert",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"platform": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("unspoken", "polars", "duckdb")},
        "settings": {"millions": chosen.millions, "many": chosen.many, "rounds": chosen.rounds, "seed": SEED},
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "convert.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    (RESULTS / "convert.md").write_text(f"# convert\n\n{table(figures)}\n\n{words(chosen, figures)}\n")
    print(table(figures))


def words(chosen: Any, figures: dict[str, Any]) -> str:
    """What stands below the table."""
    threads = figures["compared"]["threads"]
    return (
        f"{chosen.millions:g} million events, {figures['compared']['episodes']:,} episodes, "
        f"{figures['compared']['sibling_pairs']:,} pairs of siblings; the results are the same in every column. "
        f"Polars has {threads['polars']} threads, to read as to work, DuckDB {threads['duckdb']}; each job is a "
        f"process of its own, its imports not timed. DuckDB takes {figures['duckdb_ratio']:.2f} times as long as we "
        f"do, we {figures['scan_ratio']:.2f} times as long as reading the same files into memory and "
        f"{figures['summed_ratio']:.2f} times as long as adding up every value in them. At {chosen.many:g} million "
        f"the peak is {figures['peak_gb_30m']:.2f} GB, at {chosen.millions:g} million "
        f"{figures['peak_gb_10m']:.2f} GB. Where a hundredth of the conversations changed, reading them, putting "
        f"their episodes in place and pairing again takes {figures['increment_share']:.1%} of the whole in the same "
        f"warm process when they are the last ones, and {figures['increment_anywhere_share']:.1%} when they lie "
        f"anywhere. From {chosen.database_millions:g} million in a database, whole job over the fastest bulk read "
        f"alone, with the segments there: PostgreSQL {figures['postgres_read_ratio']:.2f}, SQLite "
        f"{figures['sqlite_read_ratio']:.2f}; the first time, when they are made: PostgreSQL "
        f"{first_ratio(figures['postgres_seconds']):.2f}, SQLite {first_ratio(figures['sqlite_seconds']):.2f}."
    )


def first_ratio(seconds: dict[str, float]) -> float:
    """The first job over the bulk read alone."""
    return seconds["first_job"] / seconds["read"]


if __name__ == "__main__":
    main()
