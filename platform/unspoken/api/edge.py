"""The outermost layer: the headers of every answer, and a line in the log and a count for every request."""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from time import monotonic, perf_counter
from typing import Any

from unspoken.api.metrics import Tally

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
# Of the one route that any page may call: the key says which project it is, and no cookie goes along.
OPEN = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
HEADERS = [(name.lower().encode(), value.encode()) for name, value in ALWAYS.items()]
OPEN_HEADERS = [*HEADERS, *((name.lower().encode(), value.encode()) for name, value in OPEN.items())]
LINES_PER_S = 20
log = logging.getLogger("unspoken.requests")


def with_ours(
    headers: list[tuple[bytes, bytes]], ours: list[tuple[bytes, bytes]] = HEADERS
) -> list[tuple[bytes, bytes]]:
    """Headers of an answer, and those of ours that it does not say itself."""
    named = {name.lower() for name, _ in headers}
    return [*headers, *(header for header in ours if header[0] not in named)]


class Journal:
    """A line for each request, as long as they are few: beyond LINES_PER_S in a second they share one.

    A line names the route and not the address: an address holds keys (`?key=`) and people (`/v1/users/…`).
    """

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._since = monotonic()
        self._said = self._more = self._more_events = 0

    def answered(self, method: str, route: str, status: int, seconds: float, events: int = 0) -> None:
        """One request was answered; `events` are those it brought."""
        self.tally.request(route, status, seconds)
        if monotonic() - self._since >= 1.0:
            self.close()
        if self._said >= LINES_PER_S:
            self._more += 1
            self._more_events += events
            return
        self._said += 1
        said = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 2), "events": events}
        log.info("request", extra={"fields": said})

    def close(self) -> None:
        """Say what had no line of its own, and begin another second."""
        if self._more:
            log.info("more requests", extra={"fields": {"requests": self._more, "events": self._more_events}})
        self._since = monotonic()
        self._said = self._more = self._more_events = 0


async def serve(app: App, journal: Journal, scope: Scope, receive: Receive, send: Send, *, path: str) -> None:
    """One request through `app`; `path` is the one that any page may call."""
    started = perf_counter()
    status = 500  # of an answer that never began
    ours = OPEN_HEADERS if scope["path"] == path else HEADERS

    async def sending(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            message["headers"] = with_ours(list(message.get("headers", ())), ours)
        await send(message)

    try:
        await app(scope, receive, sending)
    finally:
        route = getattr(scope.get("route"), "path", "(none)")
        journal.answered(scope["method"], route, status, perf_counter() - started)
