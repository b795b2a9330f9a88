"""The vocabulary itself: one class per kind, its fields and bounds, and what its fields must say together.

The classes are what both readers check against (`reading`), what a refusal explains (`refusals`) and what the schema
says, so a field is written down here and nowhere else.
"""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from unspoken.events.times import EARLIEST_MS, LATEST_MS, instant

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
# Nobody does these without being there; a user's message says it too. What else is revealed, a page can do alone.
PRESENT = ("vote", "rating", "choice", "regenerate", "stop", "return", "pause", "copy", "select", "edit", "share")
KINDS = ("message", *STATED, *REVEALED)

Identity = Annotated[str, Meta(min_length=36, max_length=36, extra_json_schema={"format": "uuid"})]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=1_000_000)]
Comment = Annotated[str, Meta(max_length=10_000)]
Count = Annotated[int, Meta(ge=0, le=LARGEST)]
Phase = Literal["streaming", "reading"]
AnyPhase = Literal["streaming", "reading", "composing"]
if TYPE_CHECKING:
    Instant: TypeAlias = datetime  # what it is once the event has been made
else:
    Instant = Annotated[datetime, Meta(tz=True)] | Annotated[int, Meta(ge=EARLIEST_MS, lt=LATEST_MS)]


# Not Meta(pattern=…), which takes a microsecond longer.
_is_lower_uuid = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch


def identity(value: str) -> str:
    """The one spelling of a UUID; ValueError for anything else."""
    lower = value.lower()
    if not (value.isascii() and _is_lower_uuid(lower)):
        raise ValueError("a UUID is needed, as in 018f6b1e-0d5c-7c3a-9b1e-2f6a7c8d9e0f")
    return lower


def small_object(value: dict[str, Any]) -> None:
    """ValueError unless both databases can store it within OBJECT_BYTES of compact JSON and OBJECT_DEPTH levels."""
    try:
        packed = msgspec.json.encode(value)
    except RecursionError:
        raise ValueError(f"it is nested deeper than {OBJECT_DEPTH} levels") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("it must hold plain JSON: finite numbers and whole characters") from error
    if packed.count(b"{") + packed.count(b"[") > OBJECT_DEPTH and _depth(value) > OBJECT_DEPTH:
        raise ValueError(f"it is nested deeper than {OBJECT_DEPTH} levels")
    if len(packed) > OBJECT_BYTES:
        raise ValueError(f"it takes {len(packed)} bytes as JSON; at most {OBJECT_BYTES} are stored")


def _depth(value: dict[str, Any]) -> int:
    levels = 0
    nodes: list[Any] = [value]
    while nodes := [node for node in nodes if isinstance(node, dict | list)]:
        nodes = [child for node in nodes for child in (node.values() if isinstance(node, dict) else node)]
        levels += 1
    return levels


class Envelope(
    Struct, tag_field="kind", tag=str.lower, forbid_unknown_fields=True, frozen=True, kw_only=True, gc=False
):
    """What every event carries; `at` is the client's clock in UTC, `user` the chatbot's own id, never stored as is."""

    kind: ClassVar[str]  # the class's name in lower case, which is its tag

    id: Identity
    at: Instant
    conversation: Name
    user: Name | None = None
    message: Name | None = None
    page: Name | None = None
    n: Count | None = None
    session: Name | None = None
    device: Literal["phone", "tablet", "desktop", "other"] | None = None
    arm: dict[str, Any] | None = None
    consent: Name | None = None

    def __post_init__(self) -> None:
        """One spelling of the id and of the time; ValueError (which a reader turns into a refusal) for what is off."""
        if not _is_lower_uuid(self.id):
            force_setattr(self, "id", identity(self.id))
        at = self.at
        if at.__class__ is not datetime or at.tzinfo is not UTC or not 1970 <= at.year < 2200:
            force_setattr(self, "at", instant(at))
        if self.arm is not None:
            small_object(self.arm)


class About(Envelope, frozen=True):
    """An event that says nothing without the message it is about."""

    message: Name


class Seen(About, frozen=True):
    """An event that says how much of the message was on the screen, in characters."""

    seen_chars: Count | None = None
    total_chars: Count | None = None


class Message(About, frozen=True):
    """A message of the conversation tree; siblings share their parent."""

    kind: ClassVar[Literal["message"]] = "message"

    role: Literal["user", "assistant", "system", "tool"]
    text: Text
    parent: Name | None = None
    model: Name | None = None
    finish: Literal["complete", "length", "stopped", "error", "unknown"] | None = None
    tokens: Count | None = None
    ttft_ms: Count | None = None
    duration_ms: Count | None = None
    meta: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """No message is its own parent, and `meta` is small."""
        super().__post_init__()
        if self.parent == self.message:
            raise ValueError("`parent` names the message itself; a root has no parent")
        if self.meta is not None:
            small_object(self.meta)


class Vote(About, frozen=True):
    """Thumbs: 1, −1, or 0 which withdraws."""

    kind: ClassVar[Literal["vote"]] = "vote"

    value: Annotated[int, Meta(ge=-1, le=1)]
    reasons: Annotated[list[Name], Meta(max_length=50)] | None = None
    comment: Comment | None = None


class Rating(Envelope, frozen=True):
    """A number on a named scale; of the conversation when `message` is absent."""

    kind: ClassVar[Literal["rating"]] = "rating"

    scale: Name
    value: float
    lowest: float
    highest: float
    comment: Comment | None = None

    def __post_init__(self) -> None:
        """The value lies on the scale."""
        super().__post_init__()
        if not self.lowest < self.highest or not self.lowest <= self.value <= self.highest:
            raise ValueError("`lowest` ≤ `value` ≤ `highest` and `lowest` < `highest` must hold")


class Choice(Envelope, frozen=True):
    """An explicit side-by-side choice; `order` holds the ids as shown, left to right."""

    kind: ClassVar[Literal["choice"]] = "choice"

    rejected: Annotated[list[Name], Meta(min_length=1, max_length=50)]
    chosen: Name | None = None
    tie: bool = False
    order: Annotated[list[Name], Meta(max_length=51)] | None = None

    def __post_init__(self) -> None:
        """One of several different messages, and `order` shows just these."""
        super().__post_init__()
        if self.chosen is None and not (self.tie and len(self.rejected) > 1):
            raise ValueError("`chosen` is missing; only a tie of several `rejected` has none")
        shown = [*([] if self.chosen is None else [self.chosen]), *self.rejected]
        if len(set(shown)) < len(shown):
            raise ValueError("`chosen` and `rejected` must name different messages")
        if self.order is not None and sorted(self.order) != sorted(shown):
            raise ValueError("`order` must list the ids of `chosen` and `rejected`, each once")


class Solicit(About, frozen=True):
    """The random assignment to asking for a rating, logged whether or not it was answered."""

    kind: ClassVar[Literal["solicit"]] = "solicit"

    level: Literal["none", "soft", "firm"]
    shown: bool | None = None
    answered: bool | None = None
    propensity: Annotated[float, Meta(gt=0, le=1)] | None = None


class Expose(About, frozen=True):
    """The first token was rendered."""

    kind: ClassVar[Literal["expose"]] = "expose"


class Heartbeat(Seen, frozen=True):
    """The exposure is still open. Its phase becomes that of the close, if nothing more is heard."""

    kind: ClassVar[Literal["heartbeat"]] = "heartbeat"

    phase: AnyPhase | None = None


class View(Seen, frozen=True):
    """The exposure closed."""

    kind: ClassVar[Literal["view"]] = "view"

    visible_ms: Count | None = None
    active_ms: Count | None = None
    idle_ms: Count | None = None
    hidden_ms: Count | None = None


class Regenerate(Seen, frozen=True):
    """Another answer was asked for; `displayed` is the sibling shown by default."""

    kind: ClassVar[Literal["regenerate"]] = "regenerate"

    phase: Phase | None = None
    displayed: Name | None = None


class Stop(Seen, frozen=True):
    """The stream was stopped and the user stayed."""

    kind: ClassVar[Literal["stop"]] = "stop"


class Close(Envelope, frozen=True):
    """The user left. An inferred one says for how long nothing had come when the platform wrote it."""

    kind: ClassVar[Literal["close"]] = "close"

    phase: AnyPhase | None = None
    seen_chars: Count | None = None
    total_chars: Count | None = None
    cause: Literal["tab", "navigate", "inferred", "unknown"] | None = None
    silent_ms: Count | None = None


class Hide(Envelope, frozen=True):
    """The tab went out of sight."""

    kind: ClassVar[Literal["hide"]] = "hide"

    phase: AnyPhase | None = None


class Return(Envelope, frozen=True):
    """The tab came back."""

    kind: ClassVar[Literal["return"]] = "return"

    phase: AnyPhase | None = None
    away_ms: Count | None = None


class Disconnect(About, frozen=True):
    """The server saw the connection go."""

    kind: ClassVar[Literal["disconnect"]] = "disconnect"

    sent_chars: Count | None = None
    total_chars: Count | None = None


class Pause(Envelope, frozen=True):
    """No activity while visible and focused."""

    kind: ClassVar[Literal["pause"]] = "pause"

    ms: Count
    phase: AnyPhase | None = None


class Copy(About, frozen=True):
    """Text was copied out of the message."""

    kind: ClassVar[Literal["copy"]] = "copy"

    chars: Count | None = None
    part: Literal["code", "prose"] | None = None


class Select(About, frozen=True):
    """Another sibling was brought up: `message` is the one shown now."""

    kind: ClassVar[Literal["select"]] = "select"

    previous: Name | None = None
    displayed: Name | None = None


class Edit(About, frozen=True):
    """A prompt was edited; `to` is the new one."""

    kind: ClassVar[Literal["edit"]] = "edit"

    to: Name


class Share(Envelope, frozen=True):
    """A message, or the conversation, was shared."""

    kind: ClassVar[Literal["share"]] = "share"


Event: TypeAlias = (
    Message | Vote | Rating | Choice | Solicit | Expose | Heartbeat | View | Regenerate | Stop | Close | Hide | Return
    | Disconnect | Pause | Copy | Select | Edit | Share
)  # fmt: skip

CLASSES: dict[str, type[Event]] = {each.kind: each for each in get_args(Event)}
