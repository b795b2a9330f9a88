"""OpenAI-style JSONL: chat logs and fine-tuning files (`messages`), stored completions, and preference files."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias

from unspoken.errors import BadInput
from unspoken.events import instant
from unspoken.sources.making import LONGEST_TEXT, MADE_UP, ROLES, THUMBS, chain, event, named, path_names, plain, thumb
from unspoken.sources.reading import Reading, lines, objects

RECIPE = "chat"
FACTS = (
    "A line is {messages, [choices], [id, created, model, metadata, user, rating, feedback]}, or a preference "
    "{input: {messages}, preferred_output, non_preferred_output}.",
    "The role developer is system, function is tool; parts of a content that are no text are left out and counted.",
)
ASSUMPTIONS = (
    "The conversation is metadata.conversation, conversation_id, session_id or thread_id, else each line is one of its "
    "own; within one, equal histories are one history and two answers to it are siblings.",
    "Who wrote is `user`, metadata.user or metadata.user_id, else not known.",
    "A rating of true or false, up or down is a vote on the last answer. Numbers are votes where all of the "
    "file's are 1, 0 or −1 and one is −1, or where --scale thumbs says so; others need their scale (--scale 1..5).",
    "`created` is when the answer came; without it a conversation begins on 2000-01-01 and each turn takes a second.",
    "A preference is a side-by-side choice; who chose is `user`, where it stands.",
)
CONVERSATION = ("conversation", "conversation_id", "session_id", "thread_id")

UNKNOWN = "a number whose scale is not known (name it: --scale 1..5, or --scale thumbs for votes of 1, 0 and -1)"

Turn = tuple[str, str]
Scale: TypeAlias = tuple[float, float] | str
_is_number = re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.ASCII).fullmatch


@dataclass
class _Seen:
    """What the lines before said: their messages, how far each conversation is, and how often a line was repeated."""

    messages: set[str] = field(default_factory=set)
    last_at: dict[str, datetime] = field(default_factory=dict)
    lines: Counter[bytes] = field(default_factory=Counter)


class _Left(Exception):
    """This line cannot be used; the text is the reason."""


def events(path: Path, reading: Reading | None = None, scale: Scale | None = None) -> Iterator[dict[str, Any]]:
    """Events of each line; `scale` is the lowest and highest of numbers that are no thumbs, or THUMBS.

    Without it the file is read twice: a 1 may be thumbs up or the worst of five marks, and only the whole file tells.
    """
    reading = reading or Reading()
    if scale is None and _are_thumbs(path):
        scale = THUMBS
    seen, used = _Seen(), False
    for where, line in objects(path, reading):
        try:
            record = _Record(line, seen)
            for each in record.preference() if "preferred_output" in line else record.log(scale, reading, where):
                used = True
                yield each
        except _Left as reason:
            reading.leave_out(str(reason), where)
            continue
        for reason_, count in record.parts_left_out.items():
            reading.leave_out(reason_, where, count)
    if not used:
        needed = "an object with `messages`, or with `input`, `preferred_output` and `non_preferred_output`"
        raise reading.nothing(path, f"no line is {needed}")


class _Record:
    """One line. Its events are made only when all of it was read, so a line is used whole or left out whole."""

    def __init__(self, line: dict[str, Any], seen: _Seen) -> None:
        self.line, self.seen = line, seen
        self.parts_left_out: Counter[str] = Counter()
        metadata = line.get("metadata")
        self.metadata: dict[str, Any] = metadata if isinstance(metadata, dict) else {}
        self.known = seen.messages  # of a conversation that has a name; one of its own line is forgotten after it
        self.conversation = self._conversation()
        self.user = _text(line.get("user")) or _text(self.metadata.get("user")) or _text(self.metadata.get("user_id"))
        self.model = _text(line.get("model")) or _text(self.metadata.get("model"))

    def log(self, scale: Scale | None, reading: Reading, where: str) -> Iterator[dict[str, Any]]:
        """The messages, further answers as siblings, and what was said of the last answer."""
        turns = self._turns(self.line.get("messages"), "messages")
        answers = [*self._choices()] or [[]]
        said = self._said(scale, reading, where)
        paths = [turns + answer for answer in answers]
        at = self._at(max(len(path) for path in paths))
        for number, path in enumerate(paths):
            yield from self._chain(path, at + timedelta(milliseconds=number))
        last = path_names(self.conversation, paths[0])[-1]
        about: dict[str, Any] = {"user": self.user}
        if paths[0][-1][0] == "assistant":
            about["message"] = last
        elif said:
            reading.leave_out("a rating where no answer is the last message", where)
            return
        if said:
            name = f"{last}/{said['kind']}/{said['value']}"  # said again, and otherwise, is another event
            yield self._event(name, said.pop("kind"), at + timedelta(seconds=1), **about, **said)

    def preference(self) -> Iterator[dict[str, Any]]:
        """The prompt, both answers as siblings, and the choice."""
        given = self.line.get("input")
        turns = self._turns(given.get("messages") if isinstance(given, dict) else None, "input.messages")
        both = [self._turns(self.line.get(key), key) for key in ("preferred_output", "non_preferred_output")]
        if any(len(answer) != 1 or answer[0][0] != "assistant" for answer in both):
            raise _Left("a preference whose outputs are not one answer each")
        if both[0] == both[1]:
            raise _Left("a preference between two equal answers")
        at = self._at(len(turns) + 1)
        names = []
        for number, answer in enumerate(both):
            yield from self._chain(turns + answer, at + timedelta(milliseconds=number))
            names.append(path_names(self.conversation, turns + answer)[-1])
        chosen, rejected = names
        fields = {"chosen": chosen, "rejected": [rejected], "user": self.user}
        yield self._event(f"{chosen}/{rejected}", "choice", at + timedelta(seconds=1), **fields)

    def _conversation(self) -> str:
        for place in (self.metadata, self.line):
            for key in CONVERSATION:
                if said := _text(place.get(key)):
                    return named(said[:150])
        if said := _text(self.line.get("id")):
            return named(said[:150])
        self.known = set()
        digest = blake2b(json.dumps(self.line, sort_keys=True).encode(), digest_size=12).digest()
        self.seen.lines[digest] += 1
        again = self.seen.lines[digest]
        return digest.hex() if again == 1 else f"{digest.hex()}-{again}"

    def _at(self, turns: int) -> datetime:
        """When the last turn came; never before what the conversation had already."""
        created = self.line.get("created", self.line.get("created_at"))
        before = self.seen.last_at.get(self.conversation)
        if created is None:
            at = (before or MADE_UP) + timedelta(seconds=turns)
        else:
            at = max(_when(created), (before or MADE_UP) + timedelta(milliseconds=turns))
        if self.known is self.seen.messages:
            self.seen.last_at[self.conversation] = at
        return at

    def _turns(self, messages: object, key: str) -> list[Turn]:
        if not isinstance(messages, list) or not messages:
            raise _Left(f"`{key}` is not a list of messages")
        return [self._turn(message) for message in messages]

    def _turn(self, message: object) -> Turn:
        role = ROLES.get(str(message.get("role"))) if isinstance(message, dict) else None
        if not isinstance(message, dict) or role is None:
            raise _Left("a message that is no object, or of a role that is not known")
        content = message.get("content")
        if isinstance(content, list):
            content = "\n".join(self._part(part) for part in content)
        if content is None:
            if not (message.get("tool_calls") or message.get("function_call") or message.get("refusal")):
                raise _Left("a message without content")
            self.parts_left_out["a call of a tool, or a refusal (the message is kept, empty)"] += 1
            content = ""
        if not isinstance(content, str):
            raise _Left("a message whose content is no text")
        if len(content) > LONGEST_TEXT:
            raise _Left(f"a message longer than {LONGEST_TEXT:,} characters")
        return role, plain(content)

    def _part(self, part: object) -> str:
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            return str(part["text"])
        self.parts_left_out["a part of a message that is no text (the message is kept without it)"] += 1
        return ""

    def _choices(self) -> Iterator[list[Turn]]:
        choices = self.line.get("choices")
        for choice in choices if isinstance(choices, list) else []:
            if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
                raise _Left("`choices` without messages")
            yield [self._turn({"role": "assistant"} | choice["message"])]

    def _said(self, scale: Scale | None, reading: Reading, where: str) -> dict[str, Any] | None:
        rating, comment = _rating(self.line)
        if rating is None:
            reading.leave_out("a comment without a rating", where, int(comment is not None))
            return None
        vote, number = thumb(rating), _number(rating)
        if vote is not None and (number is None or scale == THUMBS):
            return {"kind": "vote", "value": vote, "comment": comment}
        if number is None:
            reading.leave_out("a rating that is neither a number nor a thumb", where)
        elif scale is None:
            reading.leave_out(UNKNOWN, where)
        elif isinstance(scale, str):
            reading.leave_out("a number that is no thumb: neither 1, 0 nor -1", where)
        elif scale[0] <= number <= scale[1]:
            lowest, highest = scale
            return {
                "kind": "rating", "scale": "rating", "value": number, "lowest": lowest, "highest": highest,
                "comment": comment,
            }  # fmt: skip
        else:
            reading.leave_out(f"a rating beyond the scale {scale[0]:g}..{scale[1]:g}", where)
        return None

    def _chain(self, turns: list[Turn], at: datetime) -> Iterator[dict[str, Any]]:
        yield from chain("openai", self.conversation, turns, at, self.known, user=self.user, model=self.model)

    def _event(self, name: str, kind: str, at: datetime, **fields: Any) -> dict[str, Any]:
        return event("openai", name, kind, at, self.conversation, **fields)


def _are_thumbs(path: Path) -> bool:
    """Whether every number among the file's ratings is 1, 0 or −1, and one is −1: a file of marks has none."""
    found = set()
    try:
        for _, raw in lines(path, Reading()):
            if b"rating" not in raw and b"feedback" not in raw:
                continue  # most lines of most logs
            try:
                line = json.loads(raw)
            except (ValueError, RecursionError):
                continue
            number = _number(_rating(line)[0]) if isinstance(line, dict) else None
            if number is not None and number not in (-1, 0, 1):
                return False
            found.add(number)
    except BadInput:
        pass  # whoever reads it for its events says so
    return -1 in found


def _rating(line: dict[str, Any]) -> tuple[Any, str | None]:
    """What a line says of its last answer, as it stands there, and in words."""
    given = line.get("metadata")
    metadata: dict[str, Any] = given if isinstance(given, dict) else {}
    feedback = line.get("feedback", metadata.get("feedback"))
    whole: dict[str, Any] = feedback if isinstance(feedback, dict) else {"rating": feedback}
    rating = line.get("rating", metadata.get("rating"))
    for key in ("rating", "score", "value"):
        rating = whole.get(key) if rating is None else rating
    return rating, _text(whole.get("comment"))


def _number(rating: object) -> float | None:
    """A number, or one written as text (but +1, which is a thumb); None for anything else."""
    if isinstance(rating, str) and _is_number(rating.strip()):
        rating = float(rating) if "." in rating else int(rating)
    if isinstance(rating, bool) or not isinstance(rating, int | float):
        return None
    try:
        return rating if math.isfinite(rating) else None
    except OverflowError:
        return None


def _text(value: object) -> str | None:
    """A name of at most 200 characters; numbers are names too."""
    if type(value) is int:
        value = str(value)
    return plain(value)[:200] if isinstance(value, str) and value.strip() else None


def _when(created: object) -> datetime:
    """Seconds or milliseconds since 1970, or RFC 3339; _Left for anything else."""
    try:
        if isinstance(created, int | float) and not isinstance(created, bool):
            seconds = float(created)
            return datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, UTC)
        return instant(created)
    except (ValueError, OverflowError, OSError):
        raise _Left("a time that is neither seconds since 1970 nor RFC 3339") from None
