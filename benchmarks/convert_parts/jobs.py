"""What is timed, each in a process of its own: `python -m benchmarks.convert_parts.jobs JOB FOLDER OUT` prints JSON."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import polars as pl
from benchmarks.convert_parts.same import digests
from benchmarks.convert_parts.sealed import cuts

from unspoken.frames import EVENTS, MESSAGES
from unspoken.pairs.stated import vote_pairs
from unspoken.signals.episodes import episodes
from unspoken.signals.episodes.parts import PART_ROWS, in_parts
from unspoken.signals.siblings import sibling_pairs

INCREMENT = 0.01
PAIRED = ("prompt", "message", "siblings", "last_generated", "kept", "exposed", "vote")


def scanned(folder: Path) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Messages and events."""
    return pl.scan_parquet(folder / "messages-*.parquet"), pl.scan_parquet(folder / "events-*.parquet")


def ours(folder: Path, out: Path) -> None:
    """Episodes and pairs, range by range."""
    convert(*scanned(folder), cuts(folder, PART_ROWS), out)


def convert(messages: pl.LazyFrame, events: pl.LazyFrame, ranges: list[str], out: Path) -> None:
    """The job on any two frames."""
    for number, part in enumerate(in_parts(messages, events, ranges)):
        keep(part, out / f"episodes-{number:04}.parquet")
    pair(out)


def keep(part: pl.DataFrame, file: Path) -> None:
    """Compressed as the peer does it."""
    part.write_parquet(file, compression="lz4", statistics=False)


def pair(out: Path) -> None:
    """The pairs of all the episodes there; only what pairs are made of is held."""
    kept = pl.scan_parquet(out / "episodes-*.parquet").filter(pl.col("siblings") > 1).select(PAIRED)
    none = pl.lit([], dtype=pl.List(pl.String))  # what a pair rests on stands in the episodes
    every = kept.collect(engine="streaming").with_columns(none.alias("evidence"), none.alias("stated_evidence"))
    sibling_pairs(every)[0].drop("evidence").write_parquet(out / "siblings.parquet")
    vote_pairs(every).drop("evidence").write_parquet(out / "votes.parquet")


def increments(folder: Path, out: Path) -> dict[str, float]:
    """All of it, then again what a hundredth of the conversations changes in it, in one warm process as a worker is."""
    messages, events = scanned(folder)
    ranges = cuts(folder, PART_ROWS)
    talks = messages.select(pl.col("conversation").unique().sort()).collect().to_series()
    few = int(len(talks) * INCREMENT)
    (out / "warm").mkdir()
    first = pl.col("conversation").is_in(talks.head(few).implode())
    convert(messages.filter(first), events.filter(first), [], out / "warm")
    found = {"ours": timed(lambda: ours(folder, out))}
    before = digests(out)
    for name, touched in (("last", talks.tail(few)), ("anywhere", talks.gather_every(len(talks) // few))):
        found[name] = timed(lambda touched=touched: renew(messages, events, ranges, touched, out))  # type: ignore[misc]
        if digests(out) != before:
            raise SystemExit("what was renewed differs from what was made at once")
    return found


def renew(messages: pl.LazyFrame, events: pl.LazyFrame, ranges: list[str], touched: pl.Series, out: Path) -> None:
    """Reads the touched conversations (sorted) alone, and puts their episodes in the place of the old ones."""
    talk = pl.col("conversation")
    read = talk.is_between(pl.lit(touched[0]), pl.lit(touched[-1])) & talk.is_in(touched.implode())
    fresh = episodes(*pl.collect_all([frame.filter(read) for frame in (messages, events)], engine="streaming"))
    of = pl.Series(ranges, dtype=pl.String).search_sorted(fresh["conversation"], side="right")
    for (number,), rows in fresh.group_by(of.alias("part"), maintain_order=True):
        file = out / f"episodes-{number:04}.parquet"
        stays = pl.read_parquet(file).filter(~talk.is_in(touched.implode()))
        keep(pl.concat([stays, rows]).sort("conversation", "at", "message"), file)
    pair(out)


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
