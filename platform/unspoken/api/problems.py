"""Every error as application/problem+json (RFC 9457): what is, what was needed, what to do next."""

import logging
import re
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from unspoken.errors import BadEvent, BadInput, NotSignedIn, TooMany, Unavailable, UnspokenError
from unspoken.logs import Seldom

OPENAI = ("/openai/v1/", "/v1/chat/completions")  # what OpenAI's clients call; they read `error` and nothing else
LONGEST_PATH = 100  # characters; no longer one is compared with the paths that there are
log = logging.getLogger(__name__)
outage = Seldom(1.0)


class RefusedEvents(BadInput):
    """No event of a request could be taken: `items` says why, each as a problem with its place and id."""

    slug = "bad-event"
    title = "No event was stored"

    def __init__(self, items: list[dict[str, Any]]) -> None:
        first, several = items[0], len(items) > 1
        super().__init__(f"Item {first['item']}: {first['detail']}" + (f" ({len(items)} items.)" if several else ""))
        self.items = items
        statuses = {item["status"] for item in items}
        if len(statuses) == 1:
            self.status = statuses.pop()
            self.slug = first["type"].rpartition(":")[2]


class Unready(Unavailable):
    """Something that the server needs is not there: `checks` names each such thing, with its state."""

    def __init__(self, detail: str, checks: dict[str, str]) -> None:
        super().__init__(detail)
        self.checks = checks


def problem_type(slug: str) -> str:
    """The URI that names a kind of problem."""
    return f"urn:unspoken:problem:{slug}"


def install(app: FastAPI) -> None:
    """Makes the app answer every error as a problem."""
    app.add_exception_handler(UnspokenError, _answer)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(Exception, _answer)


def problem(
    status: int,
    slug: str,
    title: str,
    detail: str,
    headers: dict[str, str] | None = None,
    *,
    path: str = "",
    **more: Any,
) -> JSONResponse:
    """The answer for one problem at a path; `more` are its extension members."""
    body = {"type": problem_type(slug), "title": title, "status": status, "detail": detail, **more}
    if path.startswith(OPENAI):
        body["error"] = {"message": detail, "type": slug, "param": None, "code": None}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def answer(error: Exception, method: str, route: str, path: str = "") -> JSONResponse:
    """The answer for an error of ours; anything else is a fault of the server, which is logged and not shown."""
    if not isinstance(error, UnspokenError):
        log.error("%s %s failed", method, route, exc_info=error)
        detail = (
            "This is a fault of the server, which has logged it. What was sent was not stored; send it again later."
        )
        return problem(500, UnspokenError.slug, UnspokenError.title, detail, path=path)
    headers: dict[str, str] = {}
    more: dict[str, Any] = {}
    if isinstance(error, TooMany | Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, BadEvent):
        more["field"] = error.field
    if isinstance(error, Unready):
        more["checks"] = error.checks
    if isinstance(error, RefusedEvents):
        more = {key: error.items[0][key] for key in ("item", "id", "field")} | {"items": error.items}
    if error.public != error.detail and outage():
        log.warning("%s", error.detail)
    return problem(error.status, error.slug, error.title, error.public, headers, path=path, **more)


def _answer(request: Request, error: Exception) -> JSONResponse:
    return answer(error, request.method, getattr(request.scope.get("route"), "path", "(none)"), request.scope["path"])


def plain(request: Request, error: Exception) -> JSONResponse:
    """The answer for what the framework refuses: no such path, or not by this method."""
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    path = request.scope["path"]
    detail = f"{request.method} {path}: {error.detail}."
    if error.status_code == 404 and (near := _near(path, request.app.state.paths)):
        detail += f" Did you mean {near}?"
    slug = title.lower().replace(" ", "-")
    return problem(error.status_code, slug, title, detail, dict(error.headers or {}), path=path)


def _near(path: str, known: list[str]) -> str | None:
    """The path that may have been meant: without its last slash, or one spelt much like it."""
    bare = path.rstrip("/")
    if len(path) > LONGEST_PATH or not bare:
        return None
    if bare != path and any(re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", each), bare) for each in known):
        return bare
    return next(iter(get_close_matches(bare, known, 1, 0.8)), None)


def _unfit(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    path = request.scope["path"]
    if first["type"] == "json_invalid":
        detail = f"The body is not JSON: {first['msg']}."
        return problem(400, "malformed-body", "The body cannot be read", detail, path=path)
    field = ".".join(str(part) for part in first["loc"][1:])
    detail = f"`{field or first['loc'][0]}`: {first['msg'][0].lower()}{first['msg'][1:]}."
    return problem(422, BadInput.slug, BadInput.title, detail, path=path, field=field)
