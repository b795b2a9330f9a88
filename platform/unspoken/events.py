"""The event vocabulary, version 1: what a client may send, and the sentence it gets for anything else.

Every event is an envelope and its kind's own fields. Unknown kinds and unknown fields are refused by name; strings
hold no NUL (PostgreSQL cannot store it) and no half of a surrogate pair; numbers are finite; counts, characters and
milliseconds are whole and not negative. A field that is not known is left out or null.

Expressed kinds (complaint, thanks, …) are derived by the platform from the next user message and refused here.
"""

import difflib
import hashlib
import hmac
import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self, TypeAlias, cast, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from unspoken.errors import BadEvent

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
LARGEST = 2**53 - 1  # what JavaScript counts exactly
OBJECT_BYTES = 4096
OBJECT_DEPTH = 16

STATED = ("vote", "rating", "choice", "solicit")
EXPRESSED = (
    "complaint", "thanks", "rephrase", "correction", "clarification", "elaboration", "new_topic", "refusal_objection",
)  # fmt: skip
REVEALED = (
    "expose", "heartbeat", "view", "regenerate", "stop", "close", "hide", "return", "disconnect", "pause", "copy",
    "select", "edit", "share",
)  # fmt: skip
KINDS = ("message", *STATED, *REVEALED)

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def instant(value: object) -> datetime:
    """RFC 3339 text with an offset, or whole milliseconds since 1970, as UTC; ValueError says what was needed."""
    if type(value) is int:
        if not 0 <= value < 7_258_118_400_000:
            raise ValueError("milliseconds since 1970 lie between 0 and the year 2200; this looks like another unit")
        return EPOCH + timedelta(milliseconds=value)
    if type(value) is str and _RFC3339.fullmatch(value):
        value = datetime.fromisoformat(value.upper())
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("a time is RFC 3339 with an offset (2026-10-01T12:00:00Z) or whole milliseconds since 1970")
    if not EPOCH <= value < LATEST:
        raise ValueError("a time lies between the years 1970 and 2200")
    return value.astimezone(UTC)


def _small_object(value: dict[str, Any]) -> dict[str, Any]:
    """A JSON object within OBJECT_BYTES and OBJECT_DEPTH that both databases can store."""
    reached: list[tuple[Any, int]] = [(value, 0)]
    for node, depth in reached:  # grows while it is walked
        if depth > OBJECT_DEPTH:
            raise ValueError(f"it is nested deeper than {OBJECT_DEPTH} levels")
        if isinstance(node, str) and "\0" in node:
            raise ValueError("it contains a NUL character")
        inner = [*node.keys(), *node.values()] if isinstance(node, dict) else node if isinstance(node, list) else []
        reached += [(child, depth + 1) for child in inner]
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError) as error:
        raise ValueError("it must hold plain JSON: finite numbers and whole characters") from error
    if size > OBJECT_BYTES:
        raise ValueError(f"it takes {size} bytes as JSON; at most {OBJECT_BYTES} are stored")
    return value


_NO_NUL = r"^[^\x00]*$"
Identity = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", to_lower=True)
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_NO_NUL)]
Text = Annotated[str, StringConstraints(max_length=1_000_000, pattern=_NO_NUL)]
Comment = Annotated[str, StringConstraints(max_length=10_000, pattern=_NO_NUL)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]
SmallObject = Annotated[dict[str, Any], AfterValidator(_small_object)]
Phase = Literal["streaming", "reading"]
AnyPhase = Literal["streaming", "reading", "composing"]


class Envelope(BaseModel):
    """What every event carries; `at` is the client's clock in UTC, `user` the chatbot's own id, never stored as is."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    id: Identity
    at: Annotated[datetime, BeforeValidator(instant)]
    conversation: Name
    user: Name | None = None
    message: Name | None = None
    page: Name | None = None
    n: Count | None = None
    session: Name | None = None
    device: Literal["phone", "tablet", "desktop", "other"] | None = None
    arm: SmallObject | None = None
    consent: Name | None = None


class About(Envelope):
    """An event that says nothing without the message it is about."""

    message: Name


class Seen(About):
    """An event that says how much of the message was on the screen, in characters."""

    seen_chars: Count | None = None
    total_chars: Count | None = None


class Message(About):
    """A message of the conversation tree; siblings share their parent."""

    kind: Literal["message"]
    role: Literal["user", "assistant", "system", "tool"]
    text: Text
    parent: Name | None = None
    model: Name | None = None
    finish: Literal["complete", "length", "stopped", "error", "unknown"] | None = None
    tokens: Count | None = None
    ttft_ms: Count | None = None
    duration_ms: Count | None = None
    meta: SmallObject | None = None

    @model_validator(mode="after")
    def _no_own_parent(self) -> Self:
        if self.parent == self.message:
            raise PydanticCustomError("sense", "`parent` names the message itself; a root has no parent")
        return self


class Vote(About):
    """Thumbs: 1, −1, or 0 which withdraws."""

    kind: Literal["vote"]
    value: Annotated[int, Field(ge=-1, le=1)]
    reasons: Annotated[list[Name], Field(max_length=50)] | None = None
    comment: Comment | None = None


class Rating(Envelope):
    """A number on a named scale; of the conversation when `message` is absent."""

    kind: Literal["rating"]
    scale: Name
    value: float
    lowest: float
    highest: float
    comment: Comment | None = None

    @model_validator(mode="after")
    def _on_the_scale(self) -> Self:
        if not self.lowest < self.highest or not self.lowest <= self.value <= self.highest:
            raise PydanticCustomError("sense", "`lowest` ≤ `value` ≤ `highest` and `lowest` < `highest` must hold")
        return self


class Choice(Envelope):
    """An explicit side-by-side choice; `order` holds the ids as shown, left to right."""

    kind: Literal["choice"]
    chosen: Name | None = None
    rejected: Annotated[list[Name], Field(min_length=1, max_length=50)]
    tie: bool = False
    order: Annotated[list[Name], Field(max_length=51)] | None = None

    @model_validator(mode="after")
    def _one_of_several(self) -> Self:
        if self.chosen is None and not (self.tie and len(self.rejected) > 1):
            raise PydanticCustomError("sense", "`chosen` is missing; only a tie of several `rejected` has none")
        shown = [*([] if self.chosen is None else [self.chosen]), *self.rejected]
        if len(set(shown)) < len(shown):
            raise PydanticCustomError("sense", "`chosen` and `rejected` must name different messages")
        if self.order is not None and sorted(self.order) != sorted(shown):
            raise PydanticCustomError("sense", "`order` must list the ids of `chosen` and `rejected`, each once")
        return self


class Solicit(About):
    """The random assignment to asking for a rating, logged whether or not it was answered."""

    kind: Literal["solicit"]
    level: Literal["none", "soft", "firm"]
    shown: bool | None = None
    answered: bool | None = None
    propensity: Annotated[float, Field(gt=0, le=1)] | None = None


class Expose(About):
    """The first token was rendered."""

    kind: Literal["expose"]


class Heartbeat(Seen):
    """The exposure is still open."""

    kind: Literal["heartbeat"]


class View(Seen):
    """The exposure closed."""

    kind: Literal["view"]
    visible_ms: Count | None = None
    active_ms: Count | None = None
    idle_ms: Count | None = None
    hidden_ms: Count | None = None


class Regenerate(Seen):
    """Another answer was asked for; `displayed` is the sibling shown by default."""

    kind: Literal["regenerate"]
    phase: Phase | None = None
    displayed: Name | None = None


class Stop(Seen):
    """The stream was stopped and the user stayed."""

    kind: Literal["stop"]


class Close(Envelope):
    """The user left."""

    kind: Literal["close"]
    phase: AnyPhase | None = None
    seen_chars: Count | None = None
    total_chars: Count | None = None
    cause: Literal["tab", "navigate", "inferred", "unknown"] | None = None


class Hide(Envelope):
    """The tab went out of sight."""

    kind: Literal["hide"]
    phase: AnyPhase | None = None


class Return(Envelope):
    """The tab came back."""

    kind: Literal["return"]
    phase: AnyPhase | None = None
    away_ms: Count | None = None


class Disconnect(About):
    """The server saw the connection go."""

    kind: Literal["disconnect"]
    sent_chars: Count | None = None
    total_chars: Count | None = None


class Pause(Envelope):
    """No activity while visible and focused."""

    kind: Literal["pause"]
    ms: Count
    phase: AnyPhase | None = None


class Copy(About):
    """Text was copied out of the message."""

    kind: Literal["copy"]
    chars: Count | None = None
    part: Literal["code", "prose"] | None = None


class Select(About):
    """Another sibling was brought up: `message` is the one shown now."""

    kind: Literal["select"]
    previous: Name | None = None
    displayed: Name | None = None


class Edit(About):
    """A prompt was edited; `to` is the new one."""

    kind: Literal["edit"]
    to: Name


class Share(Envelope):
    """A message, or the conversation, was shared."""

    kind: Literal["share"]


Event: TypeAlias = (
    Message | Vote | Rating | Choice | Solicit | Expose | Heartbeat | View | Regenerate | Stop | Close | Hide | Return
    | Disconnect | Pause | Copy | Select | Edit | Share
)  # fmt: skip

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])
_CLASSES = {get_args(each.model_fields["kind"].annotation)[0]: each for each in get_args(Event)}
_ENVELOPE = frozenset(Envelope.model_fields) | {"kind"}
# In the order of declaration; a message's text is left out because it stands in `messages` alone.
_OWN = {
    kind: tuple(name for name in each.model_fields if name not in _ENVELOPE and name != "text")
    for kind, each in _CLASSES.items()
}


def parse(item: object) -> Event:
    """The event that `item`, decoded JSON, says; BadEvent names the field that is off and what was expected."""
    try:
        return _ADAPTER.validate_python(item)
    except ValidationError as error:
        raise _bad_event(item, error.errors(include_url=False)[0]) from None


def own_fields(event: Event) -> dict[str, Any]:
    """The kind's fields without the envelope, without nulls, without a message's text."""
    values = event.__dict__
    return {name: value for name in _OWN[event.kind] if (value := values[name]) is not None}


def occurred_at(at: datetime, sent_at: datetime | None, received_at: datetime) -> datetime:
    """`at` by the server's clock: the client's clock is off by what `sent_at` is off from `received_at`."""
    return at if sent_at is None else at + (received_at - sent_at)


def digest(text: str) -> str:
    """Hex blake2b (128 bit) of the text without case, width and spacing: equal digests are equal prompts."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.blake2b(plain.encode(), digest_size=16).hexdigest()


def hash_user(secret_hex: str, user: str) -> str:
    """Hex HMAC-SHA-256 of the chatbot's own user id under the project's secret."""
    return hmac.digest(bytes.fromhex(secret_hex), user.encode(), "sha256").hex()


def _bad_event(item: object, error: ErrorDetails) -> BadEvent:
    """One plain sentence for pydantic's first complaint."""
    if not isinstance(item, dict):
        return BadEvent(f"An event is a JSON object; this is {_shown(item)}.")
    kind = item.get("kind")
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return _bad_kind(kind)
    field = ".".join(str(part) for part in error["loc"][1:])[:200]
    article = f"{'an' if str(kind)[0] in 'aeiou' else 'a'} `{kind}` event"
    if error["type"] == "missing":
        return BadEvent(f"`{field}` is missing; {article} needs it.", field)
    if error["type"] == "extra_forbidden":
        known = [*_ENVELOPE - {"kind"}, *_CLASSES[cast(str, kind)].model_fields]
        return BadEvent(f"{article.capitalize()} has no field {_shown(field)}.{_close(field, known)}", field)
    if error["type"] == "sense":
        return BadEvent(f"In {article}, {error['msg']}.", field)
    return BadEvent(f"`{field}` of {article} is {_shown(error['input'])}: {_needed(field, error)}.", field)


def _bad_kind(kind: object) -> BadEvent:
    if isinstance(kind, str) and kind in EXPRESSED:
        return BadEvent(f"`{kind}` is derived by the platform from the next user message; send the message.", "kind")
    said = "`kind` is missing" if kind is None else f"There is no kind {_shown(kind)}"
    return BadEvent(f"{said}.{_close(kind, KINDS)} The kinds are {', '.join(KINDS)}.", "kind")


def _needed(field: str, error: ErrorDetails) -> str:
    if field == "id":
        return "a UUID is needed, as in 018f6b1e-0d5c-7c3a-9b1e-2f6a7c8d9e0f"
    if error["type"] == "string_pattern_mismatch":
        return "it contains a NUL character, which cannot be stored"
    said = error["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    return said[0].lower() + said[1:]


def _close(given: object, known: list[str] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(given[:64], known, 1) if isinstance(given, str) else []
    return f" Did you mean `{near[0]}`?" if near else ""


def _shown(value: object) -> str:
    """A short, printable form of what was sent; never more than a glimpse of it."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and abs(value) > LARGEST:
        return "a number too large"
    said = json.dumps(value, default=str)
    return said if len(said) <= 60 else f"{said[:57]}…"
