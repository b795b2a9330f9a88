"""From JSON to events: a fast way for bodies that hold nothing but good events, a slow one that says what is off.

Both check against the same classes, so they take the same events; `decode` merely gives up where `parse` explains.
"""

from datetime import datetime
from typing import Any

import msgspec

from unspoken.events.kinds import CLASSES, Envelope, Event, Instant
from unspoken.events.plain import flaw
from unspoken.events.refusals import refusal
from unspoken.events.times import instant


class _Batch(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    events: list[Event]
    sent_at: Instant | None = None


_ONE: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_LIST = msgspec.json.Decoder(list[Event])
_BATCH = msgspec.json.Decoder(_Batch)

# In the order of declaration; a message's text is left out because it stands in `messages` alone.
_OWN = {
    kind: tuple(name for name in each.__struct_fields__ if name not in {*Envelope.__struct_fields__, "text"})
    for kind, each in CLASSES.items()
}


def parse(item: Any) -> Event:
    """The event that `item`, decoded JSON, says; BadEvent names the field that is off and what was expected."""
    try:
        event: Event = msgspec.convert(item, CLASSES[item["kind"]])  # not `Event`: a union is looked at anew each time
    except (LookupError, TypeError, ValueError, RecursionError):
        raise refusal(item) from None
    # JSON that was decoded elsewhere may hold what no column takes: NUL, half characters, numbers without end.
    if flaw(item):
        raise refusal(item)
    return event


def decode(body: bytes) -> tuple[list[Event], datetime | None] | None:
    """The events of a JSON body and its `sent_at`: one event, a list, or {"events": [...], "sent_at": ...}.

    None when anything at all is off; then decode the JSON and `parse` each item for the reason. A body that gives a
    field twice may be declined here and taken there, where the last one counts.
    """
    # No JSON holds a NUL but by this escape; without escaped backslashes, which may stand before "u0000" as well.
    if b"\\u0000" in body and b"\\u0000" in body.replace(b"\\\\", b""):
        return None
    start = body[:64].lstrip()
    try:
        if start.startswith(b"["):
            return _LIST.decode(body), None
        if start[1:].lstrip().startswith((b'"events"', b'"sent_at"')):
            batch = _BATCH.decode(body)
            return batch.events, None if batch.sent_at is None else instant(batch.sent_at)
        return [_ONE.decode(body)], None
    except (ValueError, RecursionError):
        return None


def own_fields(event: Event) -> dict[str, Any]:
    """The kind's fields without the envelope, without nulls, without a message's text."""
    return {name: value for name in _OWN[event.kind] if (value := getattr(event, name)) is not None}


def schema() -> dict[str, Any]:
    """JSON Schema of one event, without references, for the OpenAPI document."""
    _, definitions = msgspec.json.schema_components((Event,))
    return {"title": "Event", "oneOf": [definitions[each.__name__] for each in CLASSES.values()]}
