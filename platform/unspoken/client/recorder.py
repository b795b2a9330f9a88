"""One typed method per kind of the vocabulary (docs/events.md); keyword arguments are the fields."""

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Generic, Literal, TypedDict, TypeVar, Unpack

from unspoken.client.checks import Fit, check, fits
from unspoken.errors import BadEvent

R = TypeVar("R")  # what a method answers: the event's id, or an awaitable of it

Phase = Literal["streaming", "reading"]
AnyPhase = Literal["streaming", "reading", "composing"]


class Context(TypedDict, total=False):
    """What stays the same for a while; None says that it is not known."""

    user: str | None
    page: str | None
    session: str | None
    device: Literal["phone", "tablet", "desktop", "other"] | None
    arm: dict[str, Any] | None
    consent: str | None


class Envelope(Context, total=False):
    """What every event may carry; `at` is now, and `id` a new one, where they are not given."""

    id: str
    at: datetime | int | str
    conversation: str
    n: int | None


class Recorder(Generic[R]):
    """Takes events. Every method answers the event's id, and raises BadEvent for arguments that are of no use."""

    def __init__(self, put: Callable[[str, bytes], R], defaults: Mapping[str, Any]) -> None:
        self._put = put
        self._defaults = {name: value for name, value in defaults.items() if value is not None}
        check("default", self._defaults, _known("share"))

    def conversation(self, conversation: str, /, **context: Unpack[Context]) -> "Recorder[R]":
        """The same methods, for events of one conversation."""
        return Recorder(self._put, {**self._defaults, **context, "conversation": conversation})

    def message(
        self, *, message: str, role: Literal["user", "assistant", "system", "tool"], text: str,
        parent: str | None = None, model: str | None = None,
        finish: Literal["complete", "length", "stopped", "error", "unknown"] | None = None, tokens: int | None = None,
        ttft_ms: int | None = None, duration_ms: int | None = None, meta: dict[str, Any] | None = None,
        **envelope: Unpack[Envelope],
    ) -> R:  # fmt: skip
        """A message of the conversation tree; two answers with one `parent` are siblings."""
        return self._take("message", locals())

    def vote(
        self, *, message: str, value: Literal[1, 0, -1], reasons: list[str] | None = None, comment: str | None = None,
        **envelope: Unpack[Envelope],
    ) -> R:  # fmt: skip
        """Thumbs: 1, −1, or 0 which withdraws."""
        return self._take("vote", locals())

    def rating(
        self, *, scale: str, value: float, lowest: float, highest: float, message: str | None = None,
        comment: str | None = None, **envelope: Unpack[Envelope],
    ) -> R:  # fmt: skip
        """A number on a named scale; of the conversation when `message` is absent."""
        return self._take("rating", locals())

    def choice(
        self, *, rejected: list[str], chosen: str | None = None, tie: bool = False, order: list[str] | None = None,
        message: str | None = None, **envelope: Unpack[Envelope],
    ) -> R:  # fmt: skip
        """An explicit side-by-side choice; `order` holds the ids as shown, left to right."""
        return self._take("choice", locals())

    def solicit(
        self, *, message: str, level: Literal["none", "soft", "firm"], shown: bool | None = None,
        answered: bool | None = None, propensity: float | None = None, **envelope: Unpack[Envelope],
    ) -> R:  # fmt: skip
        """The random assignment to asking for a rating, whether or not it was answered."""
        return self._take("solicit", locals())

    def expose(self, *, message: str, **envelope: Unpack[Envelope]) -> R:
        """The message's first token was rendered."""
        return self._take("expose", locals())

    def heartbeat(
        self, *, message: str, seen_chars: int | None = None, total_chars: int | None = None,
        phase: Literal["streaming", "reading", "composing"] | None = None, **envelope: Unpack[Envelope],
    ) -> R:  # fmt: skip
        """The exposure is still open. `phase` becomes that of the close, if nothing more is heard."""
        return self._take("heartbeat", locals())

    def view(
        self, *, message: str, visible_ms: int | None = None, active_ms: int | None = None, idle_ms: int | None = None,
        hidden_ms: int | None = None, seen_chars: int | None = None, total_chars: int | None = None,
        **envelope: Unpack[Envelope],
    ) -> R:  # fmt: skip
        """The exposure closed."""
        return self._take("view", locals())

    def regenerate(
        self, *, message: str, phase: Phase | None = None, seen_chars: int | None = None,
        total_chars: int | None = None, displayed: str | None = None, **envelope: Unpack[Envelope],
    ) -> R:  # fmt: skip
        """Another answer was asked for; `displayed` is the sibling shown by default."""
        return self._take("regenerate", locals())

    def stop(
        self, *, message: str, seen_chars: int | None = None, total_chars: int | None = None,
        **envelope: Unpack[Envelope],
    ) -> R:  # fmt: skip
        """The stream was stopped and the user stayed."""
        return self._take("stop", locals())

    def close(
        self, *, message: str | None = None, phase: AnyPhase | None = None, seen_chars: int | None = None,
        total_chars: int | None = None, cause: Literal["tab", "navigate", "inferred", "unknown"] | None = None,
        silent_ms: int | None = None, **envelope: Unpack[Envelope],
    ) -> R:  # fmt: skip
        """The user left; `silent_ms`: for so long nothing had come when it was inferred. (The client: `shutdown`.)"""
        return self._take("close", locals())

    def hide(
        self, *, message: str | None = None, phase: AnyPhase | None = None, **envelope: Unpack[Envelope]
    ) -> R:  # fmt: skip
        """The tab went out of sight."""
        return self._take("hide", locals())

    def return_(
        self, *, message: str | None = None, phase: AnyPhase | None = None, away_ms: int | None = None,
        **envelope: Unpack[Envelope],
    ) -> R:  # fmt: skip
        """The tab came back: kind `return`, which is no name in Python."""
        return self._take("return", locals())

    def disconnect(
        self, *, message: str, sent_chars: int | None = None, total_chars: int | None = None,
        **envelope: Unpack[Envelope],
    ) -> R:  # fmt: skip
        """The server saw the connection go."""
        return self._take("disconnect", locals())

    def pause(
        self, *, ms: int, message: str | None = None, phase: AnyPhase | None = None, **envelope: Unpack[Envelope]
    ) -> R:  # fmt: skip
        """No activity while visible and focused."""
        return self._take("pause", locals())

    def copy(
        self, *, message: str, chars: int | None = None, part: Literal["code", "prose"] | None = None,
        **envelope: Unpack[Envelope],
    ) -> R:  # fmt: skip
        """Text was copied out of the message."""
        return self._take("copy", locals())

    def select(
        self, *, message: str, previous: str | None = None, displayed: str | None = None, **envelope: Unpack[Envelope]
    ) -> R:  # fmt: skip
        """Another sibling was brought up: `message` is the one shown now."""
        return self._take("select", locals())

    def edit(self, *, message: str, to: str, **envelope: Unpack[Envelope]) -> R:
        """A prompt was edited; `to` is the new one."""
        return self._take("edit", locals())

    def share(self, *, message: str | None = None, **envelope: Unpack[Envelope]) -> R:
        """A message, or the conversation, was shared."""
        return self._take("share", locals())

    def _take(self, kind: str, said: dict[str, Any]) -> R:
        """`said` is what the method was called with: its locals."""
        del said["self"]
        fields = {**self._defaults, **said.pop("envelope"), **said}
        event = {name: value for name, value in fields.items() if value is not None}
        check(kind, event, _known(kind))
        if "conversation" not in event:
            raise BadEvent(
                f"A `{kind}` needs a conversation: conversation=…, or client.conversation(…).", "conversation"
            )
        identity = event.setdefault("id", new_id())
        at = event.setdefault("at", time.time_ns() // 1_000_000)
        if isinstance(at, datetime):
            event["at"] = at.isoformat()
        for name in ("text", "comment"):  # people's own words: no reason to fail in the host program, or to lose them
            if name in event:
                event[name] = _storable(event[name])
        return self._put(identity, _encode(kind, {"kind": kind, **event}))


def new_id() -> str:
    """A UUID v7: milliseconds since 1970, then 74 random bits of the system, which a fork does not repeat."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    number = number & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@cache
def _known(kind: str) -> dict[str, Fit]:
    return fits(getattr(Recorder, "return_" if kind == "return" else kind))


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _storable(text: str) -> str:
    """NUL and halves of surrogate pairs, which no database here stores, become U+FFFD."""
    return text if text.isascii() and "\0" not in text else _UNSTORABLE.sub("\ufffd", text)


def _encode(kind: str, event: dict[str, Any]) -> bytes:
    try:
        return _ENCODER.encode(event).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadEvent(f"This `{kind}` is no JSON that can be sent: {error}.") from error
