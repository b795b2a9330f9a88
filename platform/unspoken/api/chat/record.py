"""Answers and departures as events, through the writer; an answer is not called done before its commit."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, select
from starlette.concurrency import run_in_threadpool

from unspoken.api.chat import asking, history
from unspoken.api.chat.answers import Answer
from unspoken.api.chat.generation import Departure, Generation
from unspoken.api.chat.history import Place
from unspoken.errors import Conflict, Unavailable
from unspoken.events import parse
from unspoken.store.arrivals import Receipt
from unspoken.store.columns import now
from unspoken.store.database import reading
from unspoken.store.keys import Principal
from unspoken.store.tables import Event
from unspoken.store.writer import Arrival

Append = Callable[[Arrival], Awaitable[Receipt]]
RETRIES_S = (0.25, 0.5, 1.0, 2.0)
log = logging.getLogger(__name__)


async def prompts(append: Append, generation: Generation, place: Place) -> None:
    """What the client said and is not stored yet, under the client's key. NotSignedIn, Unavailable, Conflict.

    Also when all is stored: the writer then only looks whether the key is still in force.
    """
    receipt = await append(_arrival(generation, place.new, generation.principal))
    if receipt.conflicts:
        raise Conflict(
            "The message that `unspoken_prompt` names is stored with another text, conversation or parent; an edited "
            "prompt is a new message and needs a new id."
        )


async def answers(append: Append, engine: Engine, generation: Generation, place: Place, without: str) -> None:
    """Every answer; `without` is the finish of one whose end the upstream did not say. Unavailable after some tries.

    The platform itself appends them: a key that was revoked meanwhile does not unmake what was said.
    """
    for answer in generation.answers.each:
        answer.finish = answer.finish or without
    await asyncio.gather(*(_answer(append, engine, generation, place, each) for each in generation.answers.each))


async def departures(append: Append, generation: Generation, place: Place, left: list[Departure]) -> None:
    """Readers who went early, as `disconnect` events, once it is known how long the answers are."""
    events = [
        {
            "id": str(uuid4()),
            "kind": "disconnect",
            "at": round(departure.at.timestamp() * 1000),
            "conversation": place.conversation,
            "message": answer.message,
            "sent_chars": min(sent, answer.chars),
            "total_chars": answer.chars,
            **({"user": generation.asked.user} if generation.asked.user is not None else {}),
            **generation.asked.envelope,
        }
        for departure in left
        for answer, sent in zip(generation.answers.each, departure.sent, strict=True)
    ]
    await _patiently(append, _arrival(generation, events, None))


async def _answer(append: Append, engine: Engine, generation: Generation, place: Place, answer: Answer) -> None:
    project, text = generation.project, answer.text
    mark = asking.mark(text, answer.tools)
    item = _item(generation, place, answer, text) | {"id": history.answered(project, place.link, mark)}
    receipt = await _patiently(append, _arrival(generation, [item], None))
    if receipt.repeated and await run_in_threadpool(_holder, engine, project.id, item["id"]) != answer.message:
        # The same answer was given here before, word for word: the history cannot tell the two apart, the tree does.
        await _patiently(append, _arrival(generation, [item | {"id": str(uuid4())}], None))


def _item(generation: Generation, place: Place, answer: Answer, text: str) -> dict[str, Any]:
    meta: dict[str, Any] = {}
    if answer.calls:
        meta["tool_calls"] = asking.names(answer.tools)
    if answer.reason is not None and answer.finish == "unknown":
        meta["finish_reason"] = answer.reason[:64]
    if len(text) < answer.chars:
        meta["chars"] = answer.chars  # it was cut
    began = generation.received_at.timestamp() * 1000 + (generation.ttft_ms or generation.duration_ms or 0)
    said = {
        "kind": "message",
        "at": round(began),
        "conversation": place.conversation,
        "message": answer.message,
        "parent": place.prompt,
        "role": "assistant",
        "text": text,
        "model": generation.answers.model,
        "finish": answer.finish,
        "tokens": generation.answers.tokens if len(generation.answers.each) == 1 else None,
        "ttft_ms": generation.ttft_ms,
        "duration_ms": generation.duration_ms,
        "meta": meta or None,
        **generation.asked.envelope,
    }
    return {name: value for name, value in said.items() if value is not None}


def _arrival(generation: Generation, items: list[dict[str, Any]], principal: Principal | None) -> Arrival:
    size = sum(len(item.get("text", "")) + 200 for item in items)
    return Arrival(generation.project, principal, [parse(item) for item in items], None, now(), size)


async def _patiently(append: Append, arrival: Arrival) -> Receipt:
    """Stores it, trying again for some seconds when the database is away."""
    for wait in RETRIES_S:
        try:
            return await append(arrival)
        except Unavailable as error:
            log.warning("an answer is not stored yet: %s", error.detail)
            await asyncio.sleep(wait)
    return await append(arrival)


def _holder(engine: Engine, project_id: str, event: str) -> str | None:
    with reading(engine) as session:
        return session.scalar(select(Event.message).where(Event.project_id == project_id, Event.id == event))
