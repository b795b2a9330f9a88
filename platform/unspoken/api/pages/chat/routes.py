"""What the page's script calls. Same origin only: another site's page can neither read answers here nor cause any."""

import math
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Annotated, cast
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from unspoken.api import bodies
from unspoken.api.chat import upstream
from unspoken.api.chat.generation import Head
from unspoken.api.chat.proxy import MOST_BYTES, PATH, Proxy
from unspoken.api.chat.relay import Relay
from unspoken.api.chat.routes import EVENT_STREAM, proxy_of, stored
from unspoken.api.doors import Door
from unspoken.api.pages.chat import asks
from unspoken.api.pages.chat.guests import Guests, admitted, origin
from unspoken.api.pages.forms import same_origin
from unspoken.errors import NotFound, NotSignedIn
from unspoken.events import hash_user
from unspoken.settings import settings
from unspoken.store import page_key
from unspoken.store.database import reading
from unspoken.store.tables import Message, Project

HEADERS = [(b"content-type", b"application/json"), (b"accept", b"text/event-stream")]
UNLISTED_S = 60.0  # for so long an upstream that lists no models is not asked for them again
Visitor = Annotated[str, Query(min_length=8, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]
router = APIRouter()


@router.post("/chat/completions")
async def complete(request: Request) -> Response:
    """An answer, streamed; X-Unspoken-Message names it. What the visitor did not agree to is not stored."""
    proxy = _let_in(request)
    body = await bodies.read(request)
    leave = _guests(request).enter(request.client.host if request.client else "")
    handed_over = False
    try:
        ask = asks.read(bodies.document(body), await _model(request, proxy))
        if ask.mode == "none":
            answer = await _unrecorded(proxy, ask, leave)
            handed_over = True
            return answer
        door = await _door(request, proxy)
        try:
            generation, head = await proxy.ask(door, ask.asked, HEADERS, body.received_at)
        except NotSignedIn as error:  # between two looks at the key
            raise page_key.closed(settings().chat_project) from error
        if generation.whole is not None:
            generation.whole.add_done_callback(lambda _: leave())
            handed_over = True
        named = [*head.headers, (b"x-unspoken-message", generation.messages[0].encode())]
        return Relay(generation, Head(head.status, named, head.body), noted=_followed(request, ask.mode))
    finally:
        if not handed_over:
            leave()


@router.get("/chat/completions/{message}")
async def resume(request: Request, message: str, user: Visitor, mode: str = "votes") -> Response:
    """An answer from its beginning, while it is written and later: for a page that was loaded again."""
    proxy = _let_in(request)
    door = await _door(request, proxy)
    generation = proxy.kept.find(door.project.id, message)
    if generation is not None and generation.streamed and generation.asked.user == user:
        return Relay(generation, Head(200, [EVENT_STREAM]), noted=_followed(request, mode))
    await run_in_threadpool(_own, proxy.engine, door.project, message, user)
    return await run_in_threadpool(stored, proxy, door, message)


@router.delete("/chat/completions/{message}")
async def stop(request: Request, message: str, user: Visitor) -> JSONResponse:
    """Stops an answer that is being written; what there is of it is kept."""
    proxy = _let_in(request)
    door = await _door(request, proxy)
    generation = proxy.kept.find(door.project.id, message)
    if generation is None or generation.asked.user != user:
        raise _unknown(message)
    await generation.stop("stopped")
    return JSONResponse(generation.told())


def _let_in(request: Request) -> Proxy:
    admitted(request)
    same_origin(request)
    proxy = proxy_of(request)
    proxy.upstream.check()
    return proxy


def _guests(request: Request) -> Guests:
    state = request.app.state
    if not hasattr(state, "guests"):
        state.guests = Guests()
    guests: Guests = state.guests
    return guests


async def _door(request: Request, proxy: Proxy) -> Door:
    """The page's own key, looked up as any key is; NotAllowed when it was revoked."""
    project, key = await run_in_threadpool(page_key.of, proxy.engine, settings().chat_project, origin(request))
    try:
        return await proxy.doors.of({b"authorization": b"Bearer " + key.encode()}, b"")
    except NotSignedIn as error:
        raise page_key.closed(project.name) from error


def _own(engine: Engine, project: Project, message: str, user: str) -> None:
    """NotFound unless the answer replies to a prompt of that visitor."""
    with reading(engine) as session:
        answer = None if "\0" in message else session.get(Message, (project.number, message))
        prompt = None if answer is None or not answer.parent else session.get(Message, (project.number, answer.parent))
    if prompt is None or prompt.user != hash_user(project.user_secret, user):
        raise _unknown(message)


def _unknown(message: str) -> NotFound:
    return NotFound(f"No answer {message[:64]!r} of this visitor is known here.")


def _followed(request: Request, mode: str) -> bool:
    """Whether it may be recorded that somebody left: that is behaviour, and the browser may have asked not to be."""
    return mode == "all" and request.headers.get("sec-gpc") != "1" and request.headers.get("dnt") != "1"


async def _model(request: Request, proxy: Proxy) -> str | None:
    """The model to ask for; None where the upstream lists none, which then says itself what it needs."""
    state = request.app.state
    if settings().chat_model:
        return settings().chat_model
    model, until = getattr(state, "chat_model", (None, 0.0))
    if monotonic() >= until:
        answer = await proxy.upstream.open("GET", "/models", [])
        try:
            said = msgspec.json.decode(await upstream.whole(answer, MOST_BYTES))
            model, until = str(said["data"][0]["id"]), math.inf
        except (msgspec.DecodeError, KeyError, IndexError, TypeError):
            model, until = None, monotonic() + UNLISTED_S
        state.chat_model = model, until
    return cast(str | None, model)


async def _unrecorded(proxy: Proxy, ask: asks.Ask, leave: Callable[[], None]) -> Response:
    """Straight from the upstream: nothing of it is stored, and when the visitor leaves it ends."""
    response = await proxy.upstream.open("POST", PATH, HEADERS, ask.asked.body)
    headers = upstream.returned(response.headers)
    if response.status != 200:
        try:
            said = Response(await upstream.whole(response, MOST_BYTES), response.status)
        finally:
            leave()
        said.raw_headers = [*headers, (b"content-length", b"%d" % len(said.body))]
        return said

    async def coming() -> AsyncIterator[bytes]:
        try:
            while piece := await response.read():
                yield piece
        finally:
            response.close()
            leave()

    streamed = StreamingResponse(coming())
    streamed.raw_headers = [*headers, (b"x-unspoken-message", str(uuid4()).encode())]
    return streamed
