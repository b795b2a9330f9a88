"""Reading the body of a request: bounded while it comes, bounded again while it is unpacked, then JSON."""

import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from fastapi import Request
from pydantic_core import from_json

from unspoken.errors import BadInput, MalformedBody, TooLarge, Unavailable, WrongMediaType
from unspoken.events import instant
from unspoken.settings import settings
from unspoken.store.columns import now

NDJSON = "application/x-ndjson"
MEDIA = ("application/json", NDJSON, "text/plain")
MOST_MEMBERS = 100  # of one gzip body
MARK = b"\xef\xbb\xbf"  # that some programs put before UTF-8
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_unfinished = 0  # bytes in memory of bodies that are not whole yet


@dataclass(frozen=True)
class Body:
    """Bytes as they came, what they say they are, and when they began to come."""

    content: bytes
    media: str
    packed: bool
    received_at: datetime


@dataclass(frozen=True)
class Malformed:
    """One line that is not JSON, among others that are."""

    detail: str


@dataclass(frozen=True)
class Batch:
    """Decoded items, not yet looked at, and the client's clock at sending, if given."""

    items: list[Any]
    sent_at: datetime | None


async def read(request: Request) -> Body:
    """The whole body; TooLarge as soon as it is, WrongMediaType before anything is read."""
    received_at = now()
    headers = {name.lower(): value for name, value in reversed(request.scope["headers"])}
    media, packed = declared(headers)
    return Body(await gather(request.receive), media, packed, received_at)


def declared(headers: Mapping[bytes, bytes]) -> tuple[str, bool]:
    """What a body says it is: its media type, and whether it is packed. WrongMediaType; TooLarge for its length."""
    media = _media(headers.get(b"content-type", b""))
    encoding = headers.get(b"content-encoding")
    if encoding is not None and (encoding := encoding.strip().lower()) not in (b"identity", b"gzip"):
        raise WrongMediaType(f"Content-Encoding is {encoding[:40].decode('latin-1')}; send gzip or none.")
    length, limit = headers.get(b"content-length", b""), settings().max_body_bytes
    if length.isdigit() and int(length[:20]) > limit:
        raise _too_large(limit)
    return media, encoding == b"gzip"


async def gather(receive: Receive) -> bytes:
    """The bytes of a body, which most often come in one piece. TooLarge, MalformedBody, Unavailable.

    What all requests together have sent of bodies that are not whole yet is bounded as the writer's queue is: a public
    key and slow connections would otherwise fill the memory.
    """
    global _unfinished  # noqa: PLW0603 - a bound on the whole process's memory
    message = await receive()
    limit, room = settings().max_body_bytes, settings().queue_bytes
    parts = bytearray()
    try:
        while True:
            if message["type"] == "http.disconnect":
                raise MalformedBody("The connection ended before the body did; send it again.")
            part = message.get("body", b"")
            if len(parts) + len(part) > limit:
                raise _too_large(limit)
            if not message.get("more_body", False):
                return bytes(parts + part) if parts else part
            if _unfinished + len(part) > room:
                raise Unavailable("Too many large requests come at once; send the same events again shortly.", 1)
            parts += part
            _unfinished += len(part)
            message = await receive()
    finally:
        _unfinished -= len(parts)


@lru_cache(maxsize=64)
def _media(content_type: bytes) -> str:
    said, _, parameters = content_type.decode("latin-1").lower().partition(";")
    media = said.strip()
    if media not in MEDIA:
        raise WrongMediaType(f"Content-Type is {media[:100] or 'missing'}; send {', '.join(MEDIA)}.")
    charset = parameters.partition("charset=")[2].strip(" \"'") or "utf-8"
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise WrongMediaType(f"The charset is {charset[:40]}; send UTF-8.")
    return media


def decode(body: Body, sent_at: str | None) -> Batch:
    """The items of a body; `sent_at` of the query counts where the body has none.

    Raises MalformedBody (not gzip, not JSON), TooLarge (unpacked, or too many items), BadInput (JSON of another form).
    """
    items: Any = _lines(body) if body.media == NDJSON else document(body)
    said: Any = None if sent_at is None else in_query(sent_at)
    if isinstance(items, dict) and "events" in items:
        if surplus := items.keys() - {"events", "sent_at"}:
            raise BadInput(f"A batch has the fields `events` and `sent_at`, not `{min(surplus)[:100]}`.")
        said, items = items.get("sent_at", said), items["events"]
    elif isinstance(items, dict):
        items = [items]
    if not isinstance(items, list):
        raise BadInput('Send one event, a list of events, or {"events": […], "sent_at": …}.')
    if len(items) > (most := settings().max_batch_events):
        raise too_many(len(items), most)
    return Batch(items, None if said is None else sent_at_of(said))


def document(body: Body) -> Any:
    """The one JSON value of a body; MalformedBody, TooLarge."""
    return _json(plain(body))


def _lines(body: Body) -> list[Any]:
    lines = [line for line in plain(body).split(b"\n") if line.strip()]
    if len(lines) > (most := settings().max_batch_events):  # a line that cannot be read costs its sentence in memory
        raise too_many(len(lines), most)
    return [_line(line) for line in lines]


def plain(body: Body) -> bytes:
    """The bytes of a body, unpacked; MalformedBody when it is no gzip, TooLarge as soon as it is."""
    content = _unpacked(body.content, settings().max_body_bytes) if body.packed else body.content
    return content.removeprefix(MARK)


def sent_at_of(value: object) -> datetime:
    """The client's clock at sending; BadInput when it is no time."""
    try:
        return instant(value)
    except ValueError as error:
        raise BadInput(f"`sent_at`: {error}.") from error


def _line(line: bytes) -> Any:
    try:
        return _json(line)
    except MalformedBody as error:
        return Malformed(error.detail)


def _json(content: bytes) -> Any:
    try:
        return from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedBody(f"The body is not JSON: {error}.") from error


def _unpacked(content: bytes, limit: int) -> bytes:
    """Gzip members one after another, never more than `limit` bytes of them in memory."""
    whole = bytearray()
    rest = content
    for _ in range(MOST_MEMBERS):  # each one costs a copy of what follows it
        if not rest:
            return bytes(whole)
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            whole += member.decompress(rest, limit + 1 - len(whole))
        except zlib.error as error:
            raise MalformedBody(f"The body says it is gzip and is not: {error}.") from error
        if len(whole) > limit:
            raise _too_large(limit, "unpacked")
        if not member.eof:
            raise MalformedBody("The gzip body ends too early; it was cut off on its way.")
        rest = member.unused_data
    if rest:
        raise MalformedBody(f"The gzip body has more than {MOST_MEMBERS} members; compress it as one.")
    return bytes(whole)


def _too_large(limit: int, state: str = "sent") -> TooLarge:
    return TooLarge(f"A body may hold {limit} bytes as {state}; send the events in several requests.")


def in_query(sent_at: str) -> int | str:
    """What a query says: there, milliseconds are text too."""
    return int(sent_at) if sent_at.isascii() and sent_at.isdecimal() and len(sent_at) < 20 else sent_at


def too_many(events: int, most: int) -> TooLarge:
    """The error of a request with more than `most` events."""
    return TooLarge(f"{events} events in one request; at most {most} are taken. Send them in several.")
