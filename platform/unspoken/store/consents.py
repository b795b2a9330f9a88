"""Which of a project's events may not be used for a purpose, by what their people agreed to."""

import polars as pl
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from unspoken.consent import allows
from unspoken.frames import REFUSED
from unspoken.store.horizon import stream
from unspoken.store.projects import rules
from unspoken.store.tables import Event, Project

VALUES = 500  # consent strings in one IN (…)


def refused(session: Session, project: Project, purpose: str) -> pl.DataFrame:
    """frames.REFUSED: the events that the project's rule and their own consent do not leave for the purpose."""
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
