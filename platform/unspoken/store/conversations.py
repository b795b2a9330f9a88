"""Conversations as somebody looks through them: the latest first, by what happened in them, who took part, and when.

One request looks at a bounded part, and says where to go on: at WINDOW conversations where what the fold has noted
decides, at LOOKED where the events themselves must be asked (which model answered).
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from unspoken.store import spans
from unspoken.store.columns import EPOCH, MICROSECOND
from unspoken.store.fold import BITS
from unspoken.store.people import chunks
from unspoken.store.tables import Conversation, Event, Message, Participant, Span

WINDOW = 20_000
LOOKED = 2_000
BUDGET_S = 1.5
ROWS = 25
SPANS = 40  # of one conversation, its newest, are counted for a list; and OLDEST, where its first prompt is
OLDEST = 2
MESSAGES = 20_000  # of the conversations of one list
PROMPT = 300  # characters
Place = tuple[datetime, str]


@dataclass(frozen=True)
class Filter:
    """What is wanted; everything by default. `user` is a hash, and the times are those of the last activity."""

    kinds: tuple[str, ...] = ()
    user: str = ""
    model: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def mask(self) -> int:
        """As the fold writes it."""
        return sum(BITS[kind] for kind in set(self.kinds))


@dataclass
class Row:
    """One conversation of a list. `more`: the counts are of its newest events only."""

    id: str
    first_at: datetime
    last_at: datetime
    kinds: Counter[str] = field(default_factory=Counter)
    turns: int = 0
    answers: int = 0
    prompt: str = ""
    models: set[str] = field(default_factory=set)
    more: bool = False

    @property
    def place(self) -> Place:
        """Where it stands in a list."""
        return (self.last_at, self.id)


@dataclass(frozen=True)
class Listing:
    """`after`: where to go on, None at the end. `looked_to`: how far was looked, where that was not all there is."""

    rows: list[Row]
    after: Place | None
    looked_to: datetime | None = None


def listed(session: Session, project: int, wanted: Filter, after: Place | None = None, limit: int = ROWS) -> Listing:
    """The next conversations of a project (by number), the latest activity first."""
    most = LOOKED if wanted.model else limit
    edge: Place | None = None
    if wanted.user:
        found = _of_user(session, project, wanted, after)
    else:
        found, edge = _window(session, project, wanted, after, most + 1)
    end = time.monotonic() + BUDGET_S
    rows: list[Row] = []
    looked = 0
    for some in chunks(found[:most], ROWS):
        for row in detailed(session, project, some):
            looked += 1
            if not _fits(row, wanted):
                continue
            rows.append(row)
            if len(rows) == limit:
                goes_on = looked < len(found) or edge is not None
                return Listing(rows, row.place if goes_on else None)
        if time.monotonic() > end:
            break
    if looked < len(found):
        edge = found[looked - 1].place
    return Listing(rows, edge, edge and edge[0])


def matching(session: Session, project: int, wanted: Filter, names: Sequence[str]) -> set[str]:
    """Which of these conversations are wanted."""
    mine = (Conversation.project == project, Conversation.id.in_(names), *_within(wanted))
    found = set(session.scalars(select(Conversation.id).where(*mine)))
    if wanted.mask:
        mask = Conversation.kinds.op("&")(wanted.mask) == wanted.mask
        found &= set(session.scalars(select(Conversation.id).where(*mine, mask)))
    if wanted.user and found:
        theirs = (Participant.project == project, Participant.user == wanted.user)
        found &= set(
            session.scalars(select(Participant.conversation).where(*theirs, Participant.conversation.in_(found)))
        )
    if wanted.model and found:
        rows = [Row(name, EPOCH, EPOCH) for name in sorted(found)]
        found &= {
            row.id
            for some in chunks(rows, ROWS)
            for row in detailed(session, project, some)
            if wanted.model in row.models
        }
    return found


def detailed(session: Session, project: int, rows: Sequence[Row]) -> Sequence[Row]:
    """The same rows, with what their events say."""
    by_name = {row.id: row for row in rows}
    firsts: dict[str, tuple[datetime, str]] = {}
    seen: set[str] = set()
    left = MESSAGES
    for piece in spans.folded(session, project, list(by_name), SPANS, OLDEST):
        counted = select(Event.conversation, Event.kind, func.count()).where(*piece)
        for name, kind, number in session.execute(counted.group_by(Event.conversation, Event.kind)):
            by_name[name].kinds[kind] += number
        role, model = Event.fields["role"].as_string(), Event.fields["model"].as_string()
        told = select(Event.conversation, Event.message, Event.occurred_at, role, model).where(*piece)
        for name, message, at, who, whose in session.execute(told.where(Event.kind == "message").limit(max(left, 0))):
            left -= 1
            if message in seen:
                continue
            seen.add(message)
            row = by_name[name]
            row.turns += who == "user"
            row.answers += who == "assistant"
            if whose:
                row.models.add(whose)
            if who == "user" and (name not in firsts or at < firsts[name][0]):
                firsts[name] = (at, message)
    _prompts(session, project, by_name, {message: name for name, (_, message) in firsts.items()})
    for row in rows:
        if sum(row.kinds.values()) >= SPANS:
            its = (Span.project == project, Span.conversation == row.id)
            row.more = (session.scalar(select(func.count()).where(*its)) or 0) > SPANS + OLDEST
    return rows


def _fits(row: Row, wanted: Filter) -> bool:
    """Whether the events say what was wanted: what was noted of them may be from before some were removed."""
    if wanted.model and wanted.model not in row.models:
        return False
    return bool(row.kinds) and (row.more or all(row.kinds[kind] for kind in wanted.kinds))


def _prompts(session: Session, project: int, rows: dict[str, Row], of: dict[str, str]) -> None:
    wanted = select(Message.id, Message.conversation, func.substr(Message.text, 1, PROMPT + 1))
    for message, conversation, text in session.execute(
        wanted.where(Message.project == project, Message.id.in_(of), Message.conversation.in_(rows))
    ):
        if of[message] == conversation:
            rows[conversation].prompt = text


def _window(
    session: Session, project: int, wanted: Filter, after: Place | None, limit: int
) -> tuple[list[Row], Place | None]:
    """At most so many of those wanted among the next WINDOW; and where the window ends, when there is more."""
    within = [Conversation.project == project, *_within(wanted), *_below(after)]
    order = (Conversation.last_at.desc(), Conversation.id.desc())
    last = session.execute(
        select(Conversation.last_at, Conversation.id).where(*within).order_by(*order).offset(WINDOW - 1).limit(1)
    ).first()
    edge = None if last is None else (last.last_at, last.id)
    if edge is not None:
        at, name = edge
        within += [Conversation.last_at >= at, or_(Conversation.last_at > at, Conversation.id >= name)]
    has = Conversation.kinds.op("&")(wanted.mask) == wanted.mask
    found = select(Conversation.id, Conversation.first_at, Conversation.last_at).where(*within, has)
    rows = [Row(*each) for each in session.execute(found.order_by(*order).limit(limit))]
    return rows, edge


def _of_user(session: Session, project: int, wanted: Filter, after: Place | None) -> list[Row]:
    """Theirs, at most WINDOW: each is looked up by its name, and they are put in order here."""
    theirs = (Participant.project == project, Participant.user == wanted.user)
    names = session.scalars(select(Participant.conversation).where(*theirs).limit(WINDOW)).all()
    has = Conversation.kinds.op("&")(wanted.mask) == wanted.mask
    columns = select(Conversation.id, Conversation.first_at, Conversation.last_at).where(has, *_within(wanted))
    rows = [
        Row(*row)
        for some in chunks(names)
        for row in session.execute(columns.where(Conversation.project == project, Conversation.id.in_(some)))
    ]
    placed = sorted(rows, key=lambda row: (row.last_at, row.id), reverse=True)
    return [row for row in placed if after is None or (row.last_at, row.id) < after]


def _within(wanted: Filter) -> Iterator[ColumnElement[bool]]:
    if wanted.since is not None:
        yield Conversation.last_at >= wanted.since
    if wanted.until is not None:
        yield Conversation.last_at < wanted.until


def _below(place: Place | None) -> list[ColumnElement[bool]]:
    if place is None:
        return []
    at, name = place
    return [Conversation.last_at <= at, or_(Conversation.last_at < at, Conversation.id < name)]


def place_of(said: str) -> Place | None:
    """A place from an address, as `said_place` wrote it; None for anything else."""
    micros, _, name = said.partition("~")
    if not (micros.isdecimal() and micros.isascii() and len(micros) <= 16 and name):
        return None
    return EPOCH + int(micros) * MICROSECOND, name


def said_place(place: Place | None) -> str | None:
    """A place for an address."""
    return None if place is None else f"{max(0, (place[0] - EPOCH) // MICROSECOND)}~{place[1]}"
