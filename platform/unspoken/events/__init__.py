"""The event vocabulary, version 1: what a client may send, and the sentence it gets for anything else.

Every event is an envelope and its kind's own fields. Unknown kinds and unknown fields are refused by name; strings
hold no NUL (PostgreSQL cannot store it) and no half of a surrogate pair; numbers are finite; counts, characters and
milliseconds are whole and not negative. A field that is not known is left out or null.

Expressed kinds (complaint, thanks, …) are derived by the platform from the next user message and refused here.
"""

from unspoken.events.digests import digest, hash_user, normalized
from unspoken.events.kinds import (
    EXPRESSED,
    KINDS,
    PRESENT,
    REVEALED,
    STATED,
    Choice,
    Close,
    Copy,
    Disconnect,
    Edit,
    Envelope,
    Event,
    Expose,
    Heartbeat,
    Hide,
    Message,
    Pause,
    Rating,
    Regenerate,
    Return,
    Select,
    Share,
    Solicit,
    Stop,
    View,
    Vote,
)
from unspoken.events.reading import decode, own_fields, parse, schema
from unspoken.events.times import instant, occurred_at

__all__ = [
    "EXPRESSED", "KINDS", "PRESENT", "REVEALED", "STATED",
    "Choice", "Close", "Copy", "Disconnect", "Edit", "Envelope", "Event", "Expose", "Heartbeat", "Hide", "Message",
    "Pause", "Rating", "Regenerate", "Return", "Select", "Share", "Solicit", "Stop", "View", "Vote",
    "decode", "digest", "hash_user", "instant", "normalized", "occurred_at", "own_fields", "parse", "schema",
]  # fmt: skip
