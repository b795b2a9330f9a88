"""The addresses of the proxy. Each stands twice: under /v1, and under /openai/v1, where `models` are the upstream's.

/v1/models lists this platform's own reward models, which no OpenAI client can read; a client that asks for models
gets /openai/v1 as its base URL.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, FastAPI, Header, Query, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from unspoken.api import bodies, problems
from unspoken.api.chat import asking, names, upstream
from unspoken.api.chat.generation import Head
from unspoken.api.chat.proxy import MOST_BYTES, PATH, PATHS, Proxy
from unspoken.api.chat.relay import Relay
from unspoken.api.doors import Door
from unspoken.api.edge import Receive, Scope, Send
from unspoken.errors import NotAllowed, NotFound, Unavailable
from unspoken.settings import settings
from unspoken.store.database import reading
from unspoken.store.tables import Message

EVENT_STREAM = (b"content-type", b"text/event-stream; charset=utf-8")
REASONS = {"complete": "stop", "length": "length"}
ASKED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "As OpenAI describes it; every field is passed on. `metadata` may hold `unspoken_user`, "
        "`unspoken_conversation`, `unspoken_parent` and `unspoken_prompt`.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["messages"],
                    "properties": {"messages": {"type": "array", "minItems": 1, "items": {"type": "object"}}},
                }
            }
        },
    },
    "responses": {
        "200": {
            "description": "The upstream's answer, unchanged; X-Unspoken-Conversation, -Message and -Token name it.",
            "content": {"application/json": {}, "text/event-stream": {}},
        },
        "default": {"description": "The upstream's own error, unchanged, or a problem of this server."},
    },
}


@asynccontextmanager
async def _living(app: FastAPI) -> AsyncIterator[dict[str, Proxy]]:
    """The proxy of one server, which ends before the app's writer does."""
    state: Any = app.state
    proxy = Proxy(state.engine, lambda: state.writer, settings(), state.tally)
    try:
        yield {"proxy": proxy}
    finally:
        await proxy.close()


router = APIRouter(lifespan=_living)


class _Chat:
    """ASGI: the one route whose milliseconds count, before the framework, whose way to a route takes half of one.

    `complete` stands for it in the OpenAPI document.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self  # as the framework does, for the log and the counts
        answer: Response
        try:
            answer = await complete(Request(scope, receive, send))
        except Exception as error:
            answer = problems.answer(error, scope["method"], self.path, self.path)
        await answer(scope, receive, send)


BARE = {path: _Chat(path) for path in PATHS}  # each takes the POSTs of its path
for path, chat in BARE.items():
    router.routes.append(Route(path, chat, methods=["POST"], name="chat", include_in_schema=False))  # where mounted


@router.post("/v1" + PATH, response_class=Response, openapi_extra=ASKED)
async def complete(request: Request) -> Response:
    """Passes a chat on to the upstream, streamed or not, and stores what was said. Takes a secret key."""
    proxy = proxy_of(request)
    headers = dict(request.scope["headers"])
    door = await _door(proxy, headers)
    body = await bodies.read(request)
    asked = asking.read(bodies.plain(body), headers)
    passed = [pair for pair in request.scope["headers"] if not body.packed or pair[0] != b"content-encoding"]
    generation, head = await proxy.ask(door, asked, passed, body.received_at)
    return Relay(generation, Head(head.status, [*head.headers, *generation.names], head.body))


@router.get("/openai/v1" + PATH + "/{message}", response_class=Response, include_in_schema=False)
@router.get("/v1" + PATH + "/{message}", response_class=Response)
async def resume(
    request: Request,
    message: str,
    after: Annotated[int, Query(ge=0, le=2**31, description="The number of the last chunk that arrived.")] = 0,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """A streamed answer from the chunk after `after` (or Last-Event-ID) on, while it comes in and for a while after.

    Later, or after a restart, all of it comes as one chunk, and X-Unspoken-Whole says so.
    """
    proxy = proxy_of(request)
    door = await _door(proxy, dict(request.scope["headers"]), anew=True)
    if last_event_id and last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) < 10:
        after = int(last_event_id)
    generation = proxy.kept.find(door.project.id, message)
    if generation is None or not generation.streamed:
        return await run_in_threadpool(stored, proxy, door, message)
    head = Head(200, [EVENT_STREAM, *generation.names])
    position = generation.after(after)
    if generation.ended and position:  # also to one who has it all: a stream without its end looks broken
        position = min(position, len(generation.chunks) - 1)
    return Relay(generation, head, position=position, numbered=True)


@router.delete("/openai/v1" + PATH + "/{message}", include_in_schema=False)
@router.delete("/v1" + PATH + "/{message}")
async def stop(request: Request, message: str) -> JSONResponse:
    """Stops an answer that is being generated; what there is of it is stored, finish `stopped`. Twice is once."""
    proxy = proxy_of(request)
    door = await _door(proxy, dict(request.scope["headers"]), anew=True)
    generation = proxy.kept.find(door.project.id, message)
    if generation is None:
        raise NotFound(
            f"No answer {message[:64]!r} is being generated here, and none ended lately. Another server process may "
            "be at it: stop it over the connection that asked for it."
        )
    await generation.stop("stopped")
    return JSONResponse(generation.told())


@router.get("/openai/v1/models", response_class=Response)
async def models(request: Request) -> Response:
    """The models of the upstream, as it lists them."""
    proxy = proxy_of(request)
    await _door(proxy, dict(request.scope["headers"]), anew=True)
    answer = await proxy.upstream.open("GET", "/models", request.scope["headers"])
    content = await upstream.whole(answer, MOST_BYTES)
    response = Response(content, answer.status)
    response.raw_headers = [*upstream.returned(answer.headers), (b"content-length", b"%d" % len(content))]
    return response


def proxy_of(request: Request) -> Proxy:
    """The proxy of this server process."""
    proxy: Proxy | None = getattr(request.state, "proxy", None)
    if proxy is None:
        raise Unavailable("This server has not started yet; try again shortly.", 1)
    return proxy


async def _door(proxy: Proxy, headers: dict[bytes, bytes], *, anew: bool = False) -> Door:
    door = await proxy.doors.of(headers, b"", anew=anew)
    if not names.may_chat(door):
        raise NotAllowed(
            f"A {door.principal.role} key may not chat through this server, which pays for it: use a secret key of "
            "the project as the client's API key, on a server of your own."
        )
    return door


def stored(proxy: Proxy, door: Door, message: str) -> Response:
    """An answer out of the database, as one chunk. NotFound."""
    with reading(proxy.engine) as session:
        found = session.get(Message, (door.project.number, message)) if "\0" not in message else None
    if found is None or found.role != "assistant":
        raise NotFound(
            f"There is no answer {message[:64]!r}. If another server process is generating it, it can be read here "
            "once it has ended."
        )
    choice = {
        "index": 0,
        "delta": {"role": "assistant", "content": found.text},
        "finish_reason": REASONS.get(found.finish or "", "stop"),
    }
    chunk = {
        "id": found.id,
        "object": "chat.completion.chunk",
        "created": int(found.occurred_at.timestamp()),
        "model": found.model or "",
        "choices": [choice],
    }
    content = b"data: " + msgspec.json.encode(chunk) + b"\n\ndata: [DONE]\n\n"
    return Response(content, 200, {"X-Unspoken-Whole": "true"}, "text/event-stream")
