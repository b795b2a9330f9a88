"""The application: routes, problems, and the headers that every answer carries."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Engine
from starlette.datastructures import MutableHeaders

import unspoken
from unspoken.api import collect, manage, pages, problems
from unspoken.api.deps import is_loopback
from unspoken.settings import settings
from unspoken.store.database import connect

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class Headers:
    """ASGI: adds what a route did not say itself, and opens the one route that any page may call."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on."""

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ALWAYS.items():
                    headers.setdefault(name, value)
                if scope["path"] == collect.PATH:
                    headers["Access-Control-Allow-Origin"] = "*"
                    headers["Access-Control-Expose-Headers"] = "Retry-After"
            await send(message)

        await self.app(scope, receive, sending if scope["type"] == "http" else send)


def create_app(engine: Engine | None = None, *, local: bool | None = None) -> FastAPI:
    """The API on a database, the settings' one by default.

    `local`: callers on this machine may look without a key; by default when the settings' host is a loopback name.
    Even then a caller from elsewhere needs one. Raises Unavailable when the database is not there.
    """
    app = FastAPI(title="Unspoken", version=unspoken.__version__, docs_url=None, redoc_url=None)
    app.state.engine = engine or connect()
    app.state.local = is_loopback(settings().host) if local is None else local
    problems.install(app)
    app.add_middleware(Headers)
    for routes in (collect.router, manage.router, pages.router):
        app.include_router(routes)
    return app
