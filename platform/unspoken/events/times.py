"""Times as clients write them, and by whose clock they count."""

from datetime import UTC, datetime, timedelta

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
LAST = LATEST - timedelta(microseconds=1)
EARLIEST_MS = 100_000_000_000  # in March 1973; whoever counts seconds gets there in the year 5138
LATEST_MS = 7_258_118_400_000


def instant(value: object) -> datetime:
    """RFC 3339 text with an offset, or whole milliseconds since 1970, as UTC; ValueError says what was needed.

    A number below EARLIEST_MS is refused, because it is far more likely to be seconds.
    """
    if type(value) is int:
        if 0 <= value < EARLIEST_MS:
            raise ValueError("milliseconds since 1970 are needed; were these seconds? Then multiply by 1000")
        if not 0 <= value < LATEST_MS:
            raise ValueError("milliseconds since 1970 lie between 0 and the year 2200; this looks like another unit")
        return EPOCH + timedelta(milliseconds=value)
    if type(value) is str:
        value = _read(value)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("a time is RFC 3339 with an offset (2026-10-01T12:00:00Z) or whole milliseconds since 1970")
    if not EPOCH <= value < LATEST:
        raise ValueError("a time lies between the years 1970 and 2200")
    return value.astimezone(UTC)


def occurred_at(at: datetime, sent_at: datetime | None, received_at: datetime) -> datetime:
    """`at` by the server's clock: the client's clock is off by what `sent_at` is off from `received_at`.

    Within the times that an event may have, however wrong both clocks are.
    """
    return at if sent_at is None else min(max(at + (received_at - sent_at), EPOCH), LAST)


def _read(text: str) -> datetime | None:
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        pass
    try:
        datetime.fromisoformat(text.upper())  # tells a day that no month has from what is no time at all
    except ValueError as error:
        if "out of range" in str(error) or "must be in" in str(error):
            raise
    return None
