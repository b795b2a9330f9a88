"""The proxy of one server process: asks the upstream, keeps what comes, stores it, whoever is still there to read."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from time import perf_counter
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from unspoken.api.chat import answers, history, names, record, upstream
from unspoken.api.chat.answers import Answers
from unspoken.api.chat.asking import Asked
from unspoken.api.chat.generation import Departure, Generation, Head
from unspoken.api.chat.history import Place
from unspoken.api.chat.kept import Kept
from unspoken.api.chat.upstream import Headers, Question, Upstream
from unspoken.api.doors import Door, Doors
from unspoken.api.metrics import Tally
from unspoken.errors import NotSignedIn, TooLarge, Unavailable, UnspokenError
from unspoken.settings import Settings
from unspoken.store.arrivals import Receipt
from unspoken.store.database import reading
from unspoken.store.writer import Arrival, Writer

PATH = "/chat/completions"
PATHS = tuple(base + PATH for base in ("/v1", "/openai/v1"))
STOPPING = "This server is stopping; try again shortly."
MOST_BYTES = 16_000_000  # of one answer as the upstream sends it
ENDING_S = 10.0  # at the end of the server, for what runs to be stored
log = logging.getLogger(__name__)


class Proxy:
    """Made when the server starts, closed before its writer is."""

    def __init__(self, engine: Engine, writer: Callable[[], Writer], chosen: Settings, tally: Tally) -> None:
        self.doors = Doors(engine)
        self.upstream = Upstream(chosen.upstream_url, chosen.upstream_key)
        self.kept = Kept(chosen.resume_s)
        self.engine = engine
        self._writer = writer
        self._tally = tally
        self._left: dict[Generation, list[Departure]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, door: Door, asked: Asked, headers: Headers, received_at: datetime) -> tuple[Generation, Head]:
        """The answer to a request, as far as it has begun. Raises what keeps it from beginning."""
        generation = self.start(door, asked, headers, received_at)
        try:
            return generation, await generation.begun
        except NotSignedIn:
            self.doors.forget(door)
            raise

    def start(self, door: Door, asked: Asked, headers: Headers, received_at: datetime) -> Generation:
        """The answer to a request, before it begins. Unavailable."""
        self.upstream.check()  # what was said is not stored where nobody will be asked
        self.kept.room()
        # Before anything else: what the upstream does is what the client waits for.
        question = self.upstream.ask("POST", PATH, headers, asked.body)
        generation = Generation(
            project=door.project,
            principal=door.principal,
            asked=asked,
            received_at=received_at,
            answers=Answers([str(uuid4()) for _ in range(asked.choices)]),
            departed=self._departed,
        )
        self.kept.start(generation)
        generation.reading = asyncio.create_task(self._read(generation, question))
        generation.whole = self._spawn(self._run(generation, generation.reading))
        return generation

    async def close(self) -> None:
        """Ends what runs, stores what was generated so far, and lets the upstream go."""
        for generation in self.kept.running:
            self._spawn(generation.stop("unknown"))
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=ENDING_S)
        for task in self._tasks:
            task.cancel()
        await self.upstream.close()

    async def _run(self, generation: Generation, task: "asyncio.Task[None]") -> None:
        """One generation from its request to its last commit."""
        await asyncio.wait({task})
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, UnspokenError):
            log.error("a generation failed", exc_info=error)
        if generation.place is not None:
            await self._store(generation, generation.place, error)
        if not generation.streamed:
            self.kept.drop(generation)
        if not generation.begun.done():
            generation.fail(error or Unavailable(STOPPING, 1))

    async def _read(self, generation: Generation, question: Question) -> None:
        """Takes the upstream's answer, and places the request in its conversation while the upstream thinks."""
        # A thread at the database gives the interpreter back only now and then: a request that waits for a connection
        # is on its way before the first wait in `head`, so before the placing begins.
        placing = asyncio.create_task(self._place(generation))
        try:
            response = await self.upstream.head(question)
        except BaseException:
            await asyncio.wait({placing})
            if not placing.cancelled():
                placing.exception()  # what the upstream said is the better sentence
            raise
        try:
            place, named = await placing
        except BaseException:
            response.close()
            raise
        returned = upstream.returned(response.headers)
        if response.status == 200 and upstream.media(response.headers) == b"text/event-stream":
            generation.streamed, generation.place, generation.names = True, place, named
            generation.begin(Head(200, returned))
            await self._follow(generation, response)
            return
        head = Head(response.status, returned, await upstream.whole(response, MOST_BYTES))
        if response.status != 200:
            generation.begin(head)
            return
        generation.head, generation.place, generation.names = head, place, named
        generation.answers.take_whole(head.body or b"")

    async def _place(self, generation: Generation) -> tuple[Place, list[tuple[bytes, bytes]]]:
        """Where the request stands, and headers that say so; what is new of it is committed when this returns."""
        place = await run_in_threadpool(self._found, generation)
        await record.prompts(self._append, generation, place)
        generation.asked = replace(generation.asked, body=b"", messages=[])  # stored: an answer is kept for longer
        return place, names.of(generation, place.conversation)  # made now: later, somebody waits for them

    def _found(self, generation: Generation) -> Place:
        with reading(self.engine) as session:
            at_ms = round(generation.received_at.timestamp() * 1000)
            return history.place(session, generation.project, generation.asked, at_ms)

    async def _follow(self, generation: Generation, response: upstream.Response) -> None:
        """Takes the stream chunk by chunk up to its end, which is held back until the answer is stored."""
        blocks = answers.Blocks()
        try:
            while piece := await response.read():
                for block in blocks.feed(piece):
                    data = answers.data_of(block)
                    if data == answers.DONE:
                        generation.done = block
                        break
                    if data is not None and generation.answers.take(data) and generation.ttft_ms is None:
                        generation.ttft_ms = generation.since_ms()
                    self._add(generation, block, numbered=data is not None)
                generation.wake()
                if generation.done is not None:
                    return
                if generation.size + len(blocks.rest) > MOST_BYTES:
                    raise TooLarge(f"The upstream's answer holds more than {MOST_BYTES} bytes; it was ended here.")
        finally:
            response.close()
        if blocks.rest.strip():
            self._add(generation, blocks.rest, numbered=answers.data_of(blocks.rest) is not None)
            generation.wake()

    async def _store(self, generation: Generation, place: Place, error: BaseException | None) -> None:
        """Stores the answers, and only then lets the readers have the end."""
        generation.duration_ms = generation.since_ms()
        broken = error is not None or generation.answers.failed
        finish = generation.stopped or ("error" if broken else "complete" if generation.done else "unknown")
        try:
            await record.answers(self._append, self.engine, generation, place, finish)
        except UnspokenError as unstored:
            log.error("an answer could not be stored: %s", unstored.detail)
            error = error or unstored
        self._end(generation, error)
        if left := self._left.pop(generation, None):
            await self._depart(generation, left)

    def _end(self, generation: Generation, error: BaseException | None) -> None:
        if generation.head is not None and not generation.begun.done():
            if error is None:
                generation.begin(generation.head)
            generation.end()
            return
        if generation.stopped == "stopped":
            self._add(generation, b"data: [DONE]\n\n")
        elif error is not None or generation.stopped is not None:
            said = error.public if isinstance(error, UnspokenError) else "The server ended before the answer did."
            self._add(generation, _error_block(said))
        elif generation.done is not None:
            self._add(generation, generation.done)
        generation.end()
        self.kept.ended(generation)

    def _departed(self, generation: Generation, departure: Departure) -> None:
        if generation.ended:
            self._spawn(self._depart(generation, [departure]))
        else:
            self._left.setdefault(generation, []).append(departure)

    async def _depart(self, generation: Generation, left: list[Departure]) -> None:
        assert generation.place is not None  # nobody reads one that has no place
        try:
            await record.departures(self._append, generation, generation.place, left)
        except UnspokenError as error:
            log.error("a disconnect could not be stored: %s", error.detail)

    def _add(self, generation: Generation, block: bytes, *, numbered: bool = True) -> None:
        generation.add(block, numbered=numbered)
        self.kept.grew(len(block))

    async def _append(self, arrival: Arrival) -> Receipt:
        started = perf_counter()
        receipt = await self._writer().append(arrival)
        if arrival.events:
            self._tally.commit.add(perf_counter() - started)
            self._tally.stored += receipt.stored
            self._tally.repeated += receipt.repeated
        return receipt

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """A task that nothing but the end of the server ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _error_block(detail: str) -> bytes:
    """An error in mid-stream, as OpenAI's clients expect it: they raise it."""
    error = {"message": detail, "type": "upstream_error", "param": None, "code": None}
    return b"data: " + msgspec.json.encode({"error": error}) + b"\n\n"
