"""The application: its routes, the one route that stands before them, and the writer that lives as long as it does."""

import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

import unspoken
from unspoken.api import access, chat, collect, edge, manage, operations, pages, problems, users
from unspoken.api.deps import is_loopback
from unspoken.api.description import EVENTS
from unspoken.api.doors import Doors
from unspoken.api.edge import Receive, Scope, Send
from unspoken.api.exchange import Direct
from unspoken.api.metrics import Tally
from unspoken.api.pages import frame
from unspoken.api.pages.session import Tries
from unspoken.settings import settings
from unspoken.store.database import connect
from unspoken.store.writer import Writer

PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "authorization, content-type, content-encoding",
    "Access-Control-Max-Age": "86400",
}
events = APIRouter()


class Platform(FastAPI):
    """FastAPI behind the collector and the proxy: what they take does not pass through the framework."""

    collector: collect.Collector
    journal: edge.Journal
    direct: Mapping[bytes, Direct]  # who takes whole requests of a path from our own server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
        elif scope["path"] == collect.PATH and scope["method"] == "POST":
            await self.collector(scope, receive, send)
        else:
            chatting = chat.BARE.get(scope["path"]) if scope["method"] == "POST" else None
            await edge.serve(chatting or super().__call__, self.journal, scope, receive, send, path=collect.PATH)


def create_app(engine: Engine | None = None, *, local: bool | None = None) -> Platform:
    """The API on a database, the settings' one by default.

    `local`: callers on this machine may look without a key; by default when the settings' host is a loopback name.
    Even then a caller from elsewhere needs one. Raises Unavailable when the database is not there.
    """
    app = Platform(
        title="Unspoken",
        version=unspoken.__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a client that does not follow would have lost what it sent; a 404 says the path
        lifespan=_living,
    )
    state = app.state
    state.engine = engine or connect()
    state.local = is_loopback(settings().host) if local is None else local
    state.writer = Writer(state.engine)
    state.tally = Tally(lambda: state.writer.depth)
    state.tries = Tries()
    state.lives, state.lock = 0, threading.Lock()
    app.journal = edge.Journal(state.tally)
    app.collector = collect.Collector(Doors(state.engine), app.journal, lambda: state.writer)
    app.direct = {collect.PATH.encode(): app.collector, **chat.direct(app.journal)}
    problems.install(app)
    app.add_exception_handler(404, frame.unknown)
    all_routes = (events, operations.router, manage.router, access.router, chat.router, users.router, pages.router)
    state.paths = sorted({getattr(route, "path", "") for routes in all_routes for route in routes.routes} - {"", "/"})
    for routes in all_routes:
        app.include_router(routes)
    return app


@events.options(collect.PATH, include_in_schema=False)
def preflight() -> Response:
    """Any page may send events: the key says which project they are of, and no cookie goes along."""
    return Response(status_code=204, headers=PREFLIGHT)


class _Collected(Response):
    """The collector's own answer, for an app that is mounted below another path and whose routes are asked."""

    def __init__(self, collector: collect.Collector) -> None:
        super().__init__()
        self._collector = collector

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._collector(scope, receive, send)


@events.post(collect.PATH, response_class=Response, openapi_extra=EVENTS)
async def append_events(request: Request) -> Response:
    """Takes one event, a list, or a batch with `sent_at`: committed before the answer, once for ever by their ids."""
    return _Collected(request.app.collector)


@asynccontextmanager
async def _living(app: FastAPI) -> AsyncIterator[None]:
    """The writer writes while the app lives; what it took is written and answered before it ends.

    Several servers in one process may share an app: the first to come starts the writer, the last to go closes it.
    """
    state: Any = app.state
    with state.lock:
        state.lives += 1
        if state.lives == 1:
            state.writer = Writer(state.engine)
            state.writer.start()
    try:
        yield
    finally:
        with state.lock:
            state.lives -= 1
            last = state.lives == 0
        if last:
            await run_in_threadpool(state.writer.close)
        app.journal.close()  # type: ignore[attr-defined]
