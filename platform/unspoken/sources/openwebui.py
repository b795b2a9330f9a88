"""Open WebUI's database (webui.db, SQLite), opened for reading only: chats as trees, and the feedback on answers."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from unspoken.errors import BadInput
from unspoken.sources import openwebui_chat
from unspoken.sources.making import event, named, plain
from unspoken.sources.openwebui_chat import Chat, seconds
from unspoken.sources.reading import LINE_BYTES, TOO_LONG, Reading

RECIPE = "chat"
FACTS = (
    "Open WebUI keeps a chat as one JSON tree (`chat.chat`, history.messages, with parentId and currentId), newer "
    "versions also message by message (`chat_message`); ratings stand in `feedback`, times are whole seconds.",
    "A rating is 1 or −1, with reason, comment, tags and at times 1 to 10; meta names chat and message; in the arena, "
    "siblings are compared by it.",
    "Copies that were made for sharing (user_id shared-…) repeat chats.",
)
ASSUMPTIONS = (
    "An answer beside an earlier one of the same model to the same prompt is a regeneration of it; a prompt beside an "
    "earlier one is its edit. Answers of several models asked at once are neither.",
    "Where the chat was left showing an answer that is not the newest of its siblings, somebody went back to it: a "
    "select, at the chat's last change.",
    "In the arena a thumb up is a choice of this answer over its siblings, a thumb down on one of two a choice of the "
    "other; a thumb down among more says no more than a vote. One thumb is a choice or a vote, never both.",
    "A message without a time comes a millisecond after its parent, and none before its parent.",
)
CHAT_COLUMNS, FEEDBACK_COLUMNS = ("id", "user_id", "chat"), ("id", "user_id", "type", "data", "meta")


def events(path: Path, reading: Reading | None = None) -> Iterator[dict[str, Any]]:
    """Events of every chat and then of all feedback; BadInput when it is no such database."""
    reading = reading or Reading()
    if not path.is_file():
        raise BadInput(f"There is no file {path}. Open WebUI's is named webui.db, in its data folder.")
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as database:
            database.text_factory = lambda stored: stored.decode("utf-8", "replace")
            yield from _events(database, path, reading)
    except sqlite3.Error as error:
        raise BadInput(f"{path} is not an SQLite database that can be read: {error}. Is it Open WebUI's?") from None


def _events(database: sqlite3.Connection, path: Path, reading: Reading) -> Iterator[dict[str, Any]]:
    has = _columns(database, "chat", CHAT_COLUMNS, path)
    by_message = bool(_known(database, "chat_message"))
    reading.total += _count(database, "chat")
    wanted = {"created_at", "updated_at", "current_message_id"} & has
    size = "length(CAST(chat AS BLOB))"
    statement = (
        f"SELECT id, user_id, CASE WHEN {size} <= {LINE_BYTES} THEN chat END AS chat, {size} AS size"
        f"{''.join(f', {name}' for name in sorted(wanted))} FROM chat ORDER BY rowid"
    )
    for row in _rows(database, statement):
        reading.done += 1
        if chat := _chat(database, row, by_message, reading):
            yield from openwebui_chat.events(chat, reading)
    if not _known(database, "feedback"):
        return  # versions before 0.4 have none
    _columns(database, "feedback", FEEDBACK_COLUMNS, path)
    reading.total += _count(database, "feedback")
    statement = "SELECT id, user_id, type, data, meta, created_at, updated_at FROM feedback ORDER BY created_at, id"
    said: str | None = None
    chat = None
    for row in _rows(database, statement):
        reading.done += 1
        meta = _json(row["meta"])
        name = meta.get("chat_id") if isinstance(meta, dict) else None
        if isinstance(name, str) and name != said:
            said, chat = name, _of_feedback(database, name, by_message)
        yield from _feedback(row, meta, chat if isinstance(name, str) else None, reading)


def _chat(database: sqlite3.Connection, row: dict[str, Any], by_message: bool, reading: Reading) -> Chat | None:
    where = f"chat {row['id']}"
    if str(row["user_id"]).startswith("shared-"):
        reading.leave_out("a copy of a chat that was made for sharing", where)
        return None
    if (row["size"] or 0) > LINE_BYTES:
        reading.leave_out(f"a chat {TOO_LONG}", where)
        return None
    whole = _json(row["chat"])
    if whole is None:
        reading.leave_out("a chat whose content is not a JSON object", where)
        return None
    more = _messages(database, row["id"]) if by_message else {}
    return openwebui_chat.chat(row, whole, more, reading)


def _of_feedback(database: sqlite3.Connection, name: str, by_message: bool) -> Chat | None:
    """The chat once more, for what is said of it: what it leaves out was counted before."""
    size = f"length(CAST(chat AS BLOB)) <= {LINE_BYTES} AS fits"
    for row in _rows(database, f"SELECT id, user_id, chat, 0 AS size, {size} FROM chat WHERE id = ?", name):
        return _chat(database, row, by_message, Reading()) if row["fits"] else None
    return None


def _feedback(
    row: dict[str, Any], meta: dict[str, Any] | None, chat: Chat | None, reading: Reading
) -> Iterator[dict[str, Any]]:
    where = f"feedback {row['id']}"
    data = _json(row["data"])
    if row["type"] != "rating" or data is None or meta is None:
        reading.leave_out("feedback that is no rating, or whose data or meta is no JSON object", where)
        return
    key = meta.get("message_id")
    message = chat.messages.get(key) if chat and isinstance(key, str) else None
    if chat is None or message is None or message.role != "assistant":
        reading.leave_out("a rating of a chat or an answer that is not there any more", where)
        return
    at = seconds(row["updated_at"]) or seconds(row["created_at"]) or message.at
    at = max(at, message.at + timedelta(milliseconds=1))
    about = {"user": _name(row["user_id"])}
    comment = data.get("comment")
    words = {"comment": plain(comment)[:10_000]} if isinstance(comment, str) and comment else {}
    details = data.get("details")
    mark = details.get("rating") if isinstance(details, dict) else None
    name = f"{row['id']}/{int(at.timestamp())}"  # a rating that was changed since is another event, and counts
    if type(mark) in (int, float) and 1 <= mark <= 10:  # type: ignore[operator]
        yield event(
            "openwebui", f"{name}/details", "rating", at, chat.name, message=message.name, scale="details",
            value=mark, lowest=1, highest=10, **about,
        )  # fmt: skip
    value = {"1": 1, "-1": -1}.get(str(data.get("rating")))
    if value is None:
        reading.leave_out("a rating that is neither 1 nor −1", where)
        return
    chosen = _choice(chat, str(key), value) if meta.get("arena") is True and data.get("sibling_model_ids") else None
    if chosen:
        reading.leave_out("a comment on a choice (a choice has none)", where, len(words))
        yield event("openwebui", f"{name}/choice", "choice", at, chat.name, **about, **chosen)
        return
    reasons = _reasons(data, meta)
    yield event(
        "openwebui", name, "vote", at, chat.name, message=message.name, value=value, reasons=reasons or None, **about,
        **words,
    )  # fmt: skip


def _choice(chat: Chat, key: str, value: int) -> dict[str, Any] | None:
    message = chat.messages[key]
    others = [
        other.name for name, other in chat.messages.items()
        if name != key and other.parent == message.parent and other.role == "assistant"
    ]  # fmt: skip
    if message.parent is None or not others or len(others) > 50:
        return None
    if value > 0:
        return {"chosen": message.name, "rejected": others}
    return {"chosen": others[0], "rejected": [message.name]} if len(others) == 1 else None


def _reasons(data: dict[str, Any], meta: dict[str, Any]) -> list[str]:
    tags = [tag for tags in (data.get("tags"), meta.get("tags")) if isinstance(tags, list) for tag in tags]
    said = [each for each in [data.get("reason"), *tags] if isinstance(each, str) and each.strip()]
    return list(dict.fromkeys(plain(each)[:200] for each in said))[:50]


def _messages(database: sqlite3.Connection, chat: str) -> dict[str, dict[str, Any]]:
    """Rows of `chat_message` in the shape of history.messages; their ids begin with the chat's."""
    found = {}
    statement = (
        "SELECT id, role, parent_id, content, model_id, done, error, created_at FROM chat_message WHERE chat_id = ?"
        " ORDER BY created_at, id"
    )
    for row in _rows(database, statement, chat):
        name = str(row["id"]).removeprefix(f"{chat}-")
        content, error = (_any_json(row[key]) for key in ("content", "error"))
        found[name] = {
            "role": row["role"], "parentId": row["parent_id"], "content": content, "model": row["model_id"],
            "done": bool(row["done"]), "error": error, "timestamp": row["created_at"],
        }  # fmt: skip
    return found


def _rows(database: sqlite3.Connection, statement: str, *values: str) -> Iterator[dict[str, Any]]:
    cursor = database.execute(statement, values)
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


def _known(database: sqlite3.Connection, table: str) -> set[str]:
    return {row["name"] for row in _rows(database, "SELECT name FROM pragma_table_info(?)", table)}


def _columns(database: sqlite3.Connection, table: str, needed: tuple[str, ...], path: Path) -> set[str]:
    has = _known(database, table)
    if missing := [name for name in needed if name not in has]:
        what = f"no table {table}" if not has else f"no column {', '.join(missing)} in its table {table}"
        raise BadInput(f"{path} is an SQLite database with {what}: it is not Open WebUI's, or of another version.")
    return has


def _count(database: sqlite3.Connection, table: str) -> int:
    return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _name(value: object) -> str | None:
    return named(value) if isinstance(value, str) and value else None


def _any_json(stored: object) -> Any:
    try:
        return json.loads(stored) if isinstance(stored, str) else None
    except (ValueError, RecursionError):
        return None


def _json(stored: object) -> dict[str, Any] | None:
    found = _any_json(stored)
    return found if isinstance(found, dict) else None
