"""The chats of the package `chitchat-dataset` (MIT): 7,168 chats of 1,315 people, mapped to events.

Facts (each counted from the data): 3,150 chats have one speaker and so no answer; 3,873 have two and an opening text;
in 3,158 of these the partner's first turn came within 60 s; 2,007 of those are rated and not left at the default; in
2,927 of the 3,158 the user wrote again. Two people touch 30 % of the 3,873.

Assumptions, each a choice of ours:
* the opening prompt is a `system` root; who writes first is the user, the other one the assistant;
* consecutive lines of one person are one turn. A user's turn happened when its last line came, an assistant's when its
  first came, so that the latency of an answer is what the user waited;
* the rating belongs to the conversation, `user` null: who rated is not recorded;
* a `close` only where the assistant spoke last; otherwise it was the *partner* who left;
* no `pause` events: start stamps are off by hours, and chats of one person overlap.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.resources import files
from itertools import groupby
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from unspoken.errors import Unavailable

RECIPE = "chitchat"
FACTS = (
    "Real chats: the package chitchat-dataset 0.9.0 (MIT), 7,168 chats of 1,315 people over 34 opening prompts, 2018.",
    "Both speakers are people; the partner stands where a chatbot would.",
    "3,150 chats have one speaker; 3,873 have two and an opening text; the first answer came within 60 s in 3,158.",
    "Two people touch 30 % of the chats with two speakers and an opening; chats of one person overlap in time.",
)
ASSUMPTIONS = (
    "Who writes first is the user, the other the assistant; consecutive lines of one person are one turn.",
    "The scored unit is the assistant's first turn, given opening and opener, when it came within 60 s.",
    "Stated: the mean rating of the conversation. Who rated is not recorded; all scales at 5 is the untouched default"
    " and counts as no answer.",
    "Revealed: the user writes again after the unit. How many turns followed is a second signal and trains nothing.",
    "Both people of a chat stand on one side of every split; chats across are left out and counted.",
)
LOWEST, HIGHEST = 1, 10


def load() -> Mapping[str, Any]:
    """The package's chats by id; Unavailable says how to get it."""
    try:
        import chitchat_dataset
    except ImportError:
        raise Unavailable(
            "The package chitchat-dataset is not installed; install it with: pip install --no-deps chitchat-dataset"
        ) from None
    # Not by its Dataset(), which leaves the file open.
    chats: Mapping[str, Any] = json.loads((files(chitchat_dataset) / "dataset.json").read_text(encoding="utf-8"))
    return chats


def events(chats: Mapping[str, Any], limit: int | None = None) -> Iterator[dict[str, Any]]:
    """Events of each chat, in order; ids follow from the chat's id, so importing twice stores once."""
    for number, (chat, record) in enumerate(chats.items()):
        if limit is not None and number >= limit:
            return
        yield from _chat(chat, record)


def _chat(chat: str, record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    lines = [
        (line["sender"], _time(line["timestamp"]), line["text"].replace("\0", ""))
        for turn in record["messages"]
        for line in turn
    ]
    if not lines:
        return
    user = lines[0][0]
    last_at = lines[-1][1]
    parent = None

    def event(kind: str, name: str, at: datetime, **fields: Any) -> dict[str, Any]:
        identity = str(uuid5(NAMESPACE_URL, f"chitchat-dataset/{chat}/{name}"))
        return {"id": identity, "kind": kind, "at": at.isoformat(), "conversation": chat} | fields

    if record.get("prompt"):
        parent = f"{chat}/0"
        yield event("message", "0", lines[0][1], message=parent, role="system", text=record["prompt"])
    role = "user"
    for number, (sender, group) in enumerate(groupby(lines, key=lambda line: line[0]), start=1):
        turn = list(group)
        role = "user" if sender == user else "assistant"
        message = f"{chat}/{number}"
        yield event(
            "message",
            str(number),
            turn[-1][1] if role == "user" else turn[0][1],
            message=message,
            role=role,
            text="\n".join(text for _, _, text in turn),
            user=sender,
            **({"parent": parent} if parent else {}),
        )
        parent = message
    for scale, value in sorted(record.get("ratings", {}).items()):
        yield event("rating", scale, last_at, scale=scale, value=value, lowest=LOWEST, highest=HIGHEST)
    if role == "assistant":
        yield event("close", "close", last_at, message=parent, user=user, phase="reading", cause="unknown")


def _time(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00"))
