"""How much one key may send: a bucket of events that fills at its rate and holds ten seconds of it."""

from math import ceil
from time import monotonic

from unspoken.errors import TooMany
from unspoken.settings import settings
from unspoken.store.keys import Principal

BURST_S = 10.0
MOST = 50_000  # buckets; the one that was made first goes, and its key begins with a full one


class Bucket:
    """Tokens for events. A request larger than the whole bucket passes when that is full: it must pass at some time."""

    __slots__ = ("_at", "_burst", "_level", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._burst = self._level = max(1.0, rate * BURST_S)
        self._at = monotonic()

    def take(self, events: int) -> None:
        """Takes that many; TooMany, and takes none, when there are fewer."""
        at = monotonic()
        self._level = min(self._burst, self._level + (at - self._at) * self.rate)
        self._at = at
        lacking = min(events, self._burst) - self._level
        if lacking > 0:
            wait = max(1, ceil(lacking / self.rate))
            raise TooMany(
                f"This key may send {self.rate:g} events per second, in bursts of {self._burst:g}. Nothing of this "
                f"request was stored; send the same events again in {wait} s.",
                wait,
            )
        self._level -= events

    def check(self) -> None:
        """TooMany when not even one event would pass."""
        self.take(1)
        self._level += 1


class Limits:
    """The bucket of each key, and of each person who holds a message token. Each server process has its own."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str | None], Bucket] = {}

    def bucket(self, principal: Principal) -> Bucket | None:
        """The same one for the same key, until its rate changes; None where there is no limit."""
        rate, chosen = principal.events_per_s, settings()
        if rate is None:
            public = principal.role in ("write", "token")
            rate = chosen.write_key_events_per_s if public else chosen.secret_key_events_per_s
        if rate <= 0:
            return None
        who = (principal.key_id, principal.user)
        bucket = self._buckets.get(who)
        if bucket is None or bucket.rate != rate:
            if len(self._buckets) >= MOST:
                self._buckets.pop(next(iter(self._buckets)), None)
            bucket = self._buckets[who] = Bucket(rate)
        return bucket
