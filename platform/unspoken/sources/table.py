"""Any CSV or Parquet table, by a mapping of our names to its columns."""

import math
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

from unspoken.errors import BadInput
from unspoken.events import instant
from unspoken.events.times import EPOCH
from unspoken.sources.columns import parquet_rows
from unspoken.sources.making import LONGEST_TEXT, MADE_UP, ROLES, chain, event, named, path_names, plain, thumb
from unspoken.sources.reading import Reading, rows

RECIPE = "chat"
FACTS = (
    "One row is a message (role and text are mapped), an exchange (prompt and text), or a preference (prompt, chosen, "
    "rejected).",
)
ASSUMPTIONS = (
    "Without a conversation each exchange or preference is one of its own. Within one, a message of a table without "
    "parents, and an exchange with another prompt than the one before, stand below the row before; with the same "
    "prompt, their answers are siblings. Below a preference it goes on from the chosen answer.",
    "Without a time a conversation begins on 2000-01-01 and each row takes two seconds; the prompt of an exchange "
    "comes a millisecond before its answer, what was said of it a second after.",
    "A vote of 1, 0 or −1, true or false, up or down is thumbs; a rating needs its scale (--scale 1..5).",
)
SHAPES = {"preference": ("prompt", "chosen", "rejected"), "exchange": ("prompt", "text"), "message": ("role", "text")}
FIELDS = ("conversation", "message", "parent", "role", "text", "prompt", "chosen", "rejected", "user", "at", "model",
          "vote", "rating", "comment")  # fmt: skip

Row = Mapping[str, Any]


class _Left(Exception):
    """This row cannot be used; the text is the reason."""


def mapping(given: list[str], file: Path | None = None) -> dict[str, str]:
    """Our names to columns, from `--map field=column` and a TOML file of such lines; BadInput names what is off."""
    said: dict[str, Any] = {}
    if file is not None:
        if not file.is_file():
            raise BadInput(f"There is no mapping {file}. Check the path.")
        try:
            said = tomllib.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BadInput(f'{file} is not TOML: {error}. It holds lines like: text = "answer"') from None
    for each in given:
        name, equals, column = each.partition("=")
        if not equals:
            raise BadInput(f"--map {each} names no column; one looks like --map text=answer.")
        said[name.strip()] = column.strip()
    for name, column in said.items():
        if name not in FIELDS or not isinstance(column, str) or not column:
            raise BadInput(f"The mapping has {name!r} = {column!r}; the fields are {', '.join(FIELDS)}.")
    if not any(set(shape) <= set(said) for shape in SHAPES.values()):
        raise BadInput(
            "The mapping makes no events: map role and text (a row is a message), prompt and text (an exchange), or "
            "prompt, chosen and rejected (a preference)."
        )
    return said


def events(
    path: Path, columns: Mapping[str, str], reading: Reading | None = None, scale: tuple[float, float] | None = None
) -> Iterator[dict[str, Any]]:
    """Events of each row; BadInput when a mapped column is not there or the file is no table."""
    reading = reading or Reading()
    shape = next(name for name, needed in SHAPES.items() if set(needed) <= set(columns))
    if shape == "message" and "conversation" not in columns:
        raise BadInput("A table of messages needs its conversation: --map conversation=COLUMN.")
    needed = tuple(columns.values())
    read = parquet_rows(path, reading, needed) if path.suffix == ".parquet" else rows(path, reading, needed)
    table, used = _Table(shape, scale, reading), False
    for where, cells in read:
        try:
            made = list(table.row({name: cells[column] for name, column in columns.items()}, where))
        except _Left as reason:
            reading.leave_out(str(reason), where)
            continue
        used = True
        yield from made
    if not used:
        raise reading.nothing(path, "no row fits the mapping")


@dataclass
class _Last:
    """A conversation's row before: its message, or its prompt, what stood above that, and its (first) answer."""

    message: str
    at: datetime
    above: str | None = None
    prompt: str | None = None


class _Table:
    """The rows so far: how far each conversation is, and which message was its last."""

    def __init__(self, shape: str, scale: tuple[float, float] | None, reading: Reading) -> None:
        self.shape, self.scale, self.reading = shape, scale, reading
        self.turns: Counter[str] = Counter()
        self.last: dict[str, _Last] = {}
        self.repeats: Counter[bytes] = Counter()

    def row(self, row: Row, where: str) -> Iterator[dict[str, Any]]:
        """Events of one row; _Left when it cannot be used."""
        user, model = _name(row.get("user")), _name(row.get("model"))
        if self.shape == "message":
            yield from self._message(row, where, user, model)
            return
        conversation = self._conversation(row)
        prompt, texts = _text(row, "prompt"), [_text(row, key) for key in SHAPES[self.shape][1:]]
        if len(texts) != len(set(texts)):
            raise _Left("a preference between two equal answers")
        before = self.last.get(conversation)
        below = None if before is None else before.above if before.prompt == prompt else before.message
        at = _at(row.get("at")) or (before.at if before else MADE_UP) + timedelta(seconds=2)
        known = path_names(conversation, [("user", prompt)], below) if before and before.prompt == prompt else []
        seen, names = set(known), []
        for number, text in enumerate(texts):
            turns = [("user", prompt), ("assistant", text)]
            names.append(path_names(conversation, turns, below)[-1])
            then = at + timedelta(milliseconds=number)
            yield from chain("table", conversation, turns, then, seen, below=below, user=user, model=model)
        if row.get("conversation"):
            self.last[conversation] = _Last(names[0], at, below, prompt)
        if self.shape == "exchange":
            yield from self._said(row, where, conversation, names[0], user, at)
            return
        name, fields = "/".join(names), {"chosen": names[0], "rejected": names[1:], "user": user}
        yield event("table", name, "choice", at + timedelta(seconds=1), conversation, **fields)

    def _message(self, row: Row, where: str, user: str | None, model: str | None) -> Iterator[dict[str, Any]]:
        said = _name(row.get("conversation"))
        role = ROLES.get(str(row.get("role")).strip().lower())
        if said is None or role is None:
            raise _Left("a message without conversation, or of a role that is not known")
        conversation, text = named(said[:150]), _text(row, "text")
        self.turns[conversation] += 1
        before = self.last.get(conversation)
        at = _at(row.get("at")) or (before.at if before else MADE_UP) + timedelta(seconds=2)
        message = named(conversation, _name(row.get("message")) or self.turns[conversation])
        above = before.message if before else None
        if "parent" in row:
            parent = _name(row["parent"])
            above = named(conversation, parent) if parent else None
        if above == message:
            raise _Left("a message that is its own parent")
        self.last[conversation] = _Last(message, at)
        yield event(
            "table", message, "message", at, conversation, message=message, role=role, text=text, parent=above,
            user=user if role == "user" else None, model=model if role == "assistant" else None,
        )  # fmt: skip
        if role == "assistant":
            yield from self._said(row, where, conversation, message, user, at)
        elif any(_filled(row.get(key)) for key in ("vote", "rating")):
            self.reading.leave_out("a vote or rating of a message that is no answer", where)

    def _conversation(self, row: Row) -> str:
        if said := _name(row.get("conversation")):
            return named(said[:150])
        digest = blake2b(repr(sorted(row.items())).encode("utf-8", "replace"), digest_size=12).digest()
        self.repeats[digest] += 1
        return digest.hex() if self.repeats[digest] == 1 else f"{digest.hex()}-{self.repeats[digest]}"

    def _said(
        self, row: Row, where: str, conversation: str, message: str, user: str | None, at: datetime
    ) -> Iterator[dict[str, Any]]:
        comment = row.get("comment")
        words = {"comment": plain(str(comment))[:10_000]} if _filled(comment) else {}
        after, vote, rating = at + timedelta(seconds=1), row.get("vote"), row.get("rating")
        if _filled(vote):
            value = thumb(vote)
            if value is None:
                self.reading.leave_out("a vote that is neither 1, 0, −1, true, false, up nor down", where)
            else:
                yield event(
                    "table", f"{message}/vote/{value}", "vote", after, conversation, message=message, value=value,
                    user=user, **words,
                )  # fmt: skip
        if _filled(rating):
            number = _number(rating)
            if number is None or self.scale is None or not self.scale[0] <= number <= self.scale[1]:
                self.reading.leave_out("a rating that is not on the scale (name it: --scale 1..5)", where)
                return
            yield event(
                "table", f"{message}/rating/{number}", "rating", after, conversation, message=message, scale="rating",
                value=number, lowest=self.scale[0], highest=self.scale[1], user=user, **words,
            )  # fmt: skip


def _filled(value: object) -> bool:
    return value is not None and value != ""


def _name(value: object) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return plain(str(value)).strip()[:200] or None if _filled(value) else None


def _text(row: Row, key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise _Left(f"a row without {key}")
    if len(value) > LONGEST_TEXT:
        raise _Left(f"a row whose {key} is longer than {LONGEST_TEXT:,} characters")
    return plain(value)


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _at(value: object) -> datetime | None:
    """A time with or without a zone (then UTC), or seconds or milliseconds since 1970; None when the cell is empty."""
    if not _filled(value):
        return None
    try:
        number = _number(value)
        if number is not None:
            return instant(EPOCH + timedelta(milliseconds=int(number if number > 1e11 else number * 1000)))
        if isinstance(value, str):
            value = datetime.fromisoformat(value.strip())
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        return instant(value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value)
    except (ValueError, OverflowError):
        raise _Left("a time that is neither a date nor seconds since 1970") from None
