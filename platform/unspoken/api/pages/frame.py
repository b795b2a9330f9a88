"""What every page shares: the layout, the policy that lets nothing in from elsewhere, and how numbers and times read.

A page is a template of unspoken/web/pages that extends layout.html, and a route of `frame.router()`:

    router = frame.router()

    @router.get("/things")
    def things(engine: Database, look: Looking) -> HTMLResponse:
        with reading(engine) as session:
            found = listed(session, look.one.id)
        return page("things_list.html" if look.partial else "things.html", look=look, things=found)

* `Looking` (looking.py) refuses whoever may not look; errors raised in such a route are answered as pages.
* What htmx asks for again is the same route, so that no part of a page has a guard of its own to forget: the part is a
  template that does not extend the layout and that the page includes.
* Templates have `look`, `to(path, **query)` and `here(**changes)` for links, `families`, and the macros of macros.html.
* What acts is a POST: it asks for `Actor` (session.py), and its forms are made by the macro `act`.
"""

import json
from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader

import unspoken
from unspoken.api import problems
from unspoken.api.pages.families import FAMILIES
from unspoken.api.pages.looking import Look
from unspoken.api.pages.wording import seconds
from unspoken.errors import BadInput, NotFound, NotSignedIn, TooMany, Unavailable, UnspokenError
from unspoken.store.columns import now

POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
# A form's Origin would be `null` under the server's stricter policy, and could not be told from another site's.
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin", "Vary": "HX-Request"}
NAVIGATION = (
    ("", (("/", "Overview"), ("/live", "Live"), ("/conversations", "Conversations"))),
    ("What it says", (("/signals", "Signals"), ("/labels", "Labels"))),
    ("What was made", (("/models", "Models"), ("/reports", "Reports"), ("/jobs", "Jobs"))),
    ("Who may what", (("/keys", "Keys"), ("/erasure", "Erasure"), ("/audit", "Audit"))),
    ("Try it", (("/chat", "Chat"),)),
)
# No string of a page is ever run, nothing of it is kept in the browser's storage, and no style is put into it.
HTMX = json.dumps(
    {
        "allowEval": False,
        "allowScriptTags": False,
        "includeIndicatorStyles": False,
        "historyEnabled": False,
        "historyCacheSize": 0,
        "selfRequestsOnly": True,
        "timeout": 20_000,
    }
)
AN_ID = 40  # characters; how long a shortened one is helps nobody
# What is wrong there is said as JSON, whoever asks.
FOR_PROGRAMS = ("/v1/", "/openai/", "/sdk/", "/static/")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """A route whose errors are pages too: who may not look gets the sign-in form, and afterwards what they wanted."""

    def get_route_handler(self) -> Handler:
        """The route's own handler, with its errors turned into pages."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except UnspokenError as error:
                return refused(request, error)
            except RequestValidationError as error:
                first = error.errors()[0]
                return refused(request, BadInput(f"`{first['loc'][-1]}` in the address: {first['msg'].lower()}."))

        return handled


def router() -> APIRouter:
    """For the routes of a page."""
    return APIRouter(include_in_schema=False, route_class=PageRoute)


def page(
    template: str,
    status: int = 200,
    headers: dict[str, str] | None = None,
    *,
    look: Look | None = None,
    **values: Any,
) -> HTMLResponse:
    """A template of unspoken/web/pages, with everything in it escaped. Without `look` it has no navigation."""
    shared: dict[str, Any] = {
        "look": look,
        "to": look.to if look else _nowhere,
        "here": look.here if look else _nowhere,
    }
    shared |= {"version": unspoken.__version__, "families": FAMILIES, "navigation": NAVIGATION, "htmx": HTMX}
    said = environment().get_template(template).render(**{**shared, **values})
    return HTMLResponse(said.encode("utf-8", "replace"), status, {**HEADERS, **(headers or {})})


def refused(request: Request, error: UnspokenError) -> HTMLResponse:
    """The page for an error: the form to sign in where that is what is missing."""
    look: Look | None = getattr(request.state, "look", None)
    headers: dict[str, str] = {}
    if isinstance(error, TooMany | Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
    if error.public != error.detail and problems.outage():
        problems.log.warning("%s", error.detail)
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = "Bearer"
        if request.headers.get("hx-request") == "true":
            headers["HX-Refresh"] = "true"  # the whole page is asked for again, and is then the form
        return page("signin.html", error.status, headers, look=look, said=error.public, back=wanted(request))
    return page("closed.html", error.status, headers, look=look, title=_title(error), detail=error.public)


async def unknown(request: Request, error: Exception) -> Response:
    """For an address that no route has: a page for whoever asks with a browser, a problem for a program."""
    path = request.scope["path"]
    if path.startswith(FOR_PROGRAMS) or "text/html" not in request.headers.get("accept", ""):
        return problems.plain(request, error)
    detail = f"Nothing is at {path[:200]} here. The pages are listed on the overview."
    return page("closed.html", 404, {"Vary": "Accept"}, title="There is no such page", detail=detail, unknown=True)


def wanted(request: Request) -> str:
    """Where somebody who has to sign in was, or was going: a path of our own."""
    if request.method == "GET":
        return own_path(f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path)
    try:
        came = urlsplit(request.headers.get("referer", ""))
    except ValueError:  # brackets that hold no address
        return "/"
    return own_path(f"{came.path}?{came.query}" if came.query else came.path)


def own_path(path: str) -> str:
    """The path if it surely leads to this server, else "/": no other host, no backslash, nothing invisible."""
    plain = path.startswith("/") and not path.startswith(("//", "/signin", "/signout")) and len(path) <= 2_000
    return path if plain and path.isascii() and path.isprintable() and "\\" not in path else "/"


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Where the templates are."""
    made = Environment(
        loader=PackageLoader("unspoken.web", "pages"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {"count": _count, "ago": _ago, "when": _when, "clip": _clip, "json": _json, "seconds": seconds}
    return made


def _nowhere(path: str = "/", **_query: object) -> str:
    return path


def _title(error: UnspokenError) -> str:
    return "There is no such page" if isinstance(error, NotFound) else error.title


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _ago(moment: datetime | None) -> str:
    if moment is None:
        return "never"
    seconds = max(0, int((now() - moment).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def _when(moment: datetime | None) -> str:
    return "–" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _json(value: object) -> str:
    """For people to read: it is escaped afterwards like any text."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _clip(text: object, most: int = 300) -> str:
    """The beginning of a text that may be of any length; of one that is longer than an id, also how long it is."""
    said = str(text)
    if len(said) <= most:
        return said
    return f"{said[:most]}…" if len(said) <= AN_ID else f"{said[:most]}… ({_count(len(said))} characters)"
