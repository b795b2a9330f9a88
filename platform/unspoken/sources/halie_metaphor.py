"""HALIE's metaphors: people who wrote sentences with a model's suggestions, in milliseconds, and rated the session."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from unspoken.events import instant
from unspoken.sources.making import event, named, plain
from unspoken.sources.reading import Reading, objects, rows

RECIPE = "chat"
FACTS = (
    "HALIE metaphor (MIT): of 103 sessions in the telemetry, 80 by 32 people have a survey; in these, lists of "
    "suggestions were asked for, shown, hovered, selected and closed, each with its millisecond.",
    "The survey of a session: fluency, helpfulness, ease, enjoyment, satisfaction, ownership, reuse, each 1 to 5.",
)
ASSUMPTIONS = (
    "Asking is a user's message: the sentence as it stood. Its suggestions are sibling answers, all seen while their "
    "list was open (visible time); the time the pointer was on one is its active time.",
    "Asking again for an unchanged sentence, after a list from which nothing was selected, is a regenerate of each of "
    "its suggestions; the new ones are siblings of the old.",
    "What is asked for after a selection stands below the selected suggestion: it was kept.",
    "Typing and moving the cursor are no events; what they did stands in the next asking's text. What happened to a "
    "suggestion's text after it was selected is not said.",
    "The survey is about the conversation, and comes when the session's last telemetry does.",
)
TELEMETRY, SURVEY = "telemetry.jsonl.gz", "survey_responses.csv"
SCALES = ("fluency", "helpfulness", "ease", "enjoyment", "satisfaction", "ownership", "reuse")
TYPING = ("text-", "cursor-", "template-", "suggestion-down", "suggestion-up")


@dataclass
class _List:
    """Suggestions that are on the screen: since when, which the pointer is on since when, and how long on each."""

    names: list[str]
    chars: list[int]
    since: datetime
    times: int = 0  # how often it was opened
    hovered: int | None = None
    hovered_since: datetime | None = None
    active_ms: Counter[int] = field(default_factory=Counter)

    def hover(self, at: datetime, index: int | None) -> None:
        """The pointer leaves where it was; on to `index`, or off the list."""
        if self.hovered is not None and self.hovered_since is not None:
            self.active_ms[self.hovered] += _ms(self.hovered_since, at)
        self.hovered, self.hovered_since = index, at


@dataclass
class _Session:
    """One writer's session, event by event."""

    name: str
    user: str
    model: str | None
    at: datetime
    text: str = ""  # the sentence as it stands
    asked: str = ""  # the message of the last asking
    asked_text: str | None = None
    below: str = ""  # under which message the next asking stands
    asks: int = 0
    lists: int = 0
    open: _List | None = None
    last: _List | None = None  # the newest list, open or not
    chosen: bool = False  # something of it was selected


def events(survey: Path, telemetry: Path, reading: Reading) -> Iterator[dict[str, Any]]:
    """Events of each session that has a survey; telemetry that is out of order by session is read all the same."""
    people = {row["session_id"]: row for _, row in rows(survey, reading, ("session_id", "worker_id", "prompt"))}
    sessions: dict[str, _Session] = {}
    unknown: set[str] = set()
    for where, line in objects(telemetry, reading):
        name, kind = line.get("session_id"), line.get("eventName")
        try:
            at = instant(line.get("eventTimestamp"))
        except ValueError:
            at = None
        if not isinstance(name, str) or not isinstance(kind, str) or at is None:
            reading.leave_out("telemetry without session, name or time", where)
            continue
        if name not in people:
            reading.leave_out("telemetry of a session without a survey: who wrote is not known", where)
            if name not in unknown:
                unknown.add(name)
                reading.leave_out("a session without a survey", name)
            continue
        if name not in sessions:
            sessions[name] = session = _Session(
                named(name), plain(people[name]["worker_id"]), people[name].get("model") or None, at
            )
            yield _root(session, people[name]["prompt"])
        session = sessions[name]
        session.at = max(session.at, at)
        yield from _step(session, kind, line, where, reading)
    for name, session in sessions.items():
        yield from _closed(session)
        yield from _rated(session, people[name], reading)
    for name in people.keys() - sessions.keys():
        reading.leave_out("a survey of a session without telemetry", name)


def _root(session: _Session, prompt: str) -> dict[str, Any]:
    session.below = f"{session.name}/metaphor"
    return _event(session, session.below, "message", message=session.below, role="system", text=plain(prompt))


def _step(session: _Session, kind: str, line: dict[str, Any], where: str, reading: Reading) -> Iterator[dict[str, Any]]:
    if kind == "system-initialize":
        session.text = _str(line.get("currentDoc"))
    elif kind == "suggestion-get":
        yield from _ask(session)
    elif kind == "suggestion-open":
        yield from _shown(session, line, where, reading)
    elif kind == "suggestion-hover" and session.open:
        index = _index(line.get("currentHoverIndex"), session.open)
        session.open.hover(session.at, index)
    elif kind == "suggestion-select" and session.open:
        yield from _selected(session, line, where, reading)
    elif kind == "suggestion-reopen" and session.last and not session.open:
        session.last.since, session.open = session.at, session.last
        session.last.times += 1
    elif kind == "suggestion-close":
        yield from _closed(session)
    elif kind == "suggestion-fail":
        reading.leave_out("an asking for which the system found no suggestion", where)
    elif kind.startswith(TYPING):
        session.text = _typed(session.text, line.get("textDelta"))
        if kind == "template-add":
            session.asked_text = None  # the sentence is done: what is asked next is for another one
        reading.leave_out(f"{kind}: writing, kept only as the text of the next asking", where)
    else:
        reading.leave_out(f"{kind}, with no list open", where)


def _ask(session: _Session) -> Iterator[dict[str, Any]]:
    yield from _closed(session)
    text = session.text.rstrip("\n")
    last = session.last
    session.last = None
    if text == session.asked_text and last and not session.chosen:
        for name in last.names:
            yield _event(session, f"{name}/again/{session.lists}", "regenerate", message=name, user=session.user)
        return
    session.asks += 1
    session.asked, session.asked_text = f"{session.name}/ask-{session.asks}", text
    yield _event(
        session, session.asked, "message", message=session.asked, parent=session.below, role="user",
        user=session.user, text=plain(text),
    )  # fmt: skip


def _shown(session: _Session, line: dict[str, Any], where: str, reading: Reading) -> Iterator[dict[str, Any]]:
    suggestions = line.get("currentSuggestions")
    texts = [_str(each.get("trimmed")) for each in suggestions if isinstance(each, dict)] if isinstance(
        suggestions, list
    ) else []  # fmt: skip
    if not texts:
        reading.leave_out("a list of suggestions that is empty", where)
        return
    if session.asked_text is None or session.open:
        yield from _ask(session)  # opened by itself
    session.lists += 1
    names = [f"{session.asked}/{session.lists}-{index}" for index in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        yield _event(
            session, name, "message", message=name, parent=session.asked, role="assistant", text=plain(text),
            model=session.model,
        )  # fmt: skip
    session.open = session.last = _List(names, [len(plain(text)) for text in texts], session.at)
    session.chosen = False


def _selected(session: _Session, line: dict[str, Any], where: str, reading: Reading) -> Iterator[dict[str, Any]]:
    shown = session.open
    index = _index(line.get("currentSuggestionIndex"), shown) if shown else None
    if shown is None or index is None:
        reading.leave_out("a selection of a suggestion that is not in the list", where)
        return
    name = shown.names[index]
    yield _event(
        session, f"{name}/select/{shown.times}", "select", message=name, displayed=shown.names[0], user=session.user
    )
    session.below, session.chosen, session.asked_text = name, True, None


def _closed(session: _Session) -> Iterator[dict[str, Any]]:
    """The open list goes: each of its suggestions was visible, and some of the time the pointer was on it."""
    shown, session.open = session.open, None
    if shown is None:
        return
    shown.hover(session.at, None)
    visible = _ms(shown.since, session.at)
    for index, name in enumerate(shown.names):
        yield _event(
            session, f"{name}/view/{shown.times}", "view", message=name, user=session.user, visible_ms=visible,
            active_ms=min(shown.active_ms[index], visible), total_chars=shown.chars[index],
        )  # fmt: skip
    shown.active_ms.clear()


def _rated(session: _Session, row: dict[str, str], reading: Reading) -> Iterator[dict[str, Any]]:
    for scale in SCALES:
        value = row.get(scale, "")
        if value not in ("1", "2", "3", "4", "5"):
            reading.leave_out(f"a survey without {scale}", session.name)
            continue
        yield _event(
            session, f"{session.name}/{scale}", "rating", user=session.user, scale=scale, value=int(value), lowest=1,
            highest=5,
        )  # fmt: skip


def _event(session: _Session, name: str, kind: str, **fields: Any) -> dict[str, Any]:
    return event("halie-metaphor", name, kind, session.at, session.name, **fields)


def _typed(text: str, delta: object) -> str:
    """The text after an edit: keep so many characters, delete so many, insert these."""
    ops = delta.get("ops") if isinstance(delta, dict) else None
    if not isinstance(ops, list):
        return text
    made, place = [], 0
    for op in ops:
        keep, drop, put = (
            (op.get(key) for key in ("retain", "delete", "insert")) if isinstance(op, dict) else (0, 0, "")
        )
        if type(keep) is int and keep > 0:
            made.append(text[place : place + keep])
            place += keep
        elif type(drop) is int and drop > 0:
            place += drop
        elif isinstance(put, str):
            made.append(put)
    return "".join(made) + text[place:]


def _index(value: object, shown: _List) -> int | None:
    return value if type(value) is int and 0 <= value < len(shown.names) else None


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""


def _ms(since: datetime, until: datetime) -> int:
    return max(int((until - since).total_seconds() * 1000), 0)
