"""Events out of what a source says: stable ids, plain texts, and times where the source has none."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import NAMESPACE_URL, uuid5

# Where a source has no times, its conversations begin here, so that nobody takes them for real.
MADE_UP = datetime(2000, 1, 1, tzinfo=UTC)
LONGEST_NAME = 200
THUMBS = "thumbs"  # the scale whose numbers are 1, 0 and -1
LONGEST_TEXT = 1_000_000
ROLES = {"developer": "system", "function": "tool"} | {role: role for role in ("system", "user", "assistant", "tool")}
UP = {"up", "thumbs_up", "thumbsup", "like", "liked", "positive", "good", "true", "yes", "+1", "1", "1.0", "👍"}
DOWN = {
    "down",
    "thumbs_down",
    "thumbsdown",
    "dislike",
    "disliked",
    "negative",
    "bad",
    "false",
    "no",
    "-1",
    "-1.0",
    "👎",
}


def event(source: str, name: str, kind: str, at: datetime, conversation: str, **fields: Any) -> dict[str, Any]:
    """One event without its nulls. `name` is unique within the source: the id follows from both."""
    whole = {"id": str(uuid5(NAMESPACE_URL, f"{source}/{name}")), "kind": kind, "at": at.isoformat()}
    return whole | {"conversation": conversation} | {key: value for key, value in fields.items() if value is not None}


def plain(text: str) -> str:
    """Without what no database stores: NUL, and halves of surrogate pairs, which become a question mark."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def named(*parts: object) -> str:
    """The parts as one name of at most 200 characters; a longer one is its own hash."""
    name = plain("/".join(str(part) for part in parts))
    return name if len(name) <= LONGEST_NAME else blake2b(name.encode(), digest_size=16).hexdigest()


def thumb(said: object) -> int | None:
    """1, 0 or −1 for what a thumb may look like: these numbers, true and false, or a word; None for anything else."""
    if isinstance(said, str):
        word = said.strip().casefold()
        return 1 if word in UP else -1 if word in DOWN else 0 if word == "0" else None
    if isinstance(said, bool):
        return 1 if said else -1
    return int(said) if isinstance(said, int | float) and said in (-1, 0, 1) else None


def path_names(conversation: str, turns: Sequence[tuple[str, str]], below: str | None = None) -> list[str]:
    """A message name for each (role, text): equal for equal paths, so that a repeated history is one history.

    Logs repeat the whole conversation with each request; two answers to one history become siblings. `below` is the
    name of the message that the path goes on from.
    """
    names, above = [], below or ""
    for role, text in turns:
        digest = blake2b("\0".join((above, role, text)).encode(), digest_size=12).hexdigest()
        above = named(conversation, digest)
        names.append(above)
    return names


def chain(
    source: str,
    conversation: str,
    turns: Sequence[tuple[str, str]],
    last_at: datetime,
    known: set[str],
    *,
    below: str | None = None,
    user: str | None = None,
    model: str | None = None,
) -> Iterator[dict[str, Any]]:
    """The messages of a path that are not `known` yet, a millisecond apart, the last at `last_at`.

    `user` wrote every message of the user, `model` the last answer.
    """
    names = path_names(conversation, turns, below)
    for place, ((role, text), name) in enumerate(zip(turns, names, strict=True)):
        if name in known:
            continue
        known.add(name)
        before_last = len(turns) - 1 - place
        yield event(
            source,
            name,
            "message",
            last_at - timedelta(milliseconds=before_last),
            conversation,
            message=name,
            role=role,
            text=text,
            parent=names[place - 1] if place else below,
            user=user if role == "user" else None,
            model=model if role == "assistant" and not before_last else None,
        )
