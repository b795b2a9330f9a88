"""Where a request stands: which conversation, which message its answer replies to, and which messages are new.

Every turn of a history has a *link*: a hash of all turns up to it, of the user, and of what was said about the
conversation, keyed by the project's secret. The event of a message has its link as id, so one look at the unique key
of `events` finds the newest turn that is stored, and the same history a second time stores nothing a second time: also
in another process, and after a restart. System messages are no part of the links, because many of them hold the date.

When nothing of a history is known, a new conversation begins. With a user it is named after the whole history, so that
the same one again is a sibling; without one its name is random: two strangers who open alike are not one person.
"""

import hashlib
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from unspoken.api.chat import asking
from unspoken.api.chat.asking import Asked, Turn
from unspoken.errors import NotFound
from unspoken.store.tables import Event, Message, Project

CHUNK = 300  # ids in one look, the newest first


@dataclass(frozen=True, slots=True)
class Place:
    """`prompt` is the message that is answered; `link` the one of the history so far; `new` are events to store."""

    conversation: str
    prompt: str | None
    link: bytes
    new: list[dict[str, Any]]


def place(session: Session, project: Project, asked: Asked, at_ms: int) -> Place:
    """Finds the place of a request that came at `at_ms`. NotFound for a parent that nobody knows."""
    turns = _told(asked)
    secret = bytes.fromhex(project.user_secret)
    links = list(_links(secret, asked, turns))
    keys = list(links)
    if asked.prompt is not None:
        keys[-1] = _hash(secret, b"prompt", keys[-1], asked.prompt.encode())
    looked = [i for i, turn in enumerate(turns) if turn.role != "system"]
    newest, found = _newest(session, project, [(i, _id(keys[i])) for i in looked])
    if found is not None:
        conversation, above = found
        salt = b""
    else:
        above = asked.parent
        salt = b"" if asked.conversation else links[-1] if asked.user is not None else secrets.token_bytes(16)
        conversation = _conversation(session, project, asked, _id(_hash(secret, b"conversation", links[-1], salt)))
        if salt:
            named = asked.user is not None
            keys = [
                key if named and i == len(keys) - 1 else _hash(secret, b"salted", key, salt)
                for i, key in enumerate(keys)
            ]
    ids = _ids(secret, turns, keys, links, conversation)
    told = range(newest + 1, len(turns))
    changed = _unknown(session, project, [(i, ids[i]) for i in range(newest + 1) if turns[i].role == "system"])
    new: dict[str, dict[str, Any]] = {}
    for i in changed:
        new[ids[i]] = _event(asked, turns[i], ids[i], ids[i], conversation, None, at_ms - len(turns) + i)
    for i in told:
        message = asked.prompt if asked.prompt is not None and i == len(turns) - 1 else ids[i]
        new[ids[i]] = _event(asked, turns[i], ids[i], message, conversation, above, at_ms - len(turns) + i)
        above = message
    return Place(conversation, above, links[-1], list(new.values()))


def answered(project: Project, link: bytes, mark: bytes) -> str:
    """The event id of an answer to a history: what the next request finds it by."""
    return _id(_hash(bytes.fromhex(project.user_secret), b"turn", link, b"assistant", mark))


def _told(asked: Asked) -> tuple[Turn, ...]:
    """The turns that are looked at: all of them, or, below a parent that was named, those after the last answer."""
    turns = asking.turns(asked)
    if asked.parent is None:
        return turns
    answers = [i for i, turn in enumerate(turns[:-1]) if turn.role == "assistant"]
    return turns[answers[-1] + 1 :] if answers else turns


def _links(secret: bytes, asked: Asked, turns: Iterable[Turn]) -> Iterator[bytes]:
    said = (asked.user, asked.conversation, asked.parent)
    link = _hash(secret, b"root", *(b"" if each is None else each.encode("utf-8", "replace") for each in said))
    for turn in turns:
        if turn.role != "system":
            link = _hash(secret, b"turn", link, turn.role.encode(), turn.mark)
        yield link


def _ids(secret: bytes, turns: tuple[Turn, ...], keys: list[bytes], links: list[bytes], conversation: str) -> list[str]:
    """Of each turn. A system message belongs to its place in this one conversation."""
    ids, since = [], 0
    for i, turn in enumerate(turns):
        if turn.role == "system":
            since += 1
            own = (conversation.encode(), links[i], str(since).encode(), turn.mark)
            ids.append(_id(_hash(secret, b"system", *own)))
        else:
            since = 0
            ids.append(_id(keys[i]))
    return ids


def _newest(
    session: Session, project: Project, looked: list[tuple[int, str]]
) -> tuple[int, tuple[str, str | None] | None]:
    """The last turn that is stored, as its number and (conversation, message); −1 and None when none is."""
    for end in range(len(looked), 0, -CHUNK):
        some = looked[max(0, end - CHUNK) : end]
        query = select(Event.id, Event.conversation, Event.message).where(
            Event.project_id == project.id, Event.id.in_([key for _, key in some])
        )
        known = {event: (conversation, message) for event, conversation, message in session.execute(query)}
        for i, key in reversed(some):
            if key in known:
                return i, known[key]
    return -1, None


def _unknown(session: Session, project: Project, looked: list[tuple[int, str]]) -> list[int]:
    if not looked:
        return []
    ids = [key for _, key in looked[-CHUNK:]]
    query = select(Event.id).where(Event.project_id == project.id, Event.id.in_(ids))
    known = set(session.scalars(query))
    return [i for i, key in looked[-CHUNK:] if key not in known]


def _conversation(session: Session, project: Project, asked: Asked, otherwise: str) -> str:
    if asked.conversation is not None:
        return asked.conversation
    if asked.parent is None:
        return otherwise
    query = select(Message.conversation).where(Message.project_id == project.id, Message.id == asked.parent)
    found = session.scalar(query)
    if found is None:
        raise NotFound(
            f"No message {asked.parent[:64]!r} is stored; name its conversation too, then it may come later."
        )
    return found


def _event(
    asked: Asked, turn: Turn, event: str, message: str, conversation: str, parent: str | None, at_ms: int
) -> dict[str, Any]:
    meta = dict(turn.meta or {})
    if turn.role == "assistant":
        meta["origin"] = "history"  # the client says that this was answered; it did not come through here
    said = {
        "id": event,
        "kind": "message",
        "at": at_ms,
        "conversation": conversation,
        "message": message,
        "parent": parent,
        "role": turn.role,
        "text": turn.text,
        "user": asked.user if turn.role == "user" else None,
        "meta": meta or None,
        **asked.envelope,
    }
    return {name: value for name, value in said.items() if value is not None}


def _hash(secret: bytes, *parts: bytes) -> bytes:
    hashed = hashlib.blake2b(key=secret[:64], digest_size=16)
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big") + part)
    return hashed.digest()


def _id(link: bytes) -> str:
    return str(UUID(bytes=link, version=5))
