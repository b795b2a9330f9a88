"""Events into the tables, once for ever. Never commits: the caller's transaction is the promise.

* The same event id twice is one event: the second is counted as repeated, whatever it holds.
* Two events may carry one message (the browser and the server both report it). The first one's text stays. A later
  event that gives the same message id another text, role, conversation or parent is a *conflict*: it is not stored,
  and the receipt names it, because storing it would drop its text without a word.
* An event whose message is not known is stored like any other; store/fold.py counts it as waiting.
* An event of a user who was erased after it happened is not stored again.
* A key is looked at again in the transaction itself, so one that was revoked stores nothing from that commit on.

Rows are written in the order of their keys, events before messages, so that overlapping groups queue up and cannot
deadlock; `seq` is therefore no order of arrival within a group.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from unspoken.errors import NotSignedIn, UnspokenError
from unspoken.events import Event
from unspoken.store.arrivals import Arrival, Receipt
from unspoken.store.bare import WRITERS, Bare, Opening, bare
from unspoken.store.columns import now
from unspoken.store.dialects import on_postgresql
from unspoken.store.rows import Erased, Group, Key, Row, Share, Told, contradicts
from unspoken.store.tables import Project

__all__ = ["Answer", "Arrival", "Erasures", "Receipt", "exclude", "ingest", "write"]

Answer = Receipt | UnspokenError


class Erasures:
    """Who was erased, and up to when: read again when there is a newer erasure."""

    def __init__(self) -> None:
        self.newest = 0
        self.known: Erased = {}

    def current(self, store: Bare, newest: int) -> Erased:
        """As of this transaction, whose newest erasure has that number."""
        if newest != self.newest:
            known: dict[int, dict[str, int]] = {}
            for project, user, before in store.erasures():
                of_project = known.setdefault(project, {})
                of_project[user] = max(before, of_project.get(user, 0))
            self.newest, self.known = newest, known
        return self.known


def ingest(
    session: Session, project: Project, events: Sequence[Event], *, sent_at: datetime | None, received_at: datetime
) -> Receipt:
    """Stores what is new, in the session's transaction; `sent_at` is the client's clock at sending, if known."""
    arrival = Arrival(project, None, events, sent_at, received_at)
    session.flush()
    [answer] = write(bare(session.connection()), [arrival], Erasures())
    if isinstance(answer, UnspokenError):
        raise answer
    return answer


def exclude(session: Session) -> None:
    """Wait until no transaction is storing events, and let none begin before this session's ends.

    For whoever adds an erasure: without it a group that did not see the erasure yet could still store what the search
    after it has passed already. SQLite has one writer at a time anyway.
    """
    if on_postgresql(session):
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITERS})


def write(
    store: Bare, arrivals: Sequence[Arrival], erasures: Erasures, start_over: Callable[[], None] | None = None
) -> list[Answer]:
    """The receipt of each arrival, or why nothing of it was stored: all in the transaction that `store` speaks in.

    Whoever can give this transaction up and begin another says how, by `start_over`. Then the rows go along with the
    questions, and are given up where an answer is not as usual: the usual group costs one trip to the database.
    """
    keys = sorted({arrival.principal.key_id for arrival in arrivals if arrival.principal is not None})
    if start_over is not None:
        answers = _at_once(store, arrivals, keys, erasures)
        if answers is not None:
            return answers
        start_over()
    opening = store.opening(keys, now())
    group, shares = _gathered(arrivals, opening.keys, erasures.current(store, opening.erasure))
    known = _known(store, group, store.insert_events(sorted(group.events.values())), opening)
    told = _told(group, known)
    conflicts = _conflicts(store, told, store.insert_messages(_first(told)))
    return _answers(store, shares, known, conflicts)


def _at_once(store: Bare, arrivals: Sequence[Arrival], keys: Sequence[str], erasures: Erasures) -> list[Answer] | None:
    """None when rows were written that must not stay: a key has ended, somebody was erased, an event was known."""
    group, shares = _gathered(arrivals, keys, erasures.known)
    told = _told(group, set())
    opening, new, written = store.at_once(keys, now(), erasures.newest, sorted(group.events.values()), _first(told))
    as_guessed = opening.erasure == erasures.newest and len(opening.keys) == len(keys)
    if not as_guessed or (told and new < len(group.events)):
        return None
    known = _known(store, group, new, opening)
    if new + len(known) != len(group.events):  # nothing is called stored that is neither new nor was there
        return None
    return _answers(store, shares, known, _conflicts(store, told, written))


def _gathered(arrivals: Sequence[Arrival], keys: Container[str], erased: Erased) -> tuple[Group, list[Share]]:
    """The rows of those whose key is in force."""
    group = Group(erased)
    return group, [
        group.add(arrival)
        if arrival.principal is None or arrival.principal.key_id in keys
        else Share(arrival, refused=NotSignedIn("This key was revoked or has run out; ask for a new one."))
        for arrival in arrivals
    ]


def _known(store: Bare, group: Group, new: int, opening: Opening) -> set[Key]:
    """Those of the group's events that were there before."""
    if new == len(group.events):
        return set()
    return {key for project, ids in _by_project(group.events).items() for key in store.known(project, ids, opening)}


def _told(group: Group, known: set[Key]) -> dict[Key, list[Told]]:
    """The messages of new events."""
    told = group.told
    if known or not all(told.values()):  # emptied by known events, or by an arrival that was taken back
        new = {message: [one for one in all_ if (message[0], one.event) not in known] for message, all_ in told.items()}
        told = {message: events for message, events in new.items() if events}
    return told


def _first(told: Mapping[Key, Sequence[Told]]) -> list[Row]:
    return [told[message][0].row for message in sorted(told)]


def _conflicts(store: Bare, told: Mapping[Key, Sequence[Told]], written: int) -> set[Key]:
    """Those events that contradict a message that was there first."""
    doubtful = told if written < len(told) else [message for message, events in told.items() if len(events) > 1]
    return {
        (project, one.event)
        for project, ids in _by_project(doubtful).items()
        for row in store.messages(project, ids)
        for one in told[project, row[1]]
        if contradicts(one.row, row)
    }


def _answers(store: Bare, shares: Sequence[Share], known: set[Key], conflicts: set[Key]) -> list[Answer]:
    for project, ids in _by_project(conflicts).items():
        store.forget(project, ids)
    if known or conflicts:
        return _told_apart(shares, known, conflicts)
    return [share.refused or share.receipt() for share in shares]


def _told_apart(shares: Sequence[Share], known: set[Key], conflicts: set[Key]) -> list[Answer]:
    """The receipts when not all was new: of several arrivals with one event, the first stored it."""
    gone = known | conflicts
    credited: set[Key] = set()
    answers: list[Answer] = []
    for share in shares:
        if share.refused is not None:
            answers.append(share.refused)
            continue
        number = share.arrival.project.number
        mine = {(number, event.id) for event in share.arrival.events}.difference(
            (number, each) for each in share.erased
        )
        stored = mine - gone - credited
        credited |= stored
        contradicting = tuple(sorted(event for _, event in mine & conflicts))
        repeated = len(share.arrival.events) - len(stored) - len(contradicting) - len(share.erased)
        answers.append(Receipt(len(stored), repeated, contradicting, len(share.erased)))
    return answers


def _by_project(keys: Iterable[Key]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for project, name in keys:
        found.setdefault(project, []).append(name)
    return found
