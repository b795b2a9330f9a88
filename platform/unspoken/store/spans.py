"""The events of conversations, found by the numbers that store/fold.py noted down for them.

There is no index by conversation (docs/decisions/0007): a conversation is read by ranges of the primary key, each a
block long at most.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from unspoken.store.dialects import on_postgresql
from unspoken.store.tables import Event, Span

# Ranges in one statement. From 18 on SQLite, which has no statistics to go by, reads the whole table instead.
AT_ONCE = {"sqlite": 10, "postgresql": 50}
Range = tuple[int, int]


def ranges(session: Session, project: int, conversations: Sequence[str], newest: int, oldest: int) -> list[Range]:
    """Where their folded events lie, in order: of each conversation so many of its newest spans, and of its oldest."""
    each = Span.conversation
    down = func.row_number().over(partition_by=each, order_by=Span.first_seq.desc()).label("down")
    up = func.row_number().over(partition_by=each, order_by=Span.first_seq).label("up")
    every = (
        select(Span.first_seq, Span.last_seq, down, up)
        .where(Span.project == project, Span.conversation.in_(conversations))
        .subquery()
    )
    wanted = select(every.c.first_seq, every.c.last_seq).where(or_(every.c.down <= newest, every.c.up <= oldest))
    merged: list[Range] = []
    for first, last in session.execute(wanted.order_by(every.c.first_seq)):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def folded(
    session: Session, project: int, conversations: Sequence[str], newest: int = 1_000_000, oldest: int = 0
) -> list[list[ColumnElement[bool]]]:
    """Conditions on events, for one statement after the other: those of the conversations, the newest first."""
    found = ranges(session, project, conversations, newest, oldest)[::-1]
    step = AT_ONCE["postgresql" if on_postgresql(session) else "sqlite"]
    return [
        [
            *_of(project, conversations),
            or_(*(Event.seq.between(first, last) for first, last in found[start : start + step])),
        ]
        for start in range(0, len(found), step)
    ]


def _of(project: int, conversations: Sequence[str]) -> list[ColumnElement[bool]]:
    """The `+ 0` keeps SQLite from going by the index over (project, id) instead."""
    return [Event.project + 0 == project, Event.conversation.in_(conversations)]
