"""The load generator, a process of its own: prebuilt requests over raw sockets, an answer awaited before the next.

    python -m benchmarks.ingest_parts.load --port 8000 --requests FILE --seconds 5

FILE holds pickled requests: (bytes, ids). Without --rate each connection sends as soon as it was answered; with it
requests are due at even intervals, and their latency counts from when they were due, whoever was late. Prints JSON.
"""

import asyncio
import json
import pickle
import time
from argparse import ArgumentParser, Namespace
from collections import Counter, deque
from pathlib import Path
from statistics import quantiles
from typing import Any

import uvloop

Request = tuple[bytes, list[str]]  # what is sent, and the ids of the events in it


class Connection(asyncio.Protocol):
    """Sends one request at a time; a lost connection is lost for good."""

    def __init__(self, run: "Run") -> None:
        self.run = run
        self.transport: asyncio.Transport | None = None
        self.busy: tuple[float, Request] | None = None
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found or self.busy is None:
            return
        lower = head.lower()
        at = lower.find(b"content-length:")
        if at >= 0:
            length = int(lower[at + 15 :].split(b"\r\n", 1)[0])
            if len(body) < length:
                return
        elif not body.endswith(b"0\r\n\r\n"):  # chunked
            return
        due, request = self.busy
        self.busy, self.buffer = None, b""
        self.run.answered(self, head[9:12], request, time.perf_counter() - due, body)

    def connection_lost(self, error: Exception | None) -> None:
        self.run.lost(self)

    def send(self, due: float, request: Request) -> None:
        assert self.transport is not None
        self.busy = (due, request)
        self.transport.write(request[0])


class Run:
    """One measurement."""

    def __init__(self, requests: list[Request], options: Namespace) -> None:
        self.requests = deque(requests)
        self.options = options
        self.statuses: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.acked: list[str] = []
        self.events = 0
        self.pending: list[str] = []  # sent and never answered
        self.refusal = ""
        self.idle: deque[Connection] = deque()
        self.due: deque[float] = deque()
        self.alive = 0
        self.ended = asyncio.Event()
        self.until = float("inf")
        self.last = 0.0

    async def go(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        made = [await self._connect(loop) for _ in range(self.options.connections)]
        self.alive = len(made)
        started, busy = time.perf_counter(), time.process_time()
        self.until = started + self.options.seconds
        if self.options.rate:
            self.idle.extend(made)
            await self._at_a_rate(started)
        else:
            for connection in made:
                self._next(connection)
            await self.ended.wait()
        took = max(self.last - started, 1e-9) if self.latencies else self.options.seconds
        cpu = time.process_time() - busy
        for connection in made:
            if connection.busy is not None:
                self.pending += connection.busy[1][1]
        return self._figures(took, cpu)

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> Connection:
        return (await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.options.port))[1]

    async def _at_a_rate(self, started: float) -> None:
        gap, number = 1 / self.options.rate, 0
        while (now := time.perf_counter()) < self.until and self.alive:
            while started + number * gap <= now:
                self.due.append(started + number * gap)
                number += 1
            while self.due and self.idle and self.requests:
                self.idle.popleft().send(self.due.popleft(), self.requests.popleft())
            if not self.requests:
                break
            await asyncio.sleep(0.0005)
        for _ in range(2000):  # the last answers
            if len(self.idle) >= self.alive:
                break
            await asyncio.sleep(0.005)

    def _next(self, connection: Connection) -> None:
        now = time.perf_counter()
        if now < self.until and self.requests:
            connection.send(now, self.requests.popleft())
            return
        self.alive -= 1
        if self.alive <= 0:
            self.ended.set()

    def answered(self, connection: Connection, status: bytes, request: Request, took: float, body: bytes) -> None:
        self.last = time.perf_counter()
        self.statuses[status.decode()] += 1
        self.latencies.append(took)
        if status[:1] == b"2":
            self.events += max(len(request[1]), 1)
            if self.options.acked:
                self.acked += request[1]
        elif not self.refusal:
            self.refusal = body[:300].decode(errors="replace")
        if self.options.rate:
            if self.due and self.requests:
                connection.send(self.due.popleft(), self.requests.popleft())
            else:
                self.idle.append(connection)
        else:
            self._next(connection)

    def lost(self, connection: Connection) -> None:
        self.alive -= 1
        if self.alive <= 0:
            self.ended.set()

    def _figures(self, took: float, cpu: float) -> dict[str, Any]:
        if self.options.acked:
            Path(self.options.acked).write_text(json.dumps({"acked": self.acked, "pending": self.pending}))
        cut = quantiles(self.latencies, n=1000) if len(self.latencies) > 1 else [0.0] * 999
        return {
            "events_per_s": self.events / took, "requests_per_s": len(self.latencies) / took, "events": self.events,
            "seconds": took, "statuses": dict(self.statuses), "refusal": self.refusal,
            "p50_ms": cut[499] * 1e3, "p99_ms": cut[989] * 1e3, "max_ms": max(self.latencies, default=0) * 1e3,
            "client_cpu": cpu / took, "ran_out": not self.requests,
        }  # fmt: skip


def main() -> None:
    """Read the requests, send them, print the figures."""
    parser = ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--requests", required=True)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--acked", default="")
    options = parser.parse_args()
    requests = pickle.loads(Path(options.requests).read_bytes())
    print(json.dumps(uvloop.run(_run(requests, options))))


async def _run(requests: list[Request], options: Namespace) -> dict[str, Any]:
    return await Run(requests, options).go()


if __name__ == "__main__":
    main()
