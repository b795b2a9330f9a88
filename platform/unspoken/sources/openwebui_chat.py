"""One chat of Open WebUI: its messages as a tree, and what the tree shows that the user did."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from unspoken.sources.making import LONGEST_TEXT, MADE_UP, event, named, plain
from unspoken.sources.reading import Reading

TICK = timedelta(milliseconds=1)
ROLES = ("user", "assistant", "system", "tool")


@dataclass
class Message:
    """A message of the tree; `parent` is the key of another one that is there, None for a root."""

    name: str
    role: str
    text: str
    parent: str | None
    model: str | None
    models: int  # how many were asked at once
    finish: str | None
    at: datetime


@dataclass
class Chat:
    """`messages` by Open WebUI's key, parents before children; `current` is the key that was shown last."""

    name: str
    user: str | None
    current: str | None
    changed_at: datetime | None
    messages: dict[str, Message]


def chat(row: dict[str, Any], whole: dict[str, Any], more: dict[str, dict[str, Any]], reading: Reading) -> Chat:
    """A row of the table and its JSON; messages of `more` that the JSON lacks are added."""
    history = whole.get("history")
    history = history if isinstance(history, dict) else {}
    found = history.get("messages")
    said: dict[str, Any] = dict(found) if isinstance(found, dict) else {}
    if not said and not more:
        said = _chain(whole.get("messages"))
    said = said | {key: message for key, message in more.items() if key not in said}
    name = named(row["id"])
    started = seconds(row.get("created_at")) or MADE_UP
    current = history.get("currentId") or row.get("current_message_id")
    return Chat(
        name=name,
        user=named(row["user_id"]) if row["user_id"] else None,
        current=current if isinstance(current, str) else None,
        changed_at=seconds(row.get("updated_at")),
        messages=_placed(name, _usable(name, said, reading), started, reading),
    )


def events(chat: Chat, reading: Reading) -> Iterator[dict[str, Any]]:
    """The messages, and the regenerations, edits and returns that the tree shows."""
    if not chat.messages:
        reading.leave_out("a chat without messages", f"chat {chat.name}")
    beside: dict[tuple[str | None, str], list[Message]] = {}
    for message in chat.messages.values():
        yield event(
            "openwebui", message.name, "message", message.at, chat.name, message=message.name, role=message.role,
            text=message.text, parent=_name(chat, message.parent), model=message.model, finish=message.finish,
            user=chat.user if message.role == "user" else None,
        )  # fmt: skip
        siblings = beside.setdefault((message.parent, message.role), [])
        yield from _done_again(chat, message, siblings)
        siblings.append(message)
    yield from _went_back(chat, beside)


def seconds(value: object) -> datetime | None:
    """Seconds since 1970 (some versions: milliseconds or nanoseconds); None for anything else or before 2000."""
    if type(value) not in (int, float):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        return None
    while 1e11 < number < math.inf:  # which JSON of Python's may hold
        number /= 1000
    return datetime.fromtimestamp(number, UTC) if 946_684_800 <= number < 7e9 else None


def _done_again(chat: Chat, message: Message, earlier: list[Message]) -> Iterator[dict[str, Any]]:
    if message.role == "user" and message.parent is not None and earlier:
        yield event(
            "openwebui", f"{message.name}/edit", "edit", message.at, chat.name, message=earlier[-1].name,
            to=message.name, user=chat.user,
        )  # fmt: skip
    parent = chat.messages.get(message.parent) if message.parent else None
    if message.role != "assistant" or parent is None:
        return
    at_once = len(earlier) < parent.models
    same = [other for other in earlier if other.model == message.model]
    if same and not at_once:
        yield event(
            "openwebui", f"{message.name}/regenerate", "regenerate", message.at - TICK, chat.name,
            message=same[-1].name, user=chat.user,
        )  # fmt: skip


def _went_back(chat: Chat, beside: dict[tuple[str | None, str], list[Message]]) -> Iterator[dict[str, Any]]:
    key = chat.current
    while key and (shown := chat.messages.get(key)):
        siblings = beside[(shown.parent, shown.role)]
        parent = chat.messages.get(shown.parent) if shown.parent else None
        several = parent is not None and len(siblings) > max(parent.models, 1)
        if shown.role == "assistant" and several and siblings[-1] is not shown:
            at = max(chat.changed_at or siblings[-1].at, siblings[-1].at + TICK)
            yield event(
                "openwebui", f"{shown.name}/select", "select", at, chat.name, message=shown.name,
                previous=siblings[-1].name, user=chat.user,
            )  # fmt: skip
        key = shown.parent


def _name(chat: Chat, key: str | None) -> str | None:
    return chat.messages[key].name if key else None


def _chain(messages: object) -> dict[str, Any]:
    """The list of versions that had no tree."""
    made: dict[str, Any] = {}
    above = None
    for number, message in enumerate(messages if isinstance(messages, list) else []):
        if isinstance(message, dict):
            key = str(message.get("id") or number)
            made[key], above = {"parentId": above} | message, key
    return made


def _usable(name: str, said: dict[str, Any], reading: Reading) -> dict[str, tuple[dict[str, Any], str]]:
    usable = {}
    for key, message in said.items():
        where = f"chat {name}, message {key}"
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            reading.leave_out("a message that is no object, or of a role that is not known", where)
            continue
        text = _text(message.get("content"), where, reading)
        if text is None:
            reading.leave_out("a message without text", where)
        elif len(text) > LONGEST_TEXT:
            reading.leave_out(f"a message longer than {LONGEST_TEXT:,} characters", where)
        else:
            usable[key] = message, text
    return usable


def _placed(
    name: str, usable: dict[str, tuple[dict[str, Any], str]], started: datetime, reading: Reading
) -> dict[str, Message]:
    """Parents before children, siblings by their time; a cycle is left out, an orphan becomes a root."""
    below: dict[str | None, list[str]] = {}
    for key, (message, _) in usable.items():
        parent = message.get("parentId")
        if parent is not None and not (isinstance(parent, str) and parent in usable):
            reading.leave_out(
                "a parent that is not there (its message is kept, as a root)", f"chat {name}, message {key}"
            )
            parent = None
        below.setdefault(parent, []).append(key)
    placed: dict[str, Message] = {}
    waiting: list[tuple[str, str | None]] = [(key, None) for key in reversed(below.get(None, []))]
    while waiting:
        key, parent = waiting.pop()
        placed[key] = _message(name, key, parent, *usable[key], after=placed[parent].at if parent else started - TICK)
        waiting += [(child, key) for child in reversed(below.get(key, []))]
    lost = [key for key in usable if key not in placed]
    if lost:
        reading.leave_out("a message in a circle of parents", f"chat {name}, message {lost[0]}", len(lost))
    # By time, so that "earlier beside it" means it; a parent never comes after its child.
    return dict(sorted(placed.items(), key=lambda item: item[1].at))


def _message(name: str, key: str, parent: str | None, said: dict[str, Any], text: str, after: datetime) -> Message:
    models, model = said.get("models"), said.get("selectedModelId") or said.get("model")
    assistant = said["role"] == "assistant"
    finish = "error" if said.get("error") else "unknown" if said.get("done") is False else "complete"
    return Message(
        name=named(name, key),
        role=said["role"],
        text=plain(text),
        parent=parent,
        model=plain(model)[:200] if assistant and isinstance(model, str) and model else None,
        models=len(models) if isinstance(models, list) else 1,
        finish=finish if assistant else None,
        at=max(seconds(said.get("timestamp")) or after + TICK, after + TICK),
    )


def _text(content: object, where: str, reading: Reading) -> str | None:
    if not isinstance(content, list):
        return content if isinstance(content, str) else None
    texts = [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
    reading.leave_out("a part of a message that is no text", where, len(content) - len(texts))
    return "\n".join(texts)
