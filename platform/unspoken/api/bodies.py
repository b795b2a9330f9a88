"""Reading the body of a request: bounded while it comes, bounded again while it is unpacked, then JSON."""

import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Request
from pydantic_core import from_json
from starlette.requests import ClientDisconnect

from unspoken.errors import BadInput, MalformedBody, TooLarge, WrongMediaType
from unspoken.events import instant
from unspoken.settings import settings
from unspoken.store.tables import now

NDJSON = "application/x-ndjson"
MEDIA = ("application/json", NDJSON, "text/plain")
MOST_MEMBERS = 100  # of one gzip body


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
    media, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    media = media.strip()
    if media not in MEDIA:
        raise WrongMediaType(f"Content-Type is {media[:100] or 'missing'}; send {', '.join(MEDIA)}.")
    charset = parameters.partition("charset=")[2].strip(" \"'") or "utf-8"
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise WrongMediaType(f"The charset is {charset[:40]}; send UTF-8.")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise WrongMediaType(f"Content-Encoding is {encoding[:40]}; send gzip or none.")
    limit = settings().max_body_bytes
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limit:
        raise _too_large(limit)
    content = bytearray()
    try:
        async for part in request.stream():
            content += part
            if len(content) > limit:
                raise _too_large(limit)
    except ClientDisconnect as error:
        raise MalformedBody("The connection ended before the body did; send it again.") from error
    return Body(bytes(content), media, encoding == "gzip", received_at)


def decode(body: Body, sent_at: str | None) -> Batch:
    """The items of a body; `sent_at` of the query counts where the body has none.

    Raises MalformedBody (not gzip, not JSON), TooLarge (unpacked, or too many items), BadInput (JSON of another form).
    """
    items: Any = _lines(body) if body.media == NDJSON else document(body)
    said: Any = int(sent_at) if sent_at and sent_at.isascii() and sent_at.isdecimal() else sent_at
    if isinstance(items, dict) and "events" in items:
        if surplus := items.keys() - {"events", "sent_at"}:
            raise BadInput(f"A batch has the fields `events` and `sent_at`, not `{min(surplus)[:100]}`.")
        said, items = items.get("sent_at", said), items["events"]
    elif isinstance(items, dict):
        items = [items]
    if not isinstance(items, list):
        raise BadInput('Send one event, a list of events, or {"events": […], "sent_at": …}.')
    if len(items) > (most := settings().max_batch_events):
        raise TooLarge(f"{len(items)} events in one request; at most {most} are taken. Send them in several.")
    return Batch(items, None if said is None else _sent_at(said))


def document(body: Body) -> Any:
    """The one JSON value of a body; MalformedBody, TooLarge."""
    return _json(_plain(body))


def _lines(body: Body) -> list[Any]:
    return [_line(line) for line in _plain(body).split(b"\n") if line.strip()]


def _plain(body: Body) -> bytes:
    content = _unpacked(body.content, settings().max_body_bytes) if body.packed else body.content
    return content.removeprefix(b"\xef\xbb\xbf")


def _sent_at(value: object) -> datetime:
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
