"""Which of a project's events may not be used for a purpose, by what their people agreed to."""

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from unspoken.consent import allows
from unspoken.events import STATED
from unspoken.store.horizon import stream
from unspoken.store.projects import rules
from unspoken.store.tables import Event, Project

if TYPE_CHECKING:
    import polars as pl

VALUES = 500  # consent strings in one IN (…)


def nobodys() -> ColumnElement[bool]:
    """Events that need no consent of their own where they say nothing: a machine's messages, closes that were inferred.

    The same rule on frames is unspoken.pairs.consented.
    """
    by_machine = and_(Event.kind == "message", Event.user.is_(None), Event.fields["role"].as_string() != "user")
    inferred = and_(Event.kind == "close", func.coalesce(Event.fields["cause"].as_string(), "") == "inferred")
    return or_(by_machine, inferred)


def withheld(session: Session, project: Project, purpose: str) -> set[str]:
    """Conversations in which a message or an act may not be used for the purpose, and so nothing of them.

    What somebody said of an answer withholds itself alone.
    """
    assumed = rules(project).consent == "assumed"
    mine = (stream(project.id), Event.kind.not_in(STATED))
    found: set[str] = set()
    for said in session.scalars(select(Event.consent).where(*mine).distinct()).all():
        if not allows(said, purpose, assumed=assumed):
            which = Event.consent == said if said is not None else and_(Event.consent.is_(None), ~nobodys())
            found.update(session.scalars(select(Event.conversation).where(*mine, which).distinct()))
    return found


def refused(session: Session, project: Project, purpose: str) -> "pl.DataFrame":
    """frames.REFUSED: the events that the project's rule and their own consent do not leave for the purpose."""
    import polars as pl

    from unspoken.frames import REFUSED

    assumed = rules(project).consent == "assumed"
    mine = stream(project.id)
    said = session.scalars(select(Event.consent).where(mine).distinct()).all()
    no = [each for each in said if not allows(each, purpose, assumed=assumed)]
    named = [each for each in no if each is not None]
    rows = []
    for start in range(0, max(1, len(named)), VALUES):
        which = [Event.consent.in_(named[start : start + VALUES])]
        if None in no and not start:
            which.append(Event.consent.is_(None))
        found = session.execute(select(Event.id, Event.consent.is_not(None)).where(mine, or_(*which))) if no else ()
        rows += [tuple(row) for row in found]
    return pl.DataFrame(rows, schema=dict(REFUSED), orient="row")
