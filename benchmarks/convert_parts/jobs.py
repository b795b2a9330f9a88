"""What is timed, each in a process of its own: `python -m benchmarks.convert_parts.jobs JOB FOLDER OUT` prints JSON."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import polars as pl
from benchmarks.convert_parts.same import digests
from benchmarks.convert_parts.sealed import opened

from unspoken.frames import EVENTS, MESSAGES
from unspoken.pairs.stated import vote_pairs
from unspoken.settings import settings
from unspoken.signals.episodes import episodes
from unspoken.signals.siblings import sibling_pairs
from unspoken.store.ranges import out_of_date
from unspoken.store.segments import Segments

INCREMENT = 0.01
CHAINED = ("conversation", "prompt", "message", "siblings", "last_generated", "kept", "exposed")
VIEWED = pl.col("kept").is_not_null() & pl.col("exposed")
VOTED = ("conversation", "prompt", "message", "siblings", "vote")


def scanned(folder: Path) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Messages and events."""
    return pl.scan_parquet(folder / "messages-*.parquet"), pl.scan_parquet(folder / "events-*.parquet")


def ours(folder: Path, out: Path) -> None:
    """Episodes and pairs, range by range."""
    convert(opened(folder, out / "segments"), out)


def convert(kept: Segments, out: Path, anew: str = "") -> None:
    """The job on segments: what is made of each conversation is kept beside them, and the pairs are written to `out`.

    Only what pairs are made of is held of all conversations. What was made under another name `anew` is made anew.
    """
    found = kept.made(f"a benchmark {anew}", settings().part_events, tables)
    chains, voted = pl.collect_all([found["chains"], found["voted"]])
    sibling_pairs(chains)[0].write_parquet(out / "siblings.parquet", compression="lz4")
    vote_pairs(voted).write_parquet(out / "votes.parquet", compression="lz4")


def tables(messages: pl.DataFrame, events: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The episodes, and of those that pairs are made of as much as that takes."""
    rows = episodes(messages, events)
    chained = rows.filter(pl.col("siblings") > 1)
    viewed, voted = chained.filter(VIEWED), chained.filter(pl.col("vote").is_not_null())
    return {"episodes": rows, "chains": viewed.select(CHAINED), "voted": voted.select(VOTED)}


def increments(folder: Path, out: Path) -> dict[str, float]:
    """All of it, then again what a hundredth of the conversations changes in it, in one warm process as a worker is."""
    names = scanned(folder)[0].select(pl.col("conversation").unique().sort()).collect().to_series()
    few = int(len(names) * INCREMENT)
    (out / "warm").mkdir()
    convert(warm := opened(folder, out / "warm" / "segments", files=2), out / "warm")
    renew(warm, names.head(few), out / "warm")
    kept = opened(folder, out / "segments")
    found = {"ours": timed(lambda: convert(kept, out))}
    before = digests(out)
    for name, touched in (("last", names.tail(few)), ("anywhere", names.gather_every(len(names) // few))):
        found[name] = timed(lambda touched=touched: renew(kept, touched, out))  # type: ignore[misc]
        if digests(out) != before:
            raise SystemExit("what was renewed differs from what was made at once")
    return found


def renew(kept: Segments, touched: pl.Series, out: Path) -> None:
    """The job again, after something has come in the touched conversations."""
    kept.manifest = out_of_date(kept.folder, kept.manifest, touched)
    convert(kept, out)


def timed(what: Callable[[], None]) -> float:
    """Seconds."""
    started = perf_counter()
    what()
    return round(perf_counter() - started, 3)


def duckdb(folder: Path, out: Path) -> None:
    """duck.sql, with all of its own defaults."""
    import duckdb as peer

    script = (Path(__file__).parent / "duck.sql").read_text()
    peer.sql("SET TimeZone = 'UTC'")
    peer.sql("SET preserve_insertion_order = false")
    peer.execute(script.format(events=folder / "events-*.parquet", messages=folder / "messages-*.parquet", out=out))


def scan(folder: Path, out: Path) -> None:
    """Reads every column into memory, file by file, and does nothing with it."""
    for file in sorted(folder.glob("*.parquet")):
        pl.read_parquet(file)


def summed(folder: Path, out: Path) -> None:
    """Reads every column and looks at each of its values once, to add it up."""
    for frame, schema in zip(scanned(folder), (MESSAGES, EVENTS), strict=True):
        frame.select(_touched(name, kind) for name, kind in schema.items()).collect(engine="streaming")


def _touched(name: str, kind: Any) -> pl.Expr:
    column = pl.col(name)
    if kind == pl.String:
        return column.str.len_bytes().sum()
    return column.list.len().sum() if kind == pl.List(pl.String) else column.max()


JOBS: dict[str, Callable[[Path, Path], None]] = {"ours": ours, "duckdb": duckdb, "scan": scan, "summed": summed}


def main() -> None:
    """Does one job: seconds without the imports, and the greatest memory of the process."""
    job, folder, out = sys.argv[1:]
    if job == "duckdb":
        import duckdb as _  # noqa: F401  # its import is not the job
    if job == "increments":
        found = increments(Path(folder), Path(out))
    else:
        found = {"seconds": timed(lambda: JOBS[job](Path(folder), Path(out)))}
    print(json.dumps(found | {"peak_gb": peak_gb()}))


def peak_gb() -> float:
    """Of this process; getrusage would tell its parent's, where that was greater before the exec."""
    status = Path("/proc/self/status").read_text()
    return round(int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9, 3)


if __name__ == "__main__":
    main()
