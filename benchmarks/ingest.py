"""How fast and how safely are events stored? Against a floor that does no more than keep the promise, and two peers.

make bench NAME=ingest ARGS="--part floor --part kill9". Each part is measured in turns within one run; the results
file keeps the parts that were not run. Server and load generator share this machine's cores, so figures compare
within a run and nowhere else. Parts: floor, latency, peers, processes, kill9, flood
(one key sends far more than it may), growth (which also watches memory).
"""

import json
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

HERE = Path(__file__).parent
NAMED = ("unspoken", "uvicorn", "uvloop", "msgspec", "psycopg", "asyncpg", "arize-phoenix", "mlflow")


def main() -> None:
    """Measure the parts that were asked for, merge them into results/ingest.{json,md}."""
    sys.path.insert(0, str(HERE.parent))  # the folder beside this file is a package of the repository's root
    from benchmarks.ingest_parts import parts

    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--part", action="append", choices=parts.PARTS, help="one of them; all when left out")
    parser.add_argument("--seconds", type=float, default=5, help="of each turn")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server")
    parser.add_argument("--events", type=int, default=20_000_000, help="stored before the last turns of growth")
    parser.add_argument("--kills", type=int, default=20, help="kill -9 under load, on each database")
    parser.add_argument("--peers", type=Path, default=Path(sys.executable).parent, help="where the peers' programs are")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    asked = parser.parse_args()
    options = parts.Options(asked.seconds, asked.rounds, asked.events, asked.kills, asked.peers)
    asked.results.mkdir(exist_ok=True)
    for name in asked.part or parts.PARTS:
        started = perf_counter()
        print(f"— {name}", flush=True)
        figures = parts.PARTS[name](options, lambda line: print(f"  {line}", flush=True))
        _merge(asked.results, name, figures, vars(asked), perf_counter() - started, parts.machine())


def _merge(folder: Path, part: str, figures: dict[str, Any], asked: dict[str, Any], took: float, on: Any) -> None:
    path = folder / "ingest.json"
    result: dict[str, Any] = (
        json.loads(path.read_text()) if path.exists() else {"name": "ingest", "parts": {}, "figures": {}}
    )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    used = {"floor": "seconds rounds", "latency": "seconds rounds", "peers": "seconds rounds",
            "processes": "seconds rounds", "flood": "seconds rounds", "kill9": "kills",
            "growth": "seconds rounds events"}  # fmt: skip
    settings = {name: asked[name] for name in used[part].split()}
    result |= {"at": now, "machine": on, "versions": {**result.get("versions", {}), **_versions()}}
    result["parts"][part] = {"at": now, "took_s": round(took), **settings}
    result["figures"] |= figures
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    (folder / "ingest.md").write_text(_page(result))


def _versions() -> dict[str, str]:
    found = {}
    for name in NAMED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _page(result: dict[str, Any]) -> str:
    rows = [f"| {name} | {_cell(value)} |" for name, value in sorted(result["figures"].items())]
    ran = [
        f"* {name}: {', '.join(f'{key} {value}' for key, value in part.items())}"
        for name, part in result["parts"].items()
    ]
    return "\n".join([
        "# ingest", "", "| figure | median (min–max) |", "|---|---|", *rows, "",
        f"Server and load generator share {result['machine']['cores']} cores: the server has one of them, the load the "
        "other, the database what is left. Everything acknowledged is committed (SQLite: WAL, synchronous=FULL; "
        "PostgreSQL: fsync and synchronous_commit on). `floor_…` is raw ASGI + msgspec + the bare driver, "
        "`benchmarks/ingest_parts/floor.py`; a ratio is ours over theirs within one turn. `single` is one event a "
        "request over 64 connections, `batch` 100. The events are votes of about 222 bytes, or (`mixed`) whole turns "
        "of a chat: 2 messages, 4 events of what was seen, a copy after 30 % and a vote after 15 % of the answers. "
        "`client_cpu` is the share of a core that the load generator took: far below 1, it held nobody back. "
        "`memory_ratio` is the most that the server held over what it held after a tenth of the events.",
        "", "Parts, and when they were run:", "", *ran, "",
    ])  # fmt: skip


def _cell(value: Any) -> str:
    if isinstance(value, dict) and "median" in value:
        return f"{value['median']:,} ({value['min']:,}–{value['max']:,})"
    if isinstance(value, dict):
        return ", ".join(f"{name} {each:,.0f}" for name, each in value.items())
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"


if __name__ == "__main__":
    main()
