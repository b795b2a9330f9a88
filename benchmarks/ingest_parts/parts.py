"""What is measured, part by part; each returns figures by name."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.ingest_parts import servers
from benchmarks.ingest_parts.peers import Mlflow, Peer, Phoenix
from benchmarks.ingest_parts.servers import Floor, Ours, begin, finish, load, query, requests

Figures = dict[str, Any]
SIZES = {"single": 1, "batch": 100}
CHUNK = 200_000  # events of one request file when tables are filled
WARM_S = 0.5


@dataclass(frozen=True)
class Options:
    """How long and how much."""

    seconds: float
    rounds: int
    events: int
    kills: int
    peers: Path  # where the peers' programs are


def floor(options: Options, say: Callable[[str], None]) -> Figures:
    """Events per second of the platform and of the floor in turns, and the ratio of each turn."""
    found: Figures = {}
    with _places() as places:
        for database in ("sqlite", "postgres"):
            for mix in ("votes", "mixed"):
                for size, batch in SIZES.items():
                    ours, low = Ours(*places(database)), Floor(*places(database))
                    name = f"{database}_{size}" + ("" if mix == "votes" else f"_{mix}")
                    rates = _in_turns(ours, low, _sender(mix, batch), options)
                    found |= {
                        f"events_per_s_{name}": _spread(rates["unspoken"]),
                        f"floor_events_per_s_{name}": _spread(rates["floor"]),
                        f"floor_ratio_{name}": _ratio(rates["unspoken"], rates["floor"]),
                        f"client_cpu_{name}": max(rates["client"]),
                    }
                    say(f"{name}: {_short(found[f'floor_ratio_{name}'])} of the floor")
    return found


def processes(options: Options, say: Callable[[str], None]) -> Figures:
    """One and two server processes on one PostgreSQL, in turns."""
    found: Figures = {}
    with _places() as places:
        for size, batch in SIZES.items():
            one, two = Ours(*places("postgres")), Ours(*places("postgres"), processes=2)
            two.name = "two"
            rates = _in_turns(one, two, _sender("votes", batch), options)
            found[f"two_processes_events_per_s_postgres_{size}"] = _spread(rates["two"])
            found[f"two_processes_ratio_postgres_{size}"] = _ratio(rates["two"], rates["unspoken"])
            say(f"two processes, {size}: {_short(found[f'two_processes_ratio_postgres_{size}'])} of one")
    return found


def peers(options: Options, say: Callable[[str], None]) -> Figures:
    """One feedback a request, on each one's SQLite, in turns with ours."""
    found: Figures = {}
    for kind in (Phoenix, Mlflow):
        with _places() as places:
            ours, peer = Ours(*places("sqlite")), kind(places("sqlite")[0], options.peers)
            rates = _in_turns(ours, peer, _sender("votes", 1), options)
            found[f"{peer.name}_events_per_s_single"] = _spread(rates[peer.name])
            found[f"{peer.name}_ratio_single"] = _ratio(rates["unspoken"], rates[peer.name])
            say(f"{peer.name}: {rates[peer.name]} events/s, ours {_short(found[f'{peer.name}_ratio_single'])} times it")
    return found


def latency(options: Options, say: Callable[[str], None]) -> Figures:
    """Latency of single events that are due at half of the greatest rate, which is measured just before.

    The floor is asked at the same rate in turns: what it shows is the machine's own, a disk that is slow at times.
    """
    found: Figures = {}
    with _places() as places:
        for database in ("sqlite", "postgres"):
            ours, low = Ours(*places(database)), Floor(*places(database))
            send = _sender("votes", 1)
            p50, p99, theirs, rates = [], [], [], []
            for target in (ours, low):
                target.start()
                send(target, WARM_S)
            for _ in range(options.rounds):
                rate = float(send(ours, options.seconds)["events_per_s"]) / 2
                seen = send(ours, options.seconds, rate=rate)
                theirs.append(send(low, options.seconds, rate=rate)["p99_ms"])
                p50.append(seen["p50_ms"])
                p99.append(seen["p99_ms"])
                rates.append(rate)
            for target in (ours, low):
                target.stop()
            found |= {f"p50_ms_half_load_{database}": _spread(p50), f"p99_ms_half_load_{database}": _spread(p99)}
            found[f"p99_ms_half_load_{database}_floor"] = _spread(theirs)
            found[f"half_load_events_per_s_{database}"] = _spread(rates)
            say(f"{database}: p99 {_short(_spread(p99))} ms at half load, the floor's {_short(_spread(theirs))}")
    both = [found[f"p99_ms_half_load_{database}"] for database in ("sqlite", "postgres")]
    return found | {"p99_ms_half_load": max(both, key=lambda each: float(each["median"]))}


def kill9(options: Options, say: Callable[[str], None]) -> Figures:
    """Kill the server again and again under load; what was not acknowledged, and 1 % of the rest, is sent again."""
    found: Figures = {"acked_lost_kill9": 0, "doubled_kill9": 0, "acked_kill9": 0, "kills": 0}
    with _places() as places:
        for database in ("sqlite", "postgres"):
            ours = Ours(*places(database))
            acked: list[str] = []
            for turn in range(options.kills):
                batch = (1, 7, 100)[turn % 3]
                ours.start()
                sent = requests(
                    ours.head(), ("votes", "mixed")[turn % 2], 40_000 // batch, batch, ours.folder / "requests"
                )
                running = begin(ours.port, sent, 30, acked=ours.folder / "acked")
                time.sleep(1 + 0.1 * (turn % 10))
                ours.stop(signal.SIGKILL)
                finish(running)
                ours.start()
                answered = json.loads((ours.folder / "acked").read_text())
                again = _again(sent, answered["acked"], answered["pending"])
                load(ours.port, again, 30, acked=ours.folder / "again")
                acked += answered["acked"] + json.loads((ours.folder / "again").read_text())["acked"]
                ours.stop(signal.SIGKILL)
            there = [str(row[0]) for row in query(ours.url, "SELECT id FROM events")]
            lost, doubled = len(set(acked) - set(there)), len(there) - len(set(there))
            messages = query(
                ours.url, "SELECT count(*) FROM (SELECT id FROM messages GROUP BY project, id HAVING count(*) > 1) d"
            )
            found["acked_lost_kill9"] += lost
            found["doubled_kill9"] += doubled + int(messages[0][0])
            found["acked_kill9"] += len(set(acked))
            found["kills"] += options.kills
            say(f"{database}: {len(set(acked)):,} acknowledged, {lost} lost, {doubled} doubled")
    return found


def flood(options: Options, say: Callable[[str], None]) -> Figures:
    """One write key sends 100,000 events a second, fifty times its rate, while another client sends 500 events."""
    found: Figures = {}
    with _places() as places:
        for database in ("sqlite", "postgres"):
            ours = Ours(*places(database))
            ours.start()
            key, calm, seconds = ours.new_key("write"), _sender("votes", 1), options.seconds * options.rounds
            calm(ours, WARM_S)
            before = calm(ours, seconds, rate=500)
            held, stored = ours.resident_mb(), query(ours.url, "SELECT count(*) FROM events")[0][0]
            sent = requests(ours.head(key), "votes", int(1_100 * seconds), 100, ours.folder / "flood")
            flooding = begin(ours.port, sent, seconds, rate=1_000)
            meanwhile = calm(ours, seconds, rate=500)
            seen = finish(flooding)
            taken = query(ours.url, "SELECT count(*) FROM events")[0][0] - stored - meanwhile["events"]
            if set(seen["statuses"]) - {"200", "429"} or taken != seen["events"]:
                raise RuntimeError(f"{seen['statuses']}: {seen['events']} acknowledged, {taken} stored")
            found |= {
                f"flood_offered_events_per_s_{database}": round(100 * seen["requests_per_s"]),
                f"flood_taken_events_per_s_{database}": round(seen["events"] / seconds),
                f"flood_others_p99_ms_{database}": {
                    "before": round(before["p99_ms"], 1), "meanwhile": round(meanwhile["p99_ms"], 1),
                },
                f"flood_memory_ratio_{database}": round(ours.resident_mb() / held, 3),
            }  # fmt: skip
            ours.stop()
            say(f"{database}: {found[f'flood_offered_events_per_s_{database}']:,} offered, {seen['statuses']}")
            say(f"{database}: p99 of the others {found[f'flood_others_p99_ms_{database}']} ms")
    return found


def growth(options: Options, say: Callable[[str], None]) -> Figures:
    """Fill a table with events in batches of 100; then the rate on it and on an empty one in turns."""
    found: Figures = {}
    with _places() as places:
        for database in ("sqlite", "postgres"):
            full, empty = Ours(*places(database)), Ours(*places(database))
            empty.name = "empty"
            full.start()
            chunks, resident, stored = [], [], 0
            while stored < options.events:
                chunk = min(CHUNK, options.events - stored)
                sent = requests(full.head(), "votes", chunk // 100, 100, full.folder / "requests")
                seen = load(full.port, sent, 600)
                stored += seen["events"]
                chunks.append(seen["events_per_s"])
                resident.append(full.resident_mb())
                if seen["events"] < chunk:
                    raise RuntimeError(f"only {seen['events']} of {chunk} events were stored: {seen['statuses']}")
            full.stop()
            for size, batch in SIZES.items():
                rates = _in_turns(full, empty, _sender("votes", batch), options)
                found[f"growth_ratio_{database}_{size}"] = ratio = _ratio(rates["unspoken"], rates["empty"])
                say(f"{database}, {size}: with {stored:,} stored {_short(ratio)} of empty")
            tenth = max(len(resident) // 10, 1)
            found |= {
                f"growth_stored_{database}": stored,
                f"growth_fill_events_per_s_{database}": _spread(chunks),
                f"memory_mb_{database}": {
                    "after the first tenth": resident[tenth - 1], "at the end": resident[-1], "max": max(resident),
                },
                f"memory_ratio_{database}": max(resident[tenth - 1 :]) / resident[tenth - 1],
            }  # fmt: skip
            say(f"{database}: memory {found[f'memory_mb_{database}']}")
    return found


PARTS = {
    "floor": floor, "latency": latency, "peers": peers, "processes": processes, "kill9": kill9, "flood": flood,
    "growth": growth,
}  # fmt: skip


@contextmanager
def _places() -> Iterator[Callable[[str], tuple[Path, str]]]:
    """Gives a new folder, and the URL of a new database in it or ("postgres") on a server that runs meanwhile."""
    with TemporaryDirectory(prefix="ingest-", ignore_cleanup_errors=True) as home, servers.postgres() as running:
        made: list[Path] = []

        def place(database: str) -> tuple[Path, str]:
            made.append(Path(home) / str(len(made)))
            return made[-1], running.database() if database == "postgres" else ""

        yield place


Send = Callable[..., Figures]


def _sender(mix: str, batch: int) -> Send:
    """Sends fresh events of that mix to a server for so long."""
    fastest = {1: 30_000, 100: 160_000}[batch]  # events a second; more than any server here takes

    def send(target: Ours, seconds: float, **options: Any) -> Figures:
        path = target.folder / "requests"
        if isinstance(target, Peer):
            sent = target.feedback(int(2_000 * seconds) + 200, path)
        else:
            sent = requests(target.head(), mix, int(fastest * seconds / batch) + 64, batch, path)
        seen = load(target.port, sent, seconds, **options)
        if seen["ran_out"]:
            raise RuntimeError(f"{target.name} is faster than the load: {seen['events_per_s']:.0f} events/s")
        if set(seen["statuses"]) != {"200"}:
            raise RuntimeError(f"{target.name} answers {seen['statuses']}: {seen['refusal']}")
        return seen

    return send


def _in_turns(one: Ours, other: Ours, send: Send, options: Options) -> dict[str, list[float]]:
    """Events per second of two servers that both run, in turns; the order changes from turn to turn."""
    rates: dict[str, list[float]] = {one.name: [], other.name: [], "client": []}
    for target in (one, other):
        target.start()
    try:
        for target in (one, other):
            send(target, WARM_S)
        for turn in range(options.rounds):
            for target in (one, other) if turn % 2 else (other, one):
                seen = send(target, options.seconds)
                rates[target.name].append(round(seen["events_per_s"], 1))
                rates["client"].append(round(seen["client_cpu"], 3))
    finally:
        for target in (one, other):
            target.stop()
            shutil.rmtree(target.folder / "requests", ignore_errors=True)
    return rates


def _again(sent: Path, acked: list[str], pending: list[str]) -> Path:
    """The requests that a faithful client repeats, and every hundredth that it need not."""
    import pickle

    open_, known = set(pending), set(acked[::100])
    every = pickle.loads(sent.read_bytes())
    path = sent.with_name("repeated")
    path.write_bytes(pickle.dumps([each for each in every if each[1][0] in open_ or each[1][0] in known]))
    return path


def _spread(values: list[float]) -> Figures:
    return {"median": round(median(values), 3), "min": round(min(values), 3), "max": round(max(values), 3)}


def _ratio(ours: list[float], others: list[float]) -> Figures:
    return _spread([one / other for one, other in zip(ours, others, strict=True)])


def _short(spread: Figures) -> str:
    return f"{spread['median']:.2f} ({spread['min']:.2f}–{spread['max']:.2f})"


def machine() -> Figures:
    """What it ran on."""
    import platform

    return {"platform": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
