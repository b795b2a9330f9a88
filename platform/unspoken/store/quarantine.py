"""Users whose evidence is left out of labels, with a reason and an undo. What was recorded of them stays as it is.

A row is never changed but for the time it was undone at, so that a scan knows whom a person has let go before and
leaves them alone. Erasing a user removes their rows; the audit names a row by its id alone, and so nobody.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from unspoken.errors import BadInput
from unspoken.store import audit
from unspoken.store.columns import now
from unspoken.store.tables import Project, Quarantine

if TYPE_CHECKING:
    import polars as pl

LONGEST = 500
SCAN = "scan for bots"  # the actor who is no person


def put(session: Session, project_id: str, user: str, reason: str, actor: str) -> bool:
    """Whether the user (a hash) is in now and was not before; the reason of who is in already stays."""
    if not 0 < len(reason) <= LONGEST or not reason.isprintable():
        raise BadInput(f"A reason has 1 to {LONGEST} printable characters, on one line; {reason[:40]!r} does not fit.")
    _one_at_a_time(session, project_id)
    if session.scalars(_held(project_id).where(Quarantine.user == user).limit(1)).first():
        return False
    row = Quarantine(project_id=project_id, user=user, reason=reason)
    session.add(row)
    session.flush()
    audit.write(session, project_id, actor, "quarantine.put", f"quarantine {row.id}")
    return True


def lift(session: Session, project_id: str, user: str, actor: str) -> bool:
    """Whether the user was in and is not any more. The next labels have them again, and no scan puts them back."""
    _one_at_a_time(session, project_id)
    rows = session.scalars(_held(project_id).where(Quarantine.user == user)).all()
    for row in rows:
        row.undone_at = now()
        audit.write(session, project_id, actor, "quarantine.lift", f"quarantine {row.id}")
    return bool(rows)


def listed(session: Session, project_id: str) -> Sequence[Quarantine]:
    """Every row, also of those who were lifted, newest first."""
    mine = select(Quarantine).where(Quarantine.project_id == project_id)
    return session.scalars(mine.order_by(Quarantine.since.desc(), Quarantine.id)).all()


def scan(session: Session, project_id: str, flagged: Iterable[tuple[str, str]]) -> list[str]:
    """Puts in who is flagged (user, reason) and was never lifted; who is in now and was not before.

    Whoever scans what was read before this transaction asks erasure.unchanged in it: an erased user has no row.
    """
    _one_at_a_time(session, project_id)
    lifted = _lifted(session, project_id)
    return [user for user, reason in flagged if user not in lifted and put(session, project_id, user, reason, SCAN)]


def who(session: Session, project_id: str) -> "pl.DataFrame":
    """user, reason of who is in, by user: what unspoken.pairs.quarantined leaves out."""
    return _frame({row.user: row.reason for row in session.scalars(_held(project_id))})


def apart(session: Session, project_id: str, flagged: Iterable[tuple[str, str]]) -> "pl.DataFrame":
    """Like `who` after a scan, without one: nothing is written."""
    lifted = _lifted(session, project_id)
    new = {user: reason for user, reason in flagged if user not in lifted}
    return _frame(new | {row.user: row.reason for row in session.scalars(_held(project_id))})


def _held(project_id: str) -> Select[Quarantine]:
    return select(Quarantine).where(Quarantine.project_id == project_id, Quarantine.undone_at.is_(None))


def _lifted(session: Session, project_id: str) -> set[str]:
    undone = select(Quarantine.user).where(Quarantine.project_id == project_id, Quarantine.undone_at.is_not(None))
    return set(session.scalars(undone))


def _one_at_a_time(session: Session, project_id: str) -> None:
    """Two who put the same user in at once would both find nobody there."""
    session.execute(select(Project.number).where(Project.id == project_id).with_for_update())


def _frame(reasons: dict[str, str]) -> "pl.DataFrame":
    import polars as pl

    return pl.DataFrame(sorted(reasons.items()), schema={"user": pl.String, "reason": pl.String}, orient="row")
