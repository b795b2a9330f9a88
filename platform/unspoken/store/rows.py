"""Events as the rows that are written: user hashed, clock corrected, texts redacted, times in microseconds.

A row is a tuple in the order of EVENT or MESSAGE, with the project's number and the id first, so that sorting rows is
sorting their keys. This is the inner loop of the platform: about two microseconds an event, each of them looked at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from unspoken.errors import UnspokenError
from unspoken.events import Message as SentMessage
from unspoken.events import digest, hash_user, own_fields, times
from unspoken.redaction import redactor
from unspoken.settings import settings
from unspoken.store import projects
from unspoken.store.arrivals import Arrival, Receipt
from unspoken.store.columns import EPOCH
from unspoken.store.tables import Project

EVENT = (
    "project", "id", "kind", "at", "sent_at", "received_at", "occurred_at", "conversation", "user", "message", "page",
    "n", "session", "device", "arm", "consent", "fields",
)  # fmt: skip
MESSAGE = (
    "project", "id", "conversation", "parent", "role", "user", "text", "digest", "model", "finish", "occurred_at",
)  # fmt: skip
HASHES = 50_000  # users whose hash is remembered: some 15 MB

Row = tuple[Any, ...]
Key = tuple[int, str]  # project number, id
Erased = Mapping[int, Mapping[str, int]]  # by project and user: microseconds before which nothing of theirs is stored

ONE = Receipt(1, 0)  # the answer to most requests

_json = msgspec.json.Encoder().encode
_hashed = lru_cache(HASHES)(hash_user)


def microseconds(at: datetime) -> int:
    """Since 1970, UTC."""
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


_LAST = microseconds(times.LAST)


@dataclass(slots=True)
class Share:
    """What one arrival brought to its group: how many rows, events that stood there already, and ids of erased ones."""

    arrival: Arrival
    rows: int = 0
    twice: int = 0
    erased: tuple[str, ...] = ()
    refused: UnspokenError | None = None

    def receipt(self) -> Receipt:
        """When everything it brought was new."""
        if self.rows == 1 and not self.twice and not self.erased:
            return ONE
        return Receipt(self.rows, self.twice, erased=len(self.erased))


@dataclass(slots=True)
class Told:
    """An event that carries a message: its id, and the message's row."""

    event: str
    row: Row


@dataclass(slots=True)
class Group:
    """The rows of several arrivals. `told`: the events of each message, in the order they came."""

    erased: Erased
    events: dict[Key, Row] = field(default_factory=dict)
    told: dict[Key, list[Told]] = field(default_factory=dict)
    _redactors: dict[int, Callable[[str], str] | None] = field(default_factory=dict)

    def add(self, arrival: Arrival) -> Share:
        """Take an arrival in whole, or not at all when one of its texts cannot be redacted."""
        share, before = Share(arrival), len(self.events)
        told: list[Key] = []  # messages of this arrival
        try:
            self._add(arrival, share, told)
        except UnspokenError as error:
            while len(self.events) > before:
                self.events.popitem()
            for message in told:
                self.told[message].pop()
            return Share(arrival, refused=error)
        share.rows = len(self.events) - before
        return share

    def _add(self, arrival: Arrival, share: Share, told: list[Key]) -> None:
        number, secret, redact = arrival.project.number, arrival.project.user_secret, self._redactor(arrival.project)
        received = microseconds(arrival.received_at)
        sent = None if arrival.sent_at is None else microseconds(arrival.sent_at)
        skew = 0 if sent is None else received - sent
        erased, rows = self.erased.get(number), self.events
        for event in arrival.events:
            key = (number, event.id)
            if key in rows:
                share.twice += 1
                continue
            user = None if event.user is None else _hashed(secret, event.user)
            since = event.at - EPOCH
            at = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
            occurred = min(max(at + skew, 0), _LAST) if skew else at
            if erased and user is not None and occurred < erased.get(user, 0):
                share.erased += (event.id,)
                continue
            fields = own_fields(event)
            if redact is not None and "comment" in fields:
                fields["comment"] = redact(fields["comment"])
            rows[key] = (
                number,
                event.id,
                event.kind,
                at,
                sent,
                received,
                occurred,
                event.conversation,
                user,
                event.message,
                event.page,
                event.n,
                event.session,
                event.device,
                None if event.arm is None else _json(event.arm).decode(),
                event.consent,
                _json(fields).decode() if fields else "{}",
            )
            if isinstance(event, SentMessage):
                row = _message(event, number, user, occurred, redact)
                message = (number, event.message)
                self.told.setdefault(message, []).append(Told(event.id, row))
                told.append(message)

    def _redactor(self, project: Project) -> Callable[[str], str] | None:
        if project.number not in self._redactors:
            names = projects.rules(project).redact
            self._redactors[project.number] = redactor(names, settings().redact_hook)
        return self._redactors[project.number]


def _message(
    event: SentMessage, project: int, user: str | None, occurred_at: int, redact: Callable[[str], str] | None
) -> Row:
    text = event.text if redact is None else redact(event.text)
    return (
        project,
        event.message,
        event.conversation,
        event.parent,
        event.role,
        user,
        text,
        digest(text),
        event.model,
        event.finish,
        occurred_at,
    )


def contradicts(told: Row, known: Row) -> bool:
    """Whether a message row says another text, role, conversation or (where it names one) parent than the known row."""
    _, _, conversation, parent, role, _, text, *_ = told
    _, _, its_conversation, its_parent, its_role, _, its_text, *_ = known
    if (conversation, role, text) != (its_conversation, its_role, its_text):
        return True
    return parent is not None and parent != its_parent
