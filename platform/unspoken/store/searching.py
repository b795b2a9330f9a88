"""Words in messages, the newest first: no index and no second copy of texts, so what is erased is in no search.

Texts are read from the newest message back until a page of hits is full or the time is over; then it says how far back
it looked, and where to go on. See docs/decisions/0011.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from unspoken.events import normalized
from unspoken.store.people import chunks
from unspoken.store.tables import Event, Message

BUDGET_S = 1.5
HITS = 20
FIRST, LARGEST = 1_000, 16_000  # numbers of events looked at in one step, which doubles
TEXTS = 200  # in one statement
SEARCHED = 100_000  # characters of each message, from its beginning
WORDS, LONGEST = 10, 200
BEFORE, AFTER = 70, 170  # characters of an excerpt around its first word
Accept = Callable[[Collection[str]], Collection[str]]


@dataclass(frozen=True)
class Hit:
    """A message that holds every word. `excerpt`: pieces of text, and whether each is one of the words."""

    seq: int
    conversation: str
    message: str
    role: str
    at: datetime
    excerpt: list[tuple[str, bool]]


@dataclass(frozen=True)
class Found:
    """`before`: where to go on, None at the end; `back_to`: when the last message looked at was received."""

    hits: list[Hit]
    before: int | None
    back_to: datetime | None


def words_of(said: str) -> list[str]:
    """What is searched for: the words of a question, as they are compared."""
    return list(dict.fromkeys(_folded(word) for word in said[: WORDS * LONGEST].split()))[:WORDS]


def search(
    session: Session,
    project: int,
    words: Sequence[str],
    before: int | None = None,
    accept: Accept | None = None,
    limit: int = HITS,
) -> Found:
    """Messages of a project (by number) that hold every one of the words, those that came last first.

    `before`: only events below that number. `accept` says which of some conversations are wanted.
    """
    end = time.monotonic() + BUDGET_S
    top = (session.scalar(select(func.max(Event.seq))) or 0) + 1
    at, step = min(before or top, top), FIRST
    first = session.scalar(select(func.min(Event.seq))) or top
    hits: list[Hit] = []
    seen: set[str] = set()
    back_to: datetime | None = None
    while at > first:
        began = time.monotonic()
        low = max(first, at - step)
        told = _told(session, project, low, at)
        for some in chunks(told, TEXTS):
            fresh = {row.message: row for row in some if row.message not in seen}
            seen.update(fresh)
            for hit in _hits(session, project, list(fresh.values()), words, accept):
                hits.append(hit)
                if len(hits) == limit:
                    return Found(hits, hit.seq, hit.at)
            back_to = some[-1].received_at
            if time.monotonic() > end:
                return Found(hits, some[-1].seq, back_to)
        at = low
        if time.monotonic() > end:
            return Found(hits, at if at > first else None, back_to)
        step = min(LARGEST, step * 2) if time.monotonic() - began < BUDGET_S / 10 else max(FIRST, step // 2)
    return Found(hits, None, back_to)


def excerpt(text: str, words: Sequence[str]) -> list[tuple[str, bool]]:
    """The text around the first of the words, cut into pieces."""
    plain = normalized("NFC", text)
    folded, origin = _with_origins(plain)
    marks = _marks(folded, origin, words)
    centre = marks[0][0] if marks else 0
    start, stop = max(0, centre - BEFORE), min(len(plain), centre + AFTER)
    pieces: list[tuple[str, bool]] = [("…", False)] if start else []
    at = start
    for first, last in marks:
        if first >= at and last <= stop:
            pieces += [(plain[at:first], False), (plain[first:last], True)]
            at = last
    pieces.append((plain[at:stop] + ("…" if stop < len(plain) else ""), False))
    return [(piece, marked) for piece, marked in pieces if piece]


def _told(session: Session, project: int, low: int, high: int) -> Sequence[Any]:
    columns = select(
        Event.seq, Event.message, Event.conversation, Event.received_at, Event.occurred_at,
        Event.fields["role"].as_string().label("role"),
    )  # fmt: skip
    within = (Event.seq >= low, Event.seq < high, Event.project + 0 == project, Event.kind == "message")
    return session.execute(columns.where(*within).order_by(Event.seq.desc())).all()


def _hits(
    session: Session, project: int, rows: Sequence[Any], words: Sequence[str], accept: Accept | None
) -> list[Hit]:
    named = [row.message for row in rows]
    texts = select(Message.id, Message.conversation, func.substr(Message.text, 1, SEARCHED))
    found = {}
    for message, conversation, text in session.execute(texts.where(Message.project == project, Message.id.in_(named))):
        folded = _folded(text)
        if all(word in folded for word in words):
            found[message, conversation] = text
    rows = [row for row in rows if (row.message, row.conversation) in found]
    if rows and accept is not None:
        wanted = accept({row.conversation for row in rows})
        rows = [row for row in rows if row.conversation in wanted]
    return [
        Hit(
            row.seq,
            row.conversation,
            row.message,
            row.role or "",
            row.occurred_at,
            excerpt(found[row.message, row.conversation], words),
        )
        for row in rows
    ]


def _folded(text: str) -> str:
    """As two texts are compared: without case, in any script; composed, so that é is é however it was typed."""
    return text.lower() if text.isascii() else normalized("NFC", text).casefold()


def _with_origins(text: str) -> tuple[str, Sequence[int]]:
    """The folded text, and from which character of the text each of its characters is: one may become several."""
    if text.isascii():
        return text.lower(), range(len(text) + 1)
    folded, origin = [], []
    for place, character in enumerate(text):
        for each in character.casefold():
            folded.append(each)
            origin.append(place)
    origin.append(len(text))
    return "".join(folded), origin


def _marks(folded: str, origin: Sequence[int], words: Sequence[str]) -> list[tuple[int, int]]:
    """Where the words stand near the first of them, as (start, end) in the text, in order."""
    first = min((place for word in words if (place := folded.find(word)) >= 0), default=-1)
    if first < 0:
        return []
    marks = []
    for word in words:
        at = folded.find(word, first, first + 4 * AFTER)
        while at >= 0:
            marks.append((origin[at], max(origin[at] + 1, origin[at + len(word)])))
            at = folded.find(word, at + len(word), first + 4 * AFTER)
    return sorted(marks, key=lambda mark: (mark[0], -mark[1]))
