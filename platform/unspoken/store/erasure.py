"""Erasing a user from the tables, step by step: each step can be done again, so a crash between two loses nothing.

1. `ask` writes the tombstone. From its commit on, events of the user from before are refused, and nothing is built.
2. `withdraw` marks every dataset, model and report that saw the user, and ends the jobs that are making more.
3. `remove` takes the rows away, in short transactions.
4. `finish` says that all is gone. Files are between 2 and 3: see unspoken.jobs.erasing, which does it in order.

The user's plain id is never written: a tombstone holds the keyed hash, which only the project's secret leads to.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, Engine, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from unspoken.errors import NotFound, Unavailable
from unspoken.store import audit, people, retention
from unspoken.store.columns import now
from unspoken.store.database import reading, transaction
from unspoken.store.fold import refold, untally
from unspoken.store.horizon import below, stream
from unspoken.store.ingest import exclude
from unspoken.store.tables import (
    Audit,
    Base,
    Dataset,
    Erasure,
    EvaluationSet,
    Event,
    Job,
    Message,
    Model,
    Parked,
    Participant,
    Person,
    Project,
    Quarantine,
    Report,
)

JOB = "user.erase"
STEP = 20  # conversations in one transaction
Counts = dict[str, int]


def ask(session: Session, project_id: str, user: str, asked_by: str) -> Erasure:
    """The tombstone; that of the same user which is not finished yet, where there is one."""
    open_one = select(Erasure).where(
        Erasure.project_id == project_id, Erasure.user == user, Erasure.finished_at.is_(None)
    )
    there = session.scalars(open_one.limit(1)).first()
    if there:
        return there
    exclude(session)
    latest = session.scalar(select(func.max(Event.occurred_at)).where(stream(project_id), Event.user == user))
    at = now()
    before = max(at, latest + timedelta(milliseconds=1)) if latest else at
    row = Erasure(project_id=project_id, user=user, asked_by=asked_by, asked_at=at, before=before, counts={})
    session.add(row)
    session.flush()
    audit.write(session, project_id, asked_by, "user.erase", f"erasure {row.seq}")
    return row


def unfinished(session: Session, project_id: str | None = None) -> list[Erasure]:
    """Erasures that are not over, oldest first; of every project, or of the one."""
    wanted = select(Erasure).where(Erasure.finished_at.is_(None)).order_by(Erasure.seq)
    if project_id is not None:
        wanted = wanted.where(Erasure.project_id == project_id)
    return list(session.scalars(wanted))


def listed(session: Session, project_id: str, limit: int = 200) -> list[Erasure]:
    """A project's erasures, newest first."""
    wanted = select(Erasure).where(Erasure.project_id == project_id).order_by(Erasure.seq.desc()).limit(limit)
    return list(session.scalars(wanted))


def mark(session: Session, project_id: str) -> int:
    """What a build of labels remembers from when it read: see `unchanged`. Unavailable while a user is being erased."""
    if unfinished(session, project_id):
        raise Unavailable("A user of this project is being erased; labels are made again when that is over.")
    return session.scalar(select(func.max(Erasure.seq)).where(Erasure.project_id == project_id)) or 0


def unchanged(session: Session, project_id: str, marked: int) -> None:
    """Unavailable when somebody was erased since the mark: what was read then may hold them."""
    if mark(session, project_id) != marked:
        raise Unavailable("A user was erased while this was made; it is made again without them.")


def hold(session: Session, dataset_id: str) -> None:
    """Whatever is recorded of the dataset in this transaction is found by who withdraws it later.

    NotFound when that has happened already.
    """
    found = session.get(Dataset, dataset_id, with_for_update=True, populate_existing=True)
    if found is not None:
        refuse_withdrawn(found)


def refuse_withdrawn(dataset: Dataset) -> None:
    """NotFound for a dataset that may not be used any more."""
    if dataset.withdrawn_at is not None:
        raise NotFound(
            f"The dataset {dataset.id!r} was withdrawn on {dataset.withdrawn_at:%Y-%m-%d}, because a user in it was "
            "erased; make it again with the job project.refresh."
        )


def withdraw(session: Session, erasure: Erasure, found: people.Found | None) -> Counts:
    """Marks whatever was made of the user's data; ends the project's other jobs; drops datasets that are half built.

    `found` is people.find() of the user. How many jobs were ended, and datasets, models and reports marked, now.
    """
    project, at = erasure.project_id, now()
    live = select(Dataset).where(
        Dataset.project_id == project, Dataset.withdrawn_at.is_(None), Dataset.finished_at.is_not(None)
    )
    # Who was in what retention has removed since cannot be told any more, so they may have been.
    forgotten = session.scalar(
        select(func.max(Audit.at)).where(Audit.project_id == project, Audit.action == retention.EXPIRED)
    )
    seen = [
        each.id
        for each in session.scalars(live)
        if (forgotten and each.created_at < forgotten) or _saw(session, each, erasure.user, found)
    ]
    if found is None and not seen:
        return {}
    ended = session.execute(
        update(Job)
        .where(Job.project_id == project, Job.name != JOB, Job.state.in_(("queued", "running")))
        .values(
            state="failed",
            dedupe=None,
            lease_until=None,
            finished_at=at,
            error="A user of this project was erased meanwhile; project.refresh was queued anew.",
        )
    )
    session.execute(delete(Dataset).where(Dataset.project_id == project, Dataset.finished_at.is_(None)))
    counts = {"jobs": _rows(ended), "datasets": _set(session, Dataset, Dataset.id.in_(seen), at)}
    for name, table in (("models", Model), ("reports", Report)):
        counts[name] = _set(session, table, table.dataset_id.in_(seen), at)
    return counts


def remove(engine: Engine, erasure: Erasure, found: people.Found | None) -> None:
    """Takes the user's rows away; `counts` of the erasure grows with each transaction."""
    with transaction(engine) as session:
        note(session, erasure, _without_conversation(session, erasure))
    names = found.conversations if found else ()
    for some in people.chunks(names, people.AT_ONCE):
        with reading(engine) as session:
            parts = list(people.parts(session, erasure.project_id, erasure.user, some))
        for few in people.chunks(parts, STEP):
            with transaction(engine) as session:
                note(session, erasure, _without_parts(session, erasure, few))


def finish(session: Session, erasure: Erasure) -> Counts:
    """Says that all is gone, in the tombstone and in the audit; the counts of everything that went."""
    row = session.get(Erasure, erasure.seq, with_for_update=True)
    if row is None:
        return {}
    row.finished_at = now()
    audit.write(session, row.project_id, row.asked_by, "user.erased", f"erasure {row.seq}", row.counts)
    return row.counts


def note(session: Session, erasure: Erasure, counts: Counts) -> None:
    """Adds to the erasure's counts."""
    row = session.get(Erasure, erasure.seq, with_for_update=True)
    if row is not None:
        whole = dict(row.counts)
        _add(whole, {name: number for name, number in counts.items() if number})
        row.counts = whole


def _saw(session: Session, dataset: Dataset, user: str, found: people.Found | None) -> bool:
    """Whether an event of the user lies below the dataset's horizon, or its rows name them."""
    if found and below(dataset.horizon, found.seq, found.transaction):
        return True
    columns = [table.__table__.c for table in people.DERIVED]
    rows = [exists().where(of.dataset_id == dataset.id, of.user == user) for of in columns]
    return bool(session.scalar(select(or_(*rows))))


def _set(session: Session, table: type[Dataset] | type[Model] | type[Report], which: Any, at: Any) -> int:
    return _rows(session.execute(update(table).where(which, table.withdrawn_at.is_(None)).values(withdrawn_at=at)))


def _without_conversation(session: Session, erasure: Erasure) -> Counts:
    """What names the user or their labels outside of any conversation."""
    project, user = erasure.project_id, erasure.user
    counts: Counts = {}
    for table in people.DERIVED:
        _delete(session, counts, table, people.derived_of(table, project, user, ()))
    _delete(session, counts, Quarantine, (Quarantine.project_id == project) & (Quarantine.user == user))
    _delete(session, counts, Person, (Person.project_id == project) & (Person.user == user))
    session.execute(delete(Participant).where(Participant.project_id == project, Participant.user == user))
    return counts


def _without_parts(session: Session, erasure: Erasure, parts: Sequence[people.Part]) -> Counts:
    """What was derived from any of these conversations, then what is theirs in them: events, then messages."""
    project, user = erasure.project_id, erasure.user
    counts: Counts = {}
    for some in people.chunks(message for part in parts for message in part.every):
        for table in people.DERIVED:
            _delete(session, counts, table, people.derived_of(table, project, user, some))
    for numbers in people.chunks(seq for part in parts for seq in part.events):
        named = select(Event.id).where(Event.seq.in_(numbers))
        _delete(session, counts, Parked, (Parked.project_id == project) & Parked.event.in_(named))
        untally(session, Event.seq.in_(numbers))
        _delete(session, counts, Event, Event.seq.in_(numbers))
    theirs = {message for part in parts for message in part.messages}
    for some in people.chunks(theirs):
        _delete(session, counts, Message, (Message.project_id == project) & Message.id.in_(some))
    number = session.scalar(select(Project.number).where(Project.id == project)) or 0
    _add(counts, {"conversations": refold(session, number, {part.conversation: [user] for part in parts})})
    _out_of_evaluation_sets(session, project, theirs)
    return counts


def _out_of_evaluation_sets(session: Session, project_id: str, messages: set[str]) -> None:
    for row in session.scalars(select(EvaluationSet).where(EvaluationSet.project_id == project_id)):
        kept = [message for message in row.messages if message not in messages]
        if len(kept) < len(row.messages):
            row.messages = kept


def _delete(session: Session, counts: Counts, table: type[Base], which: ColumnElement[bool]) -> None:
    gone = session.execute(delete(table).where(which), execution_options={"synchronize_session": False})
    _add(counts, {str(table.__tablename__): _rows(gone)})


def _rows(result: Any) -> int:
    return result.rowcount if isinstance(result, CursorResult) else 0


def _add(counts: Counts, more: Counts) -> None:
    for name, number in more.items():
        counts[name] = counts.get(name, 0) + number
