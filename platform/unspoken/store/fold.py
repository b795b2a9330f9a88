"""What is derived from events, brought up to the horizon: conversations and where their events lie, people, tallies by
day, and who waits for a message.

None of it is written when events come in: each of these rows would be looked up in an index as large as the table, for
every event. Here one step takes some thousand events at once, in the order in which they were stored, in one short
transaction that also moves the watermark; so each event is folded exactly once, whoever is stopped wherever. Two who
fold at once take turns.

An event is parked when its message is not there; the event that brings the message is then still to be folded, and
releases it.
"""

import time
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Engine,
    case,
    cast,
    delete,
    distinct,
    exists,
    func,
    select,
    text,
    true,
    tuple_,
    type_coerce,
)
from sqlalchemy.orm import Session

from unspoken.store import spans
from unspoken.store.database import transaction
from unspoken.store.dialects import insert, insert_or_skip, on_postgresql
from unspoken.store.horizon import between, horizon, stream
from unspoken.store.tables import (
    Conversation,
    Event,
    Message,
    Parked,
    Participant,
    Person,
    Span,
    Tally,
    Watermark,
)

NAME = "fold"
LOCK = 0x756E73706F6B6570  # the advisory lock of whoever folds on PostgreSQL
# In one step: some 10 ms of SQLite's write lock; on PostgreSQL nobody waits for it, and a transaction holds up to
# some thousand events.
STEP = {"seq": 2_000, "transaction": 1_000}
BLOCK = 500  # numbers of events that one span reaches over at most
DAY = 86_400_000_000  # microseconds
# What Conversation.kinds says: a bit for each kind, for ever the same, so a new kind goes to the end.
BITS = {
    kind: 1 << place
    for place, kind in enumerate(
        (
            "message", "vote", "rating", "choice", "solicit", "expose", "heartbeat", "view", "regenerate", "stop",
            "close", "hide", "return", "disconnect", "pause", "copy", "select", "edit", "share",
        )
    )
}  # fmt: skip
DERIVED = (Conversation, Span, Participant, Person, Parked, Tally)


def fold(engine: Engine, share: float = 1.0) -> int:
    """Fold everything below the horizon; how many events that were. `share`: of the time, to hold SQLite's lock for.

    With a share of 0.25 it rests three times as long as it worked, so that whoever writes events is hardly delayed.
    """
    folded, more = 0, True
    while more:
        began = time.monotonic()
        with transaction(engine) as session:
            number, more = _step(session)
        folded += number
        if more and share < 1 and engine.dialect.name == "sqlite":
            time.sleep((time.monotonic() - began) * (1 / share - 1))
    return folded


def unfolded(session: Session) -> ColumnElement[bool]:
    """Which events are not folded yet, among them those beyond the horizon."""
    mark = _watermark(session)
    if mark is None:
        return true()
    [(unit, end)] = mark.items()
    since: ColumnElement[bool] = Event.transaction >= end if unit == "transaction" else Event.seq > end
    return since


def waiting(session: Session, project_id: str) -> int:
    """How many events wait, at this moment, for a message that has not come."""
    come = exists().where(Message.project == Parked.project, Message.id == Parked.message)
    parked = select(func.count()).select_from(Parked).where(Parked.project_id == project_id, ~come)
    since = select(func.count()).select_from(Event).where(stream(project_id), unfolded(session), _alone())
    return (session.scalar(parked) or 0) + (session.scalar(since) or 0)


def untally(session: Session, events: ColumnElement[bool]) -> None:
    """Take events out of the tallies: in the transaction that removes them, and before it does."""
    _take_turns(session)
    for row in session.execute(_counted(events, ~unfolded(session))).all():
        tally = session.get(Tally, (row.project, row.day, row.kind), populate_existing=True)
        if tally is None:
            continue
        tally.events -= row.events
        tally.answers -= row.answers
        if tally.events <= 0:  # a count of nothing would still say that there was something
            session.delete(tally)
    session.flush()


def refold(session: Session, project: int, conversations: Mapping[str, Collection[str]]) -> int:
    """Makes anew what is derived of conversations some of whose events were removed; how many are left without any.

    With each come the users (hashes) whose events were among those.
    """
    _take_turns(session)
    settled = ~unfolded(session)
    without = 0
    for name, gone in conversations.items():
        pieces = [[*piece, settled] for piece in spans.folded(session, project, [name])]
        removed: Any = session.execute(
            delete(Conversation).where(Conversation.project == project, Conversation.id == name)
        )
        session.execute(delete(Span).where(Span.project == project, Span.conversation == name))
        left: set[str | None] = set()
        for piece in pieces:
            left.update(session.scalars(select(Event.user).where(*piece).distinct()))
            _conversations(session, piece)
            _spans(session, piece)
        without += 0 if left else removed.rowcount
        left_it = Participant.user.in_(set(gone) - left)
        mine = (Participant.project == project, Participant.conversation == name, left_it)
        session.execute(delete(Participant).where(*mine))
    return without


def _step(session: Session) -> tuple[int, bool]:
    """Fold the next events; how many, and whether there are more."""
    _take_turns(session)
    (unit, end), *_ = horizon(session).items()
    since = _watermark(session)
    if since is None or since.get(unit, end + 1) > end:
        # Nothing was folded yet, or what was is of another database or from after a restored backup: begin anew.
        for table in DERIVED:
            session.execute(delete(table))
        since = {unit: _next(session, unit, 0, end)}
    until = {unit: min(end, since[unit] + STEP[unit])}
    within = between(since, until)
    number = _tally(session, within)
    if number:
        _conversations(session, within)
        _spans(session, within)
        _people(session, within)
        _park(session, within)
    else:
        until = {unit: _next(session, unit, until[unit], end)}
    mark = insert(session, Watermark)
    moved = mark.on_conflict_do_update(index_elements=["name"], set_={"horizon": mark.excluded.horizon})
    session.execute(moved, [{"name": NAME, "horizon": until}])
    return number, until[unit] < end


def _next(session: Session, unit: str, start: int, end: int) -> int:
    """From where on there are events again: numbers of erased events, and transactions of others, are passed over."""
    column = Event.transaction if unit == "transaction" else Event.seq - 1
    found = session.scalar(select(func.min(column)).where(column >= start))
    return end if found is None else min(found, end)


def _take_turns(session: Session) -> None:
    if on_postgresql(session):
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def _watermark(session: Session) -> dict[str, Any] | None:
    return session.scalar(select(Watermark.horizon).where(Watermark.name == NAME))


def _counted(*which: ColumnElement[bool]) -> Any:
    """Events by project, day and kind, the answers among them, and when the last was received."""
    day = (type_coerce(Event.occurred_at, BigInteger) // DAY).label("day")
    answer = case(((Event.kind == "message") & (Event.fields["role"].as_string() == "assistant"), 1), else_=0)
    key = (Event.project, day, Event.kind)
    return (
        select(
            *key,
            func.count().label("events"),
            func.sum(answer).label("answers"),
            func.max(Event.received_at).label("last_received_at"),
        )
        .where(*which)
        .group_by(*key)
        .order_by(*key)
    )


def _tally(session: Session, within: list[ColumnElement[bool]]) -> int:
    """Count the events by day and kind; how many there are."""
    rows = session.execute(_counted(*within)).mappings().all()
    if not rows:
        return 0
    adding = insert(session, Tally)
    _, greatest = _extremes(session)
    session.execute(
        adding.on_conflict_do_update(
            index_elements=["project", "day", "kind"],
            set_={
                "events": Tally.events + adding.excluded.events,
                "answers": Tally.answers + adding.excluded.answers,
                "last_received_at": greatest(Tally.last_received_at, adding.excluded.last_received_at),
            },
        ),
        [dict(row) for row in rows],
    )
    return sum(row["events"] for row in rows)


def _conversations(session: Session, within: list[ColumnElement[bool]]) -> None:
    """Widen each conversation to its events, and mark it as touched by the last of them."""
    at, seq = Event.occurred_at, Event.seq
    # The sum of different bits is all of them; PostgreSQL gives it as a decimal.
    kinds = cast(func.sum(distinct(case(BITS, value=Event.kind))), BigInteger)
    found = (
        select(Event.project, Event.conversation, func.min(at), func.max(at), func.max(seq), kinds)
        .where(*within)
        .group_by(Event.project, Event.conversation)
        .order_by(Event.project, Event.conversation)
    )
    columns = ["project", "id", "first_at", "last_at", "touched", "kinds"]
    adding = insert(session, Conversation).from_select(columns, found)
    least, greatest = _extremes(session)
    given = adding.excluded
    session.execute(
        adding.on_conflict_do_update(
            index_elements=["project", "id"],
            set_={
                "first_at": least(Conversation.first_at, given.first_at),
                "last_at": greatest(Conversation.last_at, given.last_at),
                "touched": greatest(Conversation.touched, given.touched),
                "kinds": Conversation.kinds.op("|")(given.kinds),
            },
        )
    )


def _spans(session: Session, within: list[ColumnElement[bool]]) -> None:
    """Note where the events of each conversation lie, block by block."""
    block = Event.seq // BLOCK
    found = (
        select(Event.project, Event.conversation, func.min(Event.seq), func.max(Event.seq))
        .where(*within)
        .group_by(Event.project, Event.conversation, block)
        .order_by(Event.project, Event.conversation, block)
    )
    columns = ["project", "conversation", "first_seq", "last_seq"]
    adding = insert(session, Span).from_select(columns, found)
    _, greatest = _extremes(session)
    longer = {"last_seq": greatest(Span.last_seq, adding.excluded.last_seq)}
    session.execute(adding.on_conflict_do_update(index_elements=["project", "conversation", "first_seq"], set_=longer))


def _people(session: Session, within: list[ColumnElement[bool]]) -> None:
    """Who there is, and in which conversations."""
    of = [*within, Event.user.is_not(None)]
    users = select(Event.project, Event.user).where(*of).distinct().order_by(Event.project, Event.user)
    session.execute(insert_or_skip(session, Person).from_select(["project", "user"], users))
    who = select(Event.project, Event.user, Event.conversation).where(*of).distinct()
    placed = who.order_by(Event.project, Event.user, Event.conversation)
    session.execute(insert_or_skip(session, Participant).from_select(["project", "user", "conversation"], placed))


def _park(session: Session, within: list[ColumnElement[bool]]) -> None:
    """Release those whose message has come, and park those whose message has not."""
    come = select(Event.project, Event.message).where(*within, Event.kind == "message")
    session.execute(delete(Parked).where(tuple_(Parked.project, Parked.message).in_(come)))
    alone = select(Event.project, Event.id, Event.message, Event.received_at).where(*within, _alone())
    session.execute(insert_or_skip(session, Parked).from_select(["project", "event", "message", "since"], alone))


def _alone() -> ColumnElement[bool]:
    """Whether an event's message is not there."""
    come = exists().where(Message.project == Event.project, Message.id == Event.message)
    return Event.message.is_not(None) & ~come


def _extremes(session: Session) -> tuple[Any, Any]:
    return (func.least, func.greatest) if on_postgresql(session) else (func.min, func.max)
