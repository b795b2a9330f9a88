"""Events batch by batch into whatever takes them, going on where an interrupted run stopped."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Protocol, TypeVar

from unspoken.sources.position import Position, Tally
from unspoken.sources.reading import Reading

BATCH = 2_000  # events in one transaction, or one request
Write = Callable[[list[dict[str, Any]], Tally], None]
Progress = Callable[[float, str], None]


class Readable(Protocol):
    """Events, and how far the reading of their source is."""

    @property
    def events(self) -> Iterator[dict[str, Any]]:
        """The events, once."""
        ...

    @property
    def reading(self) -> Reading:
        """Counts while they are taken."""
        ...


R = TypeVar("R", bound=Readable)


def each(
    source: Readable, write: Write, show: Progress, position: Position | None, tally: Tally | None = None
) -> Tally:
    """Write everything that is still to come; the position is noted after each batch and forgotten at the end."""
    tally, stream = tally or Tally(), iter(source.events)
    while batch := list(islice(stream, BATCH)):
        write(batch, tally)
        tally.last = len(batch)
        tally.total += tally.last
        if position:
            position.write(tally)
        show(_share(source.reading, tally), f"{tally.total:,} events")
    if position:
        position.forget()
    show(1.0, f"{tally.total:,} events")
    return tally


def resumed(source: R, make: Callable[[], R], write: Write, show: Progress, position: Position) -> tuple[R, Tally, int]:
    """The source that was read to its end, what became of its events, and after how many of them it was resumed.

    `make` opens the same source anew, should it have to be read from the start once more.

    Events before the position are made and passed over: their source is read again, so that what it leaves out is
    counted whole, and only the sending is saved. The last batch is sent once more, and when anything of it is new, the
    place has forgotten what it took (a restored backup, another database): then everything is sent from the start.
    """
    before = position.read()
    if before is not None:
        reached, stream, skipped = before.total, iter(source.events), 0
        while some := len(list(islice(stream, min(BATCH, reached - before.last - skipped)))):
            skipped += some
            show(_share(source.reading, before), f"passing over {skipped:,} events")
        again, probe = list(islice(stream, before.last)), Tally()
        if again and skipped + len(again) == reached:
            write(again, probe)
            if not probe.stored:
                return source, each(_Rest(stream, source.reading), write, show, position, before), reached
        position.forget()
        source = make()
    return source, each(source, write, show, position), 0


class _Rest:
    """A source whose beginning was taken."""

    def __init__(self, events: Iterator[dict[str, Any]], reading: Reading) -> None:
        self.events, self.reading = events, reading


def _share(reading: Reading, tally: Tally) -> float:
    """Where the total is not known, the bar fills halfway to what is left, as it were."""
    known = reading.share
    return tally.total / (tally.total + 20_000) if known is None else min(known, 0.999)
