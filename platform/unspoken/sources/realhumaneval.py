"""RealHumanEval's chats: people who program with one of four models beside them, and what they copied."""

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from unspoken.sources.making import LONGEST_TEXT, MADE_UP, chain, event, named, path_names, plain
from unspoken.sources.reading import Reading, rows

RECIPE = "chat"
FACTS = (
    "Chat turns of RealHumanEval (CC0): a row is a request with its whole history, the response, and what was copied.",
    "In the half that the tests read: 508 turns of 54 programmers, 4 models, 268 copies, each found in its response.",
    "Nobody voted or rated single answers: nothing here is stated.",
)
ASSUMPTIONS = (
    "A conversation is what one programmer wrote on one task; equal histories are one history.",
    "The timestamp, in seconds since the programmer began, is when the answer came; everybody begins on 2000-01-01.",
    "When something was copied is not recorded: half a second after the answer, in order.",
    "The copy button stands on blocks of code; what was selected and copied may be either.",
)
COLUMNS = ("request", "response", "copy_events", "programmer_id", "timestamp", "model", "task_name")
BUTTON = "copy_button"


class _Left(Exception):
    """This row cannot be used; the text is the reason."""


def events(path: Path, reading: Reading | None = None) -> Iterator[dict[str, Any]]:
    """Events of each row; BadInput when it is another table."""
    reading = reading or Reading()
    known: set[str] = set()
    for where, row in rows(path, reading, COLUMNS):
        try:
            turns, copies, seconds = _turns(row), _list(row["copy_events"]), _seconds(row["timestamp"])
        except _Left as reason:
            reading.leave_out(str(reason), where)
            continue
        user = named("programmer", row["programmer_id"])
        conversation = named("realhumaneval", row["programmer_id"], row["task_name"])
        at = MADE_UP + timedelta(seconds=seconds)
        yield from chain("realhumaneval", conversation, turns, at, known, user=user, model=plain(row["model"])[:200])
        message = path_names(conversation, turns)[-1]
        for number, copy in enumerate(copies):
            copied = copy.get("copied") if isinstance(copy, dict) else None
            if not isinstance(copied, str):
                reading.leave_out("a copy event without what was copied", where)
                continue
            yield event(
                "realhumaneval", f"{message}/{row['timestamp']}/copy/{number}", "copy",
                at + timedelta(milliseconds=500 + number), conversation, message=message, user=user,
                chars=len(copied), part="code" if copy.get("type") == BUTTON else None,
            )  # fmt: skip


def _turns(row: dict[str, str]) -> list[tuple[str, str]]:
    turns = []
    for message in _list(row["request"]):
        role, content = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
        if role not in ("user", "assistant", "system") or not isinstance(content, str):
            raise _Left("a request with a message that has no role or no text")
        turns.append((role, plain(content)))
    if not turns:
        raise _Left("an answer whose request is empty")
    if not row["response"]:
        raise _Left("a request without an answer")
    turns.append(("assistant", plain(row["response"])))
    if max(len(text) for _, text in turns) > LONGEST_TEXT:
        raise _Left(f"a message longer than {LONGEST_TEXT:,} characters")
    return turns


def _list(cell: str) -> list[Any]:
    """Lists stand in the cells as Python writes them."""
    try:
        found = ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise _Left("a cell that holds no list")
    return found


def _seconds(cell: str) -> float:
    try:
        seconds = float(cell)
    except ValueError:
        raise _Left("a timestamp that is no number of seconds") from None
    if not 0 <= seconds < 1e9:
        raise _Left("a timestamp that is no number of seconds")
    return seconds
