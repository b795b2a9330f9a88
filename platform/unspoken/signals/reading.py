"""Events as they were sent, to the two frames that everything after reads."""

import json
from collections.abc import Iterable
from typing import Any

import polars as pl

from unspoken.events import Event, Message, digest, hash_user
from unspoken.frames import EVENTS, FIELDS, MESSAGES


def frames(events: Iterable[Event], user_secret: str) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, str]]:
    """(frames.MESSAGES, frames.EVENTS, text by message id). The first event of an id, and of a message, counts.

    `user_secret` is hex; users leave here as keyed hashes.
    """
    messages: dict[str, tuple[Any, ...]] = {}
    rows: dict[str, tuple[Any, ...]] = {}
    text_of: dict[str, str] = {}
    hashes: dict[str, str] = {}
    for event in events:
        if event.id in rows:
            continue
        user = None
        if event.user is not None:
            user = hashes.get(event.user) or hashes.setdefault(event.user, hash_user(user_secret, event.user))
        rows[event.id] = (
            event.id,
            event.kind,
            event.at,
            event.conversation,
            user,
            event.message,
            event.page,
            event.n,
            event.device,
            None if event.arm is None else json.dumps(event.arm, sort_keys=True),
            *(_field(event, name) for name in FIELDS),
        )
        if isinstance(event, Message) and event.message not in messages:
            text_of[event.message] = event.text
            messages[event.message] = (
                event.message,
                event.conversation,
                event.parent,
                event.role,
                user,
                event.at,
                event.finish,
                len(event.text),
                digest(event.text),
            )
    return (
        pl.DataFrame(list(messages.values()), schema=dict(MESSAGES), orient="row"),
        pl.DataFrame(list(rows.values()), schema=dict(EVENTS), orient="row"),
        text_of,
    )


def _field(event: Event, name: str) -> Any:
    if name == "topic":
        said = event.meta.get("topic") if isinstance(event, Message) and event.meta else None
        return said if isinstance(said, str) else None
    return getattr(event, name, None)
