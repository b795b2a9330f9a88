"""What the upstream says, chunk by chunk or in one piece: the text of each choice, how it ended, of how many tokens."""

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from unspoken.api.chat.asking import calls_of, clean, content_of

FINISHES = {"stop": "complete", "tool_calls": "complete", "function_call": "complete", "length": "length"}
DONE = b"[DONE]"
_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Part(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    completion_tokens: int | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Part] | None = None
    model: str | None = None
    usage: _Usage | None = None
    error: Any = None


_chunk = msgspec.json.Decoder(_Chunk)


@dataclass(slots=True)
class Answer:
    """One choice. `sent` holds its characters up to each chunk; `finish` is a word of the vocabulary once known."""

    message: str
    parts: list[str] = field(default_factory=list)
    chars: int = 0
    calls: dict[int, list[str]] = field(default_factory=dict)
    reason: str | None = None
    finish: str | None = None
    sent: "array[int]" = field(default_factory=lambda: array("Q"))

    @property
    def text(self) -> str:
        """What was generated so far, as an event can hold it."""
        return clean("".join(self.parts))

    @property
    def tools(self) -> list[tuple[str, str, str]]:
        """(id, name, arguments) of each call."""
        return [(call[0], call[1], call[2]) for _, call in sorted(self.calls.items())]

    def say(self, text: str) -> None:
        """More of it."""
        self.parts.append(text)
        self.chars += len(text)

    def end(self, reason: str) -> None:
        """The upstream says why it ended."""
        self.reason = reason
        self.finish = FINISHES.get(reason, "unknown")


class Answers:
    """All choices of one request, filled by what the upstream sends."""

    def __init__(self, messages: list[str]) -> None:
        self.each = [Answer(message) for message in messages]
        self.model: str | None = None
        self.tokens: int | None = None
        self.failed = False

    @property
    def ended(self) -> bool:
        """Whether the upstream said of each choice how it ended."""
        return all(answer.finish is not None for answer in self.each)

    def take(self, data: bytes) -> bool:
        """One chunk; whether it held any content. What cannot be read is passed on all the same, and not counted."""
        try:
            chunk = _chunk.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        self._about(chunk.model, chunk.usage.completion_tokens if chunk.usage else None)
        self.failed = self.failed or chunk.error is not None
        spoke = False
        for part in chunk.choices or ():
            if not 0 <= part.index < len(self.each):
                continue
            answer, delta = self.each[part.index], part.delta
            if delta is not None:
                if text := delta.content or delta.refusal:
                    answer.say(text)
                    spoke = True
                for call in delta.tool_calls or ():
                    _join(answer.calls.setdefault(call.index, ["", "", ""]), call)
                    spoke = True
            if part.finish_reason is not None:
                answer.end(part.finish_reason)
        return spoke

    def take_whole(self, body: bytes) -> None:
        """A completion that came in one piece; one that cannot be read leaves every answer without an end."""
        try:
            said = msgspec.json.decode(body)
            choices, usage = said["choices"], said.get("usage") or {}
            self._about(said.get("model"), usage.get("completion_tokens"))
            for place, choice in enumerate(choices):
                index = choice.get("index", place)
                if isinstance(index, int) and 0 <= index < len(self.each):
                    self._whole(self.each[index], choice.get("message") or {}, choice.get("finish_reason"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError, AttributeError):
            self.failed = True

    def _whole(self, answer: Answer, message: dict[str, Any], reason: object) -> None:
        text, _ = content_of(message.get("content"))
        answer.say(text or clean(str(message.get("refusal") or "")))
        answer.calls = {place: list(call) for place, call in enumerate(calls_of(message.get("tool_calls")))}
        answer.end(reason if isinstance(reason, str) else "")

    def _about(self, model: object, tokens: object) -> None:
        if isinstance(model, str) and model:
            self.model = clean(model)[:200]
        if type(tokens) is int and tokens >= 0:
            self.tokens = tokens


def _join(known: list[str], call: _Call) -> None:
    known[0] = call.id or known[0]
    if call.function is not None:
        known[1] += call.function.name or ""
        known[2] += call.function.arguments or ""


class Blocks:
    """Cuts a stream into server-sent events, whatever pieces it comes in."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The blocks that are whole now, each with the empty line that ends it."""
        self.rest += piece
        start = 0
        for end in _END.finditer(self.rest, max(0, len(self.rest) - len(piece) - 3)):
            yield self.rest[start : end.end()]
            start = end.end()
        self.rest = self.rest[start:]


def data_of(block: bytes) -> bytes | None:
    """The data of a block; None for a comment that only keeps the line open."""
    if block.startswith(b"data:") and block.find(b"\n", 0, -2) < 0:
        return block[5:].strip()
    lines = [line[5:].strip() for line in block.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None
