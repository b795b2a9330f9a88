"""POST /v1/events: whatever fits is stored and committed, and only then answered.

The route stands before the framework: a raw ASGI handler whose usual request costs a look at its key (remembered for
two seconds), one pass over its body and its place in the writer's next transaction. Our own server hands it such a
request whole, and it needs no task (`take`). A body that this pass refuses is read again the slow way, item by item,
for exact sentences.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from fastapi.responses import JSONResponse

from unspoken import events
from unspoken.api import bodies, problems
from unspoken.api.bodies import Malformed
from unspoken.api.doors import Door, Doors
from unspoken.api.edge import OPEN_HEADERS, Journal, Receive, Scope, Send
from unspoken.api.exchange import Exchange, Headers
from unspoken.api.heads import Head, json_head
from unspoken.api.problems import RefusedEvents, problem_type
from unspoken.errors import BadEvent, Conflict, MalformedBody, NotSignedIn, Unavailable, UnspokenError
from unspoken.events import REVEALED, Event
from unspoken.settings import settings
from unspoken.store.columns import now
from unspoken.store.writer import Arrival, Receipt, Writer

PATH = "/v1/events"
LARGE = 100_000  # bytes; a larger body is read in another thread, so that the others' answers need not wait for it
READERS = 2  # such threads: a body made for it takes a hundred times its size in memory while it is read
BEHAVIOUR = frozenset(REVEALED)
Result = TypeVar("Result")


@dataclass(slots=True)
class Sorted:
    """The events of one request: those to store, with their places in it, and what becomes of the others."""

    good: list[Event]
    places: list[int] | None = None  # None: every event is good and stands where it stood
    refused: list[dict[str, Any]] = field(default_factory=list)
    declined: int = 0

    def place(self, index: int) -> int:
        """Where a good event stood in the request."""
        return index if self.places is None else self.places[index]


class Collector:
    """The handler. `writer` says through what it writes: the app's own, which lives as long as its lifespan."""

    def __init__(self, doors: Doors, journal: Journal, writer: Callable[[], Writer]) -> None:
        self._doors = doors
        self._journal = journal
        self._writer = writer
        self._readers = ThreadPoolExecutor(READERS, "reader")
        self._unread = 0  # bytes of bodies that are being read there, or wait for it

    def take(self, headers: Headers, body: bytes, exchange: Exchange) -> bool:
        """The usual request, without a task: a remembered key, a JSON body of good events, room in the writer's queue.

        For anything else False, and nothing has happened: the other way answers it, with a reason if need be.
        """
        started = perf_counter()
        said = dict(headers)
        door = self._doors.known(said.get(b"authorization"))
        if door is None or len(body) > LARGE:
            return False
        try:
            door.origin(said.get(b"origin"))
            media, packed = bodies.declared(said)
            decoded = None if packed or media == bodies.NDJSON else events.decode(body)
            if decoded is None or len(decoded[0]) > settings().max_batch_events:
                return False
            found, sent_at = _sifted(door, Sorted(decoded[0]), said), decoded[1]
            if not found.good:
                return False
            brought = len(decoded[0])
            arrival = Arrival(door.project, door.principal, found.good, sent_at, now(), len(body))
            if door.bucket is not None:
                door.bucket.take(brought)
        except UnspokenError:
            return False

        def tell(answer: Receipt | BaseException) -> None:
            try:
                receipt = self._written(door, answer, perf_counter() - started)
                status, content = self._conclude(found, receipt)
                head = json_head(len(content))
            except Exception as error:
                status, content, head = _problem(error)
            exchange.answer(status, head, content)
            self._journal.answered("POST", PATH, status, perf_counter() - started, brought)

        try:
            self._writer().call(arrival, tell)
        except Unavailable as error:
            tell(error)
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """200 when all is stored, 207 when some was refused, else a problem. A second time changes nothing."""
        started = perf_counter()
        try:
            status, content, brought = await self._answer(dict(scope["headers"]), scope["query_string"], receive)
            head = json_head(len(content))
        except Exception as error:
            brought = len(error.items) if isinstance(error, RefusedEvents) else 0
            status, content, head = _problem(error)
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": content})
        self._journal.answered("POST", PATH, status, perf_counter() - started, brought)

    async def _answer(self, headers: Mapping[bytes, bytes], query: bytes, receive: Receive) -> tuple[int, bytes, int]:
        """Status, body, and how many events the request brought."""
        door = await self._doors.of(headers, query)
        door.origin(headers.get(b"origin"))
        if door.bucket is not None:
            door.bucket.check()
        media, packed = bodies.declared(headers)
        received_at = now()
        body = bodies.Body(await bodies.gather(receive), media, packed, received_at)
        found, sent_at, brought = await self._read(door, body, query)
        found = _sifted(door, found, headers)
        receipt = Receipt(0, 0)
        if found.good:
            size = len(body.content)
            receipt = await self._append(
                door, Arrival(door.project, door.principal, found.good, sent_at, received_at, size)
            )
        return *self._conclude(found, receipt), brought

    async def _read(self, door: Door, body: bodies.Body, query: bytes) -> tuple[Sorted, Any, int]:
        """The events of a body, `sent_at`, and how many there were; charged to the key before any is parsed twice."""
        said = dict(parse_qsl(query.decode("latin-1"))).get("sent_at") if query else None
        decoded = None
        if body.media != bodies.NDJSON:
            large = body.packed or len(body.content) > LARGE
            decoded = await self._beside(body, _decode) if large else _decode(body)
        if decoded is None:
            batch = await self._beside(body, bodies.decode, said)
            if door.bucket is not None:
                door.bucket.take(len(batch.items))
            return await self._beside(body, _parse, batch.items), batch.sent_at, len(batch.items)
        good, sent_at = decoded
        if len(good) > (most := settings().max_batch_events):
            raise bodies.too_many(len(good), most)
        if door.bucket is not None:
            door.bucket.take(len(good))
        if sent_at is None and said is not None:
            sent_at = bodies.sent_at_of(bodies.in_query(said))
        return Sorted(good), sent_at, len(good)

    async def _beside(self, body: bodies.Body, read: Callable[..., Result], *more: Any) -> Result:
        """`read(body, …)` in a thread; Unavailable when too many bytes wait for that already."""
        size = len(body.content)
        if self._unread and self._unread + size > settings().queue_bytes:
            raise Unavailable("Too many large requests come at once; send the same events again shortly.", 1)
        self._unread += size
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, read, body, *more)
        finally:
            self._unread -= size

    async def _append(self, door: Door, arrival: Arrival) -> Receipt:
        started = perf_counter()
        answer: Receipt | BaseException
        try:
            answer = await self._writer().append(arrival)
        except NotSignedIn as error:
            answer = error
        return self._written(door, answer, perf_counter() - started)

    def _written(self, door: Door, answer: Receipt | BaseException, took: float) -> Receipt:
        """The writer's receipt, or what it says instead, raised."""
        if isinstance(answer, NotSignedIn):
            self._doors.forget(door)
        if isinstance(answer, BaseException):
            raise answer
        self._journal.tally.commit.add(took)
        return answer

    def _conclude(self, found: Sorted, receipt: Receipt) -> tuple[int, bytes]:
        """Status and body, after the count; RefusedEvents when nothing at all was taken."""
        if receipt.conflicts:
            _add_conflicts(found, receipt)
        tally = self._journal.tally
        tally.stored += receipt.stored
        tally.repeated += receipt.repeated
        tally.declined += found.declined
        for item in found.refused:
            tally.refused[item["type"].rpartition(":")[2]] += 1
        return _said(found, receipt)


def _problem(error: Exception) -> tuple[int, bytes, Head]:
    answer = problems.answer(error, "POST", PATH)
    content = bytes(answer.body)
    return answer.status_code, content, Head([*OPEN_HEADERS, *answer.raw_headers], len(content))


def _decode(body: bodies.Body) -> tuple[list[Event], Any] | None:
    return events.decode(bodies.plain(body))


def _parse(_body: bodies.Body, items: list[Any]) -> Sorted:
    """Each item as an event, or refused with its reason."""
    found = Sorted([], [])
    assert found.places is not None
    for place, item in enumerate(items):
        try:
            if isinstance(item, Malformed):
                raise MalformedBody(item.detail)
            found.good.append(events.parse(item))
            found.places.append(place)
        except UnspokenError as error:
            found.refused.append(_refusal(place, item.get("id") if isinstance(item, dict) else None, error))
    return found


def _sifted(door: Door, found: Sorted, headers: Mapping[bytes, bytes]) -> Sorted:
    """Without what this key may not append, and without behaviour where the browser asks not to be followed."""
    private = door.public and (headers.get(b"sec-gpc") == b"1" or headers.get(b"dnt") == b"1")
    if door.open and not private:
        return found
    kept = Sorted([], [], found.refused)
    assert kept.places is not None
    for index, event in enumerate(found.good):
        try:
            door.admit(event)
        except UnspokenError as error:
            kept.refused.append(_refusal(found.place(index), event.id, error))
            continue
        if private and event.kind in BEHAVIOUR:
            kept.declined += 1
            continue
        kept.good.append(event)
        kept.places.append(found.place(index))
    return kept


def _add_conflicts(found: Sorted, receipt: Receipt) -> None:
    # Not "does the id stand in conflicts": a second event of the same id would be named as well, and was repeated.
    conflicts = set(receipt.conflicts)
    for index, event in enumerate(found.good):
        if event.id in conflicts:
            conflicts.discard(event.id)
            found.refused.append(_refusal(found.place(index), event.id, Conflict(_contradiction(event))))


def _said(found: Sorted, receipt: Receipt) -> tuple[int, bytes]:
    """Status and body; RefusedEvents when nothing at all was taken."""
    if not (found.refused or found.declined or receipt.erased):
        return 200, b'{"stored":%d,"repeated":%d}' % (receipt.stored, receipt.repeated)
    counts: dict[str, Any] = {"stored": receipt.stored, "repeated": receipt.repeated}
    if found.declined:
        counts["declined"] = found.declined
    if receipt.erased:
        counts["erased"] = receipt.erased
    if not found.refused:
        return 200, bytes(JSONResponse(counts).body)
    found.refused.sort(key=lambda item: int(item["item"]))
    if not any(counts.values()):
        raise RefusedEvents(found.refused)
    return 207, bytes(JSONResponse({**counts, "items": found.refused}).body)


def _refusal(place: int, event: object, error: UnspokenError) -> dict[str, Any]:
    return {
        "item": place,
        "id": event if isinstance(event, str) and len(event) <= 36 else None,
        "status": error.status,
        "type": problem_type(error.slug),
        "field": error.field if isinstance(error, BadEvent) else None,
        "detail": error.detail,
    }


def _contradiction(event: Event) -> str:
    return (
        f"The message {event.message!r} is stored already with another text, role, conversation or parent, and the "
        "first one stays. Message ids are unique within a project; an edited message is a new message."
    )
