"""The newest events as they came in, for whoever watches."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from unspoken.store.tables import Event

MOST = 100
# Events of the whole server that are searched: a rare kind, or a silent project, must not read the table from its end
# to its beginning at each look.
WITHIN = 50_000


def newest(
    session: Session, project: int, kind: str = "", conversation: str = "", limit: int = MOST
) -> Sequence[Event]:
    """Of a project (by number), a kind and a conversation where given: those among the last WITHIN, newest first."""
    last = session.scalar(select(func.max(Event.seq))) or 0
    chosen = select(Event).where(Event.project == project, Event.seq > last - WITHIN)
    if kind:
        chosen = chosen.where(Event.kind == kind)
    if conversation:
        chosen = chosen.where(Event.conversation == conversation)
    return session.scalars(chosen.order_by(Event.seq.desc()).limit(limit)).all()
